"""A simulated board of one's own: a child process on a Unix socket, gone with its parent."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bridge.errors import LinkOpenError
from bridge.links.pynq.library import require_pynq
from hdl.errors import HdlError
from hdl.places import plain_temporary_folder

POLL_S = 0.05
STOP_S = 10.0
LOG_LINES = 8


class ChildBoard:
    """`python -m bridge.boards.pynq` for one decoder.

    The child reads from a pipe whose other end this process holds: however this process ends, the child stops.

    Attributes:
        address: where it serves.
        bitstream: path of its decoder.bit.
    """

    def __init__(self, decoder: Path, options: Sequence[str], *, idle_cycles: int, deadline_s: float) -> None:
        """Start it and wait until hosts can connect.

        Args:
            decoder: its manifest.
            options: of `bridge.boards.pynq`: which board, what simulates it.

        Raises:
            LinkOpenError: pynq is not installed; or the board did not start before the deadline, with what it said.
        """
        require_pynq()  # a simulated board takes its service definitions from there
        try:
            place = plain_temporary_folder()  # a socket's path is short, and part of an address
        except HdlError as error:
            raise LinkOpenError(str(error)) from error
        self._folder = Path(tempfile.mkdtemp(prefix="qtwin-board-", dir=place))
        self.address = f"unix:{self._folder / 'board'}"
        self._ready = self._folder / "ready"
        self._log = self._folder / "log"
        command = [sys.executable, "-m", "bridge.boards.pynq", str(decoder), "--address", self.address]
        command += [*options, "--overlay", str(self._folder / "overlay")]
        command += ["--idle-cycles", str(idle_cycles), "--stall-s", "0", "--ready-file", str(self._ready)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            self.bitstream = self._wait_until_ready(deadline_s)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in good order, or at once where it does not; safe to call twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_ready(self, deadline_s: float) -> Path:
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._ready.exists():
                return Path(self._ready.read_text())
            time.sleep(POLL_S)
        said = "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        raise LinkOpenError(f"the simulated board did not start:\n{said or f'nothing within {deadline_s:g} s'}")
