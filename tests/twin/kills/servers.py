"""Servers to be killed and started again on the same data, and a disk that can be filled."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

import psutil
import pytest

from tests.twin.conftest import PASSWORD, START_DEADLINE_S
from twin.serve import Kind

Way = Literal["forked", "qtwin serve"]
ROOT_IDENTITY = 0
CHUNK_BYTES = 2**16


class Forge:
    """The process that servers are forked from."""

    def __init__(self, log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("forge.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )

    def fork(self, order: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A twin, a gateway or both at a port that stays the same. Its log goes on through all its lives."""

    def __init__(self, forge: Forge, folder: Path, kind: Kind, data_dir: Path, **settings: Any) -> None:
        self.kind, self.data_dir = kind, data_dir
        self.port = free_port()
        self.log = folder / f"{data_dir.name}.log"
        self._forge = forge
        self._ready = folder / f"{data_dir.name}.ready"
        common = {"data_dir": str(data_dir), "admin_password": PASSWORD, "log_level": "warning", "num_workers": 1}
        self._settings = common | settings
        self._process_id: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return self._process_id is not None and psutil.pid_exists(self._process_id)

    def launch(self, way: Way = "forked") -> None:
        """Start, without waiting until it answers."""
        self._ready.unlink(missing_ok=True)
        if way == "forked":
            order = {
                "settings": self._settings,
                "port": self.port,
                "kind": self.kind,
                "ready_file": str(self._ready),
            }
            self._process_id = self._forge.fork(order)
            return
        command = [sys.executable, "-m", "qtwin", "serve", "--port", str(self.port), "--workers", "1"]
        command += ["--data-dir", str(self.data_dir), "--ready-file", str(self._ready)]
        environment = {**os.environ, "QTWIN_ADMIN_PASSWORD": PASSWORD, "PYTHONPATH": os.pathsep.join(sys.path)}
        environment["QTWIN_ACCESS_TOKEN_TTL_S"] = str(self._settings["access_token_ttl_s"])
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        self._process_id = self._child.pid

    def wait_ready(self) -> bool:
        """Whether it answers; False when it has ended, such as on a full disk."""
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._ready.exists():
            if not self.runs:
                return False
            assert time.monotonic() < deadline, f"{self.data_dir.name} did not start within {START_DEADLINE_S:g} s"
            time.sleep(0.01)
        return True

    def start(self, way: Way = "forked") -> None:
        self.launch(way)
        assert self.wait_ready(), f"{self.data_dir.name} ended at its start; see {self.log}"

    def kill(self, *, group: bool = False) -> None:
        """kill -9 of the server, or of it and its workers at once."""
        if self._process_id is None:
            return
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self._process_id, signal.SIGKILL)
        if self._child is not None:
            self._child.wait(30)
        deadline = time.monotonic() + 30
        while self.runs:
            assert time.monotonic() < deadline, "a killed process does not end"
            time.sleep(0.005)
        self._process_id = self._child = None

    def kill_worker(self, choice: int) -> bool:
        """kill -9 of one worker; False when there is none."""
        found = self._workers()
        if not found:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            found[choice % len(found)].kill()
        return True

    def _workers(self) -> list[psutil.Process]:
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._process_id).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if any("spawn_main" in word for word in process.cmdline()):
                        found.append(process)
        return found

    def send(self, number: signal.Signals) -> None:
        if self._process_id is not None:
            os.kill(self._process_id, number)


class SmallDisk:
    """A file system of its own that is full when told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(CHUNK_BYTES))

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[SmallDisk]:
    """Mounted for as long as the block lasts; skips the test where that is not permitted."""
    folder.mkdir()
    if os.geteuid() != ROOT_IDENTITY:
        pytest.skip("full disk: only root can mount a file system")
    options = ["-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, timeout=30, check=False)
    if mounted.returncode:
        pytest.skip(f"full disk: no file system can be mounted here ({mounted.stderr.strip()})")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=30)
