"""A link that is lost between shots: what was done to the decoder is done again from its beginning."""

import numpy as np
import pytest

from bridge.errors import LinkLostError, RegisterError
from bridge.links.base import Link, LinkInfo, Words
from bridge.recovery import MAX_LOSSES, RecoveringLink


class Registers:
    """A link whose registers are lost with it; it is lost at the writes with these numbers."""

    def __init__(self, lost_at: set[int]) -> None:
        self._lost_at = lost_at
        self._num_writes = 0
        self.written: dict[int, int] = {}

    def open(self) -> LinkInfo:
        """See `Link.open`."""
        return LinkInfo(link="by hand", simulator=None, clocked=True)

    def exchange(self, words: Words, num_answers: int) -> Words:
        """See `Link.exchange`."""
        del words, num_answers
        return np.zeros(0, dtype=np.uint32)

    def read_register(self, address: int) -> int:
        """See `Link.read_register`."""
        raise RegisterError(f"no register {address}")

    def write_register(self, address: int, value: int) -> None:
        """See `Link.write_register`."""
        self._num_writes += 1
        if self._num_writes in self._lost_at:
            raise LinkLostError("pulled by the test")
        self.written[address] = value

    def reset(self) -> None:
        """See `Link.reset`."""

    def close(self) -> None:
        """See `Link.close`."""

    def abort(self) -> None:
        """See `Link.abort`."""
        self.written.clear()


def write_four(link: Link) -> None:
    for address in range(4):
        link.write_register(address, 10 + address)


def greet(link: Link, info: LinkInfo) -> None:
    del info
    link.write_register(99, 1)


def test_writes_that_were_broken_off_are_all_there_after_a_loss() -> None:
    registers = Registers(lost_at={4, 9})  # in the first try after two of the four, in the second after three
    with RecoveringLink(registers, greet, reconnect_s=5) as line:
        line.access(write_four)
        assert registers.written == {99: 1, 0: 10, 1: 11, 2: 12, 3: 13}
        assert line.reconnects == 2


def test_access_that_always_loses_the_link_gives_up() -> None:
    registers = Registers(lost_at=set(range(3, 1000, 3)))
    line = RecoveringLink(registers, greet, reconnect_s=5)
    with pytest.raises(LinkLostError, match=f"lost {MAX_LOSSES + 1} times"), line:
        line.access(write_four)
