"""Statements on the event log: append, and page by a cursor (the last event's id)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select, text

from twin.store.schema import events

APPEND_LOCK = 0x71647332


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `event_id` is given by the store and grows with time."""

    timestamp: float
    type: str
    backend_id: str | None = None
    job_id: str | None = None
    session_id: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    event_id: int = 0


def append(connection: Connection, new: Sequence[Event]) -> None:
    if connection.dialect.name == "postgresql":
        # Ids come from a sequence before the commit. Without this lock a reader could see id 8 before 7 is
        # committed, move its cursor past both, and never see 7.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({APPEND_LOCK})"))
    connection.execute(
        insert(events),
        [
            {
                "timestamp": event.timestamp,
                "type": event.type,
                "backend_id": event.backend_id,
                "job_id": event.job_id,
                "session_id": event.session_id,
                "payload": dict(event.payload),
            }
            for event in new
        ],
    )


def page(
    connection: Connection,
    *,
    backend_id: str | None = None,
    job_id: str | None = None,
    after_id: int | None = None,
    since: float | None = None,
    limit: int,
) -> list[Event]:
    """At most `limit` events, oldest first: those after a cursor or a time, else the newest ones."""
    statement = select(events)
    if backend_id is not None:
        statement = statement.where(events.c.backend_id == backend_id)
    if job_id is not None:
        statement = statement.where(events.c.job_id == job_id)
    if after_id is not None:
        statement = statement.where(events.c.event_id > after_id)
    if since is not None:
        statement = statement.where(events.c.timestamp >= since)
    newest_only = after_id is None and since is None
    order = events.c.event_id.desc() if newest_only else events.c.event_id
    rows = connection.execute(statement.order_by(order).limit(limit)).mappings()
    found = [Event(**row) for row in rows]
    return found[::-1] if newest_only else found


def last_id(connection: Connection) -> int:
    return connection.execute(select(events.c.event_id).order_by(events.c.event_id.desc()).limit(1)).scalar() or 0


def timestamps(connection: Connection, backend_id: str, event_type: str, limit: int) -> list[float]:
    """Times of a backend's newest events of one type, oldest first."""
    statement = (
        select(events.c.timestamp)
        .where(events.c.backend_id == backend_id, events.c.type == event_type)
        .order_by(events.c.event_id.desc())
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())[::-1]
