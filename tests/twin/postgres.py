"""A PostgreSQL server for the tests, where its binaries are found."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT_IDENTITY = 0


def server_programs() -> Path | None:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in versions if (folder / "initdb").exists()), None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PostgresServer:
    """A PostgreSQL server of our own, on a free port; as another user when we are root, which initdb refuses."""

    def __init__(self) -> None:
        programs = server_programs()
        if programs is None:
            pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
        # Not one of pytest's folders: those of a session are removed when three later ones have begun.
        self._folder = Path(tempfile.mkdtemp(prefix="qtwin-postgres-"))
        self._programs = programs
        self._as_user: list[str] = []
        if os.geteuid() == ROOT_IDENTITY:
            if subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
            shutil.chown(self._folder, "postgres")
            for parent in self._folder.parents:
                if parent.owner() == "root" and parent.is_relative_to("/tmp/pytest-of-root"):
                    parent.chmod(0o755)
            self._as_user = ["runuser", "-u", "postgres", "--"]
        self._port = _free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync")

    def start(self) -> None:
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """As a crash: connections are cut in mid-statement, and the next start recovers."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """SIGSTOP of the whole server for as long as the block lasts: it is there, and does not answer."""
        first = psutil.Process(int((self._folder / "data" / "postmaster.pid").read_text().split()[0]))
        first.suspend()  # before its children are listed: it makes no more
        processes = [first, *first.children(recursive=True)]
        for process in processes[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._programs / program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd="/")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server that all tests share."""
    server = PostgresServer()
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
        server.remove()


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A running server that a test may stop; it has to run at the end."""
    server = PostgresServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.remove()
