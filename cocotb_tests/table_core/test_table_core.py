"""table_core inside the hand-made decoder_core, which holds its memory, on both simulators."""

from pathlib import Path

from cocotb_tests.simulation import FIXTURES, PACKAGES, RTL, simulate


def test_table_core(simulator: str, tmp_path: Path) -> None:
    folder = FIXTURES / "repetition_d3"
    simulate(
        simulator,
        top="decoder_core",
        sources=[folder / "decoder_pkg.sv", *PACKAGES, RTL / "table_core.sv", folder / "decoder_core.sv"],
        test_module="cocotb_tests.table_core.simulated",
        scratch=tmp_path,
    )
