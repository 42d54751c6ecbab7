"""Builds RTL for a cocotb simulator, once per content, and runs the cocotb tests of a built simulation."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import cocotb_tools.config
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import VHDL, Ghdl, Icarus, Nvc, Runner, Verilator, VerilatorControlFile, Verilog

from hdl.build import (
    cached_build,
    cocotb_environment,
    first_errors,
    require_simulator,
    simulator_version,
    unknown_parameter,
)
from hdl.design import Design, Language, Source, beyond_key, language_of, literal, read_by_icarus, read_by_verilator
from hdl.dpi import compile_c
from hdl.errors import BuildError, HdlError, SimulationError
from hdl.ghdl import of_originals, vhdl_copies
from hdl.places import plain_path
from hdl.verilator import look_over

BUILD_LOG = "build.log"
PUBLIC_PORTS = "ports.vlt"
READ_LIST = "read.txt"
VHDL_STANDARD = {"ghdl": "--std=08", "nvc": "--std=2008"}
SIMULATORS: Mapping[str, tuple[Language, ...]] = {
    "verilator": ("verilog", "c"),
    "icarus": ("verilog",),
    "ghdl": ("vhdl",),
    "nvc": ("vhdl",),
}
"""Name of a simulator -> the languages that it takes."""
LANGUAGE_NAMES = {"verilog": "Verilog", "vhdl": "VHDL", "c": "C for DPI-C"}
WHO_TAKES = {
    "verilog": "use verilated, cocotb:verilator or cocotb:icarus",
    "vhdl": "use cocotb:ghdl or cocotb:nvc",
    "c": "use verilated or cocotb:verilator",
}

TIMESCALE = ("1ns", "1ps")
EMPTY_TOP = "empty"
EMPTY_MODULE = f"module {EMPTY_TOP}(input logic clk_i); endmodule\n"
TAIL_LINES = 40
NEWER_S = 3600


def build_simulation(
    simulator: str,
    *,
    top: str,
    sources: Sequence[Path],
    parameters: Mapping[str, int | str],
    include_dirs: Sequence[Path] = (),
    defines: Mapping[str, int | str | None] | None = None,
    verilator_flags: Sequence[str] = (),
    make_options: str = "",
    name: str | None = None,
) -> Path:
    """Folder of a built simulation of Verilog sources; see `build_design`."""
    design = Design(
        name or top,
        top,
        tuple(Source(path, language_of(path) or "verilog") for path in sources),
        include_dirs=tuple(include_dirs),
        defines=defines or {},
        parameters=parameters,
    )
    return build_design(simulator, design, verilator_flags=verilator_flags, make_options=make_options)


def build_design(
    simulator: str,
    design: Design,
    *,
    verilator_flags: Sequence[str] = (),
    make_options: str = "",
    ports_only: bool = False,
) -> Path:
    """Folder of the built simulation; builds it when this content was not built before.

    Args:
        simulator: one of `SIMULATORS`.
        design: for Icarus and Verilator in Verilog, for GHDL and NVC in VHDL.
        verilator_flags: for Verilator only.
        make_options: variables for the makefile that Verilator writes, such as "OPT_FAST=-O1".
        ports_only: the testbench sees the ports of the top and nothing inside it (Verilator only). With
            "--no-public-flat-rw" among the flags, a simulation is about five times faster.

    Raises:
        ToolMissingError: the simulator is not installed.
        BuildError: the RTL does not compile, or is in a language that the simulator does not take; carries the tool's
            first errors.
    """
    require_simulator(simulator)
    _check_languages(simulator, design)
    is_verilator = simulator == "verilator"
    tools = _Tools(simulator, tuple(verilator_flags) if is_verilator else (), make_options if is_verilator else "")

    def build(folder: Path) -> list[Path]:
        control = []
        if is_verilator:
            # Verilator's own runtime takes longer to compile than most modules: one build with these tools serves all
            runtime = {"for": "runtime of cocotb simulations", **tools.key()}
            _copy_objects(cached_build(runtime, tools.build_runtime), folder)
        if is_verilator and ports_only:
            control = [folder / PUBLIC_PORTS]
            control[0].write_text(f'`verilator_config\npublic_flat_rw -module "{design.top}" -var "*"\n')
        return beyond_key(design, tools.build(folder, design, control))

    key = {"for": "cocotb simulation", **design.key(), **tools.key(), "ports_only": ports_only}
    return cached_build(key, build, design.search_dirs)


def language_for(simulator: str) -> Literal["verilog", "vhdl"]:
    """The language of the RTL that a simulator takes; Verilog for one that is not known."""
    return "vhdl" if "vhdl" in SIMULATORS.get(simulator, ()) else "verilog"


def _check_languages(simulator: str, design: Design) -> None:
    takes = SIMULATORS[simulator]
    for source in design.sources:
        if source.language not in takes:
            raise BuildError(
                f"{design.name}: {simulator} does not take {source.path.name}, which is "
                f"{LANGUAGE_NAMES[source.language]}; {WHO_TAKES[source.language]}"
            )


@dataclass(frozen=True)
class _Tools:
    """What builds a simulation: the simulator, Verilator's flags, and variables for the makefile that it writes."""

    simulator: str
    flags: tuple[str, ...]
    make_options: str

    def key(self) -> dict[str, Any]:
        """All of it that a build depends on."""
        return {
            "cocotb": version("cocotb"),
            "simulator": simulator_version(self.simulator),
            "flags": list(self.flags),
            "make": self.make_options,
        }

    def build(self, folder: Path, design: Design, control: Sequence[Path] = ()) -> list[Path]:
        """Build into a folder; returns what was read. Raises BuildError with the tool's first errors."""
        environment = dict(cocotb_environment(self.simulator))
        environment["MAKEFLAGS"] = f"{environment.get('MAKEFLAGS', '')} {self.make_options}".strip()
        log = folder / BUILD_LOG
        language = SIMULATORS[self.simulator][0]
        is_verilog = language == "verilog"
        tag = Verilog if is_verilog else VHDL
        arguments = [*self.flags, *self._arguments(design, folder)]
        read_by_c: list[Path] = []
        if design.of("c"):
            objects, read_by_c = compile_c(design, folder, environment)
            arguments += map(str, objects)
        sources = design.of(language)
        copies: Mapping[Path, Path] = {}
        if not is_verilog:  # a library of VHDL refers to its sources, which may be gone when it is used again
            copies = vhdl_copies(design, folder)
            sources = tuple(copies)
            design.put_files(folder)  # NVC evaluates constants while it builds
        try:
            with _environment(environment):
                _runner(self.simulator).build(
                    sources=[
                        *map(VerilatorControlFile, control),
                        *(tag(path) for path in sources),
                    ],
                    hdl_toplevel=design.top,
                    includes=list(design.search_dirs) if is_verilog else [],
                    defines={name: "" if text is None else text for name, text in design.defines.items()}
                    if is_verilog
                    else {},
                    parameters={name: literal(value) for name, value in design.parameters.items()},
                    build_args=arguments,
                    build_dir=folder,
                    timescale=TIMESCALE if is_verilog else None,
                    always=True,
                    log_file=log,
                )
        except (SystemExit, RuntimeError, ValueError) as error:
            output = log.read_text(errors="replace") if log.exists() else ""
            output = of_originals(output, copies)
            raise unknown_parameter(output, design.name) or BuildError(
                f"{design.name} does not compile in {self.simulator}:\n{first_errors(output or str(error))}"
                f"{_who_else(self.simulator, design)}"
            ) from error
        if (unknown := unknown_parameter(log.read_text(errors="replace"), design.name)) is not None:
            raise unknown
        if self.simulator == "verilator":
            return [*read_by_verilator(folder, folder), *read_by_c]
        return read_by_icarus(folder / READ_LIST, folder) if self.simulator == "icarus" else []

    def _arguments(self, design: Design, folder: Path) -> list[str]:
        """Beyond what cocotb's runner gives a simulator by itself."""
        if self.simulator == "icarus":
            beside = [f"-y{folder}" for folder in design.search_dirs]
            return ["-grelative-include", *beside, "-Y.sv", "-Y.v", f"-Mall={folder / READ_LIST}"]
        if self.simulator == "verilator":
            return ["--relative-includes", "--no-timing", "-Werror-MODDUP"]
        return [VHDL_STANDARD[self.simulator]]

    def build_runtime(self, folder: Path) -> None:
        """Build a module without contents."""
        source = folder / f"{EMPTY_TOP}.sv"
        source.write_text(EMPTY_MODULE)
        self.build(folder, Design(EMPTY_TOP, EMPTY_TOP, (Source(source, "verilog"),)))


def _who_else(simulator: str, design: Design) -> str:
    """A sentence where Verilator takes what Icarus does not: it knows less of SystemVerilog."""
    if simulator != "icarus":
        return ""
    try:
        look_over(design, ())
    except HdlError:
        return ""
    return "\nVerilator takes it: use verilated or cocotb:verilator"


def run_simulation(
    simulator: str,
    build_folder: Path,
    *,
    top: str,
    test_module: str | Sequence[str],
    work_folder: Path,
    results_folder: Path | None = None,
    log_file: Path | None = None,
    parameters: Mapping[str, int | str] | None = None,
    seed: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run every cocotb test of a module in a simulation that `build_design` made.

    Args:
        work_folder: the simulator's working folder.
        results_folder: where cocotb's results.xml goes; the working folder unless given.
        log_file: takes the simulator's output; this process's own output otherwise.
        seed: of cocotb's random numbers.
        variables: environment variables for the simulator side.

    Raises:
        ToolMissingError: the simulator is not installed.
        SimulationError: a test failed, or the simulator did; carries the end of the log.
    """
    results = (results_folder or work_folder) / "results.xml"
    try:
        with _environment(cocotb_environment(simulator)):
            _runner(simulator).test(
                test_module=test_module,
                hdl_toplevel=top,
                hdl_toplevel_lang=SIMULATORS[simulator][0],
                build_dir=build_folder,
                test_dir=work_folder,
                results_xml=str(results),
                parameters=parameters or {},
                seed=seed,
                extra_env=variables or {},
                test_args=[VHDL_STANDARD["ghdl"], f"--workdir={build_folder}"] if simulator == "ghdl" else [],
                timescale=None if simulator == "nvc" else TIMESCALE,
                log_file=log_file,
            )
        # the runner looks at the results itself only where pytest runs it
        num_tests, num_failed = get_results(results)
    except (SystemExit, RuntimeError) as error:
        raise SimulationError(f"{test_module} on {top} in {simulator}: {error}{_tail(log_file)}") from error
    if num_failed:
        raise SimulationError(
            f"{num_failed} of {num_tests} tests of {test_module} failed on {top} in {simulator}{_tail(log_file)}"
        )


class _PlainVerilator(Verilator):
    """The runner, which writes the paths of cocotb's own files into a makefile, with plain ones."""

    def _build_command(self) -> list[list[str]]:
        commands = super()._build_command()
        for folder in (cocotb_tools.config.libs_dir, cocotb_tools.config.share_dir):
            plain = str(plain_path(folder))
            commands = [[argument.replace(str(folder), plain) for argument in command] for command in commands]
        return commands


class _BuiltNvc(Nvc):
    """The runner, which runs what another one has built with the options of that build."""

    _build_args: Any = (SimpleNamespace(value=VHDL_STANDARD["nvc"]),)


RUNNERS: Mapping[str, type[Runner]] = {"verilator": _PlainVerilator, "icarus": Icarus, "ghdl": Ghdl, "nvc": _BuiltNvc}


def _runner(simulator: str) -> Runner:
    return RUNNERS[simulator]()


def _tail(log_file: Path | None) -> str:
    if log_file is None or not log_file.exists():
        return ""
    return ":\n" + "\n".join(log_file.read_text(errors="replace").splitlines()[-TAIL_LINES:])


def _copy_objects(runtime: Path, folder: Path) -> None:
    for compiled in runtime.glob("verilated*.o"):
        copy = shutil.copy(compiled, folder)
        os.utime(copy, times=(time.time() + NEWER_S,) * 2)  # else make finds the design's makefile newer


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    # cocotb's runner passes on os.environ; there is no argument for it
    saved = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)
