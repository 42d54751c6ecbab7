"""Pruning beside a twin that serves: what it names later is there, and what it ended is told so."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.twin.conftest import BELL, EMAIL, PASSWORD, ServedTwin, settings_of, wait_until
from twin import backends, clock, retention
from twin.client import TwinApiError, TwinClient
from twin.errors import InvalidError
from twin.retention import prune
from twin.serve import serve_in_thread
from twin.settings import Settings
from twin.store import backends as statements
from twin.store.database import Database
from twin.store.schema import jobs, qec_points, session_journal, snapshots

BACKEND = "ibm_jakarta_like"
SURFACE: dict[str, Any] = {"code_family": "surface", "code_distance": 3, "seed": 3}
YEAR_S = 365 * 86400.0


def num_rows(database: Database, table: Any) -> int:
    return database.read_now(lambda connection: int(connection.scalar(select(func.count()).select_from(table)) or 0))


def make_old(database: Database, table: Any, *columns: str) -> None:
    """As if it had been a year ago."""
    past = {name: table.c[name] - YEAR_S for name in columns}
    database.write_now(lambda connection: connection.execute(update(table).values(**past)))


def test_a_snapshot_that_was_pruned_is_there_when_it_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    with serve_in_thread(settings) as url, TwinClient(url, EMAIL, PASSWORD) as client:
        database = Database.open(settings.resolved_database_url)
        snapshot_id = client.telemetry_qec(BACKEND)["snapshot_id"]  # a point that names it
        make_old(database, qec_points, "timestamp")
        assert prune(database, clock.now() - 3600.0).items() >= {"QEC points": 1, "noise snapshots": 0}.items()
        make_old(database, snapshots, "used_at")
        assert prune(database, clock.now() - 3600.0)["noise snapshots"] == 1
        monkeypatch.setattr(backends, "TELL_USE_AFTER_S", 0.0)  # an hour later
        assert client.telemetry_qec(BACKEND)["snapshot_id"] == snapshot_id
        assert database.read_now(partial(statements.snapshot, snapshot_id=snapshot_id)) is not None
        database.close()


def test_the_use_of_a_snapshot_is_told_again_after_an_hour_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    with serve_in_thread(settings) as url, TwinClient(url, EMAIL, PASSWORD) as client:
        database = Database.open(settings.resolved_database_url)

        def used_at() -> float:
            client.telemetry_qec(BACKEND)
            return database.read_now(lambda connection: float(connection.scalar(select(snapshots.c.used_at)) or 0))

        first = used_at()
        assert used_at() == first
        monkeypatch.setattr(backends, "TELL_USE_AFTER_S", 0.0)
        assert used_at() > first
        database.close()


def test_an_ended_session_drops_its_journal_and_keeps_its_verdict(served: ServedTwin, client: TwinClient) -> None:
    database = Database.open(settings_of(served.data_dir).resolved_database_url)

    def entries(session_id: str) -> int:
        chosen = select(func.count()).where(session_journal.c.session_id == session_id)
        return database.read_now(lambda connection: int(connection.scalar(chosen) or 0))

    session_id = client.create_session("surface17_like", rounds=2, **SURFACE)["session_id"]
    for index in range(3):
        client.syndrome(session_id, index)
    assert entries(session_id) >= 3
    verdict = client.end_session(session_id)
    assert entries(session_id) == 0
    assert client.end_session(session_id) == verdict
    assert client.session_status(session_id)["status"] == "ended"
    with pytest.raises(TwinApiError, match="has ended"):
        client.syndrome(session_id, 0)
    database.close()


def test_a_long_journal_is_dropped_in_pieces(
    served: ServedTwin, client: TwinClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin.sessions.ENTRIES_DROPPED_AT_ONCE", 2)
    session_id = client.create_session("surface17_like", rounds=6, **SURFACE)["session_id"]
    for index in range(7):
        client.syndrome(session_id, index)
    client.end_session(session_id)
    database = Database.open(settings_of(served.data_dir).resolved_database_url)
    chosen = select(func.count()).where(session_journal.c.session_id == session_id)
    assert database.read_now(lambda connection: connection.scalar(chosen)) == 0
    database.close()


def test_a_twin_with_a_retention_prunes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(retention, "PAUSE_S", 0.05)
    settings = settings_of(tmp_path, retention="30d")
    with serve_in_thread(settings) as url, TwinClient(url, EMAIL, PASSWORD) as client:
        database = Database.open(settings.resolved_database_url)
        client.telemetry_qec(BACKEND)
        client.telemetry_qec(BACKEND)
        assert num_rows(database, qec_points) == 2
        make_old(database, qec_points, "timestamp")
        wait_until(lambda: num_rows(database, qec_points) == 0, "the points were pruned")
        assert client.telemetry_qec_history(BACKEND) == {"points": []}
        database.close()


def test_a_result_that_was_pruned_is_told(
    served: ServedTwin, client: TwinClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin.jobs.queue.MAX_REMEMBERED_RESULT_BYTES", 0)  # as one that is too large to remember
    job_id = client.submit_job(BACKEND, [BELL], shots=10)["job_id"]
    client.wait_for_job(job_id, 120)
    database = Database.open(settings_of(served.data_dir).resolved_database_url)
    past = {"created_at": 1.0, "ended_at": 2.0}
    database.write_now(lambda connection: connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(past)))
    assert prune(database, clock.now() - 86400.0)["jobs"] == 1
    database.close()
    with pytest.raises(TwinApiError, match=f"the result of job {job_id} is no longer kept") as told:
        client.job_result(job_id)
    assert told.value.status == 404
    with pytest.raises(TwinApiError, match="there is no job"):
        client.job(job_id)


def test_a_job_that_was_pruned_is_forgotten(
    served: ServedTwin, client: TwinClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin.jobs.queue.REMEMBERED_S", 0.0)  # a minute later
    job_id = client.submit_job(BACKEND, [BELL], shots=10)["job_id"]
    client.wait_for_job(job_id, 120)
    assert client.job(job_id)["status"] == "COMPLETED"
    database = Database.open(settings_of(served.data_dir).resolved_database_url)
    past = {"created_at": 1.0, "ended_at": 2.0}
    database.write_now(lambda connection: connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(past)))
    assert prune(database, clock.now() - 86400.0)["jobs"] == 1
    database.close()
    for ask in (client.job, client.job_result):
        with pytest.raises(TwinApiError, match="there is no job"):
            ask(job_id)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("12h", 43200), ("30d", 2592000), ("2w", 1209600), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert clock.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1e3d", "nan d", "1 d", "1y", "٣d", "1.2.3d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number and its unit"):
        clock.parse_duration(text)


@pytest.mark.parametrize(("value", "message"), [("30", "expected a number and its unit"), ("59m", "an hour")])
def test_a_retention_that_does_not_fit_is_refused(value: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        Settings.from_env({"QTWIN_RETENTION": value})
