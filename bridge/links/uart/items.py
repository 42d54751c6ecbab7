"""Cuts a stream of qds1 words into what goes into one frame: whole shots, and everything else."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bridge.links.base import Words
from qds1 import Kind, split_header

ROUND_KINDS = frozenset({Kind.SYNDROME, Kind.EVENTS})
END_KINDS = frozenset({Kind.MEAS_DATA, Kind.EVENTS_LAST})


@dataclass(frozen=True, slots=True)
class Item:
    """Words that travel in one frame.

    Attributes:
        is_shot: a shot from its first message to its end: it gets one answer with its tag, and may be sent again.
            Otherwise a register access, an unknown message, or the beginning of a shot that is abandoned.
        is_abandoned: such a beginning; it gets no answer and is not sent again.
        num_layers: of detection events in a shot: its rounds and the readout.
    """

    words: Words
    tag: int
    is_shot: bool = False
    is_abandoned: bool = False
    num_layers: int = 0


class Cutter:
    """Cuts words into items; the beginning of a shot is kept until its end comes, in whichever call that is."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, dtype=np.uint32)

    def cut(self, words: Words) -> list[Item]:
        """Items of these words, after those that were kept."""
        all_words = np.concatenate([self._rest, np.asarray(words, dtype=np.uint32)])
        items, start = [], 0
        for item, end in _items(all_words):
            items.append(item)
            start = end
        self._rest = all_words[start:]
        return items

    def forget(self) -> None:
        """Drop the beginning of a shot that is kept."""
        self._rest = self._rest[:0]


def _items(words: Words) -> Iterator[tuple[Item, int]]:
    """Every item that is complete, with the index of the word after it."""
    headers: list[int] = words.tolist()
    start = place = 0  # words[start:place] is the beginning of a shot
    shot_tag = num_layers = 0
    while place < len(headers):
        kind, num_payload, tag = split_header(headers[place])
        end = place + 1 + num_payload
        if end > len(headers):
            return
        if start < place and tag != shot_tag and (kind in ROUND_KINDS or kind in END_KINDS):
            yield Item(words[start:place], shot_tag, is_abandoned=True), place
            start = place
        num_layers = num_layers if start < place else 0
        if kind in END_KINDS:
            yield Item(words[start:end], tag, is_shot=True, num_layers=num_layers + 1), end
            start = end
        elif kind in ROUND_KINDS:
            shot_tag = tag
            num_layers += 1
        elif start == place:
            yield Item(words[place:end], tag), end
            start = end
        # else a register access within a shot: it travels with the shot
        place = end
