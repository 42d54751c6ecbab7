"""Frames of the serial line: COBS(words, little-endian, then their CRC-32), ended by a zero byte."""

import zlib

import numpy as np
from cobs import cobs

from bridge.links.base import Words
from qds1.messages import MAX_PAYLOAD_WORDS

CRC_BYTES = 4
WORD_BYTES = 4
DELIMITER = b"\0"
COBS_BLOCK_BYTES = 254
LONGEST_MESSAGE_WORDS = 1 + MAX_PAYLOAD_WORDS


def frame(words: bytes) -> bytes:
    """The bytes on the line for one frame. words: little-endian, 32 bits each."""
    return bytes(cobs.encode(words + zlib.crc32(words).to_bytes(CRC_BYTES, "little"))) + DELIMITER


def frame_bytes(num_words: int) -> int:
    """The most bytes on the line that a frame of so many words takes."""
    content = num_words * WORD_BYTES + CRC_BYTES
    return content + -(-content // COBS_BLOCK_BYTES) + len(DELIMITER)


class FrameReader:
    """Takes bytes in any pieces, gives the words of the frames that arrived whole.

    Attributes:
        num_bad: frames that were dropped: damaged on the way, or longer than any that is sent.
    """

    def __init__(self, most_words: int = LONGEST_MESSAGE_WORDS) -> None:
        """most_words: of a frame; from a board each message is one."""
        self.num_bad = 0
        self._rest = b""
        self._most_bytes = frame_bytes(most_words)

    def take(self, data: bytes) -> list[Words]:
        """Words of every frame that these bytes complete; uint32, one axis each."""
        *whole, self._rest = (self._rest + data).split(DELIMITER)
        found = []
        for encoded in whole:
            if not encoded:
                continue
            words = _words(encoded) if len(encoded) < self._most_bytes else None
            if words is None:
                self.num_bad += 1
            else:
                found.append(words)
        self._rest = self._rest[: self._most_bytes]  # too long already: a line that never ends a frame fills no memory
        return found


def _words(encoded: bytes) -> Words | None:
    """Words of one frame, None for a damaged one."""
    try:
        content = cobs.decode(encoded)
    except cobs.DecodeError:
        return None
    words, crc = content[:-CRC_BYTES], content[-CRC_BYTES:]
    if not words or len(words) % WORD_BYTES or zlib.crc32(words).to_bytes(CRC_BYTES, "little") != crc:
        return None
    return np.frombuffer(words, dtype="<u4").astype(np.uint32, copy=False)
