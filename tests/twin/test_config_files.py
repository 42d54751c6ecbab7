"""A configuration that was refused is not in force, now or after the next start; one that was answered is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.twin.conftest import settings_of
from twin.config_files import ConfigFiles
from twin.device.catalog import DeviceCatalog
from twin.errors import InvalidError, NotFoundError, UnavailableError
from twin.store.database import Database
from twin.telemetry.event_log import EventLog

PATH = "noise/ibm_jakarta_like.yaml"
NEW = "noise/another.yaml"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.close()


class Config:
    """Files with the catalogs that they put in force."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self.in_force: list[DeviceCatalog] = []
        self.files = ConfigFiles(settings_of(data_dir), database, EventLog(database), self.in_force.append)


@pytest.fixture
def config(database: Database, tmp_path: Path) -> Config:
    return Config(database, tmp_path)


@pytest.mark.parametrize("path", [PATH, NEW])
async def test_a_write_that_was_not_stored_is_undone(
    database: Database, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    before = config.files.read(PATH)[0]

    async def away(_function: object) -> None:
        raise UnavailableError("no server answers")

    with monkeypatch.context() as patched:
        patched.setattr(database, "write", away)
        with pytest.raises(UnavailableError):
            await config.files.write(path, before.replace("t1_us: 112.677", "t1_us: 50.0"), user="me")
    assert config.in_force == []
    for files in (config.files, Config(database, tmp_path).files):
        assert files.read(PATH)[0] == before
        assert files.catalog().devices["ibm_jakarta_like"].qubits[3].t1_us == 112.677
    if path == NEW:
        with pytest.raises(NotFoundError):
            config.files.read(NEW)
    await config.files.write(PATH, before.replace("t1_us: 112.677", "t1_us: 60.0"), user="me")
    assert config.in_force[-1].devices["ibm_jakarta_like"].qubits[3].t1_us == 60.0


async def test_a_cancelled_caller_leaves_file_store_and_force_alike(config: Config) -> None:
    before = config.files.read(PATH)[0]
    task = asyncio.create_task(config.files.write(PATH, before.replace("t1_us: 112.677", "t1_us: 50.0"), user="me"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert config.files.read(PATH)[0] != before
    assert [each.devices["ibm_jakarta_like"].qubits[3].t1_us for each in config.in_force] == [50.0]
    assert len(await config.files.versions(PATH)) == 2


async def test_a_file_that_is_refused_holds_up_no_other_write(config: Config) -> None:
    async with config.files._lock:  # another write, in mid-way
        with pytest.raises(InvalidError, match="nested more than"):
            await asyncio.wait_for(config.files.write(PATH, "[" * 10_000, user="me"), 20)
