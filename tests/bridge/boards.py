"""Simulated boards for tests, served by a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bridge.boards.uart_line import SimulatedLine
from bridge.boards.uart_port import SimulatedPort
from bridge.decoders import Decoder

CLOCKS_PER_BIT = 4
STOP_S = 30.0


@dataclass(frozen=True)
class RunningBoard:
    """A board behind a pseudo-terminal."""

    port: SimulatedPort

    @property
    def path(self) -> str:
        """What to open as a serial port."""
        return self.port.path


@contextmanager
def running_board(decoder: Decoder) -> Iterator[RunningBoard]:
    """Serve the decoder's RTL behind a pseudo-terminal while the block runs."""
    assert decoder.folder is not None
    stopped = threading.Event()
    with SimulatedPort(SimulatedLine(decoder.folder, CLOCKS_PER_BIT)) as port:
        thread = threading.Thread(target=port.serve, args=(stopped.is_set,))
        thread.start()
        try:
            yield RunningBoard(port)
        finally:
            stopped.set()
            thread.join(STOP_S)
