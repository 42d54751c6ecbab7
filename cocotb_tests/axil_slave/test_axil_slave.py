"""axil_slave on both simulators."""

from pathlib import Path

from cocotb_tests.simulation import RTL, simulate


def test_axil_slave(simulator: str, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="axil_slave",
        sources=[RTL / "axil_slave.sv"],
        test_module="cocotb_tests.axil_slave.simulated",
        scratch=tmp_path,
    )
