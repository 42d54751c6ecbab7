"""The live event log: every event once and in order, whenever a follower comes and however slow it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from twin.store.database import Database
from twin.store.events import Event
from twin.telemetry import event_log as module
from twin.telemetry.event_log import EventLog

DEADLINE_S = 20


@pytest.fixture
async def event_log(tmp_path: Path) -> AsyncIterator[EventLog]:
    database = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    log = EventLog(database)
    await log.start()
    yield log
    await log.close()
    database.close()


async def numbers(log: EventLog, count: int, after_id: int | None, pause_s: float = 0.0) -> list[int]:
    found: list[int] = []
    async for event in log.follow(None, after_id):
        found.append(int(event.timestamp))
        if len(found) == count:
            return found
        await asyncio.sleep(pause_s)
    return found


async def test_followers_get_every_event_once_whenever_they_come(event_log: EventLog) -> None:
    total = 300
    followers = []
    for index in range(total):
        if index % 60 == 0:
            followers.append(asyncio.create_task(numbers(event_log, total, 0)))
        await event_log.record(Event(float(index), "tick"))
    for found in await asyncio.wait_for(asyncio.gather(*followers), DEADLINE_S):
        assert found == list(range(total))
    assert event_log.num_subscribers == 0


async def test_a_slow_follower_misses_nothing(event_log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BACKLOG", 5)
    follower = asyncio.create_task(numbers(event_log, 100, 0, pause_s=0.002))
    await asyncio.sleep(0.05)
    await asyncio.gather(*(event_log.record(Event(float(index), "tick")) for index in range(100)))
    assert await asyncio.wait_for(follower, DEADLINE_S) == list(range(100))


async def test_a_close_ends_every_follower(event_log: EventLog) -> None:
    follower = asyncio.create_task(numbers(event_log, 1, None))
    await asyncio.sleep(0.05)
    assert event_log.num_subscribers == 1
    await event_log.close()
    assert await asyncio.wait_for(follower, DEADLINE_S) == []
