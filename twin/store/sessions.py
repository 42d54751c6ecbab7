"""Statements on QEC sessions and their journals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, LargeBinary, bindparam, delete, func, insert, select, update

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


def num_open(connection: Connection, user_id: str) -> int:
    """How many of a user's sessions have not ended."""
    of_user = select(func.count()).where(sessions.c.user_id == user_id, sessions.c.status == "active")
    return connection.execute(of_user).scalar_one()


def get(connection: Connection, session_id: str) -> SessionRow | None:
    row = connection.execute(select(sessions).where(sessions.c.session_id == session_id)).first()
    return None if row is None else SessionRow(*row)


def take(connection: Connection, session_id: str, old_owner: str, new_owner: str) -> list[bytes] | None:
    """Make another replica the owner of an active session: its journal, which the old owner cannot add to any more.

    None when it has ended, or is no longer `old_owner`'s: one of two that take the same session gets it.
    """
    statement = (
        update(sessions)
        .where(
            sessions.c.session_id == session_id,
            sessions.c.owner == old_owner,
            sessions.c.status == "active",
        )
        .values(owner=new_owner)
    )
    return journal(connection, session_id) if connection.execute(statement).rowcount == 1 else None


_HELD = (
    select(
        sessions.c.session_id,
        bindparam("first_index", type_=Integer),
        bindparam("first_entry", type_=LargeBinary),
    )
    .where(
        sessions.c.session_id == bindparam("held_id"),
        sessions.c.owner == bindparam("held_by"),
        sessions.c.status == "active",
    )
    .with_for_update(read=True)
)
_APPEND_FIRST = (
    insert(session_journal)
    .from_select(["session_id", "entry_index", "entry"], _HELD)
    .execution_options(preserve_rowcount=True)  # which SQLAlchemy else keeps of UPDATE and DELETE alone
)
"""Built once and in one statement with its fence: it is made for every round."""


def append(connection: Connection, session_id: str, owner: str, first_index: int, entries: Sequence[bytes]) -> bool:
    """Add to the journal of an active session; False, and nothing is added, when it is not `owner`'s.

    The session's row is locked until the commit, so that no other replica takes it in between.
    """
    first = {"held_id": session_id, "held_by": owner, "first_index": first_index, "first_entry": entries[0]}
    if connection.execute(_APPEND_FIRST, first).rowcount != 1:
        return False
    following = [
        {"session_id": session_id, "entry_index": first_index + offset, "entry": entry}
        for offset, entry in enumerate(entries[1:], start=1)
    ]
    if following:
        connection.execute(insert(session_journal), following)
    return True


def journal(connection: Connection, session_id: str) -> list[bytes]:
    columns = session_journal.c
    statement = select(columns.entry).where(columns.session_id == session_id).order_by(columns.entry_index)
    return list(connection.execute(statement).scalars())


def end(connection: Connection, session_id: str, owner: str, summary: dict[str, Any], ended_at: float) -> bool:
    """End an active session of `owner`; False, and nothing changes, when it is another's or has ended."""
    statement = (
        update(sessions)
        .where(sessions.c.session_id == session_id, sessions.c.owner == owner, sessions.c.status == "active")
        .values(status="ended", ended_at=ended_at, summary=summary)
    )
    return connection.execute(statement).rowcount == 1


def drop_journal(connection: Connection, session_id: str, limit: int) -> int:
    """Delete the first `limit` entries of a journal that is not needed any more; returns how many there were."""
    columns = session_journal.c
    first = (
        select(columns.entry_index).where(columns.session_id == session_id).order_by(columns.entry_index).limit(limit)
    )
    statement = delete(session_journal).where(columns.session_id == session_id, columns.entry_index.in_(first))
    return connection.execute(statement).rowcount


def num_active(connection: Connection) -> int:
    statement = select(func.count()).select_from(sessions).where(sessions.c.status == "active")
    return int(connection.execute(statement).scalar_one())
