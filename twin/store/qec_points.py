"""Statements on QEC metric points, a time series per backend and job."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, func, insert, select

from twin.store.schema import qec_points


def add(connection: Connection, point: dict[str, Any], timestamp: float) -> int:
    """Store one point; its columns are taken from its own fields. Returns the point's id."""
    statement = insert(qec_points).values(
        timestamp=timestamp,
        backend_id=point["backend_id"],
        job_id=point["job_id"],
        metric_source=point["metric_source"],
        logical_error_rate=point["logical_error_rate"],
        physical_error_rate=point["physical_error_rate"],
        body=point,
    )
    key = connection.execute(statement).inserted_primary_key
    return int(key[0]) if key else 0


def newest(connection: Connection, backend_id: str | None, job_id: str | None, limit: int) -> list[dict[str, Any]]:
    """At most `limit` points, oldest first."""
    statement = _chosen(select(qec_points.c.point_id, qec_points.c.body), backend_id, job_id)
    rows = connection.execute(statement.order_by(qec_points.c.point_id.desc()).limit(limit)).all()
    return [{**body, "point_id": point_id} for point_id, body in reversed(rows)]


def averages(
    connection: Connection, backend_id: str | None, job_id: str | None
) -> tuple[int, float | None, float | None]:
    """Number of points, mean logical and mean physical error rate (None where no point has one)."""
    statement = _chosen(
        select(
            func.count(),
            func.avg(qec_points.c.logical_error_rate),
            func.avg(qec_points.c.physical_error_rate),
        ),
        backend_id,
        job_id,
    )
    count, logical, physical = connection.execute(statement).one()
    return int(count), logical, physical


def _chosen(statement: Select[Any], backend_id: str | None, job_id: str | None) -> Select[Any]:
    if backend_id is not None:
        statement = statement.where(qec_points.c.backend_id == backend_id)
    if job_id is not None:
        statement = statement.where(qec_points.c.job_id == job_id)
    return statement
