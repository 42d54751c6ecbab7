"""Simulated boards for tests, served by a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.boards.uart_line import rtl_line
from bridge.boards.uart_port import SimulatedPort
from bridge.decoders import Decoder

CLOCKS_PER_BIT = 4
STOP_S = 30.0


class RunningBoard:
    """A board behind a pseudo-terminal, whose cable can be pulled and put back."""

    def __init__(self, decoder: Decoder, alias: Path | None = None) -> None:
        self._decoder = decoder
        self._alias = alias
        self.plug_in()

    def plug_in(self) -> None:
        """Power on and connect."""
        assert self._decoder.folder is not None
        self.port = SimulatedPort(rtl_line(self._decoder.folder, CLOCKS_PER_BIT), self._alias)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self.port.serve, args=(self._stopped.is_set,))
        self._thread.start()

    def unplug(self) -> None:
        """Take the port away."""
        self._stopped.set()
        self._thread.join(STOP_S)
        self.port.close()

    @property
    def path(self) -> str:
        """What to open as a serial port."""
        return str(self._alias or self.port.path)


@contextmanager
def running_board(decoder: Decoder, alias: Path | None = None) -> Iterator[RunningBoard]:
    """Serve the decoder's RTL behind a pseudo-terminal while the block runs."""
    board = RunningBoard(decoder, alias)
    try:
        yield board
    finally:
        board.unplug()
