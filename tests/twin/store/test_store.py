"""The store, on both databases: migrations, group commit, and the rules that callers rely on."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from twin.errors import InvalidError, TwinError, UnavailableError
from twin.store import backends, config_versions, events, jobs, qec_points, sessions, users
from twin.store.config_versions import ConfigVersion
from twin.store.database import Database
from twin.store.engine import migrate
from twin.store.events import Event
from twin.store.jobs import JobRow
from twin.store.schema import metadata
from twin.store.sessions import SessionRow
from twin.store.users import RefreshToken, User


def job(job_id: str, **changes: Any) -> JobRow:
    values: dict[str, Any] = {
        "backend_id": "a",
        "owner": "me",
        "user_id": "u",
        "status": "QUEUED",
        "shots": 1,
        "num_circuits": 1,
        "metadata": {},
        "idempotency_key": None,
        "request_hash": "h",
        "created_at": 1.0,
    }
    return JobRow(job_id=job_id, **values | changes)


def test_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    migrate(database.engine)  # again: nothing to do
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_jobs_and_sessions_take_the_longest_email(database: Database) -> None:
    email = "a" * 64 + "@" + "b" * 185 + ".org"  # 254 characters, RFC 5321
    database.write_now(partial(jobs.add, job=job("0", user_id=email), request=b""))
    row = SessionRow("s", "a", "me", email, None, "active", 1.0, None, {}, None)
    database.write_now(partial(sessions.add, row=row))
    assert database.read_now(partial(jobs.get, job_id="0")).user_id == email  # type: ignore[union-attr]
    assert database.read_now(partial(sessions.num_open, user_id=email)) == 1


def test_sqlite_is_in_wal_mode(database: Database) -> None:
    if database.is_shared:
        pytest.skip("PostgreSQL has no such mode")
    with database.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 1


async def test_a_failing_write_leaves_the_others_of_its_batch(database: Database) -> None:
    database.write_now(partial(jobs.add, job=job("0", idempotency_key="k"), request=b""))
    keys: list[str | None] = [None, "k", None, "k", None]
    writes = [
        database.write(partial(jobs.add, job=job(str(index), idempotency_key=key), request=b""))
        for index, key in enumerate(keys, start=1)
    ]
    done = await asyncio.gather(*writes, return_exceptions=True)
    assert [isinstance(each, IntegrityError) for each in done] == [False, True, False, True, False]
    assert database.read_now(jobs.counts_by_status) == {("a", "QUEUED"): 4}


async def test_writes_are_committed_in_order_and_many_at_once(database: Database) -> None:
    begun = [Event(float(index), "tick", payload={"index": index}) for index in range(300)]
    await asyncio.gather(*(database.write(partial(events.append, new=[event])) for event in begun))
    found = database.read_now(partial(events.page, after_id=0, limit=1000))
    assert [event.payload["index"] for event in found] == list(range(300))
    assert [event.event_id for event in found] == sorted(event.event_id for event in found)


async def test_a_cancelled_caller_does_not_undo_its_write(database: Database) -> None:
    task = asyncio.create_task(database.write(partial(events.append, new=[Event(1.0, "tick")])))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.write(lambda _connection: None)
    assert database.read_now(events.last_id) >= 1


def test_pages_of_events(database: Database) -> None:
    listed = [Event(float(index), "tick", "a" if index % 2 else "b") for index in range(10)]
    database.write_now(partial(events.append, new=listed))
    newest = database.read_now(partial(events.page, limit=3))
    assert [event.timestamp for event in newest] == [7, 8, 9]
    since = database.read_now(partial(events.page, backend_id="a", since=4.0, limit=2))
    assert [event.timestamp for event in since] == [5, 7]
    following = database.read_now(partial(events.page, after_id=since[-1].event_id, limit=10))
    assert [event.timestamp for event in following] == [8, 9]
    assert database.read_now(partial(events.timestamps, backend_id="a", event_type="tick", limit=2)) == [7, 9]


def test_a_job_ends_once(database: Database) -> None:
    database.write_now(partial(jobs.add, job=job("1"), request=b"r"))
    start = partial(jobs.start, job_id="1", owner="me", started_at=2.0, attempts=1)
    assert database.write_now(start)
    finish = partial(jobs.finish, job_id="1", status="COMPLETED", owner="me", attempts=1, ended_at=3.0, result=b"{}")
    assert database.write_now(finish)
    assert not database.write_now(finish)
    assert not database.write_now(start)
    assert not database.write_now(partial(jobs.cancel, job_id="1", ended_at=3.0))
    assert database.read_now(partial(jobs.result, job_id="1")) == b"{}"
    assert database.read_now(partial(jobs.request, job_id="1")) == b"r"


def test_jobs_of_the_dead_are_claimed_once_in_order(database: Database) -> None:
    rows = [job("1", created_at=3.0), job("2", created_at=1.0, status="RUNNING"), job("3", status="COMPLETED")]
    for row in [*rows, job("4", owner="alive")]:
        database.write_now(partial(jobs.add, job=row, request=row.job_id.encode()))
    assert database.read_now(jobs.open_owners) == {"me", "alive"}
    claim = partial(jobs.claim_open, new_owner="you", dead_owners=["me"])
    assert [(row.job_id, body) for row, body in database.write_now(claim)] == [("2", b"2"), ("1", b"1")]
    assert database.write_now(claim) == []
    assert not database.write_now(partial(jobs.start, job_id="1", owner="me", started_at=1.0, attempts=1))


def test_a_job_ends_by_the_attempt_that_runs(database: Database) -> None:
    database.write_now(partial(jobs.add, job=job("1"), request=b"r"))
    start = partial(jobs.start, job_id="1", started_at=2.0)
    finish = partial(jobs.finish, job_id="1", status="COMPLETED", ended_at=3.0, result=b"{}")
    assert not database.write_now(partial(start, owner="me", attempts=2))
    assert database.write_now(partial(start, owner="me", attempts=1))
    assert not database.write_now(partial(start, owner="me", attempts=1))
    [(claimed, _)] = database.write_now(partial(jobs.claim_open, new_owner="you", dead_owners=["me"]))
    assert (claimed.owner, claimed.status, claimed.attempts) == ("you", "QUEUED", 1)
    assert not database.write_now(partial(finish, owner="you", attempts=1))  # it waits, it does not run
    assert database.write_now(partial(start, owner="you", attempts=2))
    for owner, attempts in (("me", 1), ("me", 2), ("you", 1), ("you", 3)):
        assert not database.write_now(partial(finish, owner=owner, attempts=attempts))
    assert database.write_now(partial(jobs.give_back, job_id="1", owner="you", attempts=2))
    assert not database.write_now(partial(finish, owner="you", attempts=2))
    assert database.write_now(partial(start, owner="you", attempts=2))
    assert database.write_now(partial(finish, owner="you", attempts=2))
    row = database.read_now(partial(jobs.get, job_id="1"))
    assert row is not None
    assert (row.status, row.owner, row.attempts) == ("COMPLETED", "you", 2)


def test_only_some_jobs_are_claimed_when_they_are_named(database: Database) -> None:
    for job_id in "123":
        database.write_now(partial(jobs.add, job=job(job_id), request=b"r"))
    assert database.read_now(partial(jobs.open_ids, owner="me")) == {"1", "2", "3"}
    assert database.read_now(partial(jobs.open_ids, owner="you")) == set()
    claim = partial(jobs.claim_open, new_owner="you", dead_owners=["me"], among=["2", "9"])
    assert [row.job_id for row, _ in database.write_now(claim)] == ["2"]


def test_metadata_is_merged(database: Database) -> None:
    database.write_now(partial(jobs.add, job=job("1", metadata={"a": 1}), request=b""))
    merge = partial(jobs.merge_metadata, job_id="1", added={"qec_metrics": {"x": 1}})
    assert database.write_now(merge) == {"a": 1, "qec_metrics": {"x": 1}}
    assert database.write_now(partial(jobs.merge_metadata, job_id="2", added={})) is None
    found = database.read_now(partial(jobs.latest_with_metrics, backend_id="a"))
    assert found is not None
    assert found.job_id == "1"


def test_one_of_two_changes_to_the_same_state_wins(database: Database) -> None:
    save = partial(backends.save_state, backend_id="a", body={"x": 1})
    assert database.write_now(partial(save, version=1))
    assert not database.write_now(partial(save, version=1))
    assert database.write_now(partial(save, version=2))
    assert not database.write_now(partial(save, version=2))
    assert database.read_now(partial(backends.state, backend_id="a")) == (2, {"x": 1})


def test_a_refresh_token_is_used_once(database: Database) -> None:
    database.write_now(partial(users.add, user=User("u", "a@b", "hash", "admin", False, 1.0)))
    database.write_now(partial(users.add_token, token=RefreshToken("t", "f", "u", 9.0)))
    use = partial(users.use_token, token_id="t", now=1.0)
    assert [database.write_now(use), database.write_now(use)] == [True, False]
    with pytest.raises(IntegrityError):
        database.write_now(partial(users.add, user=User("v", "a@b", "hash", "admin", False, 1.0)))
    database.write_now(partial(users.add_token, token=RefreshToken("t2", "f2", "u", 9.0)))
    database.write_now(partial(users.change, user_id="u", disabled=True))
    database.write_now(partial(users.change, user_id="u", disabled=False))
    assert not database.write_now(partial(users.use_token, token_id="t2", now=1.0)), "its logins have ended"
    assert database.read_now(partial(users.of_login, user_id="u", family_id="f2"))[1]
    database.write_now(partial(users.change, user_id="u", password_hash="another"))
    assert database.read_now(partial(users.token, token_id="t2")) is None


def test_points_are_averaged(database: Database) -> None:
    for rate in (0.1, 0.2, None):
        point = {
            "backend_id": "a",
            "job_id": "1",
            "metric_source": "decoder",
            "logical_error_rate": rate,
            "physical_error_rate": 0.5,
        }
        database.write_now(partial(qec_points.add, point=point, timestamp=1.0))
    count, logical, physical = database.read_now(partial(qec_points.averages, backend_id="a", job_id=None))
    assert count == 3
    assert [logical, physical] == pytest.approx([0.15, 0.5])
    newest = database.read_now(partial(qec_points.newest, backend_id=None, job_id="1", limit=2))
    assert [point["logical_error_rate"] for point in newest] == [0.2, None]


def test_a_journal_keeps_its_order(database: Database) -> None:
    database.write_now(partial(sessions.add, row=SessionRow("s", "a", "me", "u", None, "active", 1.0, None, {}, None)))
    append = partial(sessions.append, session_id="s", owner="me")
    assert database.write_now(partial(append, first_index=0, entries=[b"0", b"1"]))
    assert database.write_now(partial(append, first_index=2, entries=[b"2"]))
    assert database.read_now(partial(sessions.journal, session_id="s")) == [b"0", b"1", b"2"]


def test_only_its_owner_adds_to_a_session_and_ends_it(database: Database) -> None:
    database.write_now(partial(sessions.add, row=SessionRow("s", "a", "me", "u", None, "active", 1.0, None, {}, None)))
    append = partial(sessions.append, session_id="s", entries=[b"x"])
    end = partial(sessions.end, session_id="s", summary={}, ended_at=2.0)
    take = partial(sessions.take, session_id="s", old_owner="me")
    assert database.write_now(partial(append, owner="me", first_index=0))
    assert database.write_now(partial(take, new_owner="you")) == [b"x"]
    assert database.write_now(partial(take, new_owner="third")) is None
    assert not database.write_now(partial(append, owner="me", first_index=1))
    assert not database.write_now(partial(end, owner="me"))
    assert database.write_now(partial(append, owner="you", first_index=1))
    assert database.write_now(partial(end, owner="you"))
    assert not database.write_now(partial(append, owner="you", first_index=2))
    assert database.write_now(partial(sessions.take, session_id="s", old_owner="you", new_owner="you")) is None
    assert database.read_now(partial(sessions.journal, session_id="s")) == [b"x", b"x"]


def test_the_newest_versions_of_a_file_are_kept(database: Database) -> None:
    def add(connection: Connection, path: str, index: int) -> None:
        config_versions.add(connection, ConfigVersion(path, str(index), "text", 1.0, "me"), kept=3)

    for index in range(5):
        database.write_now(partial(add, path="a.yaml", index=index))
    database.write_now(partial(add, path="b.yaml", index=0))
    newest = database.read_now(partial(config_versions.newest, path="a.yaml", limit=10))
    assert [version.version for version in newest] == ["4", "3", "2"]


def test_a_text_that_the_database_cannot_hold_is_a_fault_of_the_request(database: Database) -> None:
    """SQLite holds a NUL in a text, PostgreSQL does not."""
    ask = partial(jobs.get, job_id="a\0b")
    if not database.is_shared:
        assert database.read_now(ask) is None
        return
    with pytest.raises(InvalidError, match=r"cannot hold a value: .*NUL"):
        database.read_now(ask)
    with pytest.raises(InvalidError, match="NUL"):
        database.post(ask).result(10)


@pytest.mark.parametrize("url", ["nonsense", "oracle://x", "sqlite+nothing:///x"])
def test_a_url_that_does_not_fit_is_refused(url: str) -> None:
    with pytest.raises(InvalidError, match="database_url"):
        Database.open(url)


def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TwinError, match="cannot open the database"):
        Database.open("postgresql://nobody@127.0.0.1:1/nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises((TwinError, OSError)):
        Database.open(f"sqlite:///{tmp_path}/file/x.sqlite")


def test_full_disk_is_told_and_the_database_goes_on(tmp_path: Path) -> None:
    """SQLite's page limit is its way to have a full disk."""
    database = Database.open(f"sqlite:///{tmp_path / 'small.sqlite'}")

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
        try:
            events.append(connection, [Event(1.0, "large", "a", payload={"text": "x" * 10**6})])
        finally:
            connection.exec_driver_sql("PRAGMA max_page_count=1000000")

    with pytest.raises(UnavailableError, match="database cannot be used: database or disk is full"):
        database.write_now(fill)
    database.write_now(partial(events.append, new=[Event(2.0, "small", "a")]))
    assert [event.type for event in database.read_now(partial(events.page, limit=10))] == ["small"]
    database.close()


def test_a_database_of_a_newer_version_is_told_and_stays_as_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'newer.sqlite'}"
    database = Database.open(url)
    database.write_now(lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(TwinError, match=r"newer\.sqlite is of another version of qtwin \(.*9999.*\); use that one"):
        Database.open(url)
