"""A serial line on which bytes are flipped, lost, doubled, delayed and cut off."""

import time

import numpy as np

from bridge.errors import LinkLostError
from bridge.links.faulty.options import FaultOptions
from bridge.links.uart.frames import DELIMITER, frame
from bridge.links.uart.line import Line
from hdl.registers.map import LINK_CONTROL_RESET, LinkAddress
from qds1 import Kind, Message, encode

_RESET = (
    encode(
        [
            Message(Kind.WRITE, 0, (LinkAddress.LINK_CONTROL, LINK_CONTROL_RESET.set(0, 1))),
            Message(Kind.WRITE, 0, (LinkAddress.LINK_SESSION, 0)),
        ]
    )
    .astype("<u4")
    .tobytes()
)
"""What leaves a board as its reset does: the decoder at its power-on state, what was under way lost, no session."""


class FaultyLine:
    """Another line, with faults in both directions.

    Attributes:
        num_faults: how many were injected.
    """

    def __init__(self, line: Line, options: FaultOptions, generator: np.random.Generator) -> None:
        self._line = line
        self._options = options
        self._random = generator
        self.num_faults = 0

    def write(self, data: bytes) -> None:
        """See `Line.write`."""
        options = self._options
        if self._happens(options.stall):
            time.sleep(options.stall_s)
        if self._happens(options.disconnect):
            self._line.close()
            raise LinkLostError("the cable was pulled (injected fault)")
        if self._happens(options.reset):
            data = DELIMITER + frame(_RESET)
        self._line.write(self._damaged(data))

    def read(self, timeout_s: float) -> bytes:
        """See `Line.read`."""
        data = self._line.read(timeout_s)
        if data and self._happens(self._options.late):
            time.sleep(self._options.late_s)
        return self._damaged(data)

    def close(self) -> None:
        """See `Line.close`."""
        self._line.close()

    def _happens(self, probability: float) -> bool:
        happens = probability > 0 and bool(self._random.random() < probability)
        self.num_faults += happens
        return happens

    def _damaged(self, data: bytes) -> bytes:
        """The bytes as they come out at the other end."""
        options = self._options
        if not data:
            return data
        values = np.frombuffer(data, dtype=np.uint8)
        flips = self._random.random((values.size, 8)) < options.ber
        lost = self._random.random(values.size) < options.lose
        doubled = self._random.random(values.size) < options.double
        self.num_faults += int(flips.sum() + lost.sum() + doubled.sum())
        copies = np.where(lost, 0, np.where(doubled, 2, 1))
        damaged = np.repeat(values ^ np.packbits(flips, axis=1)[:, 0], copies)
        if self._happens(options.truncate):
            damaged = damaged[: int(self._random.integers(damaged.size + 1))]
        return damaged.tobytes()
