"""The twin's parts, put together for one process: opened in order, closed in reverse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from twin import clock
from twin.backends import Backends
from twin.config_files import ConfigFiles
from twin.jobs.checking import CircuitChecker
from twin.jobs.executor import Executor
from twin.jobs.local import LocalExecutor
from twin.jobs.queue import JobQueue
from twin.jobs.results import snapshot_id_of
from twin.patience import until_available
from twin.retention import pruning
from twin.sessions import Sessions
from twin.settings import Settings
from twin.store import backends as statements
from twin.store import jobs
from twin.store.database import Database
from twin.store.jobs import JobRow
from twin.telemetry.event_log import EventLog
from twin.telemetry.metrics import ServiceMetrics
from twin.telemetry.service import observe_job

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with. Made by `open_parts`, lives as long as the application."""

    settings: Settings
    database: Database
    event_log: EventLog
    metrics: ServiceMetrics
    config: ConfigFiles
    backends: Backends
    executor: Executor
    checker: CircuitChecker
    jobs: JobQueue
    sessions: Sessions

    async def job_snapshot(self, row: JobRow) -> dict[str, Any] | None:
        """The noise that a completed job ran under."""
        document = await self.database.read(partial(jobs.result, job_id=row.job_id))
        if document is None:
            return None
        snapshot_id = snapshot_id_of(document)
        if snapshot_id is None:
            return None
        return await self.database.read(partial(statements.snapshot, snapshot_id=snapshot_id))


@asynccontextmanager
async def open_parts(settings: Settings, database: Database, metrics: ServiceMetrics) -> AsyncIterator[Parts]:
    """Start everything, take over what an earlier run left unfinished, and stop in reverse order."""
    event_log = EventLog(database)
    backends: Backends | None = None
    config = ConfigFiles(settings, database, event_log, lambda catalog: backends.load(catalog) if backends else None)
    backends = Backends(database, event_log, config.catalog())
    executor = make_executor(settings)
    queue = JobQueue(
        database,
        event_log,
        executor,
        backends,
        replica=settings.replica,
        max_attempts=settings.limits.max_job_attempts,
        max_metadata_bytes=settings.limits.max_metadata_bytes,
        on_end=partial(observe_job, metrics),
    )
    sessions = Sessions(
        database,
        event_log,
        backends,
        metrics,
        replica=settings.replica,
        lease_s=settings.lease_s,
        limits=settings.limits,
    )
    checker = CircuitChecker(executor, settings.limits)
    parts = Parts(settings, database, event_log, metrics, config, backends, executor, checker, queue, sessions)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(sessions.close)
        stack.push_async_callback(executor.close)
        await event_log.start()
        stack.push_async_callback(event_log.close)
        await config.follow()
        await backends.start()
        stack.push_async_callback(queue.close)
        await queue.adopt([settings.replica])
        watch = asyncio.create_task(_keep_lease(parts), name="lease")
        stack.push_async_callback(_stop, watch)
        await stack.enter_async_context(pruning(database, settings.retention_s))
        yield parts


def make_executor(settings: Settings) -> Executor:
    """Worker processes here, or the Dask cluster that the settings name."""
    if settings.executor == "local":
        return LocalExecutor(settings.num_workers, settings.limits)
    from twin.jobs.dask import DaskExecutor

    return DaskExecutor(settings.executor, settings.limits)


async def _keep_lease(parts: Parts) -> None:
    """Say that this replica lives, and take over jobs of those that do not (only a shared database has others).

    Of its own jobs, take up what a failed write has left behind.
    """
    database, settings = parts.database, parts.settings
    if not database.is_shared:
        await until_available(partial(_adopt_all, parts), "jobs of other replicas")
    renewed_at, judges_from = clock.now(), 0.0
    while True:
        try:
            if database.is_shared:
                now = clock.now()
                if now - renewed_at > settings.lease_s:  # it slept, or the database was away
                    log.warning("the lease was not renewed in time", silent_s=now - renewed_at)
                    parts.sessions.forget()  # others may have taken some
                    judges_from = now + settings.lease_s  # others may have been kept from their heartbeats, too
                await database.write(partial(statements.beat, replica=settings.replica, now=now))
                renewed_at = now
                await parts.config.follow()
                if now >= judges_from:
                    await _take_over(parts, now)
            if taken := await parts.jobs.recover():
                log.warning("took up jobs that were left behind", num_jobs=taken)
        except Exception as error:  # the database may be away for a while
            log.error("cannot renew the lease", error=str(error))
        await asyncio.sleep(settings.lease_s / 3)


async def _take_over(parts: Parts, now: float) -> None:
    settings = parts.settings
    alive = await parts.database.read(partial(statements.live_replicas, since=now - settings.lease_s))
    dead = [owner async for owner in _others(parts.database, settings.replica) if owner not in alive]
    if dead and (taken := await parts.jobs.adopt(dead)):
        log.warning("took over jobs", replicas=dead, num_jobs=taken)


async def _adopt_all(parts: Parts) -> None:
    """The one process of this database has all jobs, under whatever replica's name they were submitted."""
    await parts.jobs.adopt([owner async for owner in _others(parts.database, parts.settings.replica)])


async def _others(database: Database, replica: str) -> AsyncIterator[str]:
    for owner in await database.read(jobs.open_owners):
        if owner != replica:
            yield owner


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
