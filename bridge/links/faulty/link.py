"""A link of words that stalls, is lost, or whose decoder is reset in the middle."""

import time

import numpy as np

from bridge.errors import LinkLostError
from bridge.links.base import Link, LinkInfo, Words
from bridge.links.faulty.options import FaultOptions


class FaultyLink:
    """Another link, with the faults that a bus of words has: it loses no word silently, but may end at any time."""

    def __init__(self, link: Link, options: FaultOptions, generator: np.random.Generator) -> None:
        self._link = link
        self._options = options
        self._random = generator

    def open(self) -> LinkInfo:
        """See `Link.open`."""
        return self._link.open()

    def exchange(self, words: Words, num_answers: int) -> Words:
        """See `Link.exchange`."""
        options = self._options
        if self._happens(options.stall):
            time.sleep(options.stall_s)
        if self._happens(options.reset):
            self._link.reset()
            raise LinkLostError("the board was reset (injected fault)")
        is_lost, before = self._happens(options.disconnect), bool(self._random.random() < 0.5)
        answers = np.zeros(0, dtype=np.uint32) if is_lost and before else self._link.exchange(words, num_answers)
        if is_lost:
            self._link.abort()
            raise LinkLostError("the connection to the board was lost (injected fault)")
        return answers

    def read_register(self, address: int) -> int:
        """See `Link.read_register`."""
        return self._link.read_register(address)

    def write_register(self, address: int, value: int) -> None:
        """See `Link.write_register`."""
        self._link.write_register(address, value)

    def reset(self) -> None:
        """See `Link.reset`."""
        self._link.reset()

    def close(self) -> None:
        """See `Link.close`."""
        self._link.close()

    def abort(self) -> None:
        """See `Link.abort`."""
        self._link.abort()

    def _happens(self, probability: float) -> bool:
        return probability > 0 and bool(self._random.random() < probability)
