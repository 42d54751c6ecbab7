"""Statements on QEC sessions and their journals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from twin.store.schema import session_journal, sessions


@dataclass(frozen=True, slots=True)
class SessionRow:
    session_id: str
    backend_id: str
    owner: str
    user_id: str
    job_id: str | None
    status: str
    created_at: float
    ended_at: float | None
    spec: dict[str, Any]
    summary: dict[str, Any] | None


def add(connection: Connection, row: SessionRow) -> None:
    connection.execute(
        insert(sessions).values(
            session_id=row.session_id,
            backend_id=row.backend_id,
            owner=row.owner,
            user_id=row.user_id,
            job_id=row.job_id,
            status=row.status,
            created_at=row.created_at,
            spec=row.spec,
        )
    )


def get(connection: Connection, session_id: str) -> SessionRow | None:
    row = connection.execute(select(sessions).where(sessions.c.session_id == session_id)).first()
    return None if row is None else SessionRow(*row)


def take(connection: Connection, session_id: str, owner: str) -> None:
    """Make `owner` the replica that holds the live session."""
    connection.execute(update(sessions).where(sessions.c.session_id == session_id).values(owner=owner))


def append(connection: Connection, session_id: str, first_index: int, entries: Sequence[bytes]) -> None:
    connection.execute(
        insert(session_journal),
        [
            {"session_id": session_id, "entry_index": first_index + offset, "entry": entry}
            for offset, entry in enumerate(entries)
        ],
    )


def journal(connection: Connection, session_id: str) -> list[bytes]:
    columns = session_journal.c
    statement = select(columns.entry).where(columns.session_id == session_id).order_by(columns.entry_index)
    return list(connection.execute(statement).scalars())


def end(connection: Connection, session_id: str, summary: dict[str, Any], ended_at: float) -> None:
    connection.execute(
        update(sessions)
        .where(sessions.c.session_id == session_id)
        .values(status="ended", ended_at=ended_at, summary=summary)
    )


def num_active(connection: Connection) -> int:
    statement = select(func.count()).select_from(sessions).where(sessions.c.status == "active")
    return int(connection.execute(statement).scalar_one())
