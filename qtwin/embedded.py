"""A twin of one's own for one command: a child process on a free port, gone with its parent."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from qtwin.interrupts import held

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
    with ExitStack() as stack:
        with held():
            process = subprocess.Popen(
                [*command, "--ready-file", str(ready_file), "--stop-with-stdin"],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            log = _Log(process, log_file)
            stack.callback(log.close)
            stack.callback(_stop, process)
        port = _wait_until_ready(process, ready_file, log)
        yield TwinAddress(f"http://127.0.0.1:{port}", email, password)


class _Log:
    """Copies what the child says to its log file, and keeps the end of it: the disk may be what it complains about."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self.file = file
        self._process = process
        self._last_lines: deque[str] = deque(maxlen=LOG_LINES)
        self._thread = threading.Thread(target=self._copy, name="twin-log", daemon=True)
        self._thread.start()

    def end(self) -> str:
        """The last lines; complete once the child has ended."""
        if self._process.poll() is not None:
            self._thread.join(STOP_S)
        return "\n".join(self._last_lines)

    def close(self) -> None:
        self._thread.join(STOP_S)

    def _copy(self) -> None:
        if self._process.stdout is None:
            return
        with self._process.stdout as output, ExitStack() as stack:
            file: BinaryIO | None = None
            with suppress(OSError):
                file = stack.enter_context(self.file.open("wb", buffering=0))
            for line in output:
                self._last_lines.append(line.decode(errors="replace").rstrip())
                if file is not None:
                    with suppress(OSError):
                        file.write(line)


def _wait_until_ready(process: subprocess.Popen[bytes], ready_file: Path, log: _Log) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if ready_file.exists():
            return int(ready_file.read_text())
        time.sleep(POLL_S)
    raise EmbeddedTwinError(f"the embedded twin did not start (its log is {log.file}):\n{log.end()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_S)
