"""Shots into a decoder under test and its corrections back, on top of the plain streams."""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cocotb.triggers import Event, with_timeout
from numpy.typing import NDArray

from bridge.testbench.stream import Pause, StreamSignals, StreamSink, StreamSource, StreamWord, never
from qds1 import Kind, Message, parse, split_header

Words = NDArray[np.uint32]
FetchShots = Callable[[int], Words]
"""The next shots, at most so many, as whole qds1 messages; empty when there are no more (a twin's session stream)."""


class SyndromeSource:
    """Streams shots into a decoder, from wherever they come."""

    def __init__(self, stream: StreamSource) -> None:
        self.stream = stream

    def send(self, words: Words) -> None:
        """Queue whole shots, as from `qds1.encode_shots`; any shape."""
        self.stream.send(int(word) for word in np.asarray(words).ravel())

    async def send_all(self, batches: Iterator[Words], timeout_ns: int) -> int:
        """Stream batch after batch, each fetched when the one before was taken; returns the words sent.

        Fetching may block: simulated time stands still meanwhile, so results do not depend on how long it takes.
        """
        num_words = 0
        for batch in batches:
            self.send(batch)
            num_words += batch.size
            await self.stream.drained(timeout_ns)
        return num_words


def recorded_shots(file: Path, batch_words: int = 4096) -> Iterator[Words]:
    """Batches from a recorded file: .npy of uint32 (any shape), else raw little-endian 32-bit words."""
    words = np.load(file) if file.suffix == ".npy" else np.fromfile(file, dtype="<u4")
    flat = np.asarray(words, dtype=np.uint32).ravel()
    for start in range(0, flat.size, batch_words):
        yield flat[start : start + batch_words]


def session_shots(fetch: FetchShots, num_shots: int, batch_shots: int = 64) -> Iterator[Words]:
    """Batches from a twin's QEC session, until `num_shots` were asked for or none are left."""
    for start in range(0, num_shots, batch_shots):
        words = fetch(min(batch_shots, num_shots - start))
        if words.size == 0:
            return
        yield words


class CorrectionSink(StreamSink):
    """A sink that puts the decoder's words together to messages.

    Attributes:
        messages: whole messages that were not fetched yet.
        packet_ends: for each message ever received, whether `last` was up in its last word.
    """

    def __init__(self, signals: StreamSignals, clock: Any, *, pause: Pause = never) -> None:
        self.messages: deque[Message] = deque()
        self.packet_ends: list[bool] = []
        self._partial: list[int] = []
        self._message_came = Event()
        super().__init__(signals, clock, pause=pause, name="decoder's answers")

    def on_word(self, word: StreamWord) -> None:
        """Collect words until the header's number of payload words is there."""
        self._partial.append(word.data)
        _, num_payload_words, _ = split_header(self._partial[0])
        if len(self._partial) <= num_payload_words:
            return
        self.messages.extend(parse(self._partial))
        self.packet_ends.append(word.last)
        self._partial.clear()
        self._message_came.set()

    @property
    def in_message(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._partial)

    async def answers(self, count: int, timeout_ns: int) -> list[Message]:
        """Fetch messages until `count` of them are no FRAMEs; raises SimTimeoutError after `timeout_ns`."""
        fetched: list[Message] = []

        async def wait() -> None:
            missing = count
            while missing:
                while not self.messages:
                    self._message_came.clear()
                    await self._message_came.wait()
                fetched.append(self.messages.popleft())
                missing -= fetched[-1].kind is not Kind.FRAME

        await with_timeout(wait(), timeout_ns, "ns")
        return fetched

    def drop(self) -> None:
        """Forget what has arrived, a begun message included."""
        self.messages.clear()
        self.packet_ends.clear()
        self._partial.clear()
        super().drop()
