"""What a twin keeps is its owner's alone, whatever the umask."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.twin.conftest import EMAIL, TwinProcess, settings_of
from twin.errors import ConflictError
from twin.secret_files import lock_data
from twin.serve import serve_in_thread
from twin.store.database import Database
from twin.users import open_users


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_data_folder_is_its_owners(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = tmp_path / "parent" / "data"
        with serve_in_thread(settings_of(folder)):
            found = {path.name: rights(path) for path in folder.iterdir() if path.name != ".lock"}
    finally:
        os.umask(before)
    assert rights(folder) == 0o700
    assert set(found) >= {"twin.sqlite", "twin.sqlite-wal", "twin.sqlite-shm", "api_key", "token_secret"}
    assert set(found.values()) == {0o600}


def test_a_database_of_an_earlier_version_is_closed(
    twin_process: Callable[..., TwinProcess],
) -> None:
    process = twin_process()
    folder = process.served.data_dir
    folder.chmod(0o755)
    files = [folder / f"twin.sqlite{end}" for end in ("", "-wal", "-shm")]
    process.start()
    process.kill()  # which leaves the log behind
    for file in files:
        file.chmod(0o644)
    with process.start().client() as client:
        assert client.health()["status"] == "healthy"
        assert [rights(file) for file in files] == [0o600] * 3
    assert rights(folder) == 0o755  # it may be one that others are meant to enter


def test_users_of_the_command_line_close_it_too(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with open_users(settings_of(folder), create=True) as users:
        users.add(EMAIL, "correct horse", "admin")
    assert rights(folder) == 0o700
    assert rights(folder / "twin.sqlite") == 0o600


def test_a_database_elsewhere_is_closed_and_its_folder_left(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "own.sqlite"
    file.parent.mkdir(0o755)
    Database.open(f"sqlite:///{file}").close()
    assert rights(file) == 0o600
    assert rights(file.parent) == 0o755


def test_an_open_folder_is_told_with_the_remedy(tmp_path: Path) -> None:
    program = "import sys, pathlib, twin.secret_files as files; files.lock_data(pathlib.Path(sys.argv[1])).release()"
    told = []
    for mode in (0o750, 0o700):
        tmp_path.chmod(mode)
        ended = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
        )
        told.append(ended.stdout)
    assert f"chmod 700 {tmp_path}" in told[0]
    assert "0750" in told[0]
    assert told[1] == ""


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConflictError, match="is a file"):
        lock_data(tmp_path / "data")
