"""Telemetry routes: qubits, QEC metrics and their history, controller cadence, traces, scenario compatibility."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from twin import clock
from twin.api.deps import TheParts
from twin.api.events import EventView, event_view
from twin.api.problems import responses
from twin.api.rendering import json_list, listed, streamed
from twin.errors import Fault, InvalidError
from twin.parts import Parts
from twin.store import events, jobs, qec_points
from twin.telemetry.qec import qec_point

router = APIRouter(prefix="/telemetry", tags=["Telemetry"])

MAX_TRACE_EVENTS = 100_000
MAX_TRACE_POINTS = 100_000
MAX_LOOP_UPDATES = 10_000
Index = Annotated[int, Query(ge=0, le=10**6)]


class QubitTelemetry(BaseModel):
    qubit: int
    t1_us: float
    t2_us: float
    readout_error: float
    prob_meas1_prep0: float
    prob_meas0_prep1: float
    gate_error: float = Field(description="of a pulse as applied, relaxation at the present T1 and T2 included")
    calibrated_gate_error: float = Field(description="the calibration's with its multipliers, or an override")
    drift_multiplier: float
    excited_population: float
    overridden: list[str]


class QubitsTelemetry(BaseModel):
    backend_id: str
    snapshot_id: str
    timestamp: str
    qubits: list[QubitTelemetry]


class QecPoint(BaseModel):
    model_config = ConfigDict(extra="allow")

    point_id: int
    timestamp: str
    backend_id: str
    job_id: str | None
    circuit_index: int
    metric_source: Literal["decoder", "heuristic"]
    logical_error_rate: float | None
    physical_error_rate: float | None
    snapshot_id: str
    qec_metrics: dict[str, Any] | None
    decoder_metrics: dict[str, Any] | None


class QecSummary(BaseModel):
    backend_id: str | None
    job_id: str | None
    count: int
    latest: QecPoint | None
    avg_logical_error_rate: float | None
    avg_physical_error_rate: float | None


class QecHistory(BaseModel):
    points: list[QecPoint]


class LoopCadence(BaseModel):
    backend_id: str
    count: int
    last_timestamp: str | None
    avg_interval_s: float | None
    min_interval_s: float | None
    max_interval_s: float | None


class Trace(BaseModel):
    backend_id: str
    job_id: str
    exported_at: str
    job: dict[str, Any]
    events: list[EventView]
    qec_points: list[QecPoint]
    snapshot: dict[str, Any] | None
    complete: bool = Field(description="false when there was more than one trace may hold")


class Compatibility(BaseModel):
    backend_id: str
    scenario: str | None
    recognized: list[str]
    ignored: list[str]


@router.get("/qubits", response_model=QubitsTelemetry, responses=responses(404, 422))
async def get_qubit_telemetry(backend_id: str, parts: TheParts) -> dict[str, Any]:
    """The noise in force on every qubit, overrides and drift included."""
    snapshot = (await parts.backends.current(backend_id)).snapshot()
    names = set(QubitTelemetry.model_fields) - {"qubit"}
    return {
        "backend_id": backend_id,
        "snapshot_id": snapshot.snapshot_id,
        "timestamp": clock.to_text(clock.now()),
        "qubits": [
            {"qubit": index, **{name: getattr(qubit, name) for name in names}}
            for index, qubit in enumerate(snapshot.qubits)
        ],
    }


@router.get("/qec", response_model=QecPoint, responses=responses(404, 422))
async def take_qec_point(
    parts: TheParts, backend_id: str | None = None, job_id: str | None = None, circuit_index: Index = 0
) -> dict[str, Any]:
    """Take a point: from what a decoder pushed (of this job, else of the backend's last such job), else estimated.

    A job knows its backend: with `job_id`, `backend_id` may be left out.
    """
    job = await _job(parts, backend_id, job_id) if job_id is not None else None
    if job is not None:
        backend_id = job.backend_id
    if backend_id is None:
        raise InvalidError("give backend_id or job_id", [Fault(("query", "backend_id"), "give it, or job_id")])
    backend = await parts.backends.current(backend_id)
    if job is None:
        job = await parts.database.read(partial(jobs.latest_with_metrics, backend_id=backend_id))
    request = await _circuit(parts, job.job_id, circuit_index) if job is not None else None
    snapshot = backend.snapshot()
    point = qec_point(snapshot, job, circuit_index, request)
    add = partial(qec_points.add, point=point, timestamp=clock.now())
    point_id = await asyncio.wrap_future(parts.backends.post_with([snapshot], add))
    return point | {"point_id": point_id}


@router.get("/qec/summary", response_model=QecSummary, responses=responses(404, 422))
async def get_qec_summary(parts: TheParts, backend_id: str | None = None, job_id: str | None = None) -> dict[str, Any]:
    """The newest point, and mean error rates over all points."""
    _check_backend(parts, backend_id)
    read = partial(qec_points.averages, backend_id=backend_id, job_id=job_id)
    count, logical, physical = await parts.database.read(read)
    newest = partial(qec_points.newest, backend_id=backend_id, job_id=job_id, limit=1)
    latest = await parts.database.read(newest)
    return {
        "backend_id": backend_id,
        "job_id": job_id,
        "count": count,
        "latest": latest[-1] if latest else None,
        "avg_logical_error_rate": logical,
        "avg_physical_error_rate": physical,
    }


@router.get("/qec/history", response_model=QecHistory, responses=responses(404, 422))
async def get_qec_history(
    parts: TheParts,
    backend_id: str | None = None,
    job_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> Response:
    """The newest points, oldest first."""
    _check_backend(parts, backend_id)
    read = partial(qec_points.newest, backend_id=backend_id, job_id=job_id, limit=limit)
    return await listed("points", await parts.database.read(read), dict)


@router.get("/loop", response_model=LoopCadence, responses=responses(404, 422))
async def get_loop_cadence(backend_id: str, parts: TheParts) -> dict[str, Any]:
    """How regularly `policy_update` commands come in."""
    parts.backends.get(backend_id)
    read = partial(
        events.timestamps, backend_id=backend_id, event_type="controller.policy_update", limit=MAX_LOOP_UPDATES
    )
    times = await parts.database.read(read)
    intervals = [later - earlier for earlier, later in itertools.pairwise(times)]
    return {
        "backend_id": backend_id,
        "count": len(times),
        "last_timestamp": clock.to_text(times[-1]) if times else None,
        "avg_interval_s": sum(intervals) / len(intervals) if intervals else None,
        "min_interval_s": min(intervals, default=None),
        "max_interval_s": max(intervals, default=None),
    }


@router.get("/trace/export", response_model=Trace, responses=responses(404, 422))
async def export_trace(job_id: str, parts: TheParts, backend_id: str | None = None) -> Response:
    """Everything about a job: request, events, QEC points, and the noise that it ran under."""
    row = await _job(parts, backend_id, job_id)
    request = await parts.database.read(partial(jobs.request, job_id=job_id))
    found = await parts.database.read(partial(events.page, job_id=job_id, after_id=0, limit=MAX_TRACE_EVENTS))
    points = await parts.database.read(
        partial(qec_points.newest, backend_id=None, job_id=job_id, limit=MAX_TRACE_POINTS)
    )
    job = {
        "status": row.status,
        "metadata": row.metadata,
        "error": row.error,
        "request": orjson.Fragment(request or b"null"),
    }
    head = {"backend_id": row.backend_id, "job_id": job_id, "exported_at": clock.to_text(clock.now()), "job": job}
    is_complete = len(found) < MAX_TRACE_EVENTS and len(points) < MAX_TRACE_POINTS
    tail = {"snapshot": await parts.job_snapshot(row), "complete": is_complete}

    def rendered() -> Iterator[bytes]:
        yield orjson.dumps(head)[:-1] + b',"events":'
        yield from json_list(found, event_view)
        yield b',"qec_points":'
        yield from json_list(points, dict)
        yield b"," + orjson.dumps(tail)[1:]

    return streamed(rendered())


@router.get("/scenario/compatibility", response_model=Compatibility, responses=responses(404, 422))
async def get_scenario_compatibility(backend_id: str, parts: TheParts) -> dict[str, Any]:
    """Which keys of the active scenario's file mean something, and which are ignored."""
    backend = await parts.backends.current(backend_id)
    name = backend.controlled.state.scenario
    scenario = parts.backends.scenarios.get(name) if name is not None else None
    return {
        "backend_id": backend_id,
        "scenario": name,
        "recognized": list(scenario.recognized_keys) if scenario else [],
        "ignored": list(scenario.ignored_keys) if scenario else [],
    }


async def _job(parts: Parts, backend_id: str | None, job_id: str) -> jobs.JobRow:
    """A job, which is that backend's where one is named."""
    if backend_id is None:
        return await parts.jobs.get(job_id)
    parts.backends.get(backend_id)
    return await parts.jobs.get_of(backend_id, job_id)


def _check_backend(parts: Parts, backend_id: str | None) -> None:
    if backend_id is not None:
        parts.backends.get(backend_id)


async def _circuit(parts: Parts, job_id: str, circuit_index: int) -> dict[str, Any] | None:
    """One circuit of a job, when it is a dict."""
    text = await parts.database.read(partial(jobs.request, job_id=job_id))
    circuits = orjson.loads(text)["circuits"] if text else []
    circuit = circuits[circuit_index] if circuit_index < len(circuits) else None
    return circuit if isinstance(circuit, dict) else None
