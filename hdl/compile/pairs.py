"""The list that a greedy matching decoder walks: which two defects explain one another, cheapest first."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from hdl.compile.graph import BOUNDARY, DecodingGraph
from hdl.errors import ErrorModelError


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of vertices in the order in which a greedy decoder tries them.

    Attributes:
        u, v: int, shape (pairs,): vertices; v is BOUNDARY where the partner is the boundary.
        flips: 0/1, shape (pairs, bits): what the likeliest chain of errors between them flips.
    """

    u: NDArray[np.int64]
    v: NDArray[np.int64]
    flips: NDArray[np.uint8]


def edge_observables(graph: DecodingGraph) -> NDArray[np.uint8]:
    """Observables that each edge flips: 0/1, shape (edges, observables)."""
    masks = graph.edge_observables[:, None] >> np.arange(graph.num_observables)
    return (masks & 1).astype(np.uint8)


def edge_data_qubits(graph: DecodingGraph) -> NDArray[np.uint8]:
    """Data qubits that each edge flips: 0/1, shape (edges, data qubits).

    The fewest data qubits that set off the stabilizers at its ends, and no other, and flip the edge's observables: one,
    or two for a fault of an ancilla in mid-round. An edge between two rounds of one stabilizer flips none: it is a
    measurement error.

    Raises:
        ErrorModelError: no one or two data qubits do, or the layout has no data qubits.
    """
    layout = graph.layout
    bits = layout.detector_bit[graph.vertex_detector]
    effects = np.concatenate([layout.data_parity, layout.observable_data]).T
    found = np.zeros((graph.num_edges, layout.num_data_qubits), dtype=np.uint8)
    for edge, (u, v) in enumerate(zip(graph.edge_u, graph.edge_v, strict=True)):
        wanted = np.concatenate([np.zeros(layout.num_stabilizers, np.uint8), edge_observables(graph)[edge]])
        for end in (u, v):
            if end != BOUNDARY:
                wanted[bits[end]] ^= 1
        found[edge, _fewest(effects, wanted)] = 1
    return found


def _fewest(effects: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> list[int]:
    """At most two rows of `effects` that sum to `wanted`."""
    if not wanted.any():
        return []
    for count in (1, 2):
        for chosen in combinations(range(len(effects)), count):
            if (np.bitwise_xor.reduce(effects[list(chosen)]) == wanted).all():
                return list(chosen)
    raise ErrorModelError(
        "an edge of this error model is no error of one or two data qubits: no correction of data qubits undoes it"
    )


def greedy_pairs(graph: DecodingGraph, edge_flips: NDArray[np.uint8]) -> Pairs:
    """Pairs by their cost for each defect: the weight of the likeliest chain, halved where it ends at two defects.

    A pair that costs each of its ends more than the boundary does is left out: before its turn comes, one of them is
    gone.

    Args:
        graph: with a way to the boundary from every vertex.
        edge_flips: 0/1, shape (edges, bits): what each edge flips.
    """
    boundary = graph.num_vertices
    ends = np.where(graph.edge_v == BOUNDARY, boundary, graph.edge_v)
    weights = csr_matrix((graph.edge_weight, (graph.edge_u, ends)), shape=(boundary + 1, boundary + 1))
    cost, before = dijkstra(weights, directed=False, return_predecessors=True)
    if np.isinf(cost[:-1, boundary]).any():
        raise ErrorModelError("a detector has no way to the boundary: greedy matching could leave it over")
    flips_of = {
        key: flips
        for u, v, flips in zip(graph.edge_u.tolist(), ends.tolist(), edge_flips, strict=True)
        for key in ((u, v), (v, u))
    }
    to_boundary = cost[:-1, boundary]
    rows = [(float(to_boundary[u]), u, boundary) for u in range(boundary)]
    rows += [
        (float(cost[u, v]) / 2, u, v)
        for u in range(boundary)
        for v in range(u + 1, boundary)
        if cost[u, v] / 2 < min(to_boundary[u], to_boundary[v])
    ]
    rows.sort()
    flips = np.zeros((len(rows), edge_flips.shape[1]), dtype=np.uint8)
    for row, (_, u, v) in enumerate(rows):
        end = v
        while end != u:
            flips[row] ^= flips_of[int(before[u, end]), end]
            end = int(before[u, end])
    return Pairs(
        u=np.array([u for _, u, _ in rows], dtype=np.int64),
        v=np.array([BOUNDARY if v == boundary else v for _, _, v in rows], dtype=np.int64),
        flips=flips,
    )


def decode_greedily(pairs: Pairs, defects: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Model of the decoder: defects (shots, vertices) -> flips (shots, bits)."""
    left = defects.astype(bool)
    flips = np.zeros((len(defects), pairs.flips.shape[1]), dtype=np.uint8)
    for u, v, chain in zip(pairs.u, pairs.v, pairs.flips, strict=True):
        hit = left[:, u] & (left[:, v] if v != BOUNDARY else True)
        left[hit, u] = False
        if v != BOUNDARY:
            left[hit, v] = False
        flips[hit] ^= chain
    return flips
