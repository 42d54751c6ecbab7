"""A round that was answered comes back after a restart, whatever failed before it or beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from twin import clock
from twin.backends import Backends
from twin.device.catalog import DeviceCatalog
from twin.errors import ConflictError, UnavailableError
from twin.qec.session import LiveSession
from twin.qec.spec import SessionSpec
from twin.sessions import Sessions
from twin.settings import Limits, default_config_dir
from twin.store import backends as statements
from twin.store.database import Connection, Database, IntegrityError
from twin.telemetry.event_log import EventLog
from twin.telemetry.metrics import ServiceMetrics

SPEC = {"backend_id": "repetition29_like", "code_family": "repetition", "code_distance": 3, "seed": 5}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.close()


def started(database: Database, replica: str = "a") -> Sessions:
    """As after a start of the twin: nothing is remembered."""
    event_log = EventLog(database)
    backends = Backends(database, event_log, DeviceCatalog.load(default_config_dir()))
    return Sessions(database, event_log, backends, ServiceMetrics(), replica=replica, lease_s=5.0, limits=Limits())


def refuse(database: Database, table: str | None) -> None:
    """Let the store refuse rows of a table; None: of no one."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS refuse")
        if table is not None:
            connection.exec_driver_sql(
                f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )


async def bits(sessions: Sessions, session_id: str, index: int) -> list[list[int]]:
    def simulate(session: LiveSession) -> list[list[int]]:
        found: list[list[int]] = session.syndrome(index).syndrome_bits.tolist()
        return found

    return await sessions.run(session_id, simulate)


@pytest.mark.parametrize("table", ["snapshots", "session_journal"])
async def test_rounds_after_a_failed_write_are_kept(database: Database, table: str) -> None:
    sessions = started(database)
    session_id = (await sessions.create(SessionSpec.from_body(SPEC), "me"))["session_id"]
    refuse(database, table)
    # The second one waits for the first: it is not to go on from what was not stored.
    both = [bits(sessions, session_id, 0), bits(sessions, session_id, 0)]
    failed = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each) for each in failed] == [IntegrityError] * 2
    refuse(database, None)
    answered = [await bits(sessions, session_id, index) for index in (0, 1)]
    sessions.close()
    restarted = started(database)
    assert await bits(restarted, session_id, 1) == answered[1]
    continued = await bits(restarted, session_id, 2)
    restarted.close()
    # The same without any failure.
    undisturbed = started(database)
    other = (await undisturbed.create(SessionSpec.from_body(SPEC), "me"))["session_id"]
    assert [await bits(undisturbed, other, index) for index in (0, 1, 2)] == [*answered, continued]
    undisturbed.close()


async def test_who_has_lost_a_session_while_it_slept_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_shared", True)
    here, there = started(database), started(database, "b")
    session_id = (await here.create(SessionSpec.from_body(SPEC), "me"))["session_id"]
    rounds = [await bits(here, session_id, 0)]
    assert await bits(there, session_id, 0) == rounds[0]  # no heartbeat of `a`: it is taken over
    rounds.append(await bits(there, session_id, 1))
    await database.write(lambda connection: statements.beat(connection, replica="b", now=clock.now()))
    for _ in range(2):  # as it is in memory there, then as it is stored
        with pytest.raises(ConflictError, match=r"taken over by another replica|lives on replica 'b'"):
            await bits(here, session_id, 1)
    with pytest.raises(ConflictError):
        await here.end(session_id)
    assert await bits(there, session_id, 1) == rounds[1]
    verdict = await there.end(session_id)
    assert verdict["total_rounds"] == 2
    assert await here.end(session_id) == verdict
    for each in (here, there):
        each.close()


async def test_a_session_that_cannot_be_rebuilt_now_is_not_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database may go away between the journal and the snapshots that it names."""
    before = started(database)
    session_id = (await before.create(SessionSpec.from_body(SPEC), "me"))["session_id"]
    answered = await bits(before, session_id, 0)
    before.close()
    restarted = started(database)

    read_now = database.read_now

    def away(function: Callable[[Connection], object]) -> object:
        if threading.current_thread().name.startswith("session"):  # where it is rebuilt
            raise UnavailableError("no server answers")
        return read_now(function)

    with monkeypatch.context() as patched:
        patched.setattr(database, "read_now", away)
        with pytest.raises(UnavailableError, match="no server answers"):
            await bits(restarted, session_id, 0)
    assert await bits(restarted, session_id, 0) == answered
    restarted.close()
