"""front_end with layer_former on both simulators, for narrow, wide and open-ended decoders."""

from pathlib import Path

import pytest

from cocotb_tests.decoders import FRONT_ENDS
from cocotb_tests.simulation import PACKAGES, RTL, simulate


def run(simulator: str, name: str, tmp_path: Path, *, long: bool = False) -> None:
    FRONT_ENDS[name]().write(tmp_path)
    bench = Path(__file__).parent / "front_end_bench.sv"
    simulate(
        simulator,
        top="front_end_bench",
        sources=[tmp_path / "decoder_pkg.sv", *PACKAGES, RTL / "layer_former.sv", RTL / "front_end.sv", bench],
        environment={"DECODER": name},
        test_module="cocotb_tests.front_end.simulated",
        scratch=tmp_path,
        long=long,
    )


def test_front_end(simulator: str, tmp_path: Path) -> None:
    run(simulator, "open_ended", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FRONT_ENDS))
def test_front_end_long(simulator: str, name: str, tmp_path: Path) -> None:
    run(simulator, name, tmp_path, long=True)
