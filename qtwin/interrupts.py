"""Ctrl-C and SIGTERM: the first ends the command with one line, and none that follows at once keeps it from tidying up.

Nothing here but the standard library: `qtwin.start` takes the signals in hand before anything large is imported.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

PATIENCE_S = 5.0
"""After so long another one counts again: what was to be put away hangs, or took the first for itself."""
IMPORT_POLL_S = 0.02
IMPORT_SYSTEM = "<frozen importlib._bootstrap>"


class Interrupted(SystemExit):
    """A command was stopped; what it says is the one line that is printed."""

    def __init__(self, words: str = "interrupted") -> None:
        super().__init__(exit_code(signal.SIGINT))
        self.words = words


class FirstInterrupt:
    """A handler of SIGINT and SIGTERM that acts once in `PATIENCE_S`.

    Until there is anything to put away (`tidying_up`), it says so and ends the process. From then on it raises
    KeyboardInterrupt, but never inside an import: there are modules that make another error of it, or swallow it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._acted_at = float("-inf")
        self.number: int | None = None
        """The signal that came first."""
        self.is_tidying_up = False
        self.is_held = False
        self._is_due = False

    def install(self) -> None:
        """Take the signals, except those that a shell's background job ignores."""
        for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
            if signal.getsignal(number) is default:
                signal.signal(number, self)
        signal.signal(signal.SIGALRM, self._after_import)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """See `signal.signal`."""
        now = self._clock()
        if now - self._acted_at < PATIENCE_S:
            return
        self._acted_at = now
        self.number = self.number or number
        self._is_due = True
        if not self.is_tidying_up:
            self.end("interrupted")
        self._after_import(number, frame)

    def _after_import(self, number: int, frame: FrameType | None) -> None:
        del number
        if self.is_held:
            return
        if _is_importing(frame):
            signal.setitimer(signal.ITIMER_REAL, IMPORT_POLL_S)
        else:
            self.act()

    def act(self) -> None:
        """Raise what is due."""
        if self._is_due:
            self._is_due = False
            raise KeyboardInterrupt

    def end(self, words: str) -> None:
        """Say it, and end the process; what still computes in threads is not waited for."""
        with suppress(Exception):  # it may be in the middle of a print
            sys.stdout.flush()
            sys.stderr.flush()
        with suppress(OSError):
            os.write(2, f"qtwin: {words}\n".encode())
        os._exit(exit_code(self.number or signal.SIGINT))


def exit_code(number: int) -> int:
    """Of a command that this signal ended, as shells have it."""
    return 128 + number


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False


@contextmanager
def tidying_up(is_needed: bool = True) -> Iterator[None]:
    """While the block runs, a signal raises KeyboardInterrupt; is_needed=False: it ends the process at once."""
    handler = signal.getsignal(signal.SIGTERM)
    if not isinstance(handler, FirstInterrupt):  # in a test, or another program's
        yield
        return
    handler.act()  # rather than in the middle of what begins now
    before, handler.is_tidying_up = handler.is_tidying_up, is_needed
    try:
        yield
    finally:
        handler.is_tidying_up = before


@contextmanager
def held() -> Iterator[None]:
    """What the block makes is made whole, and known to who takes it away; a signal counts at its end."""
    handler = signal.getsignal(signal.SIGTERM)
    if not isinstance(handler, FirstInterrupt):
        yield
        return
    handler.is_held = True
    try:
        yield
    finally:
        handler.is_held = False
    handler.act()


def run_interruptible(command: Callable[[], object]) -> None:
    """Run a command to its SystemExit; of one that was interrupted, only one line is seen, whatever it made of it."""
    handler = FirstInterrupt()
    handler.install()
    try:
        command()
    except BaseException as stop:
        if handler.number is not None:
            handler.end(stop.words if isinstance(stop, Interrupted) else "interrupted")
        if isinstance(stop, SystemExit):  # all has been said: the interpreter's own end is not to be told
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        raise
