"""The session's WebSocket: qds1 words in both directions, on request (a slow client is never flooded).

Text {"op": "shots", "count": N} or {"op": "round"} asks for one binary frame; "first": K in the former goes back to
shot K, and the same shots come again; a binary frame brings corrections;
{"op": "flush"} is answered with how many have come. An error is answered as {"error": problem}.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import orjson
import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import Field, TypeAdapter, ValidationError

import qds1
from twin.api.deps import caller_of, check_operator
from twin.api.problems import problem_body, problem_of, problem_response
from twin.bodies import WHOLE, Body
from twin.errors import InvalidError, TwinError
from twin.parts import Parts
from twin.qec.session import LiveSession

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/qec_session/v1")

MAX_SHOTS_PER_FRAME = 1_000_000
WORD_BYTES = 4


class PullShots(Body):
    op: Literal["shots"]
    count: Annotated[int, Field(ge=1, le=MAX_SHOTS_PER_FRAME), WHOLE]
    first: Annotated[int, Field(ge=0), WHOLE] | None = None


class PullRound(Body):
    op: Literal["round"]


class Flush(Body):
    op: Literal["flush"]


_OPS: TypeAdapter[PullShots | PullRound | Flush] = TypeAdapter(
    Annotated[PullShots | PullRound | Flush, Field(discriminator="op")]
)


@router.websocket("/{session_id}/stream")
async def stream(websocket: WebSocket, session_id: str) -> None:
    parts: Parts = websocket.state.parts
    request_id = websocket.scope.get("state", {}).get("request_id")
    try:
        await _check(websocket, parts, session_id)
    except TwinError as error:
        await websocket.send_denial_response(problem_response(problem_of(error, request_id)))
        return
    await websocket.accept()
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            answer = await _answer(parts, session_id, message, request_id)
            if isinstance(answer, bytes):
                await websocket.send_bytes(answer)
            elif answer is not None:
                await websocket.send_text(orjson.dumps(answer).decode())
    except (WebSocketDisconnect, RuntimeError):  # the client left in mid-answer
        return


async def _check(websocket: WebSocket, parts: Parts, session_id: str) -> None:
    check_operator(await caller_of(websocket))
    await parts.sessions.run(session_id, lambda _session: None)


async def _answer(parts: Parts, session_id: str, message: Any, request_id: str | None) -> bytes | dict[str, Any] | None:
    """What one message is answered with; errors are answered, too, and leave the stream open."""
    try:
        data = message.get("bytes")
        if data is not None:
            await parts.sessions.run(session_id, partial(_accept, data=data))
            return None
        return await _operate(parts, session_id, message.get("text") or "")
    except TwinError as error:
        return {"error": problem_of(error, request_id)}
    except Exception as error:
        log.error("the stream failed inside", session_id=session_id, request_id=request_id, exc_info=error)
        return {"error": problem_body(500, "internal error; the server's log has the details", (), request_id)}


async def _operate(parts: Parts, session_id: str, text: str) -> bytes | dict[str, Any]:
    try:
        op = _OPS.validate_json(text)
    except ValidationError as error:
        raise InvalidError(f"not an operation of this stream: {error.errors()[0]['msg']}") from error
    match op:
        case PullShots(count=count, first=first):
            return await parts.sessions.run(session_id, lambda session: session.next_shots(count, first).tobytes())
        case PullRound():
            return await parts.sessions.run(session_id, lambda session: session.next_round().tobytes())
        case Flush():
            received = await parts.sessions.run(session_id, lambda session: session.corrections_received)
            return {"corrections_received": received}


def _accept(session: LiveSession, data: bytes) -> None:
    if len(data) % WORD_BYTES:
        raise InvalidError(f"a frame holds 32-bit words; got {len(data)} bytes")
    try:
        session.accept_corrections(np.frombuffer(data, dtype="<u4"))
    except qds1.Qds1Error as error:
        raise InvalidError(f"not CORRECTION messages: {error}") from error
