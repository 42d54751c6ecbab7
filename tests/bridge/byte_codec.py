"""The byte decoder's own words: what the mapping of decoder.yaml says, in Python."""

import numpy as np

from bridge.problem import DecodingProblem
from qds1.shots import Bits, Words

START, ANSWER = 0x7E, 0xA5


class Codec:
    """See bridge.codec.StreamCodec."""

    def __init__(self, problem: DecodingProblem) -> None:
        layout = problem.layout
        bit = 4 * (1 - layout.detector_bit) + (3 - layout.detector_layer)
        self._weights = (1 << bit).astype(np.uint32)

    def encode(self, detection_events: Bits) -> Words:
        """See StreamCodec."""
        start = np.full(len(detection_events), START, dtype=np.uint32)
        return np.stack([start, detection_events @ self._weights], axis=1)

    def decode(self, answers: Words) -> Bits:
        """See StreamCodec."""
        assert (answers[:, 0] == ANSWER).all()
        return np.asarray(answers[:, 1:] & 1, dtype=np.uint8)  # the observable is data qubit 2, correction bit 0
