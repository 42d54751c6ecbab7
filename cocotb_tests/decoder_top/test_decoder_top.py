"""The whole decoder on both simulators: the repetition code's, and one where everything is wider than a word."""

from pathlib import Path

import pytest

from cocotb_tests.decoders import DECODERS
from cocotb_tests.simulation import FIXTURES, decoder_sources, simulate


def run(simulator: str, name: str, tmp_path: Path, *, long: bool = False) -> None:
    folder = FIXTURES / name
    if not folder.is_dir():
        folder = tmp_path
        DECODERS[name]().write(folder)
    simulate(
        simulator,
        top="decoder_top",
        sources=decoder_sources(folder),
        environment={"DECODER": name},
        test_module=["cocotb_tests.decoder_top.stream_tests", "cocotb_tests.decoder_top.register_tests"],
        scratch=tmp_path,
        long=long,
    )


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_decoder_top(simulator: str, name: str, tmp_path: Path) -> None:
    run(simulator, name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DECODERS))
def test_decoder_top_long(simulator: str, name: str, tmp_path: Path) -> None:
    run(simulator, name, tmp_path, long=True)
