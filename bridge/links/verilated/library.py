"""Builds RTL with a harness into a shared library with Verilator, once per content, and declares its functions."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from hdl.build import (
    VERILATOR_SPEED_FLAGS,
    VERILATOR_TOOLS,
    cached_build,
    captured,
    first_errors,
    simulator_version,
    unknown_parameter,
    verilator_environment,
)
from hdl.design import Design, beyond_key, read_by_verilator, verilator_arguments
from hdl.dpi import compile_c
from hdl.errors import BuildError
from hdl.toolchain import require

HARNESS = Path(__file__).with_name("harness.cpp")
PROBE = Path(__file__).with_name("probe.cpp")
"""Includes the harness."""
FILES = Path(__file__).with_name("files.h")
RUNTIME = Path(__file__).with_name("runtime.cpp")
"""What Verilator's runtime is compiled with: where data files are, and what becomes of a simulation in trouble."""
LIBRARY_NAME = "decoder.so"
BUILD_TIMEOUT_S = 1800.0
RANDOM_START = ("--x-assign", "unique", "--x-initial", "unique")
"""Registers start, and X's are, as `qtwin_set_start` says: later flags replace earlier ones."""
COMPILER_FLAGS = ("-fPIC", "-std=gnu++17")
RUNTIME_FLAGS = ("-DVL_USER_FATAL", "-DVL_USER_STOP", "-DVL_USER_WARN", "-include", FILES.name)
HARNESS_FLAGS = ("-O3", *COMPILER_FLAGS)
MAKE = ("make", "-f", "Vtop.mk", "-j2", "OPT_GLOBAL=-O3", "OPT_SLOW=-O0")
"""Global is Verilator's runtime; slow is what runs once, when a design is made."""
VERILATOR_FLAGS = ("--cc", "--prefix", "Vtop", *VERILATOR_SPEED_FLAGS)
OBJECTS = "obj"
DATA_FOLDER = "files"
RUNTIME_NAME, RUNTIME_OBJECT = "libverilated.a", "qtwin_runtime.o"


def build_library(
    design: Design,
    harness: Path = PROBE,
    *,
    trace: str | None = None,
    optimisation: str = "-O3",
    random_start: bool = False,
) -> Path:
    """Path of the shared library for a design; builds it when this content was not built before.

    Args:
        design: Verilog, and C for DPI-C.
        harness: C++ that clocks it.
        trace: None, or the waveform format to build in, "vcd" or "fst" (slower simulation).
        optimisation: of the compiler; a netlist compiles for minutes with all of it.
        random_start: registers without a reset start at random (`qtwin_set_start`), not at 0.

    Raises:
        ToolMissingError: no Verilator, no C++ compiler or no make.
        BuildError: the RTL does not compile; carries the tool's own message.
    """
    require(*VERILATOR_TOOLS)
    environment = verilator_environment()
    flags = [*VERILATOR_FLAGS, *{"vcd": ["--trace"], "fst": ["--trace-fst"]}.get(trace or "", [])]
    flags += RANDOM_START if random_start else ()
    key = {
        "link": "verilated",
        **design.key(),
        "flags": [*flags, *HARNESS_FLAGS, *MAKE, optimisation],
        "tool": simulator_version("verilator"),
        "harness": [harness, HARNESS, FILES, RUNTIME],
    }

    def build(folder: Path) -> list[Path]:
        read = _verilate(design, [*flags, *verilator_arguments(design)], optimisation, folder, environment)
        objects, read_by_c = compile_c(design, folder, environment)
        _link_library(design, harness, objects, folder, environment, trace)
        design.put_files(folder / DATA_FOLDER)
        return beyond_key(design, [*read, *read_by_c])

    return cached_build(key, build, design.search_dirs) / LIBRARY_NAME


def can_record_fst() -> bool:
    """Whether the headers that Verilator's FST writer needs are installed (liblz4-dev, zlib1g-dev on Debian)."""
    command = ["g++", "-E", "-x", "c++", "-include", "lz4.h", "-include", "zlib.h", os.devnull, "-o", os.devnull]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=BUILD_TIMEOUT_S).returncode == 0
    except OSError:
        return False


def _verilate(
    design: Design, arguments: Sequence[str], optimisation: str, folder: Path, environment: Mapping[str, str]
) -> list[Path]:
    """Make the design's archive; returns what Verilator read."""
    command = ["verilator", *arguments, "--top-module", design.top, "--Mdir", str(folder / OBJECTS)]
    command += ["-CFLAGS", " ".join(COMPILER_FLAGS), *map(str, design.of("verilog"))]
    _run(command, folder, environment, design.name)
    read = read_by_verilator(folder / OBJECTS, folder)
    _run([*MAKE, f"OPT_FAST={optimisation}", "Vtop__ALL.a"], folder / OBJECTS, environment, design.name)
    return read


def _runtime(objects: Path, environment: Mapping[str, str], trace: str | None) -> Path:
    """Verilator's own part of a library: the same for every design, and longer to compile than most of them."""
    key = {
        "for": "runtime of the verilated link",
        "flags": [*COMPILER_FLAGS, *MAKE, *RUNTIME_FLAGS],
        "ours": [FILES, RUNTIME],
        "trace": trace,
        "tool": simulator_version("verilator"),
    }

    def build(folder: Path) -> None:
        shutil.copy(FILES, objects)  # a makefile splits a path at its spaces: the header lies where make runs
        _run([*MAKE, f"USER_CPPFLAGS={' '.join(RUNTIME_FLAGS)}", RUNTIME_NAME], objects, environment, "the runtime")
        _run(["g++", *HARNESS_FLAGS, "-c", str(RUNTIME), "-o", RUNTIME_OBJECT], objects, environment, "the runtime")
        _run(["ar", "rs", RUNTIME_NAME, RUNTIME_OBJECT], objects, environment, "the runtime")
        shutil.copy(objects / RUNTIME_NAME, folder)

    return cached_build(key, build) / RUNTIME_NAME


def _link_library(
    design: Design,
    harness: Path,
    c_objects: Sequence[Path],
    folder: Path,
    environment: Mapping[str, str],
    trace: str | None,
) -> None:
    include = Path(environment["VERILATOR_ROOT"]) / "include"
    objects = folder / OBJECTS
    trace_flags = {"vcd": ["-DVM_TRACE=1"], "fst": ["-DVM_TRACE=1", "-DVM_TRACE_FST=1"]}.get(trace or "", [])
    command = ["g++", *HARNESS_FLAGS, *trace_flags, *_clock_flags(design.clocks), "-shared", "-Wl,--no-undefined"]
    command += [f"-I{objects}", f"-I{include}", f"-I{include}/vltstd", str(harness), *map(str, c_objects)]
    command += [str(objects / "Vtop__ALL.a"), str(_runtime(objects, environment, trace)), "-pthread"]
    command += ["-llz4", "-lz"] if trace == "fst" else []
    _run([*command, "-o", str(folder / LIBRARY_NAME)], folder, environment, design.name)
    shutil.rmtree(objects)


def _clock_flags(clocks: Mapping[str, Fraction]) -> list[str]:
    """What tells the harness of a second clock."""
    return [
        flag
        for name, ratio in clocks.items()
        for flag in (
            f"-DQTWIN_CLOCK2={name}",
            f"-DQTWIN_CLOCK2_EDGES={ratio.numerator}",
            f"-DQTWIN_CLOCK2_CYCLES={ratio.denominator}",
        )
    ]


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], what: str) -> None:
    done = captured(command, what, folder=folder, environment=environment, limit_s=BUILD_TIMEOUT_S)
    if done.returncode != 0:
        output = done.stderr + done.stdout
        raise unknown_parameter(output, what) or BuildError(
            f"{what} does not compile ({command[0]} exit {done.returncode}):\n{first_errors(output)}"
        )


def load_library(path: Path) -> ctypes.CDLL:
    """Load a built library and declare its functions; calls release the interpreter's lock."""
    library = ctypes.CDLL(str(path))
    handle, size = ctypes.c_void_p, ctypes.c_size_t
    words = ctypes.POINTER(ctypes.c_uint32)
    size_out = ctypes.POINTER(ctypes.c_size_t)
    int_out = ctypes.POINTER(ctypes.c_int)
    signatures: dict[str, tuple[object, list[object]]] = {
        "qtwin_set_files": (None, [ctypes.c_char_p]),
        "qtwin_set_start": (None, [ctypes.c_int, ctypes.c_int]),
        "qtwin_trouble": (ctypes.c_char_p, []),
        "qtwin_open": (handle, [ctypes.c_char_p]),
        "qtwin_close": (None, [handle]),
        "qtwin_reset": (None, [handle]),
        "qtwin_cycles": (ctypes.c_uint64, [handle]),
        "qtwin_stalled_cycles": (ctypes.c_uint64, [handle]),
        "qtwin_exchange": (
            ctypes.c_int,
            [handle, words, size, size, ctypes.c_uint64, ctypes.c_double, size_out, size_out],
        ),
        "qtwin_transfer": (
            None,
            [handle, words, size, size, ctypes.c_uint64, ctypes.c_uint64, size_out, int_out, int_out],
        ),
        "qtwin_received": (size, [handle, words, size]),
        "qtwin_set_shots": (None, [handle, ctypes.c_uint64, ctypes.c_uint64]),
        "qtwin_shot_cycles": (size, [handle, words, size]),
        "qtwin_write_register": (ctypes.c_int, [handle, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64]),
        "qtwin_read_register": (ctypes.c_int, [handle, ctypes.c_uint32, words, ctypes.c_uint64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    library.qtwin_set_files(str(path.parent / DATA_FOLDER).encode())
    return library


def trouble_of(library: ctypes.CDLL) -> str | None:
    """What went wrong in the simulation since this was last asked, such as a missing data file; None: nothing."""
    text = library.qtwin_trouble()
    return None if text is None else text.decode(errors="replace").strip()
