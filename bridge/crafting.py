"""Words of shots with chosen detection events: what a device would have read out to give just these."""

import numpy as np
from numpy.typing import NDArray

from bridge.errors import LoopError
from bridge.problem import DecodingProblem
from qds1 import encode_shots
from qds1.shots import Bits, Words


class ShotCrafter:
    """Turns detection events into raw outcomes, the inverse of `StreamLayout.detection_events`."""

    def __init__(self, problem: DecodingProblem) -> None:
        """Raises LoopError when the final readout cannot show every syndrome."""
        self._layout = problem.layout
        rebuilt = np.flatnonzero(self._layout.data_parity.any(axis=1))
        self._rebuilt = rebuilt
        self._readout_of = _right_inverse(self._layout.data_parity[rebuilt])

    def outcomes(self, events: Bits) -> tuple[Bits, Bits]:
        """Raw outcomes: events (shots, detectors) -> syndromes (shots, rounds, stabilizers), data (shots, qubits)."""
        return self.outcomes_of_layers(self._layout.events_by_layer(events.astype(bool)))

    def outcomes_of_layers(self, layers: Bits) -> tuple[Bits, Bits]:
        """The same from events by layer, shape (shots, layers, stabilizers)."""
        outcomes = np.bitwise_xor.accumulate(layers, axis=1)
        data = outcomes[:, -1][:, self._rebuilt].astype(np.uint8) @ self._readout_of.T & 1
        return outcomes[:, :-1], data.astype(np.uint8)

    def words(self, events: Bits, first_shot: int = 0) -> Words:
        """qds1 words, shape (shots, words of a shot); events as in `outcomes`."""
        syndromes, data = self.outcomes(events)
        return encode_shots(syndromes, data, first_shot)


def _right_inverse(matrix: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """X with matrix @ X = 1 over GF(2), shape (columns, rows), by Gauss-Jordan elimination."""
    num_rows, num_columns = matrix.shape
    work = np.concatenate([matrix % 2, np.eye(num_rows, dtype=np.uint8)], axis=1)
    pivots: list[int] = []
    for column in range(num_columns):
        row = len(pivots)
        below = np.flatnonzero(work[row:, column]) if row < num_rows else np.zeros(0, dtype=np.intp)
        if not below.size:
            continue
        work[[row, row + below[0]]] = work[[row + below[0], row]]
        others = np.flatnonzero(work[:, column])
        work[others[others != row]] ^= work[row]
        pivots.append(column)
    if len(pivots) < num_rows:
        raise LoopError(
            "the stabilizers that the readout rebuilds are not independent: no readout shows every syndrome"
        )
    inverse = np.zeros((num_columns, num_rows), dtype=np.uint8)
    inverse[pivots] = work[: len(pivots), num_columns:]
    return inverse
