"""Job routes: submit, list, look, attach metadata, fetch, cancel."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import partial
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from starlette.responses import Response, StreamingResponse

from twin import clock
from twin.api.clients import while_asked
from twin.api.deps import AnyCaller, Caller, Operator, TheParts
from twin.api.problems import responses
from twin.bodies import WHOLE, AsGiven, Body, QuickList
from twin.engines.forms import ActionCircuit, MemoryCircuit, StimCircuit
from twin.errors import ConflictError, DeniedError, Fault, InvalidError
from twin.gateway.accounts import normalized
from twin.integers import INTEGER_LIMIT, new_seed
from twin.jobs.model import JobRequest, body_hash
from twin.jobs.results import is_packed, pieces, size_of
from twin.parts import Parts
from twin.store import jobs as statements
from twin.store.jobs import JobRow, Place
from twin.telemetry.pushed import JobMetadata

router = APIRouter(prefix="/jobs", tags=["Jobs"])

MAX_CIRCUITS = 10_000
MAX_PAGE = 100
EVERYBODY = "all"
BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'
State = Literal["QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]


_FORM_OF_KEY = {"stim": "<stim>", "qec_memory": "<qec_memory>", "actions": "<actions>", "n_qubits": "<actions>"}


def _form_of(circuit: object) -> str | None:
    """Which of the forms a circuit means to be."""
    if isinstance(circuit, str):
        return "<qasm>"
    keys = circuit.keys() if isinstance(circuit, dict) else ()
    return next((form for key, form in _FORM_OF_KEY.items() if key in keys), None)


Json = dict[str, Any]
Circuit = Annotated[
    Annotated[str, Field(description="OpenQASM 2.0", examples=[BELL]), Tag("<qasm>")]
    | Annotated[Json, AsGiven(ActionCircuit), Tag("<actions>")]
    | Annotated[Json, AsGiven(StimCircuit), Tag("<stim>")]
    | Annotated[Json, AsGiven(MemoryCircuit), Tag("<qec_memory>")],
    Discriminator(
        _form_of,
        custom_error_type="unknown_circuit",
        custom_error_message="expected OpenQASM 2.0 text, {n_qubits, actions}, {stim} or {qec_memory}",
    ),
]
Metadata = Annotated[Json, AsGiven(JobMetadata)]


def _separated(value: object) -> object:
    """`state=A&state=B` or `state=A,B`."""
    return [part for text in value for part in text.split(",") if part] if isinstance(value, list) else value


class JobCreate(Body):
    backend_id: str = Field(examples=["ibm_jakarta_like"])
    circuits: QuickList[Circuit] = Field(min_length=1, max_length=MAX_CIRCUITS)
    shots: Annotated[int, Field(ge=1), WHOLE] = 1024
    metadata: Metadata = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0, lt=INTEGER_LIMIT), WHOLE] | None = Field(
        default=None, description="null: chosen for you, and reported"
    )
    memory: bool = Field(default=False, description="also return every shot's bit string")


class Timeline(BaseModel):
    created_at: str
    queued_at: str
    started_at: str | None
    ended_at: str | None


class JobSummary(BaseModel):
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


class JobStatus(JobSummary):
    metadata: dict[str, Any]


class ListedJob(JobSummary):
    user: str


class JobPage(BaseModel):
    jobs: list[ListedJob] = Field(description="newest first; `GET /jobs/{job_id}` has a job's metadata, too")
    next_cursor: str | None = Field(description="asks for the jobs before these; null after the oldest")


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


class MetadataOfJob(BaseModel):
    job_id: str
    metadata: dict[str, Any]


@router.post("", status_code=202, response_model=JobStatus, responses=responses(403, 404, 409, 413, 422, 429))
async def submit_job(
    body: JobCreate,
    request: Request,
    parts: TheParts,
    caller: Operator,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> dict[str, Any]:
    """Submit circuits. The same `Idempotency-Key` and body give the same job, however often they are sent."""
    backend = parts.backends.get(body.backend_id)
    if not backend.device.operational:
        raise ConflictError(f"backend {body.backend_id!r} is not operational")
    _check_limits(body, backend.device.max_shots, backend.device.max_circuits_per_job)
    check = parts.checker.check(backend.pickled_device, body.circuits, body.shots, caller.name, memory=body.memory)
    await while_asked(request, check)
    job = JobRequest(
        backend_id=body.backend_id,
        circuits=tuple(body.circuits),
        shots=body.shots,
        seed=new_seed() if body.seed is None else body.seed,
        memory=body.memory,
    )
    row = await parts.jobs.submit(
        job,
        user_id=caller.name,
        metadata=body.metadata,
        request_hash=body_hash(body.model_dump()),
        key=idempotency_key,
    )
    return _view(parts, row)


@router.get("", response_model=JobPage, responses=responses(403, 404, 422))
async def list_jobs(
    parts: TheParts,
    caller: AnyCaller,
    state: Annotated[list[State] | None, BeforeValidator(_separated), Query(description="one or several")] = None,
    backend_id: str | None = None,
    user: Annotated[str | None, Query(description="admins only: an email, or `all`; else your own jobs")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the page before")] = None,
) -> dict[str, Any]:
    """Your jobs, newest first, as far as they are kept: retention, when it is set, deletes those that have ended."""
    read = partial(
        statements.page,
        user_id=_whose(caller, user),
        backend_id=backend_id,
        states=state or (),
        before=None if cursor is None else _place(cursor),
        limit=limit + 1,  # tells whether there are more
    )
    rows = await parts.database.read(read)
    if backend_id is not None and not rows:
        parts.backends.get(backend_id)  # jobs may be of a backend that the configuration no longer has
    shown = rows[:limit]
    return {
        "jobs": [{**_view(parts, row), "user": row.user_id} for row in shown],
        "next_cursor": _cursor(shown[-1]) if len(rows) > limit else None,
    }


def _whose(caller: Caller, user: str | None) -> str | None:
    """The user whose jobs are asked for; None for all of them. Raises DeniedError."""
    if user is None or user == caller.name:
        return caller.name
    if caller.role != "admin":
        raise DeniedError(f"jobs of others need the role admin; you are {caller.role}")
    return None if user == EVERYBODY else normalized(user)


def _cursor(row: JobRow) -> str:
    return urlsafe_b64encode(orjson.dumps([row.created_at, row.job_id])).decode().rstrip("=")


def _place(cursor: str) -> Place:
    try:
        created_at, job_id = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return float(created_at), str(job_id)
    except (ValueError, TypeError) as error:
        message = f"cursor: got {cursor!r}; expected the next_cursor of an answer"
        raise InvalidError(message, [Fault(("cursor",), "not a next_cursor")]) from error


@router.get("/{job_id}", response_model=JobStatus, responses=responses(404))
async def get_job(job_id: str, parts: TheParts, _caller: AnyCaller) -> dict[str, Any]:
    return _view(parts, await parts.jobs.get(job_id))


@router.post("/{job_id}/metadata", response_model=MetadataOfJob, responses=responses(403, 404, 413, 422))
async def attach_job_metadata(job_id: str, body: Metadata, parts: TheParts, _caller: Operator) -> dict[str, Any]:
    """Merge keys into a job's metadata: `decoder_metrics` and `qec_metrics` feed `/telemetry/qec`."""
    return {"job_id": job_id, "metadata": await parts.jobs.merge_metadata(job_id, body)}


@router.get(
    "/{job_id}/result",
    response_model=JobResult,
    responses={202: {"model": JobPending}, **responses(404, 409, 410)},
)
async def get_job_result(job_id: str, parts: TheParts) -> Response:
    """Counts of every circuit; 202 while there are none, 410 for a cancelled job, 409 with the reason for a failed."""
    document = await parts.jobs.result(job_id)
    if document is not None:
        if not is_packed(document):
            return Response(document, media_type="application/json")
        size = {"Content-Length": str(size_of(document))}
        return StreamingResponse(pieces(document), headers=size, media_type="application/json")  # in a thread
    row = await parts.jobs.get(job_id)
    pending = JobPending.model_validate({"job_id": job_id, "status": row.status})
    return Response(pending.model_dump_json(), 202, {"Retry-After": "1"}, "application/json")


@router.delete("/{job_id}", response_model=JobStatus, responses=responses(403, 404, 409))
async def cancel_job(job_id: str, parts: TheParts, _caller: Operator) -> dict[str, Any]:
    """Cancel a job that waits or runs, whose worker is stopped; 409 for one that is over."""
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
