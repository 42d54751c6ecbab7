"""Pruning deletes what ended before a moment, and nothing that is open or that something open names."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select

from twin import retention
from twin.retention import Stopped, count, prune
from twin.store.database import Connection, Database
from twin.store.retention import SNAPSHOT_MARGIN_S
from twin.store.schema import (
    config_versions,
    events,
    jobs,
    probes,
    pulse_schedules,
    qec_points,
    refresh_tokens,
    replicas,
    session_journal,
    sessions,
    snapshots,
    users,
)

CUTOFF = 10 * SNAPSHOT_MARGIN_S
OLD, NEW = CUTOFF - 1, CUTOFF + 1
LONG_AGO = CUTOFF - 2 * SNAPSHOT_MARGIN_S
FOR_EVER = 1e12


def job(job_id: str, status: str, *, began: float, ended: float | None, snapshot: str = "") -> dict[str, Any]:
    result = orjson.dumps({"job_id": job_id, "snapshot_id": snapshot, "results": []}) if snapshot else None
    return {
        "job_id": job_id,
        "backend_id": "b",
        "owner": f"owner of {job_id}",
        "user_id": "u",
        "status": status,
        "shots": 1,
        "num_circuits": 1,
        "request": b"{}",
        "metadata": {},
        "request_hash": "h",
        "attempts": 1,
        "created_at": began,
        "started_at": began,
        "ended_at": ended,
        "result": result,
    }


def session(session_id: str, status: str, *, began: float, ended: float | None, about: str = "") -> dict[str, Any]:
    return {
        "session_id": session_id,
        "backend_id": "b",
        "owner": f"owner of {session_id}",
        "user_id": "u",
        "status": status,
        "created_at": began,
        "ended_at": ended,
        "spec": {},
        "job_id": about or None,
    }


def event(timestamp: float, **about: str) -> dict[str, Any]:
    row = {"timestamp": timestamp, "backend_id": "b", "type": "t", "job_id": None, "session_id": None, "payload": {}}
    return {**row, **about}


def point(timestamp: float, job_id: str | None, snapshot: str) -> dict[str, Any]:
    return {
        "timestamp": timestamp,
        "backend_id": "b",
        "job_id": job_id,
        "metric_source": "m",
        "body": {"snapshot_id": snapshot},
    }


def entry(session_id: str, index: int, snapshot: str) -> dict[str, Any]:
    body = orjson.dumps({"op": "round", "snapshot_id": snapshot})
    return {"session_id": session_id, "entry_index": index, "entry": body}


def snapshot(name: str, used_at: float) -> dict[str, Any]:
    return {"snapshot_id": name, "backend_id": "b", "created_at": 0.0, "body": {}, "used_at": used_at}


GOES: Mapping[Any, list[dict[str, Any]]] = {
    jobs: [
        job("done", "COMPLETED", began=LONG_AGO, ended=OLD, snapshot="of done"),
        job("failed", "FAILED", began=OLD, ended=OLD),
        job("cancelled", "CANCELLED", began=OLD, ended=OLD),
    ],
    sessions: [session("over", "ended", began=OLD, ended=OLD)],
    session_journal: [
        *(entry("over", index, "x") for index in range(300)),
        *(entry("just over", index, "x") for index in range(3)),
        entry("nobody's", 0, "x"),
    ],
    events: [event(OLD), event(OLD, job_id="done"), event(OLD, job_id="young"), event(OLD, session_id="over")],
    qec_points: [point(OLD, None, "of points"), point(OLD, "done", "of points")],
    pulse_schedules: [{"schedule_id": "old", "backend_id": "b", "created_at": OLD, "body": {}}],
    config_versions: [{"path": "a", "version": "1", "content": "", "saved_at": OLD, "saved_by": "u"}],
    refresh_tokens: [{"token_id": "old", "family_id": "f", "user_id": "u", "expires_at": OLD}],
    replicas: [{"replica": "dead", "heartbeat_at": OLD}],
    probes: [{"name": "dead", "probed_at": OLD}],
    snapshots: [snapshot(name, LONG_AGO) for name in ("of done", "of points", "of nothing")],
}
STAYS: Mapping[Any, list[dict[str, Any]]] = {
    users: [
        {"user_id": "u", "email": "e", "password_hash": "", "role": "admin", "disabled": True, "created_at": LONG_AGO}
    ],
    jobs: [
        job("waits", "QUEUED", began=OLD, ended=None),
        job("young", "COMPLETED", began=OLD, ended=NEW),
        job("looked at", "COMPLETED", began=LONG_AGO, ended=LONG_AGO, snapshot="of looked at"),
    ],
    sessions: [
        session("lives", "active", began=LONG_AGO, ended=None, about="looked at"),
        session("just over", "ended", began=OLD, ended=NEW),
    ],
    session_journal: [entry("lives", index, "of lives") for index in range(3)],
    events: [
        event(OLD, job_id="waits"),
        event(OLD, job_id="looked at"),
        event(OLD, session_id="lives"),
        event(NEW, job_id="done"),
        event(OLD),  # the newest
    ],
    qec_points: [point(OLD, "looked at", "of kept point"), point(NEW, None, "")],
    pulse_schedules: [{"schedule_id": "new", "backend_id": "b", "created_at": NEW, "body": {}}],
    config_versions: [
        {"path": "a", "version": "2", "content": "", "saved_at": OLD, "saved_by": "u"},
        {"path": "b", "version": "1", "content": "", "saved_at": OLD, "saved_by": "u"},
    ],
    refresh_tokens: [{"token_id": "new", "family_id": "f", "user_id": "u", "expires_at": FOR_EVER}],
    replicas: [
        {"replica": "owner of waits", "heartbeat_at": OLD},
        {"replica": "owner of lives", "heartbeat_at": OLD},
        {"replica": "lives", "heartbeat_at": NEW},
    ],
    probes: [{"name": "lives", "probed_at": NEW}],
    snapshots: [
        *(snapshot(name, LONG_AGO) for name in ("of looked at", "of lives", "of kept point")),
        snapshot("of late", CUTOFF - SNAPSHOT_MARGIN_S / 2),
    ],
}
TABLES = tuple(STAYS)


def key_columns(table: Any) -> list[Any]:
    """What tells rows apart here: made keys are numbers that the test does not know."""
    if table is events:
        return [events.c.timestamp, events.c.job_id, events.c.session_id]
    if table is qec_points:
        return [qec_points.c.timestamp, qec_points.c.job_id]
    if table is config_versions:
        return [config_versions.c.path, config_versions.c.version]
    return list(table.primary_key.columns)


def kept(database: Database) -> dict[str, list[str]]:
    def rows(connection: Connection) -> dict[str, list[str]]:
        return {
            table.name: sorted(str(tuple(row)) for row in connection.execute(select(*key_columns(table))))
            for table in TABLES
        }

    return database.read_now(rows)


def expected() -> dict[str, list[str]]:
    return {
        table.name: sorted(str(tuple(row[column.name] for column in key_columns(table))) for row in STAYS[table])
        for table in TABLES
    }


@pytest.fixture(name="filled")
def _filled(database: Database) -> Database:
    def fill(connection: Connection) -> None:
        for table in (users, *(table for table in TABLES if table is not users)):
            for rows in (GOES.get(table, []), STAYS[table]):  # the newest event and version is one that stays
                if rows:
                    connection.execute(insert(table), rows)

    database.write_now(fill)
    return database


def test_what_ended_before_goes_and_the_rest_stays(filled: Database) -> None:
    counted = count(filled, CUTOFF)
    gone = prune(filled, CUTOFF)
    assert kept(filled) == expected()
    assert gone == counted
    assert sum(gone.values()) == sum(map(len, GOES.values()))
    assert set(prune(filled, CUTOFF).values()) == {0}


def test_counting_changes_nothing(filled: Database) -> None:
    before = kept(filled)
    count(filled, CUTOFF)
    assert kept(filled) == before


def test_without_a_retention_only_what_is_of_no_use_goes(filled: Database) -> None:
    gone = {name: number for name, number in prune(filled, 0.0).items() if number}
    assert gone == {"journal entries": 304, "expired tokens": 1}


def test_small_batches_delete_the_same(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST_BATCH", 1)
    monkeypatch.setattr(retention, "LARGEST_BATCH", 2)
    monkeypatch.setattr(retention, "SMALLEST_BATCH", 1)
    monkeypatch.setattr(retention, "SHORTEST_PAUSE_S", 0.0)
    prune(filled, CUTOFF)
    assert kept(filled) == expected()


def test_a_running_job_may_still_name_what_was_there_when_it_began(filled: Database) -> None:
    slow = job("slow", "RUNNING", began=LONG_AGO + 1, ended=None)
    filled.write_now(lambda connection: connection.execute(insert(jobs), [slow]))
    assert prune(filled, CUTOFF)["noise snapshots"] == 0
    filled.write_now(lambda connection: connection.execute(jobs.delete().where(jobs.c.job_id == "slow")))
    assert prune(filled, CUTOFF)["noise snapshots"] == 3


def test_a_prune_that_is_stopped_ends_with_its_batch(filled: Database) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        prune(filled, CUTOFF, stop=stop)
    left = filled.read_now(lambda connection: len(connection.execute(select(session_journal.c.session_id)).all()))
    before = len(GOES[session_journal]) + len(STAYS[session_journal])
    assert 0 < before - left <= retention.FIRST_BATCH
