"""Builds RTL with a harness into a shared library with Verilator, once per content, and declares its functions."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hdl.build import (
    VERILATOR_SPEED_FLAGS,
    VERILATOR_TOOLS,
    cached_build,
    simulator_version,
    verilator_environment,
)
from hdl.compile.manifest import DecoderFolder
from hdl.errors import BuildError
from hdl.toolchain import require

HARNESS = Path(__file__).with_name("harness.cpp")
PROBE = Path(__file__).with_name("probe.cpp")
"""Includes the harness."""
LIBRARY_NAME = "decoder.so"
BUILD_TIMEOUT_S = 1800.0
VERILATOR_FLAGS = ("--cc", "--prefix", "Vtop", *VERILATOR_SPEED_FLAGS)
COMPILER_FLAGS = ("-fPIC", "-std=gnu++17")
HARNESS_FLAGS = ("-O3", *COMPILER_FLAGS)
MAKE = ("make", "-f", "Vtop.mk", "-j2", "OPT_GLOBAL=-O3", "OPT_SLOW=-O0")
"""Global is Verilator's runtime; slow is what runs once, when a design is made."""
OBJECTS = "obj"
RUNTIME_NAME = "libverilated.a"


@dataclass(frozen=True)
class Design:
    """What goes into a library: RTL and the C++ that clocks it.

    Attributes:
        name: for messages.
        optimisation: of the compiler; a netlist compiles for minutes with all of it.
    """

    name: str
    top: str
    sources: Sequence[Path]
    parameters: Mapping[str, int]
    harness: Path
    optimisation: str = "-O3"


def decoder_design(decoder: DecoderFolder) -> Design:
    """A decoder with the qds1 ports, clocked word by word."""
    manifest = decoder.manifest
    return Design(manifest.name, manifest.top, decoder.sources, manifest.parameters, PROBE)


def build_library(design: Design, trace: str | None = None) -> Path:
    """Path of the shared library for a design; builds it when this content was not built before.

    Args:
        design: RTL and harness.
        trace: None, or the waveform format to build in, "vcd" or "fst" (slower simulation).

    Raises:
        ToolMissingError: no Verilator, no C++ compiler or no make.
        BuildError: the RTL does not compile; carries the tool's own message.
    """
    require(*VERILATOR_TOOLS)
    environment = verilator_environment()
    flags = [*VERILATOR_FLAGS, *({"vcd": ["--trace"], "fst": ["--trace-fst"]}.get(trace or "", []))]
    flags += [f"-G{name}={value}" for name, value in sorted(design.parameters.items())]
    key = {
        "link": "verilated",
        "top": design.top,
        "flags": [*flags, *HARNESS_FLAGS, *MAKE, design.optimisation],
        "tool": simulator_version("verilator"),
        "sources": [*design.sources, design.harness, HARNESS],
    }

    def build(folder: Path) -> None:
        _verilate(design, flags, folder, environment)
        _link_library(design, folder, environment, trace)

    return cached_build(key, build) / LIBRARY_NAME


def can_record_fst() -> bool:
    """Whether the headers that Verilator's FST writer needs are installed (liblz4-dev, zlib1g-dev on Debian)."""
    command = ["g++", "-E", "-x", "c++", "-include", "lz4.h", "-include", "zlib.h", os.devnull, "-o", os.devnull]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=BUILD_TIMEOUT_S).returncode == 0
    except OSError:
        return False


def _verilate(design: Design, flags: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    sources = [str(source) for source in design.sources]
    command = ["verilator", *flags, "--top-module", design.top, "--Mdir", str(folder / OBJECTS), *sources]
    _run([*command, "-CFLAGS", " ".join(COMPILER_FLAGS)], folder, environment, design.name)
    make = [*MAKE, f"OPT_FAST={design.optimisation}", "Vtop__ALL.a"]
    _run(make, folder / OBJECTS, environment, design.name)


def _runtime(objects: Path, environment: Mapping[str, str], trace: str | None) -> Path:
    """Verilator's own part of a library: the same for every design, and longer to compile than most of them."""
    key = {
        "for": "runtime of the verilated link",
        "flags": [*COMPILER_FLAGS, *MAKE],
        "trace": trace,
        "tool": simulator_version("verilator"),
    }

    def build(folder: Path) -> None:
        _run([*MAKE, RUNTIME_NAME], objects, environment, "Verilator's runtime")
        shutil.copy(objects / RUNTIME_NAME, folder)

    return cached_build(key, build) / RUNTIME_NAME


def _link_library(design: Design, folder: Path, environment: Mapping[str, str], trace: str | None) -> None:
    include = Path(environment["VERILATOR_ROOT"]) / "include"
    objects = folder / OBJECTS
    trace_flags = {"vcd": ["-DVM_TRACE=1"], "fst": ["-DVM_TRACE=1", "-DVM_TRACE_FST=1"]}.get(trace or "", [])
    command = ["g++", *HARNESS_FLAGS, *trace_flags, "-shared", f"-I{objects}", f"-I{include}", f"-I{include}/vltstd"]
    command += [
        str(design.harness),
        str(objects / "Vtop__ALL.a"),
        str(_runtime(objects, environment, trace)),
        "-pthread",
    ]
    command += ["-llz4", "-lz"] if trace == "fst" else []
    _run([*command, "-o", str(folder / LIBRARY_NAME)], folder, environment, LIBRARY_NAME)
    shutil.rmtree(objects)


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], what: str) -> None:
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            env=dict(environment),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BUILD_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"building {what} took longer than {BUILD_TIMEOUT_S:.0f} s: {command[0]}") from error
    if done.returncode != 0:
        output = (done.stderr + done.stdout).strip().splitlines()
        errors = [line for line in output if "%Error" in line or "error:" in line] or output
        raise BuildError(f"{what} does not compile ({command[0]} exit {done.returncode}):\n" + "\n".join(errors[:8]))


def load_library(path: Path) -> ctypes.CDLL:
    """Load a built library and declare its functions; calls release the interpreter's lock."""
    library = ctypes.CDLL(str(path))
    handle, size = ctypes.c_void_p, ctypes.c_size_t
    words = ctypes.POINTER(ctypes.c_uint32)
    size_out = ctypes.POINTER(ctypes.c_size_t)
    int_out = ctypes.POINTER(ctypes.c_int)
    signatures: dict[str, tuple[object, list[object]]] = {
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
        "qtwin_set_in_flight": (None, [handle, ctypes.c_uint64]),
        "qtwin_shot_cycles": (size, [handle, words, size]),
        "qtwin_write_register": (ctypes.c_int, [handle, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64]),
        "qtwin_read_register": (ctypes.c_int, [handle, ctypes.c_uint32, words, ctypes.c_uint64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
