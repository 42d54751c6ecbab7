"""Codes that the union-find tests decode."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import events_layout

WEIGHTS_AT = 0.004
"""Error probability that weights are computed at: between the rates at which they have to serve."""


@dataclass(frozen=True)
class Samples:
    """Detector samples: defects uint8 (shots, vertices), layers uint8 (shots, layers, bits), observables and what
    PyMatching makes of them, uint8 (shots, observables)."""

    defects: NDArray[np.uint8]
    layers: NDArray[np.uint8]
    observables: NDArray[np.uint8]
    matching: NDArray[np.uint8]


def memory(task: str, distance: int, rounds: int, prob: float) -> stim.Circuit:
    """A memory with all four arguments of Stim's circuit noise at `prob`."""
    return stim.Circuit.generated(
        task,
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=prob,
        before_round_data_depolarization=prob,
        before_measure_flip_probability=prob,
        after_reset_flip_probability=prob,
    )


@cache
def surface_graph(distance: int, rounds: int | None = None, prob: float = WEIGHTS_AT) -> DecodingGraph:
    """Rotated surface code, memory Z; as many rounds as the distance when None."""
    circuit = memory("surface_code:rotated_memory_z", distance, rounds or distance, prob)
    return graph_of(circuit.detector_error_model(decompose_errors=True))


def graph_of(error_model: stim.DetectorErrorModel) -> DecodingGraph:
    """Graph of a model whose detectors are streamed as events."""
    return decoding_graph(error_model, events_layout(error_model))


def surface_samples(distance: int, prob: float, shots: int, *, seed: int, rounds: int | None = None) -> Samples:
    """Shots of the rotated surface code, for `surface_graph`; PyMatching knows the true rates."""
    circuit = memory("surface_code:rotated_memory_z", distance, rounds or distance, prob)
    return circuit_samples(circuit, surface_graph(distance, rounds), shots, seed=seed)


def circuit_samples(circuit: stim.Circuit, graph: DecodingGraph, shots: int, *, seed: int) -> Samples:
    """Shots of any circuit."""
    events, observables = circuit.compile_detector_sampler(seed=seed).sample(shots, separate_observables=True)
    return _samples(circuit.detector_error_model(decompose_errors=True), graph, events, observables)


def model_samples(error_model: stim.DetectorErrorModel, shots: int, *, seed: int) -> Samples:
    """Shots of a bare error model."""
    events, observables, _ = error_model.compile_sampler(seed=seed).sample(shots)
    return _samples(error_model, graph_of(error_model), events, observables)


def _samples(
    error_model: stim.DetectorErrorModel,
    graph: DecodingGraph,
    events: NDArray[np.bool_],
    observables: NDArray[np.bool_],
) -> Samples:
    matching = pymatching.Matching.from_detector_error_model(error_model).decode_batch(events)
    defects = graph.defects(events.astype(np.uint8))
    return Samples(defects, layers_of(graph, defects), observables.astype(np.uint8), matching.astype(np.uint8))


def layers_of(graph: DecodingGraph, defects: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Defects (shots, vertices) as the layers that a core is given (shots, layers, bits of a layer)."""
    width = len(graph.layer_select)
    flat = np.zeros((len(defects), graph.layout.num_layers * width), dtype=np.uint8)
    flat[:, graph.vertex_position] = defects
    return flat.reshape(len(defects), graph.layout.num_layers, width)


def torus(size: int, layers: int, prob: float, *, uniform: bool = False) -> stim.DetectorErrorModel:
    """A toric code's checks over time: no boundary, and two observables that only loops around the torus flip."""

    def detector(x: int, y: int, t: int) -> str:
        return f"D{(t * size + y % size) * size + x % size}"

    slow, held = (prob, prob) if uniform else (prob * 1.5, prob * 0.7)
    lines = []
    for t in range(layers):
        for y in range(size):
            for x in range(size):
                here = detector(x, y, t)
                lines.append(f"detector({x}, {y}, {t}) {here}")
                lines.append(f"error({prob}) {here} {detector(x + 1, y, t)}{' L0' if x == size - 1 else ''}")
                lines.append(f"error({slow}) {here} {detector(x, y + 1, t)}{' L1' if y == size - 1 else ''}")
                if t + 1 < layers:
                    lines.append(f"error({held}) {here} {detector(x, y, t + 1)}")
    return stim.DetectorErrorModel("\n".join(lines))


def honeycomb(width: int, height: int, sub_rounds: int, prob: float) -> stim.Circuit:
    """A memory of the honeycomb code on a torus: Hastings and Haah, Quantum 5, 564 (2021), checks by colour as in
    Gidney et al., Quantum 5, 605 (2021).

    Qubits sit on a brick wall; a plaquette starts at each (x, y) with x + y even and spans three by two qubits.
    Plaquettes and edges have three colours, and sub-round s measures XX, YY or ZZ on all edges of colour s mod 3. The
    observable is the inner logical operator along row 0, the product of all checks on it: it commutes with every check,
    and its Pauli on a qubit is that of the edge that leaves the row.

    Args:
        width, height: of the wall; multiples of 6 and of 2.
        sub_rounds: the first and the last four are free of noise, so that the memory is all bulk.
        prob: of depolarisation before each sub-round, and of a flipped check.
    """
    paulis = "XYZ"

    def qubit(x: int, y: int) -> int:
        return y % height * width + x % width

    edges: dict[int, list[frozenset[int]]] = {colour: [] for colour in range(3)}
    plaquettes: dict[int, list[tuple[int, int, frozenset[int]]]] = {colour: [] for colour in range(3)}
    for y in range(height):
        for x in range(width):
            edges[(2 - x) % 3].append(frozenset((qubit(x, y), qubit(x + 1, y))))
            if (x + y) % 2 == 0:
                edges[(1 - x) % 3].append(frozenset((qubit(x, y), qubit(x, y + 1))))
                corners = frozenset(qubit(x + i, y + j) for i in range(3) for j in range(2))
                plaquettes[2 * x % 3].append((x, y, corners))
    circuit, qubits = stim.Circuit(), range(width * height)
    leaving = [(1 - v % width) % 3 for v in qubits]
    for v in qubits:
        circuit.append(f"R{paulis[leaving[v]]}", [v])
    num_measured = 0
    measured: dict[tuple[int, frozenset[int]], int] = {}
    values: dict[tuple[int, int], list[int]] = {}
    for s in range(sub_rounds):
        noise = prob if 4 <= s < sub_rounds - 4 else 0.0
        circuit.append("DEPOLARIZE1", qubits, noise)
        for edge in edges[s % 3]:
            first, second = (stim.target_pauli(v, paulis[s % 3]) for v in sorted(edge))
            circuit.append("MPP", [first, stim.target_combiner(), second], noise)
            measured[s, edge] = num_measured
            num_measured += 1
        for x, y, corners in plaquettes[(s + 1) % 3] if s else []:
            value = [measured[t, edge] for t in (s - 1, s) for edge in edges[t % 3] if edge <= corners]
            if (x, y) in values:
                both = [stim.target_rec(index - num_measured) for index in value + values[x, y]]
                circuit.append("DETECTOR", both, (x, y, s - 4))
            values[x, y] = value
    for v in qubits:
        circuit.append(f"M{paulis[leaving[v]]}", [v])
    circuit.append("OBSERVABLE_INCLUDE", [stim.target_rec(v - len(qubits)) for v in range(width)], 0)
    return circuit


TWO_OBSERVABLES = stim.DetectorErrorModel("""
    detector(0, 0) D0
    detector(1, 0) D1
    detector(2, 0) D2
    detector(0, 1) D3
    detector(1, 1) D4
    detector(2, 1) D5
    error(0.05) D0 L0
    error(0.03) D0 D1
    error(0.04) D1 D2
    error(0.05) D2 L1
    error(0.02) D0 D3
    error(0.03) D1 D4
    error(0.02) D2 D5
    error(0.06) D3 L0
    error(0.02) D3 D4
    error(0.05) D4 D5
    error(0.03) D5 L1
    error(0.01) D0 D4
""")
"""Two rounds of a line of three checks between two boundaries, one observable at each."""


def adversarial(graph: DecodingGraph, *, seed: int, shots: int = 400) -> NDArray[np.uint8]:
    """Heavy clusters, all ones, single defects, far pairs, full layers, dense noise: defects (shots, vertices)."""
    generator = np.random.default_rng(seed)
    n = graph.num_vertices
    rows = [np.ones(n), np.zeros(n), *np.eye(n)]
    rows += [(graph.vertex_layer == layer).astype(float) for layer in range(graph.layout.num_layers)]
    ends = np.zeros((2, n))
    ends[0, [0, n - 1]] = 1
    ends[1, [0, n // 2, n - 1]] = 1
    rows += [*ends, np.arange(n) % 2, np.arange(n) % 3 == 0]
    dense = [generator.random(n) < density for density in generator.uniform(0.05, 0.95, shots)]
    return np.array([*rows, *dense], dtype=np.uint8)
