"""Where the cycles of a shot go, as the Verilated harness sees them."""

from collections.abc import Iterator

import numpy as np
import pytest

from bridge.decoders import find_decoder
from bridge.links import make_link
from bridge.links.base import Deadlines, TimedLink
from qds1 import decode_corrections
from tests.bridge.memory import Memory

READOUT_WORDS = 4  # header, flips, latency, status


@pytest.fixture(scope="module")
def link(memory: Memory) -> Iterator[TimedLink]:
    decoder = find_decoder("union-find", memory.problem)
    made = make_link("verilated", decoder, memory.problem, Deadlines(idle_cycles=2000))
    made.open()
    assert isinstance(made, TimedLink)
    yield made
    made.close()


@pytest.mark.parametrize("in_flight", [0, 1, 3])
def test_latency_that_the_link_sees_is_the_one_that_the_decoder_reports(
    link: TimedLink, memory: Memory, in_flight: int
) -> None:
    answers, cycles = link.exchange_timed(memory.words.ravel(), len(memory.words), in_flight)
    corrections = decode_corrections(answers, 1)
    np.testing.assert_array_equal(cycles.decode, corrections.latency_cycles)
    assert len(set(cycles.decode.tolist())) > 5
    assert set(cycles.readout.tolist()) == {READOUT_WORDS - 1}


def test_one_shot_at_a_time_is_loaded_without_a_pause(link: TimedLink, memory: Memory) -> None:
    _, alone = link.exchange_timed(memory.words.ravel(), len(memory.words), max_in_flight=1)
    _, crowded = link.exchange_timed(memory.words.ravel(), len(memory.words))
    assert set(alone.load.tolist()) == {memory.words.shape[1] - 1}
    # a shot that comes while the one before is decoded waits, and its latency shows it
    assert crowded.load.max() > alone.load.max()
    assert crowded.decode.sum() >= alone.decode.sum()


def test_flips_do_not_depend_on_how_many_shots_are_under_way(link: TimedLink, memory: Memory) -> None:
    found = [
        decode_corrections(link.exchange_timed(memory.words.ravel(), len(memory.words), limit)[0], 1).flips
        for limit in (0, 1, 2)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
