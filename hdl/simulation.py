"""Builds RTL for a cocotb simulator, once per content, and runs the cocotb tests of a built simulation."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cocotb_tools.config
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Icarus, Runner, Verilator

from hdl.build import cached_build, cocotb_environment, require_simulator, simulator_version
from hdl.errors import BuildError, SimulationError
from hdl.places import plain_path

BUILD_LOG = "build.log"
PUBLIC_PORTS = "ports.vlt"
TIMESCALE = ("1ns", "1ps")
EMPTY_TOP = "empty"
EMPTY_MODULE = f"module {EMPTY_TOP}(input logic clk_i); endmodule\n"
ERROR_LINES = 8
TAIL_LINES = 40
NEWER_S = 3600


def build_simulation(
    simulator: str,
    *,
    top: str,
    sources: Sequence[Path],
    parameters: Mapping[str, int | str],
    verilator_flags: Sequence[str] = (),
    make_options: str = "",
    ports_only: bool = False,
    name: str | None = None,
) -> Path:
    """Folder of the built simulation; builds it when this content was not built before.

    Args:
        simulator: "icarus" or "verilator".
        top: the module that the testbench sees.
        verilator_flags: for Verilator only.
        make_options: variables for the makefile that Verilator writes, such as "OPT_FAST=-O1".
        ports_only: the testbench sees the ports of `top` and nothing inside it (Verilator only). With
            "--no-public-flat-rw" among the flags, a simulation is about five times faster.
        name: what messages call the design; the top module unless given.

    Raises:
        ToolMissingError: the simulator is not installed.
        BuildError: the RTL does not compile; carries the tool's first errors.
    """
    require_simulator(simulator)
    is_verilator = simulator == "verilator"
    tools = _Tools(simulator, tuple(verilator_flags) if is_verilator else (), make_options if is_verilator else "")

    def build(folder: Path) -> None:
        files = list(sources)
        if is_verilator:
            # Verilator's own runtime takes longer to compile than most modules: one build with these tools serves all
            runtime = {"for": "runtime of cocotb simulations", **tools.key()}
            _copy_objects(cached_build(runtime, tools.build_runtime), folder)
        if is_verilator and ports_only:
            control = folder / PUBLIC_PORTS
            control.write_text(f'`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n')
            files.insert(0, control)
        tools.build(folder, top, files, parameters, name or top)

    key: dict[str, Any] = {"for": "cocotb simulation", "top": top, "parameters": dict(parameters), **tools.key()}
    return cached_build({**key, "ports_only": ports_only, "sources": list(sources)}, build)


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

    def build(
        self, folder: Path, top: str, sources: Sequence[Path], parameters: Mapping[str, int | str], name: str
    ) -> None:
        """Build a module into a folder; raises BuildError with the tool's first errors."""
        environment = dict(cocotb_environment(self.simulator))
        environment["MAKEFLAGS"] = f"{environment.get('MAKEFLAGS', '')} {self.make_options}".strip()
        log = folder / BUILD_LOG
        try:
            with _environment(environment):
                _runner(self.simulator).build(
                    sources=list(sources),
                    hdl_toplevel=top,
                    parameters=parameters,
                    build_args=list(self.flags),
                    build_dir=folder,
                    timescale=TIMESCALE,
                    always=True,
                    log_file=log,
                )
        except (SystemExit, RuntimeError) as error:
            output = log.read_text(errors="replace").splitlines() if log.exists() else []
            errors = [line for line in output if "rror" in line] or output or [str(error)]
            raise BuildError(
                f"{name} does not compile in {self.simulator}:\n" + "\n".join(errors[:ERROR_LINES])
            ) from error

    def build_runtime(self, folder: Path) -> None:
        """Build a module without contents."""
        source = folder / f"{EMPTY_TOP}.sv"
        source.write_text(EMPTY_MODULE)
        self.build(folder, EMPTY_TOP, [source], {}, EMPTY_TOP)


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
    """Run every cocotb test of a module in a simulation that `build_simulation` made.

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
                hdl_toplevel_lang="verilog",
                build_dir=build_folder,
                test_dir=work_folder,
                results_xml=str(results),
                parameters=parameters or {},
                seed=seed,
                extra_env=variables or {},
                timescale=TIMESCALE,
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


def _runner(simulator: str) -> Runner:
    return _PlainVerilator() if simulator == "verilator" else Icarus()


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
