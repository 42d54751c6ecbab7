"""Job routes: submit, look, attach metadata, fetch, cancel."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from twin import clock
from twin.api.deps import AnyCaller, Operator, TheParts
from twin.api.json_values import JsonObject
from twin.api.problems import responses
from twin.errors import ConflictError, Fault, InvalidError
from twin.jobs.model import JobRequest, body_hash
from twin.parts import Parts
from twin.store.jobs import JobRow

router = APIRouter(prefix="/jobs", tags=["Jobs"])

MAX_CIRCUITS = 10_000
State = Literal["QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]


class JobCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    backend_id: str
    circuits: list[str | JsonObject] = Field(
        min_length=1,
        max_length=MAX_CIRCUITS,
        description="OpenQASM 2.0, or {n_qubits, actions}, {stim}, {qec_memory}",
    )
    shots: int = Field(default=1024, ge=1)
    metadata: JsonObject = Field(default_factory=dict)
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="None: chosen for you, and reported")
    memory: bool = Field(default=False, description="also return every shot's bit string")


class Timeline(BaseModel):
    created_at: str
    queued_at: str
    started_at: str | None
    ended_at: str | None


class JobStatus(BaseModel):
    job_id: str
    status: State
    backend_id: str
    shots: int
    num_circuits: int
    queue_position: int | None = Field(description="1 for the next job to run; null for one that does not wait")
    created_at: str
    timeline: Timeline
    attempts: int
    error: str | None
    metadata: dict[str, Any]


class CircuitResult(BaseModel):
    model_config = ConfigDict(extra="allow")

    circuit_index: int
    shots: int
    counts: dict[str, int]


class JobResult(BaseModel):
    job_id: str
    backend_id: str
    status: Literal["COMPLETED"]
    shots: int
    seed: int
    snapshot_id: str
    results: list[CircuitResult]


class JobPending(BaseModel):
    job_id: str
    status: State


class JobMetadata(BaseModel):
    job_id: str
    metadata: dict[str, Any]


@router.post("", status_code=202, response_model=JobStatus, responses=responses(403, 404, 409, 413, 422, 429))
async def submit(
    body: JobCreate,
    parts: TheParts,
    caller: Operator,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> dict[str, Any]:
    """Submit circuits. The same `Idempotency-Key` and body give the same job, however often they are sent."""
    backend = parts.backends.get(body.backend_id)
    if not backend.device.operational:
        raise ConflictError(f"backend {body.backend_id!r} is not operational")
    _check_limits(body, backend.device.max_shots, backend.device.max_circuits_per_job)
    await parts.checker.check(backend.pickled_device, body.circuits, body.shots)
    request = JobRequest(
        backend_id=body.backend_id,
        circuits=tuple(body.circuits),
        shots=body.shots,
        seed=secrets.randbits(63) if body.seed is None else body.seed,
        memory=body.memory,
    )
    row = await parts.jobs.submit(
        request,
        user_id=caller.name,
        metadata=body.metadata,
        request_hash=body_hash(body.model_dump()),
        key=idempotency_key,
    )
    return _view(parts, row)


@router.get("/{job_id}", response_model=JobStatus, responses=responses(404))
async def status(job_id: str, parts: TheParts, _caller: AnyCaller) -> dict[str, Any]:
    return _view(parts, await parts.jobs.get(job_id))


@router.post("/{job_id}/metadata", response_model=JobMetadata, responses=responses(403, 404, 413, 422))
async def attach_metadata(job_id: str, body: JsonObject, parts: TheParts, _caller: Operator) -> dict[str, Any]:
    """Merge keys into a job's metadata: `decoder_metrics` and `qec_metrics` feed `/telemetry/qec`."""
    return {"job_id": job_id, "metadata": await parts.jobs.merge_metadata(job_id, body)}


@router.get(
    "/{job_id}/result",
    response_model=JobResult,
    responses={202: {"model": JobPending}, **responses(404, 409, 410)},
)
async def result(job_id: str, parts: TheParts) -> Response:
    """Counts of every circuit; 202 while there are none, 410 for a cancelled job, 409 with the reason for a failed."""
    document = await parts.jobs.result(job_id)
    if document is not None:
        return Response(document, media_type="application/json")
    row = await parts.jobs.get(job_id)
    pending = JobPending.model_validate({"job_id": job_id, "status": row.status})
    return Response(pending.model_dump_json(), 202, {"Retry-After": "1"}, "application/json")


@router.delete("/{job_id}", response_model=JobStatus, responses=responses(403, 404, 409))
async def cancel(job_id: str, parts: TheParts, _caller: Operator) -> dict[str, Any]:
    """Cancel a queued job; 409 for one that runs or is over."""
    return _view(parts, await parts.jobs.cancel(job_id))


def _check_limits(body: JobCreate, max_shots: int, max_circuits: int) -> None:
    faults = []
    if body.shots > max_shots:
        faults.append(Fault(("shots",), f"{body.shots}, the backend's limit is {max_shots}"))
    if len(body.circuits) > max_circuits:
        faults.append(Fault(("circuits",), f"{len(body.circuits)} circuits, the backend's limit is {max_circuits}"))
    if faults:
        raise InvalidError("; ".join(f"{fault.loc[0]}: {fault.message}" for fault in faults), faults)


def _view(parts: Parts, row: JobRow) -> dict[str, Any]:
    created_at = clock.to_text(row.created_at)
    return {
        "job_id": row.job_id,
        "status": row.status,
        "backend_id": row.backend_id,
        "shots": row.shots,
        "num_circuits": row.num_circuits,
        "queue_position": parts.jobs.queue_position(row),
        "created_at": created_at,
        "timeline": {
            "created_at": created_at,
            "queued_at": created_at,
            "started_at": clock.to_text_or_none(row.started_at),
            "ended_at": clock.to_text_or_none(row.ended_at),
        },
        "attempts": row.attempts,
        "error": row.error,
        "metadata": row.metadata,
    }
