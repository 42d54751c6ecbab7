"""Every backend as it is now: its device, what commands have changed, and the noise that follows from both."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from twin import clock
from twin.device.catalog import DeviceCatalog
from twin.device.commands import RECALIBRATE, apply_command, set_cryo, set_readout_config
from twin.device.controller import ControllerState
from twin.device.device import Device, Scenario, SchedulerSettings
from twin.device.drift import drift_at, reported_drift
from twin.device.errors import CommandError
from twin.device.snapshot import NoiseSnapshot, compose
from twin.errors import ConflictError, Fault, NotFoundError
from twin.jobs.model import JobRequest, RunOutcome, RunTask
from twin.store import backends as statements
from twin.store import events
from twin.store.database import Connection, Database
from twin.store.events import Event
from twin.telemetry.event_log import EventLog

MAX_SAVE_ATTEMPTS = 5

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


@dataclass(slots=True)
class Backend:
    """One backend in memory. `snapshot` is composed when asked for, and kept until something it is made of changes."""

    device: Device
    scenarios: Mapping[str, Scenario]
    controlled: Controlled = field(default_factory=Controlled)
    pickled_device: bytes = b""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _snapshots: dict[str, tuple[object, NoiseSnapshot]] = field(default_factory=dict)
    _pickled: tuple[str, bytes] = ("", b"")

    def snapshot(self) -> NoiseSnapshot:
        """The noise as it truly is, drift included. Safe to call from any thread."""
        now = clock.now()
        drift = self.device.drift
        step = int(now // drift.step_s) if drift.enabled else None
        return self._composed("true", (self.controlled, step), lambda: drift_at(self.device, now))

    def reported_snapshot(self) -> NoiseSnapshot:
        """The noise as the device reports it: with the drift of its last recalibration."""
        now = clock.now()
        interval_s = self.device.drift.recalibration_interval_s
        period = int(now // interval_s) if interval_s is not None else None
        recalibrated_at = self.controlled.recalibrated_at
        return self._composed(
            "reported", (self.controlled, period), lambda: reported_drift(self.device, now, recalibrated_at)
        )

    def pickled_snapshot(self) -> bytes:
        snapshot = self.snapshot()
        if self._pickled[0] != snapshot.snapshot_id:
            self._pickled = (snapshot.snapshot_id, pickle.dumps(snapshot))
        return self._pickled[1]

    def _composed(self, kind: str, key: object, drift: Callable[[], Any]) -> NoiseSnapshot:
        known = self._snapshots.get(kind)
        if known is not None and known[0] == key:
            return known[1]
        snapshot = compose(self.device, self.scenarios, self.controlled.state, drift())
        self._snapshots[kind] = (key, snapshot)
        return snapshot


class Backends:
    """All backends of this twin. Changes are stored before they are in force."""

    def __init__(self, database: Database, event_log: EventLog, catalog: DeviceCatalog) -> None:
        self._database = database
        self._event_log = event_log
        self._backends: dict[str, Backend] = {}
        self._saved_snapshots: set[str] = set()
        self.scenarios: Mapping[str, Scenario] = {}
        self.load(catalog)

    def load(self, catalog: DeviceCatalog) -> None:
        """Take a (changed) configuration; what commands have changed stays in force on top of it."""
        self.scenarios = catalog.scenarios
        old = self._backends
        self._backends = {
            backend_id: Backend(
                device,
                catalog.scenarios,
                old[backend_id].controlled if backend_id in old else Controlled(),
                pickle.dumps(device),
                old[backend_id].lock if backend_id in old else asyncio.Lock(),
            )
            for backend_id, device in catalog.devices.items()
        }

    async def start(self) -> None:
        for backend_id in self._backends:
            await self._refresh(backend_id)

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
        backend = self.get(backend_id)
        if self._database.is_shared:
            await self._refresh(backend_id)
        return backend

    # -- changes

    async def command(self, backend_id: str, command_type: str, payload: Mapping[str, Any], user: str) -> Controlled:
        """Apply one command of the API reference, or `recalibrate`. Raises CommandError; then nothing has changed."""
        recalibrate = command_type == RECALIBRATE
        if recalibrate and payload:
            raise CommandError("recalibrate takes no payload", [Fault(("payload",), "must be empty")])

        def change(state: ControllerState, device: Device, scenarios: Mapping[str, Scenario]) -> ControllerState:
            return state if recalibrate else apply_command(state, device, scenarios, command_type, payload)

        event = {"command_type": command_type, "payload": dict(payload), "user": user}
        event_type = f"controller.{command_type}"
        return await self._change(backend_id, change, event_type, event, recalibrate=recalibrate)

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
        backend = self.get(backend_id)
        async with backend.lock:
            for _ in range(MAX_SAVE_ATTEMPTS):
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
                    backend.controlled = new
                    self._event_log.notify()
                    return new
                await self._refresh(backend_id)
        raise ConflictError(f"other replicas keep changing {backend_id!r}; try again")

    async def _refresh(self, backend_id: str) -> None:
        stored = await self._database.read(partial(statements.state, backend_id=backend_id))
        backend = self._backends[backend_id]
        if stored is not None and stored[0] != backend.controlled.version:
            backend.controlled = Controlled.from_row(*stored)

    # -- what jobs and sessions run under

    async def run_task(self, job_id: str, request: JobRequest) -> RunTask:
        """A job with the noise of this moment. The snapshot is stored before a result can name it."""
        backend = await self.current(request.backend_id)
        self.keep_snapshot(backend.snapshot())
        return RunTask(
            job_id=job_id,
            device=backend.pickled_device,
            snapshot=backend.pickled_snapshot(),
            circuits=tuple(orjson.dumps(circuit) for circuit in request.circuits),
            shots=request.shots,
            seed=request.seed,
            memory=request.memory,
        )

    def keep_snapshot(self, snapshot: NoiseSnapshot) -> None:
        """Store a snapshot that something was simulated under, once. Committed before any later write."""
        if snapshot.snapshot_id not in self._saved_snapshots:
            self._saved_snapshots.add(snapshot.snapshot_id)
            self._database.post(
                partial(
                    statements.save_snapshot,
                    snapshot_id=snapshot.snapshot_id,
                    backend_id=snapshot.backend_id,
                    body=snapshot.to_dict(),
                    created_at=clock.now(),
                )
            )

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
