"""The errors of a detector error model as they are meant: whole, and the edges that each of them is."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import stim

Symptom = tuple[tuple[int, ...], int]
"""Detectors that fire (ascending, pairs cancelled), and the mask of observables that flip."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One independent error.

    Attributes:
        parts: what stands between its `^` separators.
        probability: above 0.
        instruction: as it stands in the model, for messages.
    """

    parts: tuple[Symptom, ...]
    probability: float
    instruction: stim.DemInstruction

    @property
    def whole(self) -> Symptom:
        """All of its targets together."""
        return xor_of(self.parts)

    @property
    def touched(self) -> Symptom:
        """All detectors of its parts, those that cancel in the whole included."""
        return tuple(sorted({detector for detectors, _ in self.parts for detector in detectors})), self.whole[1]


class Groups:
    """Disjoint sets of the numbers below `size`, joined pair by pair."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, node: int) -> int:
        """The number that stands for the node's set."""
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join(self, nodes: Sequence[int]) -> None:
        """Make one set of theirs."""
        for node in nodes[1:]:
            self._parent[self.root(node)] = self.root(nodes[0])

    def __len__(self) -> int:
        return len(self._parent)


def mechanisms(error_model: stim.DetectorErrorModel) -> list[Mechanism]:
    """Every error that can happen, in the model's order."""
    return list(_read(error_model))


def _read(error_model: stim.DetectorErrorModel) -> Iterator[Mechanism]:
    for instruction in error_model.flattened():
        if instruction.type == "error" and instruction.args_copy()[0] > 0:
            parts = tuple(_symptom(part) for part in instruction.target_groups())
            yield Mechanism(parts, instruction.args_copy()[0], instruction)


def _symptom(targets: Iterable[stim.DemTarget]) -> Symptom:
    detectors: set[int] = set()
    observables = 0
    for target in targets:
        if target.is_relative_detector_id():
            detectors ^= {target.val}
        elif target.is_logical_observable_id():
            observables ^= 1 << target.val
    return tuple(sorted(detectors)), observables


def xor_of(symptoms: Iterable[Symptom]) -> Symptom:
    """What happens when all of these happen."""
    detectors: set[int] = set()
    observables = 0
    for part, mask in symptoms:
        detectors ^= set(part)
        observables ^= mask
    return tuple(sorted(detectors)), observables


def connected(num_detectors: int, symptoms: Iterable[Symptom]) -> Groups:
    """Detectors that are set off together are connected."""
    groups = Groups(num_detectors)
    for detectors, _ in symptoms:
        groups.join(detectors)
    return groups


def connected_by_edges(num_detectors: int, errors: Sequence[Mechanism]) -> Groups:
    """Detectors that the parts of errors connect.

    A decomposition is a choice of whoever wrote the model; its parts may flip other observables than the edges that
    they name (PyMatching issue 103). So an error that is an edge as it stands connects its two detectors, unless its
    parts happen by themselves, too: then it is two errors at once, such as a Y error that one check of each basis sees.
    """
    alone = {error.parts[0] for error in errors if len(error.parts) == 1}
    symptoms: list[Symptom] = []
    for error in errors:
        whole = error.whole
        is_edge = len(whole[0]) <= 2 and not alone.issuperset(error.parts)
        symptoms += [whole] if is_edge else error.parts
    return connected(num_detectors, symptoms)


def edges_within(mechanism: Mechanism, groups: Groups) -> list[Symptom]:
    """The edges that an error is: one in each connected part of the graph, where it is one there.

    Seen from one part of the graph (such as the Z detectors of a surface code) an error is what its parts there come to
    together. Stim writes many a two-detector error of one basis as two edges to the boundary (Stim issue 655); taken
    apart like that, the boundary is too likely and the edge too rare. Where more than two detectors are left, the
    decomposition stays as it is: a graph has no better one.
    """
    parts = [part for part in mechanism.parts if part[0]]
    if not parts:
        return []
    # What parts without a detector flip belongs to the error all the same: its first part flips it.
    loose = xor_of(part for part in mechanism.parts if not part[0])[1]
    parts[0] = (parts[0][0], parts[0][1] ^ loose)
    here: dict[int, list[Symptom]] = {}
    for part in parts:
        here.setdefault(groups.root(part[0][0]), []).append(part)
    edges: list[Symptom] = []
    for together in here.values():
        whole = xor_of(together)
        edges += [whole] if len(whole[0]) <= 2 else together
    return [edge for edge in edges if edge[0]]
