"""Compares a decoder's answers with what a model expects, in order."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qds1 import Kind, Message, pack_bits
from qds1.messages import TAG_MODULUS

LATENCY_FROM_END = 2
"""A CORRECTION's latency is its last payload word but one."""


class ScoreboardError(AssertionError):
    """An answer that is not the expected one; the message shows both."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a scoreboard has seen. latencies_cycles: of every CORRECTION, in order."""

    num_matched: int
    latencies_cycles: tuple[int, ...]


class Scoreboard:
    """Expected answers in order; the latency of a CORRECTION or FRAME is noted, not compared."""

    def __init__(self) -> None:
        self._expected: deque[Message] = deque()
        self._latencies: list[int] = []
        self._num_matched = 0

    def expect(self, messages: Iterable[Message]) -> None:
        """Add messages of a model; the latency in them does not matter."""
        self._expected.extend(messages)

    @property
    def expected(self) -> tuple[Message, ...]:
        """What has still to come, in order."""
        return tuple(self._expected)

    def expect_corrections(self, observable_flips: ArrayLike, first_shot: int = 0, status: int = 0) -> None:
        """Add one CORRECTION per shot: observable_flips is 0/1 of shape (shots, observables)."""
        for shot, flips in enumerate(np.atleast_2d(np.asarray(observable_flips)), start=first_shot):
            payload = (*(int(word) for word in pack_bits(flips)), 0, status)
            self.expect([Message(Kind.CORRECTION, shot % TAG_MODULUS, payload)])

    def check(self, messages: Iterable[Message]) -> None:
        """Compare answers with the expected ones.

        Raises:
            ScoreboardError: the first difference, or an answer too many.
        """
        for message in messages:
            if not self._expected:
                raise ScoreboardError(f"after {self._num_matched} answers came one that nobody expects: {message}")
            expected = self._expected.popleft()
            if _without_latency(message) != _without_latency(expected):
                raise ScoreboardError(f"answer {self._num_matched}: got {message}, expected {expected}")
            self._num_matched += 1
            if message.kind is Kind.CORRECTION:
                self._latencies.append(message.payload[-LATENCY_FROM_END])

    def finish(self) -> Score:
        """End of the test; raises ScoreboardError when expected answers are missing."""
        if self._expected:
            raise ScoreboardError(
                f"{len(self._expected)} answers are missing after {self._num_matched}; next: {self._expected[0]}"
            )
        return Score(self._num_matched, tuple(self._latencies))


def _without_latency(message: Message) -> Message:
    payload = list(message.payload)
    if message.kind is Kind.CORRECTION:
        payload[-LATENCY_FROM_END] = 0
    elif message.kind is Kind.FRAME:
        payload[-1] = 0
    return Message(message.kind, message.tag, tuple(payload))
