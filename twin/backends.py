"""Every backend as it is now: its device, what commands have changed, and the noise that follows from both."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import orjson

from twin import clock
from twin.device.catalog import DeviceCatalog
from twin.device.commands import RECALIBRATE, apply_command, set_cryo, set_readout_config
from twin.device.controller import ControllerState
from twin.device.device import Device, Scenario, SchedulerSettings
from twin.device.drift import drift_at, reported_drift
from twin.device.snapshot import NoiseSnapshot, compose
from twin.errors import ConflictError, NotFoundError
from twin.jobs.model import JobRequest, RunOutcome, RunTask
from twin.patience import uninterrupted
from twin.store import backends as statements
from twin.store import events
from twin.store.database import Connection, Database
from twin.store.events import Event
from twin.telemetry.event_log import EventLog

T = TypeVar("T")
MAX_SAVE_ATTEMPTS = 5
MAX_REMEMBERED_SNAPSHOTS = 4096
TELL_USE_AFTER_S = 3600.0

Change = Callable[[ControllerState, Device, Mapping[str, Scenario]], ControllerState]


@dataclass(frozen=True, slots=True)
class Controlled:
    """One backend's controller state with its version, as it is stored."""

    state: ControllerState = field(default_factory=ControllerState)
    version: int = 0
    changed_at: float | None = None
    heartbeat_at: float | None = None
    recalibrated_at: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "state": self.state.to_dict(),
            "changed_at": self.changed_at,
            "heartbeat_at": self.heartbeat_at,
            "recalibrated_at": self.recalibrated_at,
        }

    @classmethod
    def from_row(cls, version: int, body: Mapping[str, Any]) -> Controlled:
        return cls(**{**body, "state": ControllerState.from_dict(body["state"]), "version": version})


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend at one moment. Never changed: `Backends` puts another one in its place.

    Snapshots are composed when asked for, and kept while nothing they are made of changes.
    """

    device: Device
    scenarios: Mapping[str, Scenario]
    controlled: Controlled
    pickled_device: bytes
    _snapshots: dict[str, tuple[int | None, NoiseSnapshot]] = field(default_factory=dict)

    def snapshot(self) -> NoiseSnapshot:
        """The noise as it truly is, drift included. Safe to call from any thread."""
        now = clock.now()
        drift = self.device.drift
        step = int(now // drift.step_s) if drift.enabled else None
        return self._composed("true", step, lambda: drift_at(self.device, now))

    def snapshot_of(self, state: ControllerState) -> NoiseSnapshot:
        """The noise of this moment as it would be under another state."""
        return compose(self.device, self.scenarios, state, drift_at(self.device, clock.now()))

    def reported_snapshot(self) -> NoiseSnapshot:
        """The noise as the device reports it: with the drift of its last recalibration."""
        now = clock.now()
        interval_s = self.device.drift.recalibration_interval_s
        period = int(now // interval_s) if interval_s is not None else None
        recalibrated_at = self.controlled.recalibrated_at
        return self._composed("reported", period, lambda: reported_drift(self.device, now, recalibrated_at))

    def _composed(self, kind: str, period: int | None, drift: Callable[[], Any]) -> NoiseSnapshot:
        known = self._snapshots.get(kind)
        if known is not None and known[0] == period:
            return known[1]
        snapshot = compose(self.device, self.scenarios, self.controlled.state, drift())
        self._snapshots[kind] = (period, snapshot)
        return snapshot


class Backends:
    """All backends of this twin, and the one owner of their state.

    `_controlled` is what commands have changed, `_catalog` what the files say; `_backends` follows from both, and only
    `load` and `_enforce` write it, in one step each. Changes are stored before they are in force.
    """

    def __init__(self, database: Database, event_log: EventLog, catalog: DeviceCatalog) -> None:
        self._database = database
        self._event_log = event_log
        self._controlled: dict[str, Controlled] = {}  # also of backends that the files leave out at present
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._backends: dict[str, Backend] = {}
        self._stored_snapshots: dict[str, float] = {}  # ids whose commit is known, and when it was; oldest first
        self._pickled: dict[str, tuple[str, bytes]] = {}  # of each backend, its newest snapshot's id and pickle
        self.scenarios: Mapping[str, Scenario] = {}
        self.load(catalog)

    def load(self, catalog: DeviceCatalog) -> None:
        """Put a (changed) configuration in force; what commands have changed stays in force on top of it."""
        self.scenarios = catalog.scenarios
        self._backends = {
            backend_id: Backend(
                device, catalog.scenarios, self._controlled.get(backend_id, Controlled()), pickle.dumps(device)
            )
            for backend_id, device in catalog.devices.items()
        }

    def _enforce(self, backend_id: str, controlled: Controlled) -> None:
        """Put a stored state in force, unless a newer one is: answers of the store may overtake each other."""
        if controlled.version <= self._version(backend_id):
            return
        self._controlled[backend_id] = controlled
        if (backend := self._backends.get(backend_id)) is not None:
            self._backends[backend_id] = replace(backend, controlled=controlled, _snapshots={})

    def _version(self, backend_id: str) -> int:
        known = self._controlled.get(backend_id)
        return 0 if known is None else known.version

    async def start(self) -> None:
        """Put in force what was stored, also of backends that the files do not have now: they may come back."""
        stored = await self._database.read(statements.states)
        for backend_id, (version, body) in stored.items():
            self._enforce(backend_id, Controlled.from_row(version, body))

    @property
    def all(self) -> Mapping[str, Backend]:
        return self._backends

    def get(self, backend_id: str) -> Backend:
        """Raises NotFoundError for a backend that does not exist."""
        try:
            return self._backends[backend_id]
        except KeyError:
            known = ", ".join(self._backends)
            raise NotFoundError(f"there is no backend {backend_id!r}; there are: {known}") from None

    async def current(self, backend_id: str) -> Backend:
        """The backend, with what other replicas have changed."""
        self.get(backend_id)
        if self._database.is_shared:
            await self._refresh(backend_id)
        return self.get(backend_id)

    # -- changes

    async def command(self, backend_id: str, command_type: str, payload: Mapping[str, Any], user: str) -> Controlled:
        """Apply one command of the API reference, or `recalibrate`. Raises CommandError; then nothing has changed."""

        def change(state: ControllerState, device: Device, scenarios: Mapping[str, Scenario]) -> ControllerState:
            return apply_command(state, device, scenarios, command_type, payload)

        event = {"command_type": command_type, "payload": dict(payload), "user": user}
        event_type = f"controller.{command_type}"
        return await self._change(backend_id, change, event_type, event, recalibrate=command_type == RECALIBRATE)

    async def set_cryo(self, backend_id: str, payload: Mapping[str, Any], user: str) -> Controlled:
        def change(state: ControllerState, _device: Device, _scenarios: Mapping[str, Scenario]) -> ControllerState:
            return set_cryo(state, payload)

        return await self._change(backend_id, change, "controller.cryo", {"payload": dict(payload), "user": user})

    async def set_readout_config(self, backend_id: str, payload: Mapping[str, Any], user: str) -> Controlled:
        def change(state: ControllerState, device: Device, _scenarios: Mapping[str, Scenario]) -> ControllerState:
            return set_readout_config(state, device, payload)

        event = {"payload": dict(payload), "user": user}
        return await self._change(backend_id, change, "controller.readout_config", event)

    async def _change(
        self,
        backend_id: str,
        change: Change,
        event_type: str,
        payload: dict[str, Any],
        *,
        recalibrate: bool = False,
    ) -> Controlled:
        """Make, store and then enforce a new state; another replica's change in between is built upon."""
        self.get(backend_id)  # before its lock is made: a name that is not known has none
        return await uninterrupted(self._changed(backend_id, change, event_type, payload, recalibrate))

    async def _changed(
        self, backend_id: str, change: Change, event_type: str, payload: dict[str, Any], recalibrate: bool
    ) -> Controlled:
        async with self._locks[backend_id]:
            for _ in range(MAX_SAVE_ATTEMPTS):
                backend = self.get(backend_id)
                before = backend.controlled
                now = clock.now()
                new = Controlled(
                    change(before.state, backend.device, backend.scenarios),
                    before.version + 1,
                    now,
                    now,
                    now if recalibrate else before.recalibrated_at,
                )
                event = Event(now, event_type, backend_id, payload=payload)
                if await self._database.write(partial(_save, backend_id=backend_id, new=new, event=event)):
                    self._enforce(backend_id, new)
                    self._event_log.notify()
                    return new
                await self._refresh(backend_id)
        raise ConflictError(f"other replicas keep changing {backend_id!r}; try again")

    async def _refresh(self, backend_id: str) -> None:
        stored = await self._database.read(partial(statements.state, backend_id=backend_id))
        if stored is not None and stored[0] > self._version(backend_id):
            self._enforce(backend_id, Controlled.from_row(*stored))

    # -- what jobs and sessions run under

    async def run_task(self, job_id: str, request: JobRequest) -> RunTask:
        """A job with the noise of this moment, whose snapshot is stored before anything can name it.

        Raises NotFoundError for a backend that is gone, UnavailableError while the store is.
        """
        backend = await self.current(request.backend_id)
        snapshot = backend.snapshot()
        await self.keep_snapshot(snapshot)
        return RunTask(
            job_id=job_id,
            device=backend.pickled_device,
            snapshot=self._pickled_snapshot(snapshot),
            circuits=tuple(orjson.dumps(circuit) for circuit in request.circuits),
            shots=request.shots,
            seed=request.seed,
            memory=request.memory,
        )

    def _pickled_snapshot(self, snapshot: NoiseSnapshot) -> bytes:
        known = self._pickled.get(snapshot.backend_id)
        if known is None or known[0] != snapshot.snapshot_id:
            known = self._pickled[snapshot.backend_id] = (snapshot.snapshot_id, pickle.dumps(snapshot))
        return known[1]

    async def keep_snapshot(self, snapshot: NoiseSnapshot) -> None:
        """Store a snapshot that something is simulated under; back after its commit. Once an hour for each."""
        if not self._is_stored(snapshot):
            await asyncio.wrap_future(self.post_with([snapshot], lambda _connection: None))

    def post_with(self, snapshots: Iterable[NoiseSnapshot], write: Callable[[Connection], T]) -> Future[T]:
        """Queue a write that names snapshots: those that are not stored yet are, in the same transaction."""
        new = [each for each in snapshots if not self._is_stored(each)]
        if not new:
            return self._database.post(write)
        future = self._database.post(partial(_save_with, snapshots=new, write=write))
        future.add_done_callback(partial(self._remember, new))
        return future

    def _is_stored(self, snapshot: NoiseSnapshot) -> bool:
        """Stored, and its use told lately: what is not used for long is pruned."""
        told_at = self._stored_snapshots.get(snapshot.snapshot_id)
        return told_at is not None and time.monotonic() - told_at < TELL_USE_AFTER_S

    def _remember(self, snapshots: list[NoiseSnapshot], stored: Future[Any]) -> None:
        """After the commit, in the one thread that writes."""
        if stored.cancelled() or stored.exception() is not None:
            return
        for each in snapshots:
            self._stored_snapshots.pop(each.snapshot_id, None)  # to the end
            self._stored_snapshots[each.snapshot_id] = time.monotonic()
        while len(self._stored_snapshots) > MAX_REMEMBERED_SNAPSHOTS:
            del self._stored_snapshots[next(iter(self._stored_snapshots))]

    def scheduler(self, backend_id: str) -> SchedulerSettings:
        backend = self._backends.get(backend_id)
        return backend.device.scheduler if backend is not None else SchedulerSettings()

    def wait_s(self, request: JobRequest, outcome: RunOutcome) -> float:
        """How much longer than its simulation a job takes, by the backend's execution-time model."""
        backend = self._backends.get(request.backend_id)
        if backend is None:
            return 0.0
        scheduler = backend.device.scheduler
        scale = scheduler.exec_time_scale * backend.controlled.state.exec_time_scale
        per_circuit_s = request.shots * scheduler.shot_overhead_us * 1e-6
        device_time_s = scheduler.job_overhead_s + outcome.device_time_s + per_circuit_s * len(request.circuits)
        return max(0.0, scale * device_time_s - outcome.duration_s)


def _save(connection: Connection, backend_id: str, new: Controlled, event: Event) -> bool:
    if not statements.save_state(connection, backend_id, new.to_dict(), version=new.version):
        return False
    events.append(connection, [event])
    return True


def _save_with(connection: Connection, snapshots: list[NoiseSnapshot], write: Callable[[Connection], T]) -> T:
    for snapshot in snapshots:
        statements.save_snapshot(
            connection, snapshot.snapshot_id, snapshot.backend_id, snapshot.to_dict(), now=clock.now()
        )
    return write(connection)
