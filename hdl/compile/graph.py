"""The decoding graph: the part of a detector error model that carries the logical observables.

The reference models, the table builder and the RTL generators all start from here. `hdl.compile.mechanisms` says which
edges an error is.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

from hdl.compile.layout import StreamLayout, check_width
from hdl.compile.mechanisms import (
    Groups,
    Mechanism,
    Symptom,
    connected,
    connected_by_edges,
    edges_within,
    mechanisms,
)
from hdl.errors import ErrorModelError, NothingToDecodeError

BOUNDARY = -1
MAX_OBSERVABLES = 62
"""Masks of observables are signed words of 64 bits."""
MAX_TABLE_DETECTORS = 20
"""A table has an entry for each of their syndromes."""
RIVAL_SHARE = 0.01
"""Of two edges with the same ends, the less likely one is worth a word from this share of the other on."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One independent error mechanism, seen from the component.

    symptom: bit v set when vertex v fires; observables: bit k set when observable k flips.
    """

    symptom: int
    observables: int
    probability: float


@dataclass(frozen=True, slots=True)
class Rivals:
    """Two edges with the same ends that flip different observables; a graph has room for the likelier one.

    detectors: one or two, of the error model; kept, lost: masks of observables; *_prob: their probabilities.
    """

    detectors: tuple[int, ...]
    kept: int
    lost: int
    kept_prob: float
    lost_prob: float

    @property
    def matter(self) -> bool:
        """Whether the one left out happens often enough to be told."""
        return self.lost_prob >= RIVAL_SHARE * self.kept_prob

    def __str__(self) -> str:
        ends = " and ".join(
            [*(f"D{detector}" for detector in self.detectors), *["the boundary"][len(self.detectors) - 1 :]]
        )
        kept, lost = (" ".join(observables_of(mask)) or "no observable" for mask in (self.kept, self.lost))
        return f"between {ends}, {kept} ({self.kept_prob:g}) is kept and {lost} ({self.lost_prob:g}) left out"


@dataclass(frozen=True)
class DecodingGraph:
    """Vertices are detectors, edges are the elementary errors; sorted by layer, then by bit.

    Attributes:
        layout: where detectors sit in the stream.
        vertex_detector: int, shape (vertices,): the error model's detector of each vertex.
        edge_u, edge_v: int, shape (edges,): end points, edge_v is BOUNDARY (-1) for an edge to the boundary.
        edge_observables: int, shape (edges,): mask of the observables that the edge flips.
        edge_probability: float, shape (edges,).
        faults: every error mechanism that touches the component, hyperedges whole (not decomposed).
        num_observables: observables of the error model.
        rivals: edges that lost against one with the same ends.
        no_edges: why there are no edges; empty where there are.
    """

    layout: StreamLayout
    vertex_detector: NDArray[np.int64]
    edge_u: NDArray[np.int64]
    edge_v: NDArray[np.int64]
    edge_observables: NDArray[np.int64]
    edge_probability: NDArray[np.float64]
    faults: tuple[Fault, ...]
    num_observables: int
    rivals: tuple[Rivals, ...] = ()
    no_edges: str = ""

    @property
    def num_vertices(self) -> int:
        """Detectors of the component."""
        return len(self.vertex_detector)

    @property
    def num_edges(self) -> int:
        """Edges of the component, those to the boundary included."""
        return len(self.edge_u)

    @cached_property
    def edge_weight(self) -> NDArray[np.float64]:
        """Log-likelihood weights log((1 - p) / p): Dennis et al., J. Math. Phys. 43, 4452 (2002), section IV."""
        return np.asarray(np.log1p(-self.edge_probability) - np.log(self.edge_probability))

    @cached_property
    def vertex_layer(self) -> NDArray[np.int64]:
        """Layer of each vertex."""
        return np.asarray(self.layout.detector_layer[self.vertex_detector])

    @cached_property
    def layer_select(self) -> NDArray[np.int64]:
        """Stabilizer index of each bit of a layer that the core is given, ascending."""
        return np.asarray(np.unique(self.layout.detector_bit[self.vertex_detector]))

    @cached_property
    def vertex_position(self) -> NDArray[np.int64]:
        """Place of each vertex in a shot of selected layers: layer * width + bit within the layer."""
        within = np.searchsorted(self.layer_select, self.layout.detector_bit[self.vertex_detector])
        position: NDArray[np.int64] = self.vertex_layer * len(self.layer_select) + within
        return position

    @cached_property
    def graph_hash(self) -> int:
        """32 bits of SHA-256 over the structure: stream layout, vertices, edges and observables, no probability.

        A device that drifts keeps its hash; a decoder for another code, size or memory length has another.
        """
        structure = {
            "stabilizers": self.layout.num_stabilizers,
            "data_qubits": self.layout.num_data_qubits,
            "rounds": self.layout.rounds,
            "data_parity": self.layout.data_parity.tolist(),
            "layer_select": self.layer_select.tolist(),
            "positions": self.vertex_position.tolist(),
            "edges": np.stack([self.edge_u, self.edge_v, self.edge_observables], axis=1).tolist(),
            "observables": self.num_observables,
        }
        if self.no_edges:
            structure["faults"] = [[fault.symptom, fault.observables] for fault in self.faults]
        return hash_of(structure)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a decoder that works on edges gets wrong in this model."""
        told = sorted((pair for pair in self.rivals if pair.matter), key=lambda pair: -pair.lost_prob)
        if not told:
            return ()
        which = f"{len(told)} pairs of errors set" if len(told) > 1 else "two errors set"
        never = (
            ""
            if self.edge_observables.any()
            else " No edge is left that flips an observable: they never answer a flip."
        )
        return (
            f"{which} off the same detectors and flip different observables: {told[0]}. What is left out is decoded "
            f"wrong by union-find and matching; a table weighs both.{never}",
        )

    def require_edges(self) -> None:
        """Raises ErrorModelError where an error is no edge, or no edge flips: the graph is good for a table alone."""
        if self.no_edges:
            raise ErrorModelError(self.no_edges)
        if not self.edge_observables.any() and not self.rivals:
            raise ErrorModelError(
                "no edge of this model flips an observable, only errors that are more than an edge.\nUnion-find and "
                "matching would never answer a flip; use the table, which takes errors whole"
            )

    def defects(self, detection_events: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The component's bits of detector samples: (shots, detectors) -> (shots, vertices)."""
        check_width(detection_events, len(self.layout.detector_layer))
        return np.ascontiguousarray(detection_events[:, self.vertex_detector])


def observables_of(mask: int) -> list[str]:
    """Names of the observables in a mask, as Stim writes them."""
    return [f"L{k}" for k in range(mask.bit_length()) if mask >> k & 1]


def hash_of(structure: Mapping[str, Any]) -> int:
    """32 bits of SHA-256 over plain values."""
    digest = hashlib.sha256(json.dumps(structure, separators=(",", ":")).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def combine_probabilities(first: float, second: float) -> float:
    """Probability that exactly one of two independent events happens."""
    return first * (1 - second) + second * (1 - first)


def decoding_graph(error_model: stim.DetectorErrorModel, layout: StreamLayout) -> DecodingGraph:
    """Build the graph of the component that carries the observables.

    Detectors belong together when one error sets them off together. Where that makes a component too large for a table,
    as the Y errors of a surface code do, the parts of the errors' decomposition connect instead.

    Args:
        error_model: errors with more than two detectors need Stim's decomposition (`^` separators) for edges; where one
            has none, the graph has no edges, which is enough for a table.
        layout: where its detectors sit in the stream.

    Raises:
        ErrorModelError: no error sets off a detector and flips an observable, an error has no decomposition in a
            component that is too large for a table, there are too many observables, or the model has detectors that
            the layout does not.
    """
    if error_model.num_detectors > len(layout.detector_layer):
        raise ErrorModelError(
            f"the error model has {error_model.num_detectors} detectors, the stream {len(layout.detector_layer)}: they "
            "are of different memories"
        )
    if error_model.num_observables > MAX_OBSERVABLES:
        raise ErrorModelError(
            f"the error model has {error_model.num_observables} observables; at most {MAX_OBSERVABLES} can be decoded "
            "together: split them into several models"
        )
    errors = mechanisms(error_model)
    num_detectors = error_model.num_detectors
    groups = connected_by_edges(num_detectors, errors)
    whole = [error.whole for error in errors]
    component = _component(connected(num_detectors, [error.touched for error in errors]), whole)
    as_edges = [edges_within(error, groups) for error in errors]
    if len(component) > MAX_TABLE_DETECTORS:
        component = _component(groups, [edge for edges in as_edges for edge in edges])
    position = np.lexsort((layout.detector_bit[component], layout.detector_layer[component]))
    vertex_detector = component[position]
    vertex_of = {int(detector): vertex for vertex, detector in enumerate(vertex_detector)}
    no_edges = _without_edges(errors, as_edges, vertex_of)
    if no_edges and len(component) > MAX_TABLE_DETECTORS:
        raise ErrorModelError(no_edges)
    rows, rivals = ([], ()) if no_edges else _edges(errors, as_edges, vertex_of)
    return DecodingGraph(
        layout=layout,
        vertex_detector=vertex_detector,
        edge_u=np.array([row[0] for row in rows], dtype=np.int64),
        edge_v=np.array([row[1] for row in rows], dtype=np.int64),
        edge_observables=np.array([row[2] for row in rows], dtype=np.int64),
        edge_probability=np.array([row[3] for row in rows], dtype=np.float64),
        faults=_faults(errors, vertex_of),
        num_observables=error_model.num_observables,
        rivals=rivals,
        no_edges=no_edges,
    )


def _component(groups: Groups, symptoms: Iterable[Symptom]) -> NDArray[np.int64]:
    """Detectors connected to an error that flips an observable."""
    carrying = {groups.root(detectors[0]) for detectors, observables in symptoms if detectors and observables}
    if not carrying:
        raise NothingToDecodeError(
            "no error of this model both sets off a detector and flips an observable: there is nothing to decode"
        )
    return np.array([d for d in range(len(groups)) if groups.root(d) in carrying], dtype=np.int64)


def _without_edges(
    errors: Sequence[Mechanism], as_edges: Sequence[Sequence[Symptom]], vertex_of: Mapping[int, int]
) -> str:
    """Why the component's errors are no edges; empty where they are."""
    for error, edges in zip(errors, as_edges, strict=True):
        for detectors, _ in edges:
            if len(detectors) > 2 and detectors[0] in vertex_of:
                return (
                    f"the error `{error.instruction}` sets off {len(detectors)} detectors at once and has no "
                    "decomposition into edges, which union-find and matching need; make the model with "
                    "decompose_errors=True.\nWhere Stim cannot decompose it, use the table, which takes errors whole, "
                    f"up to {MAX_TABLE_DETECTORS} detectors (here {len(vertex_of)})"
                )
    return ""


def _edges(
    errors: Sequence[Mechanism], as_edges: Sequence[Sequence[Symptom]], vertex_of: Mapping[int, int]
) -> tuple[list[tuple[int, int, int, float]], tuple[Rivals, ...]]:
    """(lower end, upper end, observables, probability) of each edge, and the pairs that flip different observables."""
    merged: dict[Symptom, float] = {}
    for error, edges in zip(errors, as_edges, strict=True):
        for edge in edges:
            if edge[0][0] in vertex_of:
                merged[edge] = combine_probabilities(merged.get(edge, 0.0), error.probability)
    best: dict[tuple[int, ...], tuple[int, float]] = {}
    rivals = []
    for (detectors, observables), probability in merged.items():
        kept = best.get(detectors, (observables, 0.0))
        if kept[0] != observables:
            pair = [kept, (observables, probability)]
            (winner, high), (loser, low) = sorted(pair, key=lambda each: -each[1])  # of equal ones the first
            rivals.append(Rivals(detectors, winner, loser, high, low))
        if kept[1] < probability:
            best[detectors] = (observables, probability)
    rows = []
    for detectors, (observables, probability) in best.items():
        ends = sorted(vertex_of[detector] for detector in detectors)
        rows.append((ends[0], ends[1] if len(ends) == 2 else BOUNDARY, observables, probability))
    rows.sort(key=lambda row: (row[0], row[1] if row[1] != BOUNDARY else len(vertex_of)))
    return rows, tuple(rivals)


def _faults(errors: Sequence[Mechanism], vertex_of: Mapping[int, int]) -> tuple[Fault, ...]:
    """Independent error mechanisms restricted to the component, equal ones merged."""
    merged: dict[tuple[int, int], float] = {}
    for error in errors:
        detectors, observables = error.whole
        symptom = sum(1 << vertex_of[detector] for detector in detectors if detector in vertex_of)
        if symptom or observables:
            key = (symptom, observables)
            merged[key] = combine_probabilities(merged.get(key, 0.0), error.probability)
    return tuple(Fault(symptom, observables, p) for (symptom, observables), p in sorted(merged.items()))
