"""sync_fifo on both simulators, with the smallest and the shipped depth."""

from pathlib import Path

import pytest

from cocotb_tests.simulation import RTL, simulate


@pytest.mark.parametrize("depth_bits", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_sync_fifo(simulator: str, depth_bits: int, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="sync_fifo",
        sources=[RTL / "sync_fifo.sv"],
        parameters={"Width": 62, "DepthBits": depth_bits},
        environment={"DEPTH_BITS": str(depth_bits)},
        test_module="cocotb_tests.sync_fifo.simulated",
        scratch=tmp_path,
    )
