"""One qds1 message: a header word (kind, payload length, tag) and its payload words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

MAX_PAYLOAD_WORDS = 255
TAG_MODULUS = 1 << 16
CORRECTION_TRAILER_WORDS = 2
"""After the observable flips, a CORRECTION carries its latency in cycles and its status flags."""


class Kind(IntEnum):
    """Message kinds; those below 0x80 go to the decoder, the others to the host."""

    SYNDROME = 0x01
    EVENTS = 0x02
    MEAS_DATA = 0x03
    EVENTS_LAST = 0x04
    WRITE = 0x10
    READ = 0x11
    CORRECTION = 0x81
    FRAME = 0x82
    DATA = 0x91
    FAULT = 0xEE


class Status(IntFlag):
    """Status flags of a CORRECTION."""

    OK = 0
    BUDGET_EXCEEDED = 1
    AMBIGUOUS = 2
    STALLED = 4
    """Windowed decoders: the layer FIFO was full for a while, and the stream had to wait."""


class FaultCode(IntEnum):
    """First payload word of a FAULT; the second is the offending word."""

    UNKNOWN_KIND = 1
    WRONG_LENGTH = 2
    ILLEGAL_NOW = 3
    DISABLED = 4
    ADDRESS = 5


class Qds1Error(ValueError):
    """Words that are not a sequence of whole, known messages."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message, header taken apart."""

    kind: Kind
    tag: int
    payload: tuple[int, ...]


def header(kind: Kind, num_payload_words: int, tag: int) -> int:
    """Header word: kind in bits 7:0, payload words in 15:8, tag (shot number mod 65536) in 31:16."""
    if not 0 <= num_payload_words <= MAX_PAYLOAD_WORDS:
        raise Qds1Error(f"a message holds 0 to {MAX_PAYLOAD_WORDS} payload words, not {num_payload_words}")
    return int(kind) | num_payload_words << 8 | (tag % TAG_MODULUS) << 16


def split_header(word: int) -> tuple[int, int, int]:
    """(kind as a plain integer, payload words, tag) of a header word."""
    return word & 0xFF, word >> 8 & 0xFF, word >> 16 & 0xFFFF


def encode(messages: Iterable[Message]) -> NDArray[np.uint32]:
    """Words of the messages, one after another: uint32, one axis."""
    words: list[int] = []
    for message in messages:
        words.append(header(message.kind, len(message.payload), message.tag))
        words.extend(message.payload)
    return np.array(words, dtype=np.uint32)


def parse(words: Sequence[int] | NDArray[np.uint32]) -> list[Message]:
    """Take a sequence of whole messages apart.

    Raises:
        Qds1Error: an unknown kind, or the words end within a message; names the word's index.
    """
    values = [int(word) for word in words]
    messages: list[Message] = []
    start = 0
    while start < len(values):
        kind_byte, num_payload_words, tag = split_header(values[start])
        if kind_byte not in Kind.__members__.values():
            raise Qds1Error(f"word {start} (0x{values[start]:08x}) is not a header: kind 0x{kind_byte:02x} is unknown")
        end = start + 1 + num_payload_words
        if end > len(values):
            raise Qds1Error(
                f"the message at word {start} ({Kind(kind_byte).name}) has {num_payload_words} payload "
                f"words, but only {len(values) - start - 1} follow"
            )
        messages.append(Message(Kind(kind_byte), tag, tuple(values[start + 1 : end])))
        start = end
    return messages
