"""The whole decoder on both simulators: the repetition code's, and one where everything is wider than a word."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cocotb_tests.decoders import DECODERS, EVERY_DECODER
from cocotb_tests.simulation import FIXTURES, decoder_sources, simulate

WITH_STATISTICS = ("stream_tests", "register_tests")


def run(
    simulator: str, name: str, tmp_path: Path, *, modules: Sequence[str] = WITH_STATISTICS, long: bool = False
) -> None:
    folder = FIXTURES / name
    if not folder.is_dir():
        folder = tmp_path
        EVERY_DECODER[name]().write(folder)
    simulate(
        simulator,
        top="decoder_top",
        sources=decoder_sources(folder),
        environment={"DECODER": name},
        test_module=[f"cocotb_tests.decoder_top.{module}" for module in modules],
        scratch=tmp_path,
        long=long,
    )


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_decoder_top(simulator: str, name: str, tmp_path: Path) -> None:
    run(simulator, name, tmp_path)


def test_decoder_top_without_statistics(simulator: str, tmp_path: Path) -> None:
    run(simulator, "without_statistics", tmp_path, modules=["without_statistics"])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DECODERS))
def test_decoder_top_long(simulator: str, name: str, tmp_path: Path) -> None:
    run(simulator, name, tmp_path, long=True)
