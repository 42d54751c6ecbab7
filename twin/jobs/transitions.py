"""A job's changes of state as writes: its row and its event in one transaction."""

from __future__ import annotations

from twin import clock
from twin.jobs.model import JobRequest
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


def cancel(connection: Connection, row: JobRow, ended_at: float) -> bool:
    done = jobs.cancel(connection, row.job_id, ended_at)
    if done:
        events.append(connection, [_event(row, "job.cancelled", ended_at)])
    return done


def start(connection: Connection, row: JobRow, replica: str) -> bool:
    started_at = row.started_at or clock.now()
    done = jobs.start(connection, row.job_id, replica, started_at=started_at, attempts=row.attempts)
    if done:
        events.append(connection, [_event(row, "job.started", started_at, attempt=row.attempts)])
    return done


def finish(connection: Connection, row: JobRow, result: bytes | None) -> None:
    ended_at = row.ended_at or clock.now()
    done = jobs.finish(connection, row.job_id, row.status, ended_at=ended_at, result=result, error=row.error)
    if done:
        payload = {} if row.error is None else {"error": row.error}
        events.append(connection, [_event(row, f"job.{row.status.lower()}", ended_at, **payload)])
