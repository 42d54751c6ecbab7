"""Builds a module for a simulator (once per content) and runs its simulator-side tests."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from hdl.compile.decoder import COMMON_RTL
from hdl.errors import BuildError, SimulationError
from hdl.simulation import build_simulation, run_simulation

ROOT = Path(__file__).resolve().parent.parent
RTL = ROOT / "hdl" / "rtl"
FIXTURES = ROOT / "cocotb_tests" / "fixtures"
SEED_VARIABLE = "QTWIN_TEST_SEED"
LONG_VARIABLE = "QTWIN_TEST_LONG"
COVERAGE_VARIABLE = "QTWIN_RTL_COVERAGE"
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
    flags = ["--assert", "--x-initial", "unique"]
    if os.environ.get(COVERAGE_VARIABLE):
        flags += ["--coverage-line", "--coverage-user"]
    try:
        build_folder = build_simulation(
            simulator,
            top=top,
            sources=sources,
            parameters=parameters or {},
            verilator_flags=flags,
            make_options=MAKE_OPTIONS,
        )
        run_simulation(
            simulator,
            build_folder,
            top=top,
            test_module=test_module,
            work_folder=scratch,
            log_file=scratch / "simulation.log",
            parameters=parameters,
            seed=seed,
            variables={LONG_VARIABLE: "1" if long else "", **(environment or {})},
        )
    except (BuildError, SimulationError) as error:
        pytest.fail(f"{error}\n(seed {seed}: {SEED_VARIABLE})", pytrace=False)


def is_long() -> bool:
    """Simulator side: whether this is the long form of the tests."""
    return bool(os.environ.get(LONG_VARIABLE))
