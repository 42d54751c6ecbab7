"""Live QEC sessions: one at a time each, in a thread, journalled before an answer leaves, rebuilt after a restart."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import orjson

from twin import clock
from twin.backends import Backends
from twin.device.snapshot import NoiseSnapshot
from twin.errors import ConflictError, GoneError, NotFoundError, TooLargeError, TwinError
from twin.qec.session import LiveSession
from twin.qec.spec import SessionSpec
from twin.settings import Limits
from twin.store import backends as snapshots
from twin.store import events
from twin.store import sessions as statements
from twin.store.database import Connection, Database
from twin.store.events import Event
from twin.store.sessions import SessionRow
from twin.telemetry.event_log import EventLog
from twin.telemetry.metrics import ServiceMetrics

T = TypeVar("T")
NUM_THREADS = 4
# A call that is quicker than the way to another thread and back is made at once.
QUICK_SHOTS = 64
QUICK_S = 0.001


@dataclass(slots=True)
class Live:
    """A session in memory. `used` are the snapshots that it has asked for and that are not stored yet."""

    session_id: str
    session: LiveSession
    used: dict[str, NoiseSnapshot]
    num_entries: int = 0
    last_call_s: float = float("inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sessions:
    """Every session of this twin. The least recently used leave memory, and come back from their journals."""

    def __init__(
        self,
        database: Database,
        event_log: EventLog,
        backends: Backends,
        metrics: ServiceMetrics,
        *,
        replica: str,
        lease_s: float,
        limits: Limits,
    ) -> None:
        self._database = database
        self._event_log = event_log
        self._backends = backends
        self._metrics = metrics
        self._replica = replica
        self._lease_s = lease_s
        self._limits = limits
        self._live: OrderedDict[str, Live] = OrderedDict()
        self._loading = asyncio.Lock()
        self._threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="session")

    @property
    def num_live(self) -> int:
        return len(self._live)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def create(self, spec: SessionSpec, user: str) -> dict[str, Any]:
        """Open a session. Raises SessionSpecError, NotFoundError for the backend, TooLargeError."""
        if spec.shots > self._limits.max_session_shots:
            raise TooLargeError(f"a session has at most {self._limits.max_session_shots} shots, got {spec.shots}")
        await self._backends.current(spec.backend_id)
        session_id = f"{self._replica}-{secrets.token_hex(10)}"
        live = await self._in_thread(partial(self._new, session_id, spec))
        info = await self._in_thread(live.session.info)
        now = clock.now()
        row = SessionRow(
            session_id, spec.backend_id, self._replica, user, spec.job_id, "active", now, None, spec.to_dict(), None
        )
        await self._database.write(partial(_add, row=row, event=_event("session.created", row)))
        self._event_log.notify()
        self._keep(live)
        return {"session_id": session_id, **info}

    async def run(self, session_id: str, function: Callable[[LiveSession], T]) -> T:
        """Call something of a session that may change it; what it changed is stored before this returns.

        Raises NotFoundError, GoneError for a session that has ended, and what the function raises.
        """
        live = await self._get(session_id)
        if self._database.is_shared:
            await self._backends.current(live.session.spec.backend_id)
        async with live.lock:
            is_quick = live.session.spec.shots <= QUICK_SHOTS and live.last_call_s < QUICK_S
            begun = time.perf_counter()
            try:
                value = function(live.session) if is_quick else await self._in_thread(partial(function, live.session))
            finally:
                live.last_call_s = time.perf_counter() - begun
                stored = self._store(live)
            await self._until_stored(live, stored)
            return value

    async def status(self, session_id: str) -> dict[str, Any]:
        """Where a session stands; of one that has ended, where it stood then."""
        try:
            live = await self._get(session_id)
        except GoneError:
            row = await self._row(session_id)
            return {"session_id": session_id, **(row.summary or {}).get("status", {})}
        return {"session_id": session_id, **live.session.status()}

    async def end(self, session_id: str) -> dict[str, Any]:
        """End a session, and forget all but its verdict. Again: the same answer."""
        try:
            live = await self._get(session_id)
        except GoneError:
            row = await self._row(session_id)
            return {"session_id": session_id, **(row.summary or {}).get("end", {})}
        async with live.lock:
            verdict = await self._in_thread(live.session.end)
            await self._until_stored(live, self._store(live))
            spec = live.session.spec
            row = SessionRow(
                session_id, spec.backend_id, self._replica, "", spec.job_id, "ended", 0.0, clock.now(), {}, None
            )
            counts = {name: verdict[name] for name in ("total_rounds", "shots", "logical_errors")}
            summary = {"end": verdict, "status": live.session.status()}
            event = _event("session.ended", row, **counts)
            await self._database.write(partial(_end, session_id=session_id, summary=summary, event=event))
            self._event_log.notify()
            self._live.pop(session_id, None)
        return {"session_id": session_id, **verdict}

    def reported_snapshot(self, session: LiveSession) -> NoiseSnapshot:
        """What a session's error models are made from."""
        return self._backends.get(session.spec.backend_id).reported_snapshot()

    # -- in and out of memory

    def _new(self, session_id: str, spec: SessionSpec) -> Live:
        used: dict[str, NoiseSnapshot] = {}
        device = self._backends.get(spec.backend_id).device
        return Live(session_id, LiveSession(spec, device, self._source(spec.backend_id, used)), used)

    def _source(self, backend_id: str, used: dict[str, NoiseSnapshot]) -> Callable[[], NoiseSnapshot]:
        def snapshot() -> NoiseSnapshot:
            current = self._backends.get(backend_id).snapshot()
            used[current.snapshot_id] = current
            return current

        return snapshot

    async def _get(self, session_id: str) -> Live:
        live = self._live.get(session_id)
        if live is None:
            async with self._loading:
                live = self._live.get(session_id) or await self._load(session_id)
        self._live.move_to_end(session_id)
        return live

    async def _row(self, session_id: str) -> SessionRow:
        row = await self._database.read(partial(statements.get, session_id=session_id))
        if row is None:
            raise NotFoundError(f"there is no session {session_id!r}")
        return row

    async def _load(self, session_id: str) -> Live:
        """Rebuild a session from its journal, here, unless the replica that has it is alive."""
        row = await self._row(session_id)
        if row.status == "ended":
            raise GoneError(f"session {session_id} has ended")
        if row.owner != self._replica and self._database.is_shared:
            alive = await self._database.read(partial(snapshots.live_replicas, since=clock.now() - self._lease_s))
            if row.owner in alive:
                raise ConflictError(f"session {session_id} lives on replica {row.owner!r}; send its requests there")
        journal = await self._database.read(partial(statements.journal, session_id=session_id))
        live = await self._in_thread(partial(self._restore, row, [orjson.loads(entry) for entry in journal]))
        await self._database.write(partial(statements.take, session_id=session_id, owner=self._replica))
        self._keep(live)
        return live

    def _restore(self, row: SessionRow, entries: list[dict[str, Any]]) -> Live:
        used: dict[str, NoiseSnapshot] = {}
        spec = SessionSpec.from_body(row.spec)
        device = self._backends.get(row.backend_id).device
        try:
            session = LiveSession.restore(
                spec, device, self._source(row.backend_id, used), entries, self._stored_snapshot
            )
        except TwinError as error:
            raise ConflictError(
                f"session {row.session_id} cannot be rebuilt from its journal: {error}; open a new one"
            ) from error
        return Live(row.session_id, session, used, num_entries=len(entries))

    def _stored_snapshot(self, snapshot_id: str) -> NoiseSnapshot:
        body = self._database.read_now(partial(snapshots.snapshot, snapshot_id=snapshot_id))
        if body is None:
            raise NotFoundError(f"noise snapshot {snapshot_id!r} is not stored")
        return NoiseSnapshot.from_dict(body)

    def _keep(self, live: Live) -> None:
        self._live[live.session_id] = live
        for session_id in list(self._live):
            if len(self._live) <= self._limits.max_live_sessions:
                return
            if not self._live[session_id].lock.locked() and session_id != live.session_id:
                del self._live[session_id]

    def _store(self, live: Live) -> Future[None] | None:
        """Queue the write of what the session noted since the last time, its snapshots first."""
        entries = live.session.take_journal()
        if not entries:
            return None
        for snapshot in live.used.values():
            self._backends.keep_snapshot(snapshot)
        live.used.clear()
        first_index = live.num_entries
        live.num_entries += len(entries)
        self._count(live.session, entries)
        texts = [orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY) for entry in entries]
        return self._database.post(
            partial(statements.append, session_id=live.session_id, first_index=first_index, entries=texts)
        )

    async def _until_stored(self, live: Live, stored: Future[None] | None) -> None:
        """Wait for the commit. After a failed one the session is rebuilt from what is stored."""
        if stored is None:
            return
        try:
            await asyncio.wrap_future(stored)
        except Exception:
            self._live.pop(live.session_id, None)
            raise

    def _count(self, session: LiveSession, entries: list[dict[str, Any]]) -> None:
        spec = session.spec
        for entry in entries:
            if entry["op"] == "round":
                self._metrics.rounds.labels(spec.backend_id).inc(spec.shots)
            elif entry["op"] == "correction":
                self._metrics.corrections.labels(spec.backend_id).inc(spec.shots)
            elif entry["op"] == "flips":
                self._metrics.corrections.labels(spec.backend_id).inc(entry["count"])
                self._metrics.rounds.labels(spec.backend_id).inc(entry["count"] * (spec.rounds or 0))

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """A call in a thread. It is waited for even when the request is cancelled: the session is in its hands."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, function)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise


def _event(type_: str, row: SessionRow, **payload: object) -> Event:
    if not payload:
        names = ("code_family", "code_distance", "basis", "rounds", "shots")
        payload = {name: row.spec.get(name) for name in names}
    return Event(clock.now(), type_, row.backend_id, row.job_id, row.session_id, payload)


def _add(connection: Connection, row: SessionRow, event: Event) -> None:
    statements.add(connection, row)
    events.append(connection, [event])


def _end(connection: Connection, session_id: str, summary: Mapping[str, Any], event: Event) -> None:
    statements.end(connection, session_id, dict(summary), event.timestamp)
    events.append(connection, [event])
