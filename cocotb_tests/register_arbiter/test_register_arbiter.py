"""register_arbiter on both simulators."""

from pathlib import Path

from cocotb_tests.simulation import RTL, simulate


def test_register_arbiter(simulator: str, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="register_arbiter",
        sources=[RTL / "register_arbiter.sv"],
        test_module="cocotb_tests.register_arbiter.simulated",
        scratch=tmp_path,
    )
