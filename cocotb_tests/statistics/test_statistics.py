"""statistics on both simulators."""

from pathlib import Path

from cocotb_tests.simulation import PACKAGES, RTL, simulate


def test_statistics(simulator: str, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="statistics",
        sources=[*PACKAGES, RTL / "statistics.sv"],
        test_module="cocotb_tests.statistics.simulated",
        scratch=tmp_path,
    )
