"""Whose turn it is where few may work at a time: users take turns, and no user has all the places."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from twin.errors import BusyError

RETRY_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How many may wait, and how long. What waits is in memory: its bytes count, too."""

    num_waiting: int = 1024
    num_waiting_of_one: int = 256
    bytes_of_one: int = 64 * 2**20
    wait_s: float = 60.0


DEFAULT_WAIT = WaitLimits()


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    called: asyncio.Future[None]
    num_bytes: int


class Turns:
    """`num_places` at a time, all but one of them at most one user's: what a user asks for never stops the others.

    Args:
        num_places: how many work at the same time, at least 2.
        what: what is waited for, as a refusal says it: "circuit checks".
        num_of_one: how many of them one user may have; all but one where it is not said.
    """

    def __init__(
        self, num_places: int, what: str, limits: WaitLimits = DEFAULT_WAIT, *, num_of_one: int | None = None
    ) -> None:
        if num_places < 2:
            raise ValueError(f"num_places: expected at least 2, so that one is left for others, got {num_places}")
        self._num_places = num_places
        self._num_of_one = min(num_of_one or num_places - 1, num_places - 1)
        self._what = what
        self._limits = limits
        self._held: Counter[str] = Counter()
        self._lines: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, user: str, num_bytes: int = 0) -> AsyncIterator[None]:
        """Wait for a place, and hold it. Raises BusyError when too many wait already, or after too long a wait."""
        if self._may_work(user) and user not in self._lines:
            self._held[user] += 1
        else:
            await self._wait(user, num_bytes)
        try:
            yield
        finally:
            self._leave(user)

    async def _wait(self, user: str, num_bytes: int) -> None:
        self._check_room(user, num_bytes)
        waiting = _Waiting(asyncio.get_running_loop().create_future(), num_bytes)
        self._lines.setdefault(user, deque()).append(waiting)
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await waiting.called
        except BaseException as error:
            if waiting.called.done() and not waiting.called.cancelled():
                self._leave(user)  # called in the same moment
            else:
                self._drop(user, waiting)
            if isinstance(error, TimeoutError):
                raise self._busy(f"none was free for {self._limits.wait_s:g} s") from error
            raise

    def _check_room(self, user: str, num_bytes: int) -> None:
        own = self._lines.get(user, ())
        if len(own) >= self._limits.num_waiting_of_one:
            raise self._busy(f"{len(own)} of yours wait, which is the limit")
        if own and sum(each.num_bytes for each in own) + num_bytes > self._limits.bytes_of_one:
            raise self._busy(f"more than {self._limits.bytes_of_one} bytes of yours wait")
        if sum(map(len, self._lines.values())) >= self._limits.num_waiting:
            raise self._busy(f"{self._limits.num_waiting} wait, which is the limit")

    def _busy(self, reason: str) -> BusyError:
        return BusyError(f"too many {self._what}: {reason}; try again later", RETRY_AFTER_S)

    def _may_work(self, user: str) -> bool:
        return self._held.total() < self._num_places and self._held[user] < self._num_of_one

    def _leave(self, user: str) -> None:
        """Give a place back; the first user in line who may have one more gets it, and goes to the end."""
        self._held[user] -= 1
        self._held += Counter()  # forgets who holds none
        while (following := next(filter(self._may_work, self._lines), None)) is not None:
            waiting = self._lines[following][0]
            self._drop(following, waiting)
            if following in self._lines:
                self._lines.move_to_end(following)
            if not waiting.called.cancelled():
                self._held[following] += 1
                waiting.called.set_result(None)

    def _drop(self, user: str, waiting: _Waiting) -> None:
        line = self._lines.get(user)
        if line is None or waiting not in line:
            return  # its turn came in the moment in which it was given up
        line.remove(waiting)
        if not line:
            del self._lines[user]
