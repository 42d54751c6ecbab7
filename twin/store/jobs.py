"""Statements on jobs: one row a job, from its submission to its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from twin.store.schema import jobs

OPEN_STATES = ("QUEUED", "RUNNING")

_COLUMNS = [column for column in jobs.c if column.name not in {"result", "request"}]


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job without its request and result, which may be large."""

    job_id: str
    backend_id: str
    owner: str
    user_id: str
    status: str
    shots: int
    num_circuits: int
    metadata: dict[str, Any]
    idempotency_key: str | None
    request_hash: str
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    attempts: int = 0
    error: str | None = None


def add(connection: Connection, job: JobRow, request: bytes) -> None:
    connection.execute(
        insert(jobs).values(
            job_id=job.job_id,
            backend_id=job.backend_id,
            owner=job.owner,
            user_id=job.user_id,
            status=job.status,
            shots=job.shots,
            num_circuits=job.num_circuits,
            request=request,
            metadata=job.metadata,
            idempotency_key=job.idempotency_key,
            request_hash=job.request_hash,
            created_at=job.created_at,
            attempts=job.attempts,
        )
    )


def get(connection: Connection, job_id: str) -> JobRow | None:
    row = connection.execute(_job().where(jobs.c.job_id == job_id)).first()
    return None if row is None else JobRow(*row)


def by_idempotency_key(connection: Connection, user_id: str, key: str) -> JobRow | None:
    row = connection.execute(_job().where(jobs.c.user_id == user_id, jobs.c.idempotency_key == key)).first()
    return None if row is None else JobRow(*row)


def result(connection: Connection, job_id: str) -> bytes | None:
    return connection.execute(select(jobs.c.result).where(jobs.c.job_id == job_id)).scalar()


def request(connection: Connection, job_id: str) -> bytes | None:
    return connection.execute(select(jobs.c.request).where(jobs.c.job_id == job_id)).scalar()


def start(connection: Connection, job_id: str, owner: str, *, started_at: float, attempts: int) -> bool:
    """Mark a job as running; False when it was cancelled, or another replica has taken it over."""
    statement = (
        update(jobs)
        .where(jobs.c.job_id == job_id, jobs.c.owner == owner, jobs.c.status.in_(OPEN_STATES))
        .values(status="RUNNING", started_at=started_at, attempts=attempts)
    )
    return connection.execute(statement).rowcount == 1


def cancel(connection: Connection, job_id: str, ended_at: float) -> bool:
    """Cancel a job that is still queued; False when it is not."""
    statement = (
        update(jobs)
        .where(jobs.c.job_id == job_id, jobs.c.status == "QUEUED")
        .values(status="CANCELLED", ended_at=ended_at)
    )
    return connection.execute(statement).rowcount == 1


def finish(
    connection: Connection,
    job_id: str,
    status: str,
    *,
    ended_at: float,
    result: bytes | None = None,
    error: str | None = None,
) -> bool:
    """End a job that is queued or running; False when it has ended already, and nothing changes."""
    statement = (
        update(jobs)
        .where(jobs.c.job_id == job_id, jobs.c.status.in_(OPEN_STATES))
        .values(status=status, ended_at=ended_at, result=result, error=error)
    )
    return connection.execute(statement).rowcount == 1


def merge_metadata(connection: Connection, job_id: str, added: dict[str, Any]) -> dict[str, Any] | None:
    """Add keys to a job's metadata; None for an unknown job. The row is locked in between."""
    statement = select(jobs.c.metadata).where(jobs.c.job_id == job_id).with_for_update()
    row = connection.execute(statement).first()
    if row is None:
        return None
    merged = {**row[0], **added}
    connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(metadata=merged))
    return merged


def claim_open(connection: Connection, new_owner: str, dead_owners: Sequence[str]) -> list[tuple[JobRow, bytes]]:
    """Take over every unfinished job of `dead_owners`, in order of submission, as queued."""
    claimed = connection.execute(
        select(*_COLUMNS, jobs.c.request)
        .where(jobs.c.status.in_(OPEN_STATES), jobs.c.owner.in_(dead_owners))
        .order_by(jobs.c.created_at, jobs.c.job_id)
        .with_for_update(skip_locked=True)
    ).all()
    taken = []
    for *columns, body in claimed:
        row = JobRow(*columns)
        connection.execute(update(jobs).where(jobs.c.job_id == row.job_id).values(owner=new_owner, status="QUEUED"))
        taken.append((row, body))
    return taken


def open_owners(connection: Connection) -> set[str]:
    statement = select(jobs.c.owner).where(jobs.c.status.in_(OPEN_STATES)).distinct()
    return set(connection.execute(statement).scalars())


def latest_with_metrics(connection: Connection, backend_id: str, limit: int = 200) -> JobRow | None:
    """The newest of a backend's last jobs whose metadata carries a decoder's metrics."""
    statement = _job().where(jobs.c.backend_id == backend_id).order_by(jobs.c.created_at.desc()).limit(limit)
    for row in connection.execute(statement):
        job = JobRow(*row)
        if "qec_metrics" in job.metadata or "decoder_metrics" in job.metadata:
            return job
    return None


def counts_by_status(connection: Connection) -> dict[tuple[str, str], int]:
    """(backend_id, status) -> number of jobs."""
    statement = select(jobs.c.backend_id, jobs.c.status, func.count()).group_by(jobs.c.backend_id, jobs.c.status)
    return {(backend_id, status): number for backend_id, status, number in connection.execute(statement)}


def _job() -> Select[Any]:
    return select(*_COLUMNS)


def mean_times(connection: Connection, *, backend_id: str, num_newest: int) -> tuple[float | None, float | None]:
    """Mean queue and run time in seconds over the newest jobs of a backend that ran."""
    columns = jobs.c
    statement = (
        select(columns.created_at, columns.started_at, columns.ended_at)
        .where(columns.backend_id == backend_id, columns.started_at.is_not(None), columns.ended_at.is_not(None))
        .order_by(columns.created_at.desc())
        .limit(num_newest)
    )
    rows = connection.execute(statement).all()
    if not rows:
        return None, None
    queued_s = sum(started - created for created, started, _ in rows) / len(rows)
    running_s = sum(ended - started for _, started, ended in rows) / len(rows)
    return queued_s, running_s
