"""The event log, live: one task reads new events from the store and hands them to every subscriber."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from functools import partial

import structlog

from twin.store import events
from twin.store.database import Database
from twin.store.events import Event

log = structlog.get_logger(__name__)

PAGE_SIZE = 500
MAX_BACKLOG = 1000
SHARED_POLL_INTERVAL_S = 1.0


class Subscription:
    """A subscriber's waiting events. One that falls far behind loses the memory, and pages from the store."""

    def __init__(self) -> None:
        self.waiting: deque[Event] = deque()
        self.fell_behind = False
        self.changed = asyncio.Event()

    def put(self, event: Event) -> None:
        if len(self.waiting) >= MAX_BACKLOG:
            self.waiting.clear()
            self.fell_behind = True
        if not self.fell_behind:
            self.waiting.append(event)
        self.changed.set()


class EventLog:
    """`notify` after a commit that appended events; `follow` to be handed them in order."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscriptions: set[Subscription] = set()
        self._changed = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._last_id = 0

    async def start(self) -> None:
        self._last_id = await self._database.read(events.last_id)
        self._task = asyncio.create_task(self._fan_out(), name="event-log")

    async def close(self) -> None:
        """End every `follow` cleanly."""
        self.end_streams()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def end_streams(self) -> None:
        """Let every open stream end: a server that shuts down waits for them."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.changed.set()

    @property
    def num_subscribers(self) -> int:
        return len(self._subscriptions)

    def notify(self) -> None:
        """New events are committed. Never waits."""
        if self._subscriptions:
            self._changed.set()

    async def record(self, *new: Event) -> None:
        """Append events on their own, in one commit."""
        await self._database.write(partial(events.append, new=new))
        self.notify()

    async def follow(self, backend_id: str | None, after_id: int | None) -> AsyncIterator[Event]:
        """Events after a cursor (None: from now on), in order, none left out, until the twin closes."""
        with self._subscribed() as subscription:
            last_id = after_id if after_id is not None else await self._database.read(events.last_id)
            behind = True
            while not self._closed:
                if behind:
                    page = partial(events.page, backend_id=backend_id, after_id=last_id, limit=PAGE_SIZE)
                    found = await self._database.read(page)
                    behind = len(found) == PAGE_SIZE
                else:
                    await subscription.changed.wait()
                    subscription.changed.clear()
                    found, behind = list(subscription.waiting), subscription.fell_behind
                    subscription.waiting.clear()
                    subscription.fell_behind = False
                for event in found:
                    if event.event_id > last_id and backend_id in (None, event.backend_id):
                        last_id = event.event_id
                        yield event

    @contextlib.contextmanager
    def _subscribed(self) -> Iterator[Subscription]:
        subscription = Subscription()
        if not self._subscriptions:
            self._changed.set()  # catch up: without subscribers nothing was read
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def _fan_out(self) -> None:
        timeout = SHARED_POLL_INTERVAL_S if self._database.is_shared else None
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), timeout)
            self._changed.clear()
            if not self._subscriptions:
                continue
            try:
                await self._read_new()
            except Exception as error:  # a database that is away for a moment must not end every stream
                log.error("cannot read new events", error=str(error))
                await asyncio.sleep(SHARED_POLL_INTERVAL_S)
                self._changed.set()

    async def _read_new(self) -> None:
        while found := await self._database.read(partial(events.page, after_id=self._last_id, limit=PAGE_SIZE)):
            for event in found:
                for subscription in self._subscriptions:
                    subscription.put(event)
            self._last_id = found[-1].event_id
