"""The generated union-find cores on both simulators."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cocotb_tests.simulation import simulate
from cocotb_tests.unionfind.bench import CORE_VARIABLE
from cocotb_tests.unionfind.cores import CORES
from cocotb_tests.unionfind.coverage import REPORT

PACKAGE = "cocotb_tests.unionfind"
MODULES = {
    "whole": ["simulated", "simulated_inside"],
    "small_budget": ["simulated_inside"],
    "loadable": ["simulated_loadable"],
    "windowed": ["simulated", "simulated_windowed"],
}


@pytest.mark.parametrize("core", sorted(MODULES))
@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["short", "long"])
def test_core(
    simulator: str, core: str, long: bool, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    sources = CORES[core].write(tmp_path)
    simulate(
        simulator,
        top="decoder_core",
        sources=sources,
        test_module=[f"{PACKAGE}.{module}" for module in MODULES[core]],
        scratch=tmp_path,
        environment={CORE_VARIABLE: core},
        long=long,
    )
    report = tmp_path / REPORT
    if report.exists():  # `pytest -rP` shows it, --junitxml keeps it
        coverage = json.loads(report.read_text())
        print(f"{core} in {simulator}: {json.dumps(coverage, indent=1)}")
        record_property("functional coverage", coverage)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("core", ["whole", "d5", "d7"])
def test_at_length(core: str, tmp_path: Path) -> None:
    simulate(
        "verilator",
        top="decoder_core",
        sources=CORES[core].write(tmp_path),
        test_module=f"{PACKAGE}.simulated_at_length",
        scratch=tmp_path,
        environment={CORE_VARIABLE: core},
    )
