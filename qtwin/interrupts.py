"""Ctrl-C: the first stops the command, and those that follow at once do not stop it from putting things away."""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

PATIENCE_S = 5.0
"""After so long another one counts again: what was to be put away hangs, or took the first for itself."""
INTERRUPTED = 130
"""Exit code of a command that SIGINT ended, as shells have it."""


class FirstInterrupt:
    """A handler of SIGINT that raises KeyboardInterrupt, once in `PATIENCE_S`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._raised_at = float("-inf")

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """See `signal.signal`."""
        del number, frame
        now = self._clock()
        if now - self._raised_at >= PATIENCE_S:
            self._raised_at = now
            raise KeyboardInterrupt


def run_interruptible(command: Callable[[], object]) -> None:
    """Run a command to its SystemExit; one that was interrupted does not wait for what still computes in threads."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a shell's background job, which ignores it
        signal.signal(signal.SIGINT, FirstInterrupt())
    try:
        command()
    except SystemExit as done:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all has been said: the interpreter's own end is not to be told
        if done.code == INTERRUPTED:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise
