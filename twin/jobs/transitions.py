"""A job's changes of state as writes: its row and its event in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from twin import clock
from twin.jobs.model import FAILED, JobRequest
from twin.store import events, jobs
from twin.store.database import Connection
from twin.store.events import Event
from twin.store.jobs import JobRow


def _event(row: JobRow, type_: str, timestamp: float, **payload: object) -> Event:
    return Event(timestamp, type_, row.backend_id, row.job_id, payload=payload)


def add(connection: Connection, row: JobRow, request: JobRequest) -> None:
    jobs.add(connection, row, request.to_json())
    payload = {"shots": request.shots, "num_circuits": len(request.circuits)}
    events.append(connection, [_event(row, "job.queued", row.created_at, **payload)])


def cancel(connection: Connection, job_id: str, ended_at: float) -> JobRow | None:
    """The cancelled job; None when it is over, or there is none."""
    if not jobs.cancel(connection, job_id, ended_at) or (row := jobs.get(connection, job_id)) is None:
        return None
    events.append(connection, [_event(row, "job.cancelled", ended_at)])
    return row


def start(connection: Connection, row: JobRow) -> bool:
    """The row's attempt runs from now on. False when it is not this owner's turn; again: the same answer, no event."""
    started_at = row.started_at or clock.now()
    if not jobs.start(connection, row.job_id, row.owner, started_at=started_at, attempts=row.attempts):
        return jobs.stands_at(connection, row)
    events.append(connection, [_event(row, "job.started", started_at, attempt=row.attempts)])
    return True


def finish(connection: Connection, row: JobRow, result: bytes | None) -> bool:
    """The row's attempt has ended the job. False when it is not the one that counts; again: the same answer."""
    ended_at = row.ended_at or clock.now()
    done = jobs.finish(
        connection,
        row.job_id,
        row.status,
        owner=row.owner,
        attempts=row.attempts,
        ended_at=ended_at,
        result=result,
        error=row.error,
    )
    if not done:
        return jobs.stands_at(connection, row)
    payload = {} if row.error is None else {"error": row.error}
    events.append(connection, [_event(row, f"job.{row.status.lower()}", ended_at, **payload)])
    return True


def give_back(connection: Connection, rows: Iterable[JobRow]) -> None:
    """Stop running attempts in an orderly way: the jobs are queued again, and the attempts do not count."""
    for row in rows:
        jobs.give_back(connection, row.job_id, owner=row.owner, attempts=row.attempts)


@dataclass(frozen=True, slots=True)
class Claim:
    """What was taken over: jobs to run with their requests, and those that have failed for good."""

    to_run: list[tuple[JobRow, bytes]]
    failed: list[JobRow]


def claim(
    connection: Connection,
    replica: str,
    dead_owners: Sequence[str],
    max_attempts: int,
    among: Collection[str] | None = None,
) -> Claim:
    """Take over unfinished jobs (`jobs.claim_open`). One that was cut off in its last attempt ends here, as failed."""
    taken = Claim([], [])
    for row, body in jobs.claim_open(connection, replica, dead_owners, among):
        if row.attempts < max_attempts:
            taken.to_run.append((row, body))
            continue
        error = f"the twin ended while the job ran; it was tried {row.attempts} times"
        now = clock.now()
        jobs.give_up(connection, row.job_id, owner=replica, ended_at=now, error=error)
        events.append(connection, [_event(row, "job.failed", now, error=error)])
        taken.failed.append(replace(row, status=FAILED, ended_at=now, error=error))
    return taken
