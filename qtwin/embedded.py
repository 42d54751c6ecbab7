"""A twin of one's own for one command: a child process on a free port, gone with its parent."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

START_S = 60.0
STOP_S = 10.0
POLL_S = 0.05
LOG_LINES = 8


class EmbeddedTwinError(Exception):
    """The embedded twin did not start; carries the end of its log."""


@dataclass(frozen=True, slots=True)
class TwinAddress:
    """Where a twin listens and how to log in."""

    url: str
    email: str
    password: str


@contextmanager
def embedded_twin(data_dir: Path) -> Iterator[TwinAddress]:
    """Serve a twin on the loopback interface while the block runs.

    The child reads from a pipe whose other end this process holds: however this process ends, the pipe closes and the
    child stops by itself.

    Raises:
        EmbeddedTwinError: it was not ready within a minute.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    ready_file = data_dir / "port"
    ready_file.unlink(missing_ok=True)
    email, password = "admin@qtwin.local", secrets.token_urlsafe(24)
    environment = {**os.environ, "QTWIN_ADMIN_EMAIL": email, "QTWIN_ADMIN_PASSWORD": password}
    log_file = data_dir / "twin.log"
    command = [sys.executable, "-m", "qtwin", "serve", "--port", "0", "--data-dir", str(data_dir)]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready_file), "--stop-with-stdin"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        port = _wait_until_ready(process, ready_file, log_file)
        yield TwinAddress(f"http://127.0.0.1:{port}", email, password)
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], ready_file: Path, log_file: Path) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if ready_file.exists():
            return int(ready_file.read_text())
        time.sleep(POLL_S)
    end = "\n".join(log_file.read_text(errors="replace").splitlines()[-LOG_LINES:])
    raise EmbeddedTwinError(f"the embedded twin did not start (its log is {log_file}):\n{end}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_S)
