"""Statements on jobs: one row a job, from its submission to its result."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, tuple_, update

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


Place = tuple[float, str]
"""Where a job is among all: its `created_at` and `job_id`."""


def page(
    connection: Connection,
    *,
    user_id: str | None = None,
    backend_id: str | None = None,
    states: Collection[str] = (),
    before: Place | None = None,
    limit: int,
) -> list[JobRow]:
    """At most `limit` jobs, newest first, from a place on; without their metadata, which may be large."""
    order = (jobs.c.created_at, jobs.c.job_id)
    statement = select(*(column for column in _COLUMNS if column.name != "metadata"))
    if user_id is not None:
        statement = statement.where(jobs.c.user_id == user_id)
    if backend_id is not None:
        statement = statement.where(jobs.c.backend_id == backend_id)
    if states:
        statement = statement.where(jobs.c.status.in_(states))
    if before is not None:
        statement = statement.where(tuple_(*order) < before)
    rows = connection.execute(statement.order_by(*(column.desc() for column in order)).limit(limit)).mappings()
    return [JobRow(**row, metadata={}) for row in rows]


def start(connection: Connection, job_id: str, owner: str, *, started_at: float, attempts: int) -> bool:
    """Mark attempt number `attempts` as running, the one after the row's.

    False when the job was cancelled, has ended, or another replica has taken it over.
    """
    statement = (
        update(jobs)
        .where(
            jobs.c.job_id == job_id,
            jobs.c.owner == owner,
            jobs.c.attempts == attempts - 1,
            jobs.c.status.in_(OPEN_STATES),
        )
        .values(status="RUNNING", started_at=started_at, attempts=attempts)
    )
    return connection.execute(statement).rowcount == 1


def give_back(connection: Connection, job_id: str, *, owner: str, attempts: int) -> bool:
    """Queue a job again whose running attempt was stopped on purpose: the attempt does not count."""
    statement = update(jobs).where(*_attempt(job_id, owner, attempts)).values(status="QUEUED", attempts=attempts - 1)
    return connection.execute(statement).rowcount == 1


def stands_at(connection: Connection, job: JobRow) -> bool:
    """Whether the stored job is at this owner's, attempt's and state's: tells a repeated write from a late one."""
    statement = select(jobs.c.job_id).where(
        jobs.c.job_id == job.job_id,
        jobs.c.owner == job.owner,
        jobs.c.attempts == job.attempts,
        jobs.c.status == job.status,
    )
    return connection.execute(statement).first() is not None


def cancel(connection: Connection, job_id: str, ended_at: float) -> bool:
    """Cancel a job that waits or runs, whoever has it; False when it is over. Its attempt is refused its end."""
    statement = (
        update(jobs)
        .where(jobs.c.job_id == job_id, jobs.c.status.in_(OPEN_STATES))
        .values(status="CANCELLED", ended_at=ended_at)
    )
    return connection.execute(statement).rowcount == 1


def finish(
    connection: Connection,
    job_id: str,
    status: str,
    *,
    owner: str,
    attempts: int,
    ended_at: float,
    result: bytes | None = None,
    error: str | None = None,
) -> bool:
    """End a job by its running attempt. False, and nothing changes, when this owner's attempt is not the one that runs:

    another replica has taken the job over, or it has ended already.
    """
    statement = (
        update(jobs)
        .where(*_attempt(job_id, owner, attempts))
        .values(status=status, ended_at=ended_at, result=result, error=error)
    )
    return connection.execute(statement).rowcount == 1


def give_up(connection: Connection, job_id: str, *, owner: str, ended_at: float, error: str) -> None:
    """End a queued job that may not be tried again."""
    connection.execute(
        update(jobs)
        .where(jobs.c.job_id == job_id, jobs.c.owner == owner, jobs.c.status == "QUEUED")
        .values(status="FAILED", ended_at=ended_at, error=error)
    )


def merge_metadata(connection: Connection, job_id: str, added: dict[str, Any]) -> dict[str, Any] | None:
    """Add keys to a job's metadata; None for an unknown job. The row is locked in between."""
    statement = select(jobs.c.metadata).where(jobs.c.job_id == job_id).with_for_update()
    row = connection.execute(statement).first()
    if row is None:
        return None
    merged = {**row[0], **added}
    connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(metadata=merged))
    return merged


def claim_open(
    connection: Connection, new_owner: str, dead_owners: Sequence[str], among: Collection[str] | None = None
) -> list[tuple[JobRow, bytes]]:
    """Take over every unfinished job of `dead_owners`, in order of submission, as queued; of `among` when given.

    The rows are as they are then. Two replicas that claim at once get different jobs.
    """
    chosen = [jobs.c.status.in_(OPEN_STATES), jobs.c.owner.in_(dead_owners)]
    if among is not None:
        chosen.append(jobs.c.job_id.in_(among))
    claimed = connection.execute(
        select(*_COLUMNS, jobs.c.request)
        .where(*chosen)
        .order_by(jobs.c.created_at, jobs.c.job_id)
        .with_for_update(skip_locked=True)
    ).all()
    taken = []
    for *columns, body in claimed:
        row = replace(JobRow(*columns), owner=new_owner, status="QUEUED")
        connection.execute(update(jobs).where(jobs.c.job_id == row.job_id).values(owner=new_owner, status="QUEUED"))
        taken.append((row, body))
    return taken


def open_ids(connection: Connection, owner: str) -> set[str]:
    """The unfinished jobs of a replica."""
    statement = select(jobs.c.job_id).where(jobs.c.status.in_(OPEN_STATES), jobs.c.owner == owner)
    return set(connection.execute(statement).scalars())


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


def _attempt(job_id: str, owner: str, attempts: int) -> tuple[ColumnElement[bool], ...]:
    """The fence: a row that this owner's attempt still runs."""
    return (
        jobs.c.job_id == job_id,
        jobs.c.owner == owner,
        jobs.c.attempts == attempts,
        jobs.c.status == "RUNNING",
    )


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
