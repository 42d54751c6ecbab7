"""A noisy serial line: every shot is answered, none wrongly, and what was repeated is counted."""

import numpy as np
import pytest

from bridge.links import make_link
from bridge.links.base import Deadlines, RepeatingLink
from qds1 import decode_corrections
from qds1.shots import Bits, Words
from tests.bridge.boards import RunningBoard
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


@pytest.mark.parametrize(
    "faults",
    ["lose=1e-3,double=1e-3", "truncate=0.02", "late=0.2,late_s=0.01,stall=0.05,stall_s=0.01", "ber=1e-3,lose=1e-4"],
)
def test_other_faults_of_the_line_lose_nothing(spare_board: RunningBoard, memory: Memory, faults: str) -> None:
    flips, *_ = decoded("software", memory)
    found, latencies, _ = decoded(f"faulty:{faults},seed=9/uart:{spare_board.path}", memory)
    np.testing.assert_array_equal(found, flips)
    assert set(latencies.tolist()) == {4}
