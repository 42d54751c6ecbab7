"""Takes a decoder's words apart without trusting them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.probe import Observation
from qds1 import Kind, Message, split_header, unpack_bits
from qds1.shots import Bits, Words


@dataclass(frozen=True)
class Answers:
    """Answers in the order they came.

    Attributes:
        messages: whole messages, FRAMEs left out.
        header_index: int, shape (messages,): which word received was each one's header.
        garbage: what stands where a message should begin, None when every word belongs to one.
    """

    messages: tuple[Message, ...]
    header_index: NDArray[np.int64]
    garbage: str | None

    def tags(self) -> list[int]:
        """Tags of the answers."""
        return [message.tag for message in self.messages]

    def kinds(self) -> list[str]:
        """Kinds of the answers."""
        return [message.kind.name for message in self.messages]

    def corrections(self, num_bits: int) -> Bits:
        """Correction bits of the answers, 0/1 of shape (messages, num_bits); 0 where a payload is too short."""
        words = -(-num_bits // 32)
        table: Words = np.zeros((len(self.messages), words), dtype=np.uint32)
        for row, message in enumerate(self.messages):
            flips = message.payload[:-2][:words]
            table[row, : len(flips)] = flips
        return unpack_bits(table, num_bits)

    def latencies(self) -> NDArray[np.int64]:
        """Latency field of each answer; -1 where there is none."""
        return np.array([m.payload[-2] if len(m.payload) >= 2 else -1 for m in self.messages], dtype=np.int64)

    def statuses(self) -> NDArray[np.int64]:
        """Status word of each CORRECTION; 0 for other answers."""
        return np.array(
            [m.payload[-1] if m.kind == Kind.CORRECTION and m.payload else 0 for m in self.messages], np.int64
        )


def take_apart(observation: Observation, payload_words: int) -> Answers:
    """Messages of what a decoder sent; `payload_words` is the length that a CORRECTION must have."""
    words = observation.words.tolist()
    messages: list[Message] = []
    headers: list[int] = []
    garbage, start = None, 0
    while start < len(words) and garbage is None:
        kind, length, tag = split_header(words[start])
        end = start + 1 + length
        if kind not in (Kind.CORRECTION, Kind.FRAME, Kind.FAULT, Kind.DATA):
            garbage = f"word {start} (0x{words[start]:08x}) should be a header, but 0x{kind:02x} is no kind of answer"
        elif kind == Kind.CORRECTION and length != payload_words:
            garbage = f"the CORRECTION at word {start} announces {length} payload words, expected {payload_words}"
        elif end > len(words):
            garbage = f"the message at word {start} announces {length} payload words, {len(words) - start - 1} came"
        elif kind != Kind.FRAME:
            messages.append(Message(Kind(kind), tag, tuple(words[start + 1 : end])))
            headers.append(start)
        start = end
    return Answers(tuple(messages), np.array(headers, dtype=np.int64), garbage)
