"""bridge.testbench as a user would use it: a recorded file and a session's stream into a decoder, a scoreboard."""

from pathlib import Path

import numpy as np
import pytest

from bridge.testbench import Scoreboard, ScoreboardError
from cocotb_tests.decoders import repetition_d3
from cocotb_tests.simulation import FIXTURES, decoder_sources, simulate
from qds1 import Kind, Message, encode_shots


@pytest.fixture(name="recording")
def _recording(tmp_path: Path) -> Path:
    generator = np.random.default_rng(11)
    syndromes = generator.integers(0, 2, (50, 3, 2), dtype=np.uint8)
    words = encode_shots(syndromes, generator.integers(0, 2, (50, 3), dtype=np.uint8))
    np.save(tmp_path / "shots.npy", words)
    words.astype("<u4").tofile(tmp_path / "shots.bin")
    return tmp_path


def test_testbench_parts(simulator: str, recording: Path, tmp_path: Path) -> None:
    simulate(
        simulator,
        top="decoder_top",
        sources=decoder_sources(FIXTURES / "repetition_d3"),
        environment={"RECORDING": str(recording)},
        test_module="cocotb_tests.testbench.simulated",
        scratch=tmp_path,
    )


def correction(tag: int, flips: int, latency: int = 4) -> Message:
    return Message(Kind.CORRECTION, tag, (flips, latency, 0))


def test_scoreboard_notes_latency_and_does_not_compare_it() -> None:
    scoreboard = Scoreboard()
    scoreboard.expect_corrections([[1], [0]], first_shot=65535)
    scoreboard.check([correction(65535, 1, latency=9), correction(0, 0, latency=5)])
    assert scoreboard.finish().latencies_cycles == (9, 5)


@pytest.mark.parametrize("wrong", [correction(0, 0), correction(1, 1), Message(Kind.FAULT, 0, (1, 2))])
def test_scoreboard_refuses_another_answer(wrong: Message) -> None:
    scoreboard = Scoreboard()
    scoreboard.expect_corrections([[1]])
    with pytest.raises(ScoreboardError, match="answer 0: got"):
        scoreboard.check([wrong])


def test_scoreboard_refuses_missing_and_surplus_answers() -> None:
    scoreboard = Scoreboard()
    scoreboard.expect_corrections([[1], [1]])
    scoreboard.check([correction(0, 1)])
    with pytest.raises(ScoreboardError, match="1 answers are missing"):
        scoreboard.finish()
    with pytest.raises(ScoreboardError, match="nobody expects"):
        scoreboard.check([correction(1, 1), correction(2, 1)])


def test_model_answers_as_the_table_says() -> None:
    decoder = repetition_d3()
    words = encode_shots(np.array([[[1, 0], [1, 0], [1, 0]]], dtype=np.uint8), np.array([[1, 0, 0]], dtype=np.uint8))
    # one data qubit at the edge flipped before round 0: its stabilizer fires once, and the observable flips
    assert decoder.model().respond(words.ravel().tolist()) == [correction(0, 1, latency=0)]
