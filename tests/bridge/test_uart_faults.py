"""A noisy serial line: every shot is answered, none wrongly, and what was repeated is counted."""

from dataclasses import replace

import numpy as np
import pytest

from bridge.decoders import find_decoder
from bridge.links import make_link
from bridge.links.base import Deadlines, OpenedLink, RepeatingLink
from qds1 import decode_corrections, split_frames
from qds1.shots import Bits, Words
from tests.bridge.boards import RunningBoard, running_board
from tests.bridge.memory import Memory, sampled_memory

DEADLINES = Deadlines(exchange_s=240, register_s=20)


def decoded(link_name: str, memory: Memory, chunk: int = 2500) -> tuple[Bits, Words, int]:
    """Flips and latencies of all shots over a link, and how much was repeated."""
    link = make_link(link_name, memory.decoder, memory.problem, DEADLINES)
    link.open()
    try:
        parts = [
            decode_corrections(link.exchange(shots.ravel(), len(shots)), 1)
            for shots in np.split(memory.words, range(chunk, len(memory.words), chunk))
        ]
        repeats = link.repeats if isinstance(link, RepeatingLink) else 0
    finally:
        link.close()
    tags = np.concatenate([part.tags for part in parts])
    np.testing.assert_array_equal(tags, np.arange(len(memory.words)) & 0xFFFF)
    return (
        np.concatenate([part.flips for part in parts]),
        np.concatenate([part.latency_cycles for part in parts]),
        repeats,
    )


@pytest.mark.parametrize("num_shots", [600, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_bit_error_rate_of_1e_4_costs_repeats_and_no_shot(spare_board: RunningBoard, num_shots: int) -> None:
    memory = sampled_memory(num_shots, seed=3)
    flips, latencies, repeats = decoded("software", memory)
    assert repeats == 0
    flips_clean, latencies, repeats = decoded(f"uart:{spare_board.path}", memory)
    assert repeats == 0
    np.testing.assert_array_equal(flips_clean, flips)
    flips_noisy, latencies_noisy, repeats = decoded(f"faulty:ber=1e-4,seed=5/uart:{spare_board.path}", memory)
    np.testing.assert_array_equal(flips_noisy, flips)
    np.testing.assert_array_equal(latencies_noisy, latencies)
    # 38 bytes of a shot and 22 of its answer on the line, delimiters not counted twice: 480 bits, of which each is
    # flipped with 1e-4: 4.7% of the attempts fail. Within five standard deviations of that:
    expected = num_shots * 0.047
    assert abs(repeats - expected) < 5 * expected**0.5 + 5


@pytest.mark.parametrize("num_shots", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_frames_of_windows_survive_a_bit_error_rate_of_1e_4(num_shots: int) -> None:
    memory = sampled_memory(num_shots, seed=3)
    windows = replace(memory, decoder=find_decoder("union-find:window=2,commit=1", memory.problem))
    with running_board(windows.decoder) as board:
        answers = []
        for link_name in ("verilated", f"uart:{board.path}", f"faulty:ber=1e-4,seed=5/uart:{board.path}"):
            with OpenedLink(make_link(link_name, windows.decoder, windows.problem, DEADLINES)) as opened:
                answers.append(split_frames(opened.link.exchange(windows.words.ravel(), num_shots), 1))
        repeats = opened.link.repeats if isinstance(opened.link, RepeatingLink) else 0
    (expected, expected_frames), *others = answers
    assert len(expected_frames.tags) == 2 * num_shots
    for corrections, frames in others:
        flips = decode_corrections(corrections, 1).flips
        np.testing.assert_array_equal(flips, decode_corrections(expected, 1).flips)
        np.testing.assert_array_equal(frames.tags, expected_frames.tags)
        np.testing.assert_array_equal(frames.rounds, expected_frames.rounds)
        np.testing.assert_array_equal(frames.flips, expected_frames.flips)
    assert repeats > 0


@pytest.mark.parametrize(
    "faults",
    ["lose=1e-3,double=1e-3", "truncate=0.02", "late=0.2,late_s=0.01,stall=0.05,stall_s=0.01", "ber=1e-3,lose=1e-4"],
)
def test_other_faults_of_the_line_lose_nothing(spare_board: RunningBoard, memory: Memory, faults: str) -> None:
    flips, *_ = decoded("software", memory)
    found, latencies, _ = decoded(f"faulty:{faults},seed=9/uart:{spare_board.path}", memory)
    np.testing.assert_array_equal(found, flips)
    assert set(latencies.tolist()) == {4}
