"""What sessions hold in memory is bounded, for one and for all, and no user has all the threads."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twin.backends import Backends
from twin.client import TwinApiError, TwinClient
from twin.device.catalog import DeviceCatalog
from twin.errors import BusyError, TooLargeError
from twin.qec.session import LiveSession
from twin.qec.spec import SessionSpec
from twin.sessions import NUM_THREADS, Sessions
from twin.settings import Limits, default_config_dir
from twin.store.database import Database
from twin.telemetry.event_log import EventLog
from twin.telemetry.metrics import ServiceMetrics

LARGEST = {
    "backend_id": "willow_like",
    "layout": "virtual",
    "noise": {"uniform_prob": 0.005},
    "code_family": "surface",
    "code_distance": 25,
}
SMALL = {"backend_id": "repetition29_like", "code_family": "repetition", "code_distance": 3, "seed": 5}
DEADLINE_S = 60.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.close()


def started(database: Database, **limits: int) -> Sessions:
    event_log = EventLog(database)
    backends = Backends(database, event_log, DeviceCatalog.load(default_config_dir()))
    metrics, given = ServiceMetrics(), Limits.model_validate(limits)
    return Sessions(database, event_log, backends, metrics, replica="a", lease_s=5.0, limits=given)


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [
        (LARGEST | {"shots": 1_000_000}, "at most"),
        (LARGEST | {"shots": 10_000_000}, "at most"),
        (SMALL | {"shots": 10_000_000}, "at most"),
        (LARGEST | {"shots": 10_000_000, "rounds": 25}, "pull whole shots"),
        (SMALL | {"shots": 10_000_000, "rounds": 10_000}, "pull whole shots"),
    ],
)
async def test_more_shots_than_fit_are_refused_with_how_many_do(
    database: Database, spec: dict[str, Any], remedy: str
) -> None:
    sessions = started(database)
    if "rounds" in spec:  # may be pulled in whole shots
        session_id = (await sessions.create(SessionSpec.from_body(spec), "me"))["session_id"]
        with pytest.raises(TooLargeError, match=remedy) as refused:
            await sessions.run(session_id, lambda session: session.next_round())
    else:
        with pytest.raises(TooLargeError, match=remedy) as refused:
            await sessions.create(SessionSpec.from_body(spec), "me")
    fitting = int(str(refused.value).partition("at most ")[2].split()[0])
    assert 0 < fitting < spec["shots"]
    assert (await sessions.create(SessionSpec.from_body(spec | {"shots": fitting}), "me"))["shots"] == fitting
    sessions.close()


async def test_a_user_has_so_many_open_and_others_too(database: Database) -> None:
    sessions = started(database, max_open_sessions=2)
    spec = SessionSpec.from_body(SMALL)
    first = (await sessions.create(spec, "me"))["session_id"]
    await sessions.create(spec, "me")
    with pytest.raises(BusyError, match="2 of your sessions"):
        await sessions.create(spec, "me")
    await sessions.create(spec, "somebody else")
    await sessions.end(first)
    await sessions.create(spec, "me")
    sessions.close()


@pytest.mark.parametrize("num_rounds", [1, 40])
def test_a_session_holds_about_what_it_says(num_rounds: int) -> None:
    """NumPy's memory is traced; Stim's is its record and frames, which the estimate has as the bits that they are."""
    from twin.device.controller import ControllerState
    from twin.device.snapshot import compose

    catalog = DeviceCatalog.load(default_config_dir())
    device = catalog.devices["surface17_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    spec = {"backend_id": "surface17_like", "code_family": "surface", "code_distance": 3, "rounds": 50}
    session = LiveSession(SessionSpec.from_body(spec | {"shots": 65_536}), device, lambda: snapshot)
    empty = session.num_bytes
    tracemalloc.start()
    for _ in range(num_rounds):
        session.next_round()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    estimate = session.num_bytes - empty
    stim_bytes = 65_536 * (50 * 8 + 9 + 2 * 26) // 8
    assert 0.3 * (estimate - stim_bytes) < held < 1.2 * (estimate - stim_bytes)


async def test_sessions_leave_memory_by_bytes_and_come_back(database: Database) -> None:
    spec = SessionSpec.from_body(SMALL | {"shots": 20_000, "rounds": 10})
    sessions = started(database, max_live_session_bytes=700_000)  # one of them in rounds, not two
    first, second = [(await sessions.create(spec, "me"))["session_id"] for _ in range(2)]
    assert sessions.num_live == 2  # before any round they hold next to nothing
    words = await sessions.run(first, lambda session: session.next_round().tolist())
    await sessions.run(second, lambda session: session.next_round())
    assert sessions.num_live == 1
    again = await sessions.run(first, lambda session: session.syndrome(0).syndrome_bits.shape)
    assert again == (20_000, 2)
    assert words != await sessions.run(first, lambda session: session.next_round().tolist())
    assert sessions.num_live == 1
    sessions.close()


async def test_one_users_sessions_leave_threads_to_others(database: Database) -> None:
    sessions = started(database)
    spec = SessionSpec.from_body(SMALL | {"shots": 100})
    heavy = [(await sessions.create(spec, "a"))["session_id"] for _ in range(2 * NUM_THREADS)]
    other = (await sessions.create(spec, "b"))["session_id"]
    may_end = threading.Event()
    try:
        waiting = [
            asyncio.create_task(sessions.run(session_id, lambda _: may_end.wait(DEADLINE_S))) for session_id in heavy
        ]
        await asyncio.sleep(0.1)
        shape = await asyncio.wait_for(
            sessions.run(other, lambda session: session.syndrome(0).syndrome_bits.shape), DEADLINE_S / 2
        )
        assert shape == (100, 2)
        assert not any(each.done() for each in waiting)
    finally:
        may_end.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting), DEADLINE_S) == [True] * len(heavy)
    sessions.close()


def test_a_round_as_json_is_bounded_by_its_outcomes(client: TwinClient) -> None:
    session = client.create_session(**LARGEST, shots=2000)  # type: ignore[arg-type]
    with pytest.raises(TwinApiError, match=r"2000 shots of 1249 qubits .*\(at most 839\)") as refused:
        client.syndrome(session["session_id"], 0)
    assert refused.value.status == 413
