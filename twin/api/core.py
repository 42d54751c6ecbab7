"""Core routes: health, backends, metrics."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from twin import clock
from twin.api.deps import TheParts
from twin.api.problems import responses
from twin.telemetry.service import backend_metrics, prometheus_text

router = APIRouter(tags=["Core"])
PROMETHEUS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health(BaseModel):
    status: Literal["healthy"]
    timestamp: str


class BackendSummary(BaseModel):
    model_config = ConfigDict(extra="allow")

    backend_id: str
    n_qubits: int
    basis_gates: list[str]
    coupling_map: list[tuple[int, int]]
    max_shots: int
    max_circuits_per_job: int
    operational: bool


class TwoQubitGate(BaseModel):
    qubits: tuple[int, int]
    error: float = Field(description="average infidelity as applied, relaxation at the present T1 and T2 included")
    calibrated_error: float = Field(description="the calibration's, with its multipliers")
    duration_ns: float


class ReportedQubit(BaseModel):
    qubit: int
    t1_us: float
    t2_us: float
    readout_error: float
    prob_meas1_prep0: float
    prob_meas0_prep1: float
    gate_error: float = Field(description="of a pulse as applied, relaxation at the present T1 and T2 included")
    calibrated_gate_error: float = Field(description="the calibration's with its multipliers, or an override")
    frequency_ghz: float


class BackendDetails(BackendSummary):
    qubit_positions: list[tuple[float, float]]
    snapshot_id: str
    reported_snapshot_id: str
    qubits: list[ReportedQubit] = Field(description="as the device reports them, overrides included")
    two_qubit_gates: list[TwoQubitGate] = Field(description="the same of the coupled pairs")
    durations_ns: dict[str, float]


class BackendList(BaseModel):
    backends: list[BackendSummary]


class BackendMetrics(BaseModel):
    backend_id: str
    queue_depth: int
    running_jobs: int
    completed_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    avg_queue_time_s: float | None
    avg_execution_time_s: float | None
    avg_total_time_s: float | None


class Metrics(BaseModel):
    timestamp: str
    backends: list[BackendMetrics]
    active_sessions: int
    event_streams: int


@router.get("/health", response_model=Health)
async def get_health() -> dict[str, Any]:
    return {"status": "healthy", "timestamp": clock.to_text(clock.now())}


@router.get("/backends", response_model=BackendList)
async def list_backends(parts: TheParts) -> dict[str, Any]:
    """Every operational backend: topology, basis gates and limits."""
    everything = parts.backends.all.values()
    return {"backends": [backend.device.summary() for backend in everything if backend.device.operational]}


@router.get("/backends/{backend_id}", response_model=BackendDetails, responses=responses(404))
async def get_backend(backend_id: str, parts: TheParts) -> dict[str, Any]:
    """One backend: positions, durations, the calibration of its file, and the noise that it reports at this moment."""
    backend = await parts.backends.current(backend_id)
    reported = backend.reported_snapshot()
    gates = [
        {
            "qubits": list(pair),
            "error": edge.error,
            "calibrated_error": edge.calibrated_error,
            "duration_ns": edge.duration_ns,
        }
        for pair, edge in sorted(reported.edges.items())
    ]
    names = set(ReportedQubit.model_fields) - {"qubit"}
    return backend.device.details() | {
        "snapshot_id": backend.snapshot().snapshot_id,
        "reported_snapshot_id": reported.snapshot_id,
        "qubits": [
            {"qubit": index, **{name: getattr(qubit, name) for name in names}}
            for index, qubit in enumerate(reported.qubits)
        ],
        "two_qubit_gates": gates,
    }


@router.get("/metrics", response_model=Metrics)
async def get_metrics(parts: TheParts) -> dict[str, Any]:
    """Per backend: queue depth, jobs by state, mean latencies over the last jobs."""
    return {
        "timestamp": clock.to_text(clock.now()),
        "backends": await backend_metrics(parts.database, parts.backends, parts.jobs),
        "active_sessions": parts.sessions.num_live,
        "event_streams": parts.event_log.num_subscribers,
    }


@router.get(
    "/metrics/prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_prometheus_metrics(parts: TheParts) -> Response:
    """The same and more, in Prometheus' text exposition format."""
    text = prometheus_text(parts.metrics, parts.backends, parts.jobs, parts.sessions, parts.event_log)
    return Response(text, media_type=PROMETHEUS_MEDIA_TYPE)
