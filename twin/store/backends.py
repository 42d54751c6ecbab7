"""Statements on what belongs to a backend: controller state, noise snapshots, pulse schedules; and on replicas."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from twin.store.schema import controller_states, pulse_schedules, replicas, snapshots


def save_state(connection: Connection, backend_id: str, body: dict[str, Any], *, version: int) -> bool:
    """Store version `version` of a state; False when another replica has stored that version before."""
    if version == 1:
        new = _insert(connection, controller_states).values(backend_id=backend_id, version=1, body=body)
        stored = new.on_conflict_do_nothing().returning(controller_states.c.version)
        return connection.execute(stored).first() is not None  # the row count is not told by every driver
    statement = (
        update(controller_states)
        .where(controller_states.c.backend_id == backend_id, controller_states.c.version == version - 1)
        .values(version=version, body=body)
    )
    return connection.execute(statement).rowcount == 1


def state(connection: Connection, backend_id: str) -> tuple[int, dict[str, Any]] | None:
    """(version, body) of a backend's controller state."""
    columns = controller_states.c
    row = connection.execute(select(columns.version, columns.body).where(columns.backend_id == backend_id)).first()
    return None if row is None else (row[0], row[1])


def save_snapshot(
    connection: Connection, snapshot_id: str, backend_id: str, body: dict[str, Any], created_at: float
) -> None:
    statement = _insert(connection, snapshots).values(
        snapshot_id=snapshot_id, backend_id=backend_id, body=body, created_at=created_at
    )
    connection.execute(statement.on_conflict_do_nothing())


def snapshot(connection: Connection, snapshot_id: str) -> dict[str, Any] | None:
    return connection.execute(select(snapshots.c.body).where(snapshots.c.snapshot_id == snapshot_id)).scalar()


def add_schedule(
    connection: Connection, schedule_id: str, backend_id: str, body: dict[str, Any], created_at: float
) -> None:
    connection.execute(
        insert(pulse_schedules).values(schedule_id=schedule_id, backend_id=backend_id, body=body, created_at=created_at)
    )


def schedule(connection: Connection, backend_id: str, schedule_id: str) -> dict[str, Any] | None:
    columns = pulse_schedules.c
    statement = select(columns.body).where(columns.backend_id == backend_id, columns.schedule_id == schedule_id)
    return connection.execute(statement).scalar()


def beat(connection: Connection, replica: str, now: float) -> None:
    """Say that a replica is alive."""
    statement = _insert(connection, replicas).values(replica=replica, heartbeat_at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=["replica"], set_={"heartbeat_at": now}))


def live_replicas(connection: Connection, since: float) -> set[str]:
    return set(connection.execute(select(replicas.c.replica).where(replicas.c.heartbeat_at >= since)).scalars())


def _insert(connection: Connection, table: Any) -> Any:
    """`INSERT ... ON CONFLICT` is spelled alike in both dialects, and lives in two modules."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
