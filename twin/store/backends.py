"""Statements on what belongs to a backend: controller state, noise snapshots, pulse schedules; and on replicas."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select, update

from twin.store.dialects import insert_for
from twin.store.schema import controller_states, pulse_schedules, replicas, snapshots


def save_state(connection: Connection, backend_id: str, body: dict[str, Any], *, version: int) -> bool:
    """Store version `version` of a state; False when another replica has stored that version before."""
    if version == 1:
        new = insert_for(connection, controller_states).values(backend_id=backend_id, version=1, body=body)
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


def states(connection: Connection) -> dict[str, tuple[int, dict[str, Any]]]:
    """(version, body) of every backend that commands have changed."""
    columns = controller_states.c
    rows = connection.execute(select(columns.backend_id, columns.version, columns.body))
    return {backend_id: (version, body) for backend_id, version, body in rows}


def save_snapshot(connection: Connection, snapshot_id: str, backend_id: str, body: dict[str, Any], now: float) -> None:
    """Store a snapshot, or say that it is used again: see `twin.store.retention`."""
    statement = insert_for(connection, snapshots).values(
        snapshot_id=snapshot_id, backend_id=backend_id, body=body, created_at=now, used_at=now
    )
    connection.execute(statement.on_conflict_do_update(index_elements=["snapshot_id"], set_={"used_at": now}))


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


def next_round(connection: Connection, backend_id: str, schedule_id: str) -> int | None:
    """Take a schedule's next round, from 0 on; every caller of any replica gets its own. None: no such schedule."""
    columns = pulse_schedules.c
    statement = (
        update(pulse_schedules)
        .where(columns.backend_id == backend_id, columns.schedule_id == schedule_id)
        .values(next_round=columns.next_round + 1)
        .returning(columns.next_round)
    )
    after = connection.execute(statement).scalar()
    return None if after is None else int(after) - 1


def beat(connection: Connection, replica: str, now: float) -> None:
    """Say that a replica is alive."""
    statement = insert_for(connection, replicas).values(replica=replica, heartbeat_at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=["replica"], set_={"heartbeat_at": now}))


def live_replicas(connection: Connection, since: float) -> set[str]:
    return set(connection.execute(select(replicas.c.replica).where(replicas.c.heartbeat_at >= since)).scalars())
