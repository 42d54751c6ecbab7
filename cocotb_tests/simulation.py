"""Builds a module for a simulator (once per content) and runs its simulator-side tests."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cocotb_tools.runner import get_runner

from hdl.build import cached_build, cocotb_environment, simulator_version
from hdl.compile.decoder import COMMON_RTL

ROOT = Path(__file__).resolve().parent.parent
RTL = ROOT / "hdl" / "rtl"
FIXTURES = ROOT / "cocotb_tests" / "fixtures"
SEED_VARIABLE = "QTWIN_TEST_SEED"
LONG_VARIABLE = "QTWIN_TEST_LONG"
COVERAGE_VARIABLE = "QTWIN_RTL_COVERAGE"
TAIL_LINES = 60
NEWER_S = 3600
MAKE_OPTIONS = "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
"""These simulations are short: compiling quickly counts for more than running quickly."""

PACKAGES = (RTL / "registers_pkg.sv", RTL / "qds1_pkg.sv")


def decoder_sources(folder: Path) -> list[Path]:
    """All sources of decoder_top around the generated decoder_pkg.sv and decoder_core.sv of a folder."""
    common = [RTL / name for name in (*COMMON_RTL, "table_core.sv")]
    return [folder / "decoder_pkg.sv", *common, folder / "decoder_core.sv"]


def simulate(
    simulator: str,
    *,
    top: str,
    sources: Sequence[Path],
    test_module: str | Sequence[str],
    scratch: Path,
    parameters: Mapping[str, int | str] | None = None,
    environment: Mapping[str, str] | None = None,
    long: bool = False,
) -> None:
    """Run every cocotb test of `test_module` on module `top`; fails the pytest test with the end of the log.

    Args:
        simulator: "icarus" or "verilator".
        scratch: folder for the run's own files.
        environment: variables for the simulator-side tests.
        long: the simulator-side tests run their long form.
    """
    seed = os.environ.get(SEED_VARIABLE, "1")
    parameters = dict(parameters or {})
    tool_environment = dict(cocotb_environment(simulator))
    build_folder = _build(simulator, top, sources, parameters, tool_environment)
    log = scratch / "simulation.log"
    extra = {LONG_VARIABLE: "1" if long else "", **(environment or {})}
    try:
        with _environment(tool_environment):
            get_runner(simulator).test(
                test_module=test_module,
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                build_dir=build_folder,
                test_dir=scratch,
                results_xml=str(scratch / "results.xml"),
                parameters=parameters,
                seed=seed,
                extra_env=extra,
                timescale=("1ns", "1ps"),
                log_file=log,
            )
    except SystemExit:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        pytest.fail(f"{top} in {simulator}, seed {seed} ({SEED_VARIABLE}):\n{tail}", pytrace=False)


def is_long() -> bool:
    """Simulator side: whether this is the long form of the tests."""
    return bool(os.environ.get(LONG_VARIABLE))


def _build(
    simulator: str,
    top: str,
    sources: Sequence[Path],
    parameters: Mapping[str, int | str],
    environment: dict[str, str],
) -> Path:
    arguments = ["-g2012"]
    if simulator == "verilator":
        arguments = ["--assert", "--x-initial", "unique"]
        environment["MAKEFLAGS"] = f"{environment.get('MAKEFLAGS', '')} {MAKE_OPTIONS}"
        if os.environ.get(COVERAGE_VARIABLE):
            arguments += ["--coverage-line", "--coverage-user"]
    tool = {"arguments": arguments, "make": MAKE_OPTIONS, "tool": simulator_version(simulator)}

    def build(folder: Path) -> None:
        log = folder / "build.log"
        try:
            with _environment(environment):
                get_runner(simulator).build(
                    sources=list(sources),
                    hdl_toplevel=top,
                    parameters=parameters,
                    build_args=arguments,
                    build_dir=folder,
                    timescale=("1ns", "1ps"),
                    always=True,
                    log_file=log,
                )
        except (SystemExit, RuntimeError) as error:
            output = log.read_text(errors="replace") if log.exists() else str(error)
            pytest.fail(f"{top} does not build in {simulator}:\n{output[-6000:]}", pytrace=False)

    def build_on_runtime(folder: Path) -> None:
        runtime = cached_build({"for": "simulator runtime", **tool}, build)
        for compiled in runtime.glob("verilated*.o"):
            copy = shutil.copy(compiled, folder)
            os.utime(copy, times=(time.time() + NEWER_S,) * 2)  # else make finds the design's makefile newer
        build(folder)

    # Verilator's runtime takes longer to compile than any module here: it comes from the first build with these tools.
    key = {"for": "cocotb_tests", "top": top, "parameters": dict(parameters), "sources": list(sources), **tool}
    return cached_build(key, build_on_runtime if simulator == "verilator" else build)


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
