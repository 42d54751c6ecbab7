"""Live QEC sessions: one at a time each, in a thread, journalled before an answer leaves, rebuilt after a restart."""

from __future__ import annotations

import asyncio
import pickle
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar
from weakref import WeakValueDictionary

import orjson
import structlog

from twin import clock
from twin.backends import Backends
from twin.device.snapshot import NoiseSnapshot
from twin.errors import BusyError, ConflictError, GoneError, NotFoundError, TooLargeError, TwinError, UnavailableError
from twin.jobs.model import AnalysisTask
from twin.jobs.turns import Turns
from twin.patience import come_second
from twin.qec.lockstep import Lockstep
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
ENTRIES_DROPPED_AT_ONCE = 500
PIECE_S = 0.002
TURN_LIMIT_S = 0.1

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Live:
    """A session in memory, and whose it is. `used` are snapshots that it has asked for and that are not stored yet."""

    session_id: str
    user: str
    session: LiveSession
    used: dict[str, NoiseSnapshot]
    num_entries: int = 0
    num_bytes: int = 0
    last_call_s: float = float("inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class EventLoopFirst:
    """Called by a session's thread again and again: every `PIECE_S` it waits until the event loop has had a turn.

    The loop lets go of the interpreter's lock with each system call, and would wait for it once a call beside a thread
    that computes without a pause: for a burst of requests, tenths of a second.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loops_thread = threading.get_ident()
        self._resumed_at = threading.local()
        self._is_closed = False

    def close(self) -> None:
        """From now on nobody waits for the loop, which waits for the threads."""
        self._is_closed = True

    def __call__(self) -> None:
        now = time.perf_counter()
        if self._is_closed or threading.get_ident() == self._loops_thread:
            return
        if now - getattr(self._resumed_at, "time", 0.0) < PIECE_S:
            return
        turn = threading.Event()
        self._loop.call_soon_threadsafe(turn.set)
        turn.wait(TURN_LIMIT_S)  # a loop that is held up is not helped by waiting longer
        self._resumed_at.time = time.perf_counter()


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
        self._loading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._turns = Turns(NUM_THREADS, "sessions' calls", num_of_one=NUM_THREADS // 2)
        self._threads = ThreadPoolExecutor(NUM_THREADS, "session", initializer=come_second)
        self._loop_first = EventLoopFirst()

    @property
    def num_live(self) -> int:
        return len(self._live)

    def close(self) -> None:
        self._loop_first.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def create(self, spec: SessionSpec, user: str) -> dict[str, Any]:
        """Open a session.

        Raises SessionSpecError, NotFoundError for the backend, TooLargeError, BusyError for a user who has too many.
        """
        if spec.shots > self._limits.max_session_shots:
            raise TooLargeError(f"a session has at most {self._limits.max_session_shots} shots, got {spec.shots}")
        await self._backends.current(spec.backend_id)
        session_id = f"{self._replica}-{secrets.token_hex(10)}"
        live = await self._in_thread(user, partial(self._new, session_id, spec, user))
        info = await self._in_thread(user, live.session.info)
        now = clock.now()
        row = SessionRow(
            session_id, spec.backend_id, self._replica, user, spec.job_id, "active", now, None, spec.to_dict(), None
        )
        limit = self._limits.max_open_sessions
        await self._database.write(partial(_add, row=row, event=_event("session.created", row), limit=limit))
        self._event_log.notify()
        self._keep(live)
        return {"session_id": session_id, **info}

    async def run(self, session_id: str, function: Callable[[LiveSession], T]) -> T:
        """Call something of a session that may change it; what it changed is stored before this returns.

        Raises NotFoundError, GoneError for a session that has ended, and what the function raises.
        """
        async with self._held(session_id) as live:
            if self._database.is_shared:
                await self._backends.current(live.session.spec.backend_id)
            is_quick = live.session.spec.shots <= QUICK_SHOTS and live.last_call_s < QUICK_S
            begun = time.perf_counter()
            try:
                value = (
                    function(live.session)
                    if is_quick
                    else await self._in_thread(live.user, partial(function, live.session))
                )
            finally:
                live.last_call_s = time.perf_counter() - begun
                await self._store(live)
                self._weigh(live)
            return value

    async def analysis(
        self, session_id: str, kind: Literal["circuit", "detector_error_model"], rounds: int | None
    ) -> AnalysisTask:
        """What is needed to make a session's circuit or error model, elsewhere: nothing of it need be in memory.

        Raises NotFoundError, GoneError for a session that has ended, ConflictError where the rounds are not known.
        """
        row = await self._row(session_id)
        if row.status == "ended":
            raise GoneError(f"session {session_id} has ended")
        spec = SessionSpec.from_body(row.spec)
        fixed = spec.fixed_rounds(rounds)
        backend = await self._backends.current(row.backend_id)
        snapshot = pickle.dumps(backend.reported_snapshot())
        return AnalysisTask(kind, backend.pickled_device, snapshot, spec, fixed)

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
            async with self._held(session_id) as live:
                return {"session_id": session_id, **await self._end(live)}
        except GoneError:
            row = await self._row(session_id)
            return {"session_id": session_id, **(row.summary or {}).get("end", {})}

    async def _end(self, live: Live) -> dict[str, Any]:
        verdict = await self._in_thread(live.user, live.session.end)
        await self._store(live)
        spec = live.session.spec
        row = SessionRow(
            live.session_id, spec.backend_id, self._replica, "", spec.job_id, "ended", 0.0, clock.now(), {}, None
        )
        counts = {name: verdict[name] for name in ("total_rounds", "shots", "logical_errors")}
        summary = {"end": verdict, "status": live.session.status()}
        event = _event("session.ended", row, **counts)
        end = partial(_end, session_id=live.session_id, owner=self._replica, summary=summary, event=event)
        await self._write(live, partial(self._database.post, end))
        self._event_log.notify()
        self._live.pop(live.session_id, None)
        await self._drop_journal(live.session_id, live.num_entries)
        return verdict

    async def _drop_journal(self, session_id: str, num_entries: int) -> None:
        """Of an ended session, whose summary is stored: in pieces, since others want to write, too."""
        drop = partial(statements.drop_journal, session_id=session_id, limit=ENTRIES_DROPPED_AT_ONCE)
        try:
            for _ in range(0, num_entries, ENTRIES_DROPPED_AT_ONCE):
                await self._database.write(drop)
        except UnavailableError as error:  # the session has ended all the same; `prune` finds what is left
            log.warning("an ended session's journal is left", session_id=session_id, reason=str(error))

    # -- in and out of memory

    def _new(self, session_id: str, spec: SessionSpec, user: str) -> Live:
        used: dict[str, NoiseSnapshot] = {}
        device = self._backends.get(spec.backend_id).device
        session = LiveSession(spec, device, self._source(spec.backend_id, used), self._loop_first)
        if spec.rounds is None:  # then it can only be run round by round
            Lockstep.check_size(spec, session.memory.code)
        return Live(session_id, user, session, used)

    def _source(self, backend_id: str, used: dict[str, NoiseSnapshot]) -> Callable[[], NoiseSnapshot]:
        def snapshot() -> NoiseSnapshot:
            current = self._backends.get(backend_id).snapshot()
            used[current.snapshot_id] = current
            return current

        return snapshot

    @asynccontextmanager
    async def _held(self, session_id: str) -> AsyncIterator[Live]:
        """The session, for one caller at a time: as it is stored.

        Who waited for it looks again: a session whose write failed meanwhile, or that was rebuilt, is another object.
        """
        while True:
            live = await self._get(session_id)
            async with live.lock:
                if self._live.get(session_id) is live:
                    yield live
                    return

    async def _get(self, session_id: str) -> Live:
        live = self._live.get(session_id)
        if live is None:
            async with self._loading.setdefault(session_id, asyncio.Lock()):
                live = self._live.get(session_id) or await self._load(session_id)
        if session_id in self._live:
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
        take = partial(statements.take, session_id=session_id, old_owner=row.owner, new_owner=self._replica)
        journal = await self._database.write(take)
        if journal is None:
            raise ConflictError(f"another replica took session {session_id} over just now, or ended it; ask again")
        live = await self._in_thread(row.user_id, partial(self._restore, row, journal))
        self._keep(live)
        return live

    def _restore(self, row: SessionRow, journal: Sequence[bytes]) -> Live:
        entries = [orjson.loads(entry) for entry in journal]
        used: dict[str, NoiseSnapshot] = {}
        spec = SessionSpec.from_body(row.spec)
        device = self._backends.get(row.backend_id).device
        try:
            session = LiveSession.restore(
                spec, device, self._source(row.backend_id, used), entries, self._stored_snapshot, self._loop_first
            )
        except UnavailableError:  # which passes
            raise
        except TwinError as error:
            raise ConflictError(
                f"session {row.session_id} cannot be rebuilt from its journal: {error}; open a new one"
            ) from error
        return Live(row.session_id, row.user_id, session, used, num_entries=len(entries))

    def _stored_snapshot(self, snapshot_id: str) -> NoiseSnapshot:
        body = self._database.read_now(partial(snapshots.snapshot, snapshot_id=snapshot_id))
        if body is None:
            raise NotFoundError(f"noise snapshot {snapshot_id!r} is not stored")
        return NoiseSnapshot.from_dict(body)

    def forget(self) -> None:
        """Take every session from the store again: this replica may have lost some while it slept."""
        self._live.clear()

    def _keep(self, live: Live) -> None:
        self._live[live.session_id] = live
        self._weigh(live)

    def _weigh(self, live: Live) -> None:
        """Let the least recently used sessions rest on disk where all together are too many, or too much."""
        num_bytes = live.session.num_bytes
        if num_bytes == live.num_bytes:
            return
        live.num_bytes = num_bytes
        in_memory = sum(each.num_bytes for each in self._live.values())
        for session_id in list(self._live):
            is_little = in_memory <= self._limits.max_live_session_bytes
            if is_little and len(self._live) <= self._limits.max_live_sessions:
                return
            each = self._live[session_id]
            if not each.lock.locked() and each is not live:
                in_memory -= each.num_bytes
                del self._live[session_id]

    async def _store(self, live: Live) -> None:
        """Store what the session noted since the last time, with the snapshots that it names: all of it or nothing."""
        entries = live.session.take_journal()
        if not entries:
            return
        texts = [orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY) for entry in entries]
        append = partial(
            statements.append,
            session_id=live.session_id,
            owner=self._replica,
            first_index=live.num_entries,
            entries=texts,
        )
        await self._write(live, partial(self._backends.post_with, list(live.used.values()), append))
        live.used.clear()
        live.num_entries += len(entries)
        self._count(live.session, entries)

    async def _write(self, live: Live, post: Callable[[], Future[bool]]) -> None:
        """Wait for a write's commit. After a failed one the session is rebuilt from what is stored.

        The same when the caller is cancelled: to load a session is a write, so it comes after the one that waits.
        Raises ConflictError when the session is no longer this replica's, which may have slept past its lease.
        """
        try:
            is_ours = await asyncio.wrap_future(post())
        except BaseException:
            self._live.pop(live.session_id, None)
            raise
        if not is_ours:
            self._live.pop(live.session_id, None)
            raise ConflictError(f"session {live.session_id} was taken over by another replica; send its requests there")

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

    async def _in_thread(self, user: str, function: Callable[[], T]) -> T:
        """A call in a thread, in turn with other users' sessions.

        It is waited for even when the request is cancelled: the session is in its hands.
        """
        async with self._turns.turn(user):
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


def _add(connection: Connection, row: SessionRow, event: Event, limit: int) -> None:
    if statements.num_open(connection, row.user_id) >= limit:
        raise BusyError(f"{limit} of your sessions are open; end one that you no longer need", 1.0)
    statements.add(connection, row)
    events.append(connection, [event])


def _end(connection: Connection, session_id: str, owner: str, summary: Mapping[str, Any], event: Event) -> bool:
    if not statements.end(connection, session_id, owner, dict(summary), event.timestamp):
        return False
    events.append(connection, [event])
    return True
