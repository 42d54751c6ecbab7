"""Event routes: pages of the log by cursor, and the live stream (Server-Sent Events)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query
from pydantic import BaseModel
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.responses import Response

from twin import clock
from twin.api.deps import TheParts
from twin.api.problems import responses
from twin.api.rendering import listed
from twin.errors import Fault, InvalidError
from twin.store import events
from twin.store.events import Event

router = APIRouter(prefix="/telemetry/events", tags=["Telemetry"])

MAX_EVENT_ID = 2**63 - 1


class EventView(BaseModel):
    event_id: int
    timestamp: str
    type: str
    backend_id: str | None
    job_id: str | None
    session_id: str | None
    payload: dict[str, Any]


class EventPage(BaseModel):
    events: list[EventView]
    next_cursor: str | None


def event_view(event: Event) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "timestamp": clock.to_text(event.timestamp),
        "type": event.type,
        "backend_id": event.backend_id,
        "job_id": event.job_id,
        "session_id": event.session_id,
        "payload": event.payload,
    }


@router.get("", response_model=EventPage, responses=responses(404, 422))
async def list_events(
    parts: TheParts,
    backend_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    since_timestamp: Annotated[str | None, Query(description="RFC 3339, or seconds since 1970")] = None,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
) -> Response:
    """Events, oldest first: after a cursor, since a time, or the newest. `next_cursor` asks for what follows."""
    if backend_id is not None:
        parts.backends.get(backend_id)
    after_id = None if cursor is None else _event_id(cursor, "cursor")
    since = None if since_timestamp is None else clock.parse(since_timestamp, field="since_timestamp")
    read = partial(events.page, backend_id=backend_id, after_id=after_id, since=since, limit=limit)
    found = await parts.database.read(read)
    return await listed("events", found, event_view, next_cursor=str(found[-1].event_id) if found else cursor)


@router.get(
    "/stream",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **responses(404, 422)},
)
async def stream_events(
    parts: TheParts,
    backend_id: str | None = None,
    named: Annotated[
        bool, Query(description="false: events without a name, which a browser hands to `onmessage`")
    ] = True,
    last_event_id: Annotated[str | None, Header(description="resume after this event")] = None,
    after: Annotated[
        str | None, Query(alias="last_event_id", description="the same, where no header can be sent; the header wins")
    ] = None,
) -> EventSourceResponse:
    """Events as they happen, each with its type as name. After a break, `Last-Event-ID` brings those that were missed.

    Types: `job.queued`, `job.started`, `job.completed`, `job.failed`, `job.cancelled`, `job.metadata`,
    `session.created`, `session.ended`, `config.updated`, and `controller.` with a command's type, `cryo` or
    `readout_config`. `stream.ended` is the last one of a stream whose token has expired, or whose account has changed.
    """
    if backend_id is not None:
        parts.backends.get(backend_id)
    resume = last_event_id or after
    after_id = _event_id(resume, "Last-Event-ID") if resume else None

    async def messages() -> AsyncIterator[ServerSentEvent]:
        async for event in parts.event_log.follow(backend_id, after_id):
            data = orjson.dumps(event_view(event)).decode()
            yield ServerSentEvent(data=data, id=str(event.event_id), event=event.type if named else None)

    return EventSourceResponse(messages(), ping=parts.settings.sse_heartbeat_s, sep="\n")


def _event_id(text: str, field: str) -> int:
    if not re.fullmatch(r"\d{1,19}", text, re.ASCII) or int(text) > MAX_EVENT_ID:
        raise InvalidError(f"{field}: got {text!r}, expected an event's id", [Fault((field,), "not an id")])
    return int(text)
