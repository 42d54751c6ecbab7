"""QEC session routes: one round at a time as JSON, the circuit and error model, status and end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response

from twin.api.clients import while_asked
from twin.api.deps import AnyCaller, Caller, Operator, TheParts, check_operator
from twin.api.problems import responses
from twin.bodies import Body, QuickList
from twin.errors import TooLargeError
from twin.jobs.model import AnalysisTask
from twin.parts import Parts
from twin.qec.session import LiveSession
from twin.qec.spec import SessionSpec
from twin.readouts import session_text

router = APIRouter(prefix="/qec_session/v1", tags=["QEC session"])

Bits = list[int] | list[list[int]]
Words = list[int] | list[list[int]]
Rounds = Annotated[int | None, Query(ge=1, le=100_000)]


class SessionStatus(BaseModel):
    model_config = ConfigDict(extra="allow")

    session_id: str
    backend_id: str
    code_family: str
    code_distance: int
    basis: str
    rounds: int | None
    shots: int
    seed: int
    job_id: str | None
    status: Literal["active", "ended"]
    current_round: int


class SessionInfo(SessionStatus):
    initial_state: Literal["random", "zeros", "ones"]
    approximations: list[str] = Field(description="what is not as on the device")
    approximation_sizes: dict[str, float] = Field(
        description="by how much at most each of them moves the probability of one outcome with each round"
    )
    layout: Literal["native", "virtual"]
    num_stabilizers: int
    num_data_qubits: int
    num_observables: int
    round_time_ns: float
    snapshot_id: str
    noise: dict[str, Any]
    stabilizers: list[dict[str, Any]]
    observables: list[dict[str, Any]]


class Syndrome(BaseModel):
    model_config = ConfigDict(extra="allow")

    session_id: str
    round_index: int
    final: bool
    snapshot_id: str
    syndrome_bits: Bits
    detection_events: Bits
    meas_data_packed: int | list[int]
    meas_data_words: Words


class Correction(Body):
    correction_bits: QuickList[int] | QuickList[QuickList[int]]
    kind: Literal["syndrome", "data", "observable"] | None = Field(default=None, description="null: by length")


class CorrectionTaken(BaseModel):
    session_id: str
    round_index: int
    kind: Literal["syndrome", "data", "observable"]
    accepted: bool = True
    corrections_received: int


class SessionEnd(BaseModel):
    model_config = ConfigDict(extra="allow")

    session_id: str
    status: Literal["ended"]
    total_rounds: int
    shots: int
    logical_errors: int
    raw_logical_errors: int
    stats: dict[str, Any]
    meas_data_packed: int | list[int]
    meas_data_words: Words


@router.post("/", response_model=SessionInfo, responses=responses(403, 404, 413, 422, 429))
async def create_session(spec: SessionSpec, parts: TheParts, caller: Operator) -> dict[str, Any]:
    """Open a session: a live memory experiment on a backend's noise, as it is at every round."""
    if spec.job_id is not None:
        await parts.jobs.get(spec.job_id)
    return await parts.sessions.create(spec, caller.name)


@router.get(
    "/{session_id}/round/{round_index}/syndrome",
    response_model=Syndrome,
    responses=responses(403, 404, 409, 410, 413, 422),
)
async def get_syndrome(session_id: str, round_index: int, parts: TheParts, caller: AnyCaller) -> Response:
    """The next round, or the last one again. With a fixed length, round `rounds` is the final readout.

    A viewer reads the last one; to ask for the next one is to run it.
    """

    def simulate(session: LiveSession) -> bytes:
        _check_listable(parts, session)
        if round_index != session.last_round:
            check_operator(caller)
        answer = {"session_id": session_id, **session.syndrome(round_index).to_dict()}
        return orjson.dumps(answer)

    return Response(await parts.sessions.run(session_id, simulate), media_type="application/json")


@router.post(
    "/{session_id}/round/{round_index}/correction",
    response_model=CorrectionTaken,
    responses=responses(403, 404, 409, 410, 413, 422),
)
async def post_correction(
    session_id: str, round_index: int, body: Correction, parts: TheParts, _caller: Operator
) -> Response:
    """Post the decoder's correction for the last round. It acts from then on, and on the verdict."""

    def take(session: LiveSession) -> bytes:
        _check_listable(parts, session)
        kind = session.correct(round_index, body.correction_bits, body.kind)
        answer = {
            "session_id": session_id,
            "round_index": round_index,
            "kind": kind,
            "accepted": True,
            "corrections_received": session.corrections_received,
        }
        return orjson.dumps(answer)

    return Response(await parts.sessions.run(session_id, take), media_type="application/json")


@router.get("/{session_id}/status", response_model=SessionStatus, responses=responses(404))
async def get_session(session_id: str, parts: TheParts) -> dict[str, Any]:
    return await parts.sessions.status(session_id)


@router.post("/{session_id}/end", response_model=SessionEnd, responses=responses(403, 404, 409))
async def end_session(session_id: str, parts: TheParts, _caller: Operator) -> dict[str, Any]:
    """Read the data qubits and judge: was the logical observable right after all corrections?"""
    return await parts.sessions.end(session_id)


_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get(
    "/{session_id}/circuit", response_class=PlainTextResponse, responses=_TEXT | responses(404, 409, 410, 422, 429, 504)
)
async def get_session_circuit(
    session_id: str, request: Request, parts: TheParts, caller: AnyCaller, rounds: Rounds = None
) -> PlainTextResponse:
    """The memory circuit in Stim's format, with the noise that the device reports."""

    return await _analysis(request, parts, caller, await parts.sessions.analysis(session_id, "circuit", rounds))


@router.get(
    "/{session_id}/detector_error_model",
    response_class=PlainTextResponse,
    responses=_TEXT | responses(404, 409, 410, 422, 429, 504),
)
async def get_session_error_model(
    session_id: str, request: Request, parts: TheParts, caller: AnyCaller, rounds: Rounds = None
) -> PlainTextResponse:
    """The circuit's error model in Stim's format, decomposed into edges; detectors lie at (x, y, layer)."""

    task = await parts.sessions.analysis(session_id, "detector_error_model", rounds)
    return await _analysis(request, parts, caller, task)


async def _analysis(request: Request, parts: Parts, caller: Caller, task: AnalysisTask) -> PlainTextResponse:
    return PlainTextResponse(await while_asked(request, session_text(parts.executor, task, caller.name)))


def _check_listable(parts: Parts, session: LiveSession) -> None:
    limits, code, shots = parts.settings.limits, session.memory.code, session.spec.shots
    num_qubits = code.num_data_qubits + code.num_stabilizers
    limit = min(limits.max_json_shots, max(1, limits.max_json_outcomes // num_qubits))
    if shots > limit:
        raise TooLargeError(
            f"{shots} shots of {num_qubits} qubits are too many for JSON (at most {limit}); use the stream"
        )
