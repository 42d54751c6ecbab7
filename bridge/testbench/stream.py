"""Thin AXI4-Stream driver and monitor for 32-bit words, on whatever the signals of a testbench are called."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, Self

import cocotb
from cocotb.task import Task
from cocotb.triggers import Event, RisingEdge, with_timeout

Pause = Callable[[], bool]
"""Asked once per clock cycle: True holds valid (or ready) back in this cycle."""


class StreamProtocolError(AssertionError):
    """The design broke a rule of AXI4-Stream; the message says which signal and when."""


def never() -> bool:
    """A `Pause` that never holds back."""
    return False


def random_pauses(random: Random, probability: float) -> Pause:
    """A `Pause` that holds back in each cycle with this probability."""
    return lambda: random.random() < probability


@dataclass(frozen=True, slots=True)
class StreamSignals:
    """The signals of one stream; `last` is None where there is none."""

    data: Any
    valid: Any
    ready: Any
    last: Any = None

    @classmethod
    def of(
        cls,
        dut: Any,
        prefix: str,
        *,
        data: str = "tdata",
        valid: str = "tvalid",
        ready: str = "tready",
        last: str | None = "tlast",
    ) -> Self:
        """Find `<prefix>_<name>` for each signal; a `last` that the design lacks is left out."""
        found_last = getattr(dut, f"{prefix}_{last}", None) if last is not None else None
        return cls(
            getattr(dut, f"{prefix}_{data}"),
            getattr(dut, f"{prefix}_{valid}"),
            getattr(dut, f"{prefix}_{ready}"),
            found_last,
        )


class StreamWord(NamedTuple):
    """A word and whether it was the last of its packet."""

    data: int
    last: bool = False


class StreamSource:
    """Drives a stream's valid, data and last; one word per cycle unless `pause` holds it back.

    valid never waits for ready, and the word holds until it is taken.
    """

    def __init__(self, signals: StreamSignals, clock: Any, *, pause: Pause = never) -> None:
        self.pause = pause
        self.num_taken = 0
        self._signals = signals
        self._clock = clock
        self._queue: deque[StreamWord] = deque()
        self._waiting = Event()
        self._idle = Event()
        self._task: Task[None] = self._start()

    def send(self, words: Iterable[int | StreamWord]) -> None:
        """Queue words; returns at once."""
        self._queue.extend(word if isinstance(word, StreamWord) else StreamWord(int(word)) for word in words)
        if self._queue:
            self._idle.clear()
            self._waiting.set()

    async def drained(self, timeout_ns: int) -> None:
        """Wait until every queued word was taken; raises SimTimeoutError after `timeout_ns`."""
        await with_timeout(self._idle.wait(), timeout_ns, "ns")

    @property
    def empty(self) -> bool:
        """Whether every word given to `send` was taken."""
        return self._idle.is_set()

    def drop(self) -> None:
        """Forget the queued words and take valid down at once, as a reset of the sender would."""
        self._task.cancel()
        self._queue.clear()
        self._task = self._start()

    def _start(self) -> Task[None]:
        self._signals.valid.value = 0
        self._signals.data.value = 0
        if self._signals.last is not None:
            self._signals.last.value = 0
        self._idle.set()
        return cocotb.start_soon(self._run())

    async def _run(self) -> None:
        signals, edge = self._signals, RisingEdge(self._clock)
        while True:
            if not self._queue:
                self._idle.set()
                self._waiting.clear()
                await self._waiting.wait()
                await edge
            while self.pause():
                await edge
            word = self._queue.popleft()
            signals.data.value = word.data
            if signals.last is not None:
                signals.last.value = word.last
            signals.valid.value = 1
            await edge
            while signals.ready.value != 1:
                await edge
            self.num_taken += 1
            signals.valid.value = 0


class StreamSink:
    """Takes a stream's words, `pause` permitting, and checks that valid and its payload hold until they are taken.

    Attributes:
        words: what has arrived and was not fetched yet.
    """

    def __init__(self, signals: StreamSignals, clock: Any, *, pause: Pause = never, name: str = "stream") -> None:
        self.pause = pause
        self.words: deque[StreamWord] = deque()
        self._signals = signals
        self._clock = clock
        self._name = name
        self._arrived = Event()
        self._task: Task[None] = self._start()

    async def receive(self, count: int, timeout_ns: int) -> list[StreamWord]:
        """Fetch the next `count` words; raises SimTimeoutError when they do not come within `timeout_ns`."""

        async def wait() -> None:
            while len(self.words) < count:
                self._arrived.clear()
                await self._arrived.wait()

        await with_timeout(wait(), timeout_ns, "ns")
        return [self.words.popleft() for _ in range(count)]

    def drop(self) -> None:
        """Forget what has arrived and start anew; for a reset, which may break off a word that waits."""
        self._task.cancel()
        self.words.clear()
        self._task = self._start()

    def on_word(self, word: StreamWord) -> None:
        """Called with each word that is taken; a subclass may put messages together here."""
        self.words.append(word)

    def _start(self) -> Task[None]:
        self._signals.ready.value = 0
        return cocotb.start_soon(self._run())

    async def _run(self) -> None:
        signals, edge = self._signals, RisingEdge(self._clock)
        waiting: StreamWord | None = None
        await edge
        while True:
            is_ready = not self.pause()
            signals.ready.value = is_ready
            await edge
            if signals.valid.value != 1:
                if waiting is not None:
                    raise StreamProtocolError(f"{self._name}: valid fell before the word was taken")
                continue
            word = StreamWord(int(signals.data.value), signals.last is not None and signals.last.value == 1)
            if waiting is not None and word != waiting:
                raise StreamProtocolError(f"{self._name}: {waiting} changed to {word} before it was taken")
            waiting = None if is_ready else word
            if is_ready:
                self.on_word(word)
                self._arrived.set()


def words_of(received: Sequence[StreamWord]) -> list[int]:
    """The plain words."""
    return [word.data for word in received]
