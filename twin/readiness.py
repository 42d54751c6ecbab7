"""Whether this process can do its work now: looked at when somebody asks, and at most once a second for all of them.

Who asks needs no token, so an answer costs little and says no more than what is amiss; the log has the reasons.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import structlog

from twin import clock
from twin.gateway.proxy import UpstreamProxy
from twin.settings import Settings
from twin.store import probes
from twin.store.database import Database
from twin.store.engine import folder_of

log = structlog.get_logger(__name__)

FRESH_S = 1.0
DEADLINE_S = 2.0
MIN_FREE_BYTES = 2**20
"""Less free room than this is a full disk: the next result does not fit, though a small write may."""


class Look:
    """One thing to look at. `ask` returns when it is well, and raises when it is not; it is asked once at a time."""

    def __init__(self, fault: str, ask: Callable[[], Awaitable[None]]) -> None:
        self._fault = fault
        self._ask = ask
        self._asked: asyncio.Future[None] | None = None
        self._begun = 0.0

    async def fault(self) -> str | None:
        """What is amiss, within the deadline: also while an earlier question is not answered yet."""
        if self._asked is None:
            self._asked, self._begun = asyncio.ensure_future(self._ask()), time.monotonic()
        asked = self._asked
        done, _ = await asyncio.wait([asked], timeout=max(0.0, self._begun + DEADLINE_S - time.monotonic()))
        if not done:
            log.warning("no answer in time", looked_at=self._fault, deadline_s=DEADLINE_S)
            return self._fault
        self._asked = None
        if (error := asked.exception()) is not None:
            log.warning("not ready", looked_at=self._fault, reason=str(error))
            return self._fault
        return None

    def close(self) -> None:
        if self._asked is not None:
            self._asked.cancel()


class Readiness:
    """What all looks say together; never ready once the process is to stop."""

    def __init__(self, looks: Sequence[Look]) -> None:
        self._looks = looks
        self._faults: tuple[str, ...] = ()
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()
        self._stopping = False

    async def faults(self) -> tuple[str, ...]:
        """Empty when ready."""
        if self._stopping:
            return ("this process is stopping",)
        async with self._looking:  # who asks meanwhile gets the same answer
            if time.monotonic() - self._looked_at >= FRESH_S:
                found = await asyncio.gather(*(look.fault() for look in self._looks))
                self._faults = tuple(fault for fault in found if fault is not None)
                self._looked_at = time.monotonic()
        return self._faults

    def stop(self) -> None:
        """From now on no new work is to come here."""
        self._stopping = True

    def close(self) -> None:
        for look in self._looks:
            look.close()


def readiness_of_twin(settings: Settings, database: Database) -> Readiness:
    return Readiness(_own_looks(settings, database, settings.replica))


def readiness_of_gateway(settings: Settings, database: Database, proxy: UpstreamProxy) -> Readiness:
    async def some_twin_is_ready() -> None:
        if not await proxy.num_ready(DEADLINE_S / 2):
            raise OSError(f"{len(settings.upstreams)} asked")

    looks = _own_looks(settings, database, f"gateway@{os.uname().nodename}"[:64])
    return Readiness([*looks, Look("no twin behind this gateway is ready", some_twin_is_ready)])


def _own_looks(settings: Settings, database: Database, name: str) -> list[Look]:
    """A small write, as requests make them: a database may answer reads and be full, or a standby."""
    folders = {settings.data_dir, folder_of(settings.resolved_database_url) or settings.data_dir}

    async def store_takes_writes() -> None:
        await database.write(partial(probes.note, name=name, now=clock.now()))

    async def disk_has_room() -> None:
        await asyncio.to_thread(_check_room, folders)

    return [
        Look("the database cannot be used", store_takes_writes),
        Look("the disk of the data folder is full", disk_has_room),
    ]


def _check_room(folders: set[Path]) -> None:
    for folder in folders:
        disk = os.statvfs(folder)
        if disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES:
            raise OSError(f"{folder} has less than {MIN_FREE_BYTES} bytes of room")
