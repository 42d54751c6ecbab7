"""Users take turns where few may work at a time, and no user has all the places."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from twin.errors import BusyError
from twin.jobs.turns import Turns, WaitLimits

DEADLINE_S = 20.0


class Work:
    """Tasks that hold a place until they are told to leave."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.began: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, user: str, name: str, num_bytes: int = 0) -> None:
        self._leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(user, name, num_bytes))
        await settled()

    async def _hold(self, user: str, name: str, num_bytes: int) -> None:
        async with self._turns.turn(user, num_bytes):
            self.began.append(name)
            await self._leave[name].wait()

    async def leave(self, *names: str) -> None:
        for name in names:
            self._leave[name].set()
            await settled()

    def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def make() -> Iterator[list[Work]]:
    made: list[Work] = []
    yield made
    for work in made:
        work.close()


async def test_one_user_leaves_a_place_to_others(make: list[Work]) -> None:
    work = Work(Turns(2, "checks"))
    make.append(work)
    for name in ("a1", "a2", "a3"):
        await work.ask("a", name)
    assert work.began == ["a1"]
    await work.ask("b", "b1")
    assert work.began == ["a1", "b1"]
    await work.ask("b", "b2")
    await work.leave("b1")
    assert work.began == ["a1", "b1", "b2"]  # not a2: one of two places is the most that one user has
    await work.leave("a1", "a2", "a3", "b2")
    assert work.began == ["a1", "b1", "b2", "a2", "a3"]


async def test_users_take_turns_whatever_one_has_waiting(make: list[Work]) -> None:
    work = Work(Turns(2, "checks"))
    make.append(work)
    for name in ("a1", "a2", "a3", "a4"):
        await work.ask("a", name)
    await work.ask("b", "b1")  # both places are taken
    await work.ask("c", "c1")
    await work.ask("d", "d1")
    assert work.began == ["a1", "b1"]
    await work.leave("b1", "a1", "c1", "a2", "d1")
    # a1 held a's place while b1 left, so c came before a; then a, d and a again
    assert work.began == ["a1", "b1", "c1", "a2", "d1", "a3"]


async def test_who_gives_up_while_waiting_gives_its_place_to_the_next(make: list[Work]) -> None:
    work = Work(Turns(2, "checks"))
    make.append(work)
    for name in ("a1", "a2", "a3"):
        await work.ask("a", name)
    work.tasks["a2"].cancel()
    await settled()
    await work.leave("a1")
    assert work.began == ["a1", "a3"]


async def test_who_gives_up_in_the_moment_of_its_turn_loses_no_place(make: list[Work]) -> None:
    turns = Turns(2, "checks")
    work = Work(turns)
    make.append(work)
    for name in ("a1", "a2", "a3"):
        await work.ask("a", name)
    work._leave["a1"].set()
    await asyncio.sleep(0)  # a1 leaves and calls a2, which has not run yet
    work.tasks["a2"].cancel()
    await settled()
    assert work.began == ["a1", "a3"]
    await work.leave("a3")
    await work.ask("a", "a4")
    assert work.began[-1] == "a4"


async def test_what_waits_is_bounded_for_one_user_and_for_all(make: list[Work]) -> None:
    work = Work(Turns(2, "checks", WaitLimits(num_waiting=3, num_waiting_of_one=2, bytes_of_one=100)))
    make.append(work)
    await work.ask("a", "a1")
    await work.ask("a", "a2", 90)
    await work.ask("a", "a3", 11)
    with pytest.raises(BusyError, match="100 bytes"):
        await work.tasks["a3"]
    await work.ask("a", "a4", 10)
    await work.ask("a", "a5")
    with pytest.raises(BusyError, match="2 of yours wait"):
        await work.tasks["a5"]
    await work.ask("b", "b1")  # others are not refused for it
    assert work.began == ["a1", "b1"]
    await work.ask("b", "b2")
    await work.ask("c", "c1")
    with pytest.raises(BusyError, match="too many checks: 3 wait"):
        await work.tasks["c1"]


async def test_a_wait_ends(make: list[Work]) -> None:
    work = Work(Turns(2, "checks", WaitLimits(wait_s=0.05)))
    make.append(work)
    await work.ask("a", "a1")
    await work.ask("a", "a2")
    with pytest.raises(BusyError, match=r"none was free for 0.05 s"):
        await asyncio.wait_for(work.tasks["a2"], DEADLINE_S)
    await work.leave("a1")
    with contextlib.suppress(asyncio.CancelledError):
        await work.ask("a", "a3")
    assert work.began == ["a1", "a3"]


def test_one_place_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Turns(1, "checks")
