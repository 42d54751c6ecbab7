"""Puts a simulated board behind a pseudo-terminal: any program that opens serial ports opens it."""

import os
import select
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.boards.uart_line import SimulatedLine
from bridge.errors import LinkOpenError

BYTES_PER_STEP = 64
CYCLES_PER_STEP = 4096
IDLE_CYCLES = 20_000
"""A decoder that thinks longer than this after the last byte goes on when the next byte comes."""
MAX_UNREAD_BYTES = 1 << 16
POLL_S = 0.2


class SimulatedPort:
    """A pseudo-terminal whose other end is a simulated board's serial line.

    Simulated time passes while bytes move and for `IDLE_CYCLES` after; how often, when and in which pieces a host reads
    and writes changes nothing in the board. A host that does not read stops time, no byte is lost.

    Attributes:
        path: what to open as a serial port.
    """

    def __init__(self, line: SimulatedLine, alias: Path | None = None) -> None:
        """alias: a symbolic link to keep at a fixed place while the port is there.

        Raises:
            LinkOpenError: there is something else at the alias.
        """
        self._line = line
        self._alias = alias
        self._reset_asked = threading.Event()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # and it stays open here: a host may come and go
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        try:
            if alias is not None:
                _link(alias, self.path)
        except OSError as error:
            self.close()
            raise LinkOpenError(f"cannot make {alias} a link to {self.path}: {error.strerror}") from error
        except LinkOpenError:
            self._alias = None
            self.close()
            raise

    def press_reset(self) -> None:
        """Reset the board as its button does; what was in flight is lost. May be called from a signal handler."""
        self._reset_asked.set()

    def serve(self, stopped: Callable[[], bool]) -> None:
        """Carry bytes until `stopped` says so; it is asked at least every 0.2 s."""
        unread = b""
        quiet = False
        while not stopped():
            if self._reset_asked.is_set():
                self._reset_asked.clear()
                self._line.reset()
                unread = b""
            room = len(unread) < MAX_UNREAD_BYTES
            can_read = self._wait(read=room, write=bool(unread), timeout_s=POLL_S if quiet or not room else 0.0)
            if room and (can_read or not quiet):
                run = self._line.run(self._read() if can_read else b"", CYCLES_PER_STEP, IDLE_CYCLES)
                quiet = run.quiet
                unread += run.received
            unread = self._write(unread)

    def close(self) -> None:
        """Take the port away, as a cable is pulled; safe to call twice."""
        if self._alias is not None and self._alias.is_symlink() and str(self._alias.readlink()) == self.path:
            self._alias.unlink()
        for descriptor in (self._master, self._slave):
            with suppress(OSError):  # closed before
                os.close(descriptor)
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, *, read: bool, write: bool, timeout_s: float) -> bool:
        """Whether bytes can be read now, after at most `timeout_s`."""
        readers = [self._master] if read else []
        writers = [self._master] if write else []
        readable, _, _ = select.select(readers, writers, [], timeout_s)
        return bool(readable)

    def _read(self) -> bytes:
        with suppress(BlockingIOError):
            return os.read(self._master, BYTES_PER_STEP)
        return b""

    def _write(self, data: bytes) -> bytes:
        """Write what fits; returns the rest."""
        if not data:
            return data
        with suppress(BlockingIOError):
            return data[os.write(self._master, data) :]
        return data


def _link(alias: Path, target: str) -> None:
    """Point the alias to the target, in place of a link that was left there."""
    if os.path.lexists(alias) and not alias.is_symlink():
        raise LinkOpenError(f"{alias} is there and is not a symbolic link; name another place for the port")
    alias.parent.mkdir(parents=True, exist_ok=True)
    new = alias.with_name(f".{alias.name}-{os.getpid()}")
    new.symlink_to(target)
    new.replace(alias)
