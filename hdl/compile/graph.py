"""The decoding graph: the part of a detector error model that carries the logical observables.

The reference models, the table builder and the RTL generators all start from here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

from hdl.compile.layout import StreamLayout
from hdl.errors import ErrorModelError

BOUNDARY = -1
MAX_OBSERVABLES = 62
"""Masks of observables are signed words of 64 bits."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One independent error mechanism, seen from the component.

    symptom: bit v set when vertex v fires; observables: bit k set when observable k flips.
    """

    symptom: int
    observables: int
    probability: float


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
    """

    layout: StreamLayout
    vertex_detector: NDArray[np.int64]
    edge_u: NDArray[np.int64]
    edge_v: NDArray[np.int64]
    edge_observables: NDArray[np.int64]
    edge_probability: NDArray[np.float64]
    faults: tuple[Fault, ...]
    num_observables: int

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
        return hash_of(structure)

    def defects(self, detection_events: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The component's bits of detector samples: (shots, detectors) -> (shots, vertices)."""
        return np.ascontiguousarray(detection_events[:, self.vertex_detector])


def hash_of(structure: Mapping[str, Any]) -> int:
    """32 bits of SHA-256 over plain values."""
    digest = hashlib.sha256(json.dumps(structure, separators=(",", ":")).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def combine_probabilities(first: float, second: float) -> float:
    """Probability that exactly one of two independent events happens."""
    return first * (1 - second) + second * (1 - first)


def decoding_graph(error_model: stim.DetectorErrorModel, layout: StreamLayout) -> DecodingGraph:
    """Build the graph of the component that carries the observables.

    Args:
        error_model: errors with more than two detectors must carry Stim's decomposition (`^` separators).
        layout: where its detectors sit in the stream.

    Raises:
        ErrorModelError: an error does not decompose into edges, no edge flips an observable, there are too many
            observables, or the model has detectors that the layout does not.
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
    edges = _edges(error_model)
    component = _component(edges, error_model.num_detectors)
    position = np.lexsort((layout.detector_bit[component], layout.detector_layer[component]))
    vertex_detector = component[position]
    vertex_of = {int(detector): vertex for vertex, detector in enumerate(vertex_detector)}
    rows = []
    for detectors, (observables, probability) in edges.items():
        if detectors[0] not in vertex_of:
            continue
        ends = sorted(vertex_of[detector] for detector in detectors)
        rows.append((ends[0], ends[1] if len(ends) == 2 else BOUNDARY, observables, probability))
    rows.sort(key=lambda row: (row[0], row[1] if row[1] != BOUNDARY else error_model.num_detectors))
    return DecodingGraph(
        layout=layout,
        vertex_detector=vertex_detector,
        edge_u=np.array([row[0] for row in rows], dtype=np.int64),
        edge_v=np.array([row[1] for row in rows], dtype=np.int64),
        edge_observables=np.array([row[2] for row in rows], dtype=np.int64),
        edge_probability=np.array([row[3] for row in rows], dtype=np.float64),
        faults=_faults(error_model, vertex_of),
        num_observables=error_model.num_observables,
    )


def _edges(error_model: stim.DetectorErrorModel) -> dict[tuple[int, ...], tuple[int, float]]:
    """Elementary errors by their detectors; where two flip different observables, the likelier one stays."""
    merged: dict[tuple[tuple[int, ...], int], float] = {}
    for instruction in error_model.flattened():
        if instruction.type != "error":
            continue
        probability = instruction.args_copy()[0]
        for part in instruction.target_groups():
            symptom, observables = _symptom(part)
            if not symptom or probability == 0:
                continue
            if len(symptom) > 2:
                raise ErrorModelError(
                    f"the error `{instruction}` sets off {len(symptom)} detectors at once and has no decomposition "
                    "into edges; make the model with decompose_errors=True, or use a code whose errors decompose"
                )
            key = (symptom, observables)
            merged[key] = combine_probabilities(merged.get(key, 0.0), probability)
    best: dict[tuple[int, ...], tuple[int, float]] = {}
    for (symptom, observables), probability in merged.items():
        if symptom not in best or best[symptom][1] < probability:
            best[symptom] = (observables, probability)
    return best


def _symptom(targets: list[stim.DemTarget]) -> tuple[tuple[int, ...], int]:
    """Detectors (ascending, pairs cancelled) and observable mask of one error."""
    detectors: set[int] = set()
    observables = 0
    for target in targets:
        if target.is_relative_detector_id():
            detectors ^= {target.val}
        elif target.is_logical_observable_id():
            observables ^= 1 << target.val
    return tuple(sorted(detectors)), observables


def _component(edges: dict[tuple[int, ...], tuple[int, float]], num_detectors: int) -> NDArray[np.int64]:
    """Detectors connected to an edge that flips an observable."""
    parent = list(range(num_detectors))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for detectors in edges:
        if len(detectors) == 2:
            parent[root(detectors[0])] = root(detectors[1])
    carrying = {root(detectors[0]) for detectors, (observables, _) in edges.items() if observables}
    if not carrying:
        raise ErrorModelError(
            "no error of this model both sets off a detector and flips an observable: there is nothing to decode"
        )
    return np.array([d for d in range(num_detectors) if root(d) in carrying], dtype=np.int64)


def _faults(error_model: stim.DetectorErrorModel, vertex_of: dict[int, int]) -> tuple[Fault, ...]:
    """Independent error mechanisms restricted to the component, equal ones merged."""
    merged: dict[tuple[int, int], float] = {}
    for instruction in error_model.flattened():
        if instruction.type != "error":
            continue
        detectors, observables = _symptom([t for t in instruction.targets_copy() if not t.is_separator()])
        symptom = sum(1 << vertex_of[detector] for detector in detectors if detector in vertex_of)
        if symptom or observables:
            key = (symptom, observables)
            merged[key] = combine_probabilities(merged.get(key, 0.0), instruction.args_copy()[0])
    return tuple(Fault(symptom, observables, p) for (symptom, observables), p in sorted(merged.items()))
