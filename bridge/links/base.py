"""What every link to a decoder does: exchange qds1 words in bulk, read and write registers, close."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing import Self  # Python 3.10, which boards have, does not have it

Words = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each wait may last.

    open_s: building (first time) and starting the decoder. exchange_s, register_s: wall clock per call.
    idle_cycles: clock cycles in which a simulated decoder neither takes nor gives a word before it counts as silent.
    reconnect_s: wall clock for opening a lost link, or the stream of a lost twin, again in mid-run.
    """

    open_s: float = 600.0
    exchange_s: float = 120.0
    register_s: float = 10.0
    idle_cycles: int = 200_000
    reconnect_s: float = 60.0


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """Where the decoder runs.

    Attributes:
        simulator: name and version, None on hardware and in software.
        read_id: where opening the link builds the decoder from its files: `hdl.build.read_id` of that build.
    """

    link: str
    simulator: str | None
    clocked: bool
    read_id: str | None = None


class Link(Protocol):
    """A decoder at the other end of something. Opened on entry of the `with` block, closed at its end."""

    def open(self) -> LinkInfo:
        """Start or reach the decoder.

        Raises:
            LinkOpenError: with the remedy.
        """

    def exchange(self, words: Words, num_answers: int) -> Words:
        """Send whole messages and collect the answers.

        Args:
            words: uint32, one axis: whole qds1 messages.
            num_answers: how many messages to wait for, FRAMEs not counted (each shot is answered by one
                CORRECTION or FAULT, each READ by one DATA).

        Returns:
            uint32, one axis: the answers in the order they came.

        Raises:
            DecoderSilentError: the deadline passed; its message says how many answers came.
            ProtocolError: the decoder's words are no messages.
            LinkLostError: the other end went away.
        """

    def read_register(self, address: int) -> int:
        """Value of the 32-bit register at a byte address; raises RegisterError."""

    def write_register(self, address: int, value: int) -> None:
        """Write the 32-bit register at a byte address; raises RegisterError."""

    def reset(self) -> None:
        """Bring the decoder to its power-on state; what was in flight is forgotten."""

    def close(self) -> None:
        """End in good order; safe to call twice."""

    def abort(self) -> None:
        """End at once, whatever is in flight; never raises."""


@runtime_checkable
class RepeatingLink(Protocol):
    """A link over which words can get lost, and that sends them again."""

    @property
    def repeats(self) -> int:
        """Frames that were sent again since this link was made."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far a transfer came.

    Attributes:
        num_sent: words that the decoder took.
        received: words that it gave.
        ended: the last of these ended a packet (tlast).
        idle: no word moved for the cycles that were allowed for that.
    """

    num_sent: int
    received: Words
    ended: bool
    idle: bool


class PacketLink(Link, Protocol):
    """A simulated decoder whose streams are driven as a DMA engine drives them, a stretch of simulated time a call."""

    def transfer(self, words: Words, capacity: int, *, idle_cycles: int, max_cycles: int) -> Transfer:
        """Move words in both directions until both have ended, nothing moves, or the time is up.

        Args:
            words: to send; the last one with tlast. None leaves the input alone.
            capacity: room for words received, filled until it is full or tlast; 0 holds the output back.
            idle_cycles: clock cycles without a word after which to give up.
            max_cycles: clock cycles after which to return in any case, to be called again with what is left.

        Raises:
            LinkLostError: the simulation went away.
        """


@dataclass(frozen=True, slots=True)
class ShotCycles:
    """Where the clock cycles of whole shots went; each uint32, shape (shots,).

    load: from the acceptance of a shot's first word to that of its last. decode: from there to the first cycle of the
    answer's header. readout: from there to the answer's last word.
    """

    load: Words
    decode: Words
    readout: Words


@runtime_checkable
class TimedLink(Link, Protocol):
    """A link that sees the decoder's clock itself, and can hold a shot back until the one before is answered."""

    def exchange_timed(
        self, words: Words, num_answers: int, max_in_flight: int = 0, shot_words: int = 0
    ) -> tuple[Words, ShotCycles]:
        """As `Link.exchange`, for whole shots.

        Args:
            words, num_answers: see `Link.exchange`.
            max_in_flight: shots under way before the next one waits; 0 sends word after word.
            shot_words: words of a shot, where they are not qds1; 0 where the messages tell.

        Raises:
            ProtocolError: the answers are not one for each shot; and as `Link.exchange`.
        """


class OpenedLink:
    """Context manager around a link: closes it in good order, or aborts it when the block raises."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.info = link.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exception_type is None:
            self.link.close()
        else:
            self.link.abort()
