"""`qtwin prune` over a folder whose twin runs, and over one whose twin is stopped."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from tests.qtwin.test_serve_commands import qtwin
from tests.twin.conftest import EMAIL, PASSWORD, settings_of
from twin.client import TwinClient
from twin.serve import serve_in_thread
from twin.store import jobs
from twin.store.database import Database
from twin.store.jobs import JobRow

NUM_JOBS = 40


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jobs that ended in 1970, with 4 MiB of results in all, and one that waits for a backend that is gone."""
    folder = tmp_path_factory.mktemp("pruned")
    database = Database.open(settings_of(folder).resolved_database_url)
    for index in range(NUM_JOBS):
        row = JobRow(f"job{index}", "gone", "twin", EMAIL, "RUNNING", 1, 1, {}, None, "h", 1.0, 2.0, attempts=1)
        database.write_now(partial(jobs.add, job=row, request=b"{}"))
        end = partial(jobs.finish, job_id=row.job_id, status="COMPLETED", owner="twin", attempts=1, ended_at=3.0)
        assert database.write_now(partial(end, result=b'{"snapshot_id":"s"}' + b" " * 100_000))
    database.close()
    return folder


def numbers(output: str) -> dict[str, int]:
    return {name.strip(): int(number) for name, number in re.findall(r"│ ([A-Za-z ]+?) *│ (\d+) *│", output)}


def test_prune_beside_a_running_twin(folder: Path) -> None:
    prune = ("prune", "--older-than", "30d", "--data-dir", str(folder))
    with serve_in_thread(settings_of(folder)) as url, TwinClient(url, EMAIL, PASSWORD) as client:
        assert len(client.jobs(limit=100)["jobs"]) == NUM_JOBS
        code, output, _ = qtwin(*prune, "--dry-run")
        assert (code, numbers(output)["jobs"]) == (0, NUM_JOBS)
        assert "would be deleted" in output
        assert len(client.jobs(limit=100)["jobs"]) == NUM_JOBS
        code, _, errors = qtwin(*prune, "--vacuum")
        assert code == 1
        assert "another process is using" in errors
        assert len(client.jobs(limit=100)["jobs"]) == NUM_JOBS
        code, output, _ = qtwin(*prune)
        assert (code, numbers(output)["jobs"]) == (0, NUM_JOBS)
        assert re.search(r"3\.\d MiB of the database's file are free for what comes", output)
        assert client.jobs()["jobs"] == []
    size = (folder / "twin.sqlite").stat().st_size
    code, output, _ = qtwin(*prune, "--vacuum")
    assert (code, numbers(output)["jobs"]) == (0, 0)
    assert "the free room was given back to the disk" in output
    assert (folder / "twin.sqlite").stat().st_size < size / 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--older-than", "30"), "--older-than: got '30'; expected a number and its unit: 90s, 45m, 12h, 30d, 2w"),
        (("--older-than", "1d", "--vacuum", "--dry-run"), "give one of them"),
    ],
)
def test_what_does_not_fit_is_told(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    code, _, errors = qtwin("prune", *arguments, "--data-dir", str(folder))
    assert code == 1
    assert told in errors


def test_an_age_has_to_be_given(folder: Path) -> None:
    code, _, errors = qtwin("prune", "--data-dir", str(folder))
    assert code == 2
    assert "--older-than" in errors
    code, output, _ = qtwin("prune", "--dry-run", "--data-dir", str(folder), QTWIN_RETENTION="90d")
    assert code == 0
    assert "would be deleted" in output


def test_a_folder_without_a_twin_is_told_and_stays_as_it_is(tmp_path: Path) -> None:
    code, _, errors = qtwin("prune", "--older-than", "30d", "--data-dir", str(tmp_path / "mistyped"))
    assert code == 1
    assert "no twin keeps its data in the data folder" in errors
    assert list(tmp_path.iterdir()) == []
