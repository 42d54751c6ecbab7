"""Statements of readiness: the smallest write there is, one row a process."""

from __future__ import annotations

from sqlalchemy import Connection

from twin.store.dialects import insert_for
from twin.store.schema import probes


def note(connection: Connection, name: str, now: float) -> None:
    """Say that `name` could write at this moment."""
    statement = insert_for(connection, probes).values(name=name, probed_at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"probed_at": now}))
