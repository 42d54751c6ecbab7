"""Simulator side: a serial line driven and read in time, not in clocks: the other end has a clock of its own."""

from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Any

from cocotb.triggers import FallingEdge, RisingEdge, Timer

PERIOD_PS = 10_000


class LineDriver:
    """Sends bytes onto an input, 8N1.

    bit_ps: duration of a bit; need not fit the receiver's clock.
    """

    def __init__(self, signal: Any, bit_ps: int) -> None:
        self._signal = signal
        self.bit_ps = bit_ps
        signal.value = 1

    async def send(self, byte: int, *, stop: int = 1, noise_ps: int = 0) -> None:
        """One byte. stop: level of the stop bit. noise_ps: at each bit's middle the line is wrong for so long."""
        for level in (0, *(byte >> bit & 1 for bit in range(8)), stop):
            if not noise_ps:
                await self.hold(level, self.bit_ps)
                continue
            before = (self.bit_ps - noise_ps) // 2
            await self.hold(level, before)
            await self.hold(1 - level, noise_ps)
            await self.hold(level, self.bit_ps - noise_ps - before)
        self._signal.value = 1

    async def hold(self, level: int, duration_ps: int) -> None:
        """A level for a while."""
        self._signal.value = level
        await Timer(duration_ps, "ps")

    async def send_all(self, data: Iterable[int], gap: Callable[[], int]) -> None:
        """Bytes with gaps of so many picoseconds between them."""
        for byte in data:
            await self.send(byte)
            if pause := gap():
                await Timer(pause, "ps")


async def read_byte(signal: Any, bit_ps: int) -> tuple[int, int]:
    """The next byte on an output and the level of its stop bit; every bit is read in its middle."""
    await FallingEdge(signal)
    await Timer(bit_ps + bit_ps // 2, "ps")
    byte = 0
    for bit in range(8):
        byte |= int(signal.value) << bit
        await Timer(bit_ps, "ps")
    return byte, int(signal.value)


def random_gap(random: Random, bit_ps: int) -> Callable[[], int]:
    """None, or up to three bits, of any length."""
    return lambda: random.choice([0, 0, random.randrange(1, 3 * bit_ps)])


def collect(signal: Any, take: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """A coroutine that calls `take` in each clock cycle in which a one-cycle pulse stands."""

    async def run() -> None:
        while True:
            await RisingEdge(signal)
            take()

    return run
