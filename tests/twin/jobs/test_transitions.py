"""A change of state that does not happen leaves no event."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from twin.jobs import transitions
from twin.jobs.model import JobRequest
from twin.store import events
from twin.store.database import Database
from twin.store.jobs import JobRow


def test_each_change_of_state_is_told_once(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    queued = JobRow("1", "a", "me", "u", "QUEUED", 1, 1, {}, None, "h", 1.0)
    row = replace(queued, status="RUNNING", started_at=2.0, attempts=1)
    request = JobRequest("a", ("x",), 1, 1, False)
    ended = replace(row, status="COMPLETED", ended_at=3.0)
    write = database.write_now
    try:
        write(partial(transitions.add, row=queued, request=request))
        for _ in range(2):  # a write whose answer was lost is tried again
            assert write(partial(transitions.start, row=row))
            assert not write(partial(transitions.start, row=replace(row, owner="another")))
        assert write(partial(transitions.start, row=replace(row, attempts=2)))
        for late in (row, replace(row, attempts=3), replace(row, attempts=2, owner="another")):
            assert not write(partial(transitions.finish, row=replace(late, status="FAILED", error="x"), result=None))
        for _ in range(2):
            assert write(partial(transitions.finish, row=replace(ended, attempts=2), result=b"{}"))
            assert not write(partial(transitions.finish, row=ended, result=b"{}"))
            assert write(partial(transitions.cancel, job_id="1", ended_at=4.0)) is None
        told = [event.type for event in database.read_now(partial(events.page, job_id="1", limit=100))]
    finally:
        database.close()
    assert told == ["job.queued", "job.started", "job.started", "job.completed"]


def test_a_cancelled_attempt_is_refused_its_end(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    queued = JobRow("1", "a", "me", "u", "QUEUED", 1, 1, {}, None, "h", 1.0)
    running = replace(queued, status="RUNNING", started_at=2.0, attempts=1)
    write = database.write_now
    try:
        write(partial(transitions.add, row=queued, request=JobRequest("a", ("x",), 1, 1, False)))
        write(partial(transitions.start, row=running))
        cancelled = write(partial(transitions.cancel, job_id="1", ended_at=4.0))
        assert cancelled == replace(running, status="CANCELLED", ended_at=4.0)
        assert write(partial(transitions.cancel, job_id="1", ended_at=5.0)) is None
        assert not write(partial(transitions.finish, row=replace(running, status="COMPLETED"), result=b"{}"))
        assert not write(partial(transitions.start, row=replace(running, attempts=2)))
        told = [event.type for event in database.read_now(partial(events.page, job_id="1", limit=100))]
    finally:
        database.close()
    assert told == ["job.queued", "job.started", "job.cancelled"]
