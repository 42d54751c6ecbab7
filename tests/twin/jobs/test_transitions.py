"""A change of state that does not happen leaves no event."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from twin.jobs import transitions
from twin.jobs.model import JobRequest
from twin.store import events
from twin.store.database import Database
from twin.store.jobs import JobRow


def test_each_change_of_state_is_told_once(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    row = JobRow("1", "a", "me", "u", "QUEUED", 1, 1, {}, None, "h", 1.0, 2.0, attempts=1)
    request = JobRequest("a", ("x",), 1, 1, False)
    ended = JobRow("1", "a", "me", "u", "COMPLETED", 1, 1, {}, None, "h", 1.0, 2.0, 3.0)
    try:
        database.write_now(partial(transitions.add, row=row, request=request))
        for _ in range(2):
            database.write_now(partial(transitions.start, row=row, replica="me"))
            assert not database.write_now(partial(transitions.start, row=row, replica="another"))
            assert not database.write_now(partial(transitions.cancel, row=row, ended_at=4.0))
        for _ in range(2):
            database.write_now(partial(transitions.finish, row=ended, result=b"{}"))
        told = [event.type for event in database.read_now(partial(events.page, job_id="1", limit=100))]
    finally:
        database.close()
    assert told == ["job.queued", "job.started", "job.started", "job.completed"]
