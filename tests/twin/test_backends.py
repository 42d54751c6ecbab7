"""What was answered is in force, whatever runs beside it; what is remembered as stored has been committed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from twin.backends import Backends
from twin.device.catalog import DeviceCatalog
from twin.errors import NotFoundError
from twin.settings import default_config_dir
from twin.store import backends as statements
from twin.store.database import Connection, Database
from twin.telemetry.event_log import EventLog

BACKEND = "ibm_jakarta_like"
OTHER = "surface17_like"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def catalog() -> DeviceCatalog:
    return DeviceCatalog.load(default_config_dir())


@pytest.fixture
def backends(database: Database, catalog: DeviceCatalog) -> Backends:
    return Backends(database, EventLog(database), catalog)


class HeldWrites:
    """The writer waits: whatever is asked for meanwhile stays uncommitted until the end of the block."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._release = threading.Event()

    async def __aenter__(self) -> HeldWrites:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wait(_connection: Connection) -> None:
            loop.call_soon_threadsafe(begun.set)
            assert self._release.wait(30)

        self._database.post(wait)
        await begun.wait()
        return self

    async def one_waits(self) -> None:
        """Back when a write has been asked for."""
        while self._database._queue.empty():
            await asyncio.sleep(0.001)

    async def __aexit__(self, *_error: object) -> None:
        self._release.set()


async def t1(backends: Backends, t1_us: float) -> None:
    await backends.command(BACKEND, "set_qubit_noise", {"qubit": 0, "t1_us": t1_us}, "me")


async def temperature(backends: Backends, temperature_mk: float) -> None:
    await backends.set_cryo(BACKEND, {"temperature_mk": temperature_mk}, "me")


async def integration(backends: Backends, integration_time_ns: float) -> None:
    await backends.set_readout_config(BACKEND, {"integration_time_ns": integration_time_ns}, "me")


CHANGES: dict[
    str, tuple[Callable[[Backends, float], Coroutine[Any, Any, None]], float, Callable[[Backends], float]]
] = {
    "command": (t1, 50.25, lambda all_: all_.get(BACKEND).snapshot().qubits[0].t1_us),
    "cryo": (temperature, 123.5, lambda all_: all_.get(BACKEND).snapshot().temperature_mk),
    "readout": (integration, 777.0, lambda all_: all_.get(BACKEND).snapshot().measure_ns),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_beside_a_config_write_is_in_force(
    name: str, database: Database, backends: Backends, catalog: DeviceCatalog
) -> None:
    change, value, read = CHANGES[name]
    for step in range(3):
        async with HeldWrites(database) as held:
            changing = asyncio.create_task(change(backends, value + step))
            await held.one_waits()
            backends.load(catalog)
        await changing
        assert read(backends) == value + step
        backends.load(catalog)
        assert read(backends) == value + step


async def test_a_cancelled_caller_leaves_memory_and_store_alike(database: Database, backends: Backends) -> None:
    async with HeldWrites(database) as held:
        task = asyncio.create_task(t1(backends, 44.0))
        await held.one_waits()
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stored = database.read_now(partial(statements.state, backend_id=BACKEND))
    assert stored is not None
    assert stored[1]["state"]["qubits"]["0"] == {"t1_us": 44.0}
    assert backends.get(BACKEND).snapshot().qubits[0].t1_us == 44.0


async def test_an_old_answer_of_the_store_changes_nothing(
    database: Database, backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica reads a state, and is overtaken by a command before the answer comes."""
    monkeypatch.setattr(database, "is_shared", True)
    await t1(backends, 41.0)
    read, may_go_on = database.read, asyncio.Event()

    async def slow_read(function: Callable[[Connection], object]) -> object:
        found = await read(function)
        await may_go_on.wait()
        return found

    monkeypatch.setattr(database, "read", slow_read)
    reading = asyncio.create_task(backends.current(BACKEND))
    await asyncio.sleep(0.1)
    await t1(backends, 42.0)
    may_go_on.set()
    assert (await reading).snapshot().qubits[0].t1_us == 42.0
    assert backends.get(BACKEND).snapshot().qubits[0].t1_us == 42.0


async def test_a_backend_that_comes_back_has_what_was_set(
    database: Database, backends: Backends, catalog: DeviceCatalog
) -> None:
    await t1(backends, 43.0)
    without = replace(catalog, devices={name: each for name, each in catalog.devices.items() if name != BACKEND})
    backends.load(without)
    with pytest.raises(NotFoundError, match=BACKEND):
        backends.get(BACKEND)
    backends.load(catalog)
    assert backends.get(BACKEND).snapshot().qubits[0].t1_us == 43.0
    # The same over a restart that does not have it.
    restarted = Backends(database, EventLog(database), without)
    await restarted.start()
    restarted.load(catalog)
    assert restarted.get(BACKEND).snapshot().qubits[0].t1_us == 43.0


async def test_a_backend_that_is_removed_in_mid_change_keeps_it(
    database: Database, backends: Backends, catalog: DeviceCatalog
) -> None:
    without = replace(catalog, devices={OTHER: catalog.devices[OTHER]})
    async with HeldWrites(database) as held:
        changing = asyncio.create_task(t1(backends, 45.0))
        await held.one_waits()
        backends.load(without)
    await changing
    backends.load(catalog)
    assert backends.get(BACKEND).snapshot().qubits[0].t1_us == 45.0


async def test_what_is_composed_is_kept_until_something_changes(backends: Backends) -> None:
    first = backends.get(OTHER).snapshot()
    assert backends.get(OTHER).snapshot() is first
    await backends.command(OTHER, "set_qubit_noise", {"qubit": 1, "t1_us": 40.0}, "me")
    second = backends.get(OTHER).snapshot()
    assert second.snapshot_id != first.snapshot_id
    assert second.qubits[1].t1_us == 40.0


async def test_a_snapshot_whose_write_failed_is_written_again(database: Database, backends: Backends) -> None:
    snapshot = backends.get(BACKEND).snapshot()
    stored = partial(statements.snapshot, snapshot_id=snapshot.snapshot_id)

    def fails(_connection: Connection) -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        await asyncio.wrap_future(backends.post_with([snapshot], fails))
    assert database.read_now(stored) is None  # it goes with the write that names it
    await backends.keep_snapshot(snapshot)
    assert database.read_now(stored) == snapshot.to_dict()
    await asyncio.wrap_future(backends.post_with([snapshot], lambda _connection: None))
