"""Deletes what has ended and is old: on command (`qtwin prune`), and by `QTWIN_RETENTION` while a twin runs."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import structlog

from twin import clock
from twin.patience import uninterrupted
from twin.store import retention as statements
from twin.store import sessions
from twin.store.database import Connection, Database

T = TypeVar("T")
log = structlog.get_logger(__name__)

FIRST_PAUSE_S, PAUSE_S = 60.0, 3600.0
FIRST_BATCH, SMALLEST_BATCH, LARGEST_BATCH = 100, 10, 5000
QUICK_S, SLOW_S = 0.01, 0.05
SHORTEST_PAUSE_S = 0.01
WRITE_DEADLINE_S = 60.0
JOURNALS, SNAPSHOTS = "journal entries", "noise snapshots"


class Stopped(Exception):  # noqa: N818 - no error: it was asked for
    """Pruning was told to stop; what is deleted by then is deleted."""


class _Pace:
    """Small batches with pauses: others write for at least twice as long as this does."""

    def __init__(self, database: Database, stop: threading.Event) -> None:
        self._database = database
        self._stop = stop
        self.batch = FIRST_BATCH

    def write(self, function: Callable[[Connection], T]) -> T:
        """Raises Stopped, UnavailableError."""
        begun = time.monotonic()
        value = self._database.post(function).result(WRITE_DEADLINE_S)
        took_s = time.monotonic() - begun
        if took_s < QUICK_S:
            self.batch = min(2 * self.batch, LARGEST_BATCH)
        elif took_s > SLOW_S:
            self.batch = max(self.batch // 2, SMALLEST_BATCH)
        if self._stop.wait(max(SHORTEST_PAUSE_S, 2 * took_s)):
            raise Stopped
        return value


def prune(database: Database, cutoff: float, *, stop: threading.Event | None = None) -> dict[str, int]:
    """Delete what ended before `cutoff` (seconds since 1970), in small batches, also beside a twin that runs.

    Never touched: jobs that wait or run and sessions that live, with all that they name; users; the newest version of
    each configuration file; what commands have set. Journals of ended sessions and expired tokens go whatever the
    cutoff is.

    Returns how many rows of each kind are gone. Raises Stopped, UnavailableError.
    """
    pace = _Pace(database, stop or threading.Event())
    gone = {JOURNALS: 0}
    for session_id in database.read_now(statements.ended_with_journal):
        while dropped := pace.write(partial(sessions.drop_journal, session_id=session_id, limit=pace.batch)):
            gone[JOURNALS] += dropped
    for kind in statements.kinds(cutoff, clock.now()):
        gone[kind.name] = 0
        while keys := database.read_now(partial(statements.old_keys, kind=kind, limit=pace.batch)):
            gone[kind.name] += pace.write(partial(statements.delete_old, kind=kind, keys=keys))
    ids, unused_since = database.read_now(partial(statements.unnamed_snapshots, cutoff=cutoff))
    gone[SNAPSHOTS] = 0
    for some in _batches(ids, pace):
        delete = partial(statements.delete_snapshots, ids=some, unused_since=unused_since)
        gone[SNAPSHOTS] += pace.write(delete)
    return gone


@asynccontextmanager
async def pruning(database: Database, retention_s: float | None) -> AsyncIterator[None]:
    """Prune now and then, for as long as this is open. Without a retention only what is of no use to anybody."""
    stop = threading.Event()
    task = asyncio.create_task(_prune_again_and_again(database, retention_s, stop), name="retention")
    try:
        yield
    finally:
        stop.set()
        task.cancel()
        await asyncio.wait([task])


async def _prune_again_and_again(database: Database, retention_s: float | None, stop: threading.Event) -> None:
    await asyncio.sleep(FIRST_PAUSE_S * random.uniform(0.5, 1.5))
    while True:
        cutoff = 0.0 if retention_s is None else clock.now() - retention_s
        try:
            gone = await uninterrupted(asyncio.to_thread(prune, database, cutoff, stop=stop))
            log.info("pruned", **{name.replace(" ", "_"): number for name, number in gone.items() if number})
        except Stopped:
            return
        except Exception as error:  # the database may be away; the next time will do
            log.warning("cannot prune", reason=str(error))
        await asyncio.sleep(PAUSE_S)


def count(database: Database, cutoff: float) -> dict[str, int]:
    """How many rows of each kind `prune` would delete now."""

    def counted(connection: Connection) -> dict[str, int]:
        found = {JOURNALS: statements.num_entries(connection, statements.ended_with_journal(connection))}
        found |= {kind.name: statements.num_old(connection, kind) for kind in statements.kinds(cutoff, clock.now())}
        return found | {SNAPSHOTS: len(statements.unnamed_snapshots(connection, cutoff)[0])}

    return database.read_now(counted)


def free_bytes(database: Database) -> int:
    """Room inside SQLite's file for what comes; 0 for a server, which sees to its own (autovacuum)."""
    if database.is_shared:
        return 0

    def pages(connection: Connection) -> int:
        names = ("freelist_count", "page_size")
        number, size = (int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in names)
        return number * size

    return database.read_now(pages)


def vacuum(database: Database) -> None:
    """Give SQLite's free room back to the disk. Nobody else may have the database; the disk needs room for a copy."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _batches(ids: list[str], pace: _Pace) -> Iterator[list[str]]:
    while ids:
        yield ids[: pace.batch]
        ids = ids[pace.batch :]
