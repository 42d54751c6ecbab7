"""Detection events that an error model cannot produce: the shots are of another model, or their data is wrong."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import stim
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hdl.compile.layout import check_width
from hdl.compile.mechanisms import Mechanism, connected, mechanisms

MAX_ELIMINATED = 64
"""Connected detectors up to which the errors are eliminated exactly; in larger groups parity alone is looked at."""

EVENTS_AT_ONCE = 4_000_000
"""Events that are looked at together; each takes some nine bytes meanwhile."""


class ImpossibleShots:
    """Finds shots that no combination of the model's errors explains.

    Detectors that whole errors connect are one group. What its errors can do together is a linear space over the field
    of two elements, so a few parities tell whether a shot is in it; they are computed exactly for groups of at most
    `MAX_ELIMINATED` detectors. In larger ones the parts of errors count as errors of their own, which can explain more:
    found are detectors that none sets off, and odd shots where each sets off an even number.
    """

    def __init__(self, error_model: stim.DetectorErrorModel) -> None:
        self._num_detectors = error_model.num_detectors
        errors = mechanisms(error_model)
        always = np.zeros(self._num_detectors, dtype=np.uint8)
        for error in errors:
            if error.probability == 1:
                always[list(error.whole[0])] ^= 1
        self._always = always
        rows = _parities(self._num_detectors, [error for error in errors if error.probability < 1])
        self._alone = np.array([row[0] for row in rows if len(row) == 1], dtype=np.int64)
        sums = [row for row in rows if len(row) > 1]
        ends = np.cumsum([0, *(len(row) for row in sums)])
        members = np.array([detector for row in sums for detector in row], dtype=np.int64)
        shape = (len(sums), self._num_detectors)
        self._parities = csr_array((np.ones(len(members), dtype=np.int32), members, ends), shape=shape)

    def find(self, events: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which shots are impossible.

        Args:
            events: 0/1, shape (shots, detectors of the error model).

        Returns:
            bool, shape (shots,).

        Raises:
            ShapeError: the events are of another number of detectors.
        """
        check_width(events, self._num_detectors)
        step = max(1, EVENTS_AT_ONCE // max(1, self._num_detectors))
        parts = [self._find(events[start : start + step]) for start in range(0, len(events), step)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.bool_)

    def _find(self, events: NDArray[np.uint8]) -> NDArray[np.bool_]:
        unexplained = events ^ self._always
        found: NDArray[np.bool_] = unexplained[:, self._alone].any(axis=1)
        if self._parities.nnz:
            found |= (self._parities @ unexplained.T.astype(np.int32) % 2 == 1).any(axis=0)
        return found


def _parities(num_detectors: int, errors: Sequence[Mechanism]) -> list[list[int]]:
    """Sets of detectors of which an even number fires in every shot."""
    rows: list[list[int]] = []
    in_large: set[int] = set()
    for detectors, symptoms in _grouped(range(num_detectors), {error.whole[0] for error in errors}):
        if len(detectors) <= MAX_ELIMINATED:
            rows += _annihilators(detectors, symptoms)
        else:
            in_large.update(detectors)
    parts = {tuple(d for d in part[0] if d in in_large) for error in errors for part in error.parts}
    for detectors, symptoms in _grouped(sorted(in_large), parts):
        if all(len(symptom) % 2 == 0 for symptom in symptoms):
            rows.append(detectors)
    return rows


def _grouped(
    detectors: Sequence[int], symptoms: Iterable[tuple[int, ...]]
) -> Iterable[tuple[list[int], list[tuple[int, ...]]]]:
    """Detectors that symptoms connect, and these symptoms; ascending detectors."""
    found = [symptom for symptom in symptoms if symptom]
    groups = connected(1 + max(detectors, default=-1), [(symptom, 0) for symptom in found])
    members: defaultdict[int, list[int]] = defaultdict(list)
    for detector in detectors:
        members[groups.root(detector)].append(detector)
    within: defaultdict[int, list[tuple[int, ...]]] = defaultdict(list)
    for symptom in found:
        within[groups.root(symptom[0])].append(symptom)
    return [(here, within[root]) for root, here in members.items()]


def _annihilators(detectors: list[int], symptoms: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Every independent set of these detectors that each symptom meets in an even number."""
    place = {detector: bit for bit, detector in enumerate(detectors)}
    reduced: dict[int, int] = {}  # by its highest bit, which no other row has
    for symptom in symptoms:
        row = sum(1 << place[detector] for detector in symptom)
        for pivot, other in reduced.items():
            if row >> pivot & 1:
                row ^= other
        if not row:
            continue
        pivot = row.bit_length() - 1
        for each, other in reduced.items():
            if other >> pivot & 1:
                reduced[each] = other ^ row
        reduced[pivot] = row
    free = [bit for bit in range(len(detectors)) if bit not in reduced]
    return [[detectors[bit], *(detectors[pivot] for pivot, row in reduced.items() if row >> bit & 1)] for bit in free]
