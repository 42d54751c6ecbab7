"""Modest decoders, in software: what a healthy decoder of modest accuracy may answer.

A decoder in hardware trades accuracy for size: it matches greedily, leaves the weights out, or the errors that join two
stabilizers of different rounds (the diagonal edges of the graph). All of these are well; they are the company that a
decoder is judged in.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from time import monotonic

import numpy as np
import pymatching
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from hdl.compile.graph import BOUNDARY, DecodingGraph, combine_probabilities
from hdl.compile.pairs import decode_greedily, edge_observables, greedy_pairs
from qds1.shots import Bits

Decode = Callable[[Bits], Bits]
"""Events of the graph's vertices, 0/1 of shape (shots, vertices) -> flips, 0/1 of shape (shots, observables)."""
Mask = NDArray[np.bool_]
GREEDY = "greedy matching"
ANY_PROB = 0.05
"""Of each edge alike, where there are no weights."""
ALIKE = 0.5
"""Share of the errors that a modest decoder has wrong, from which on another one is of its kind."""
FEWEST_TOLD, MOST_TOLD = 6, 30
"""Syndromes of an error that tell whether it is known: fewer tell nothing, more are not sent."""
CROWDED_TRIES = 1500
"""Errors of three that are tried for these."""


def modest_decoders(
    graph: DecodingGraph, edges: Mask | None = None, *, unweighted: bool = True
) -> Mapping[str, Decode]:
    """Decoders by name, greedy matching first; none where a detector has no way to the boundary.

    Args:
        graph: that they decode.
        edges: shape (edges,): those that they know; None for all.
        unweighted: whether those without weights are among them.
    """
    known = np.ones(graph.num_edges, dtype=bool) if edges is None else edges
    if not _reach_boundary(graph, known):
        return {}
    straight = known & ~diagonal_edges(graph)
    found: dict[str, Decode] = {}
    for lacks, kept in (([], known), (["diagonal edges"], straight)):
        if lacks and ((kept == known).all() or not _reach_boundary(graph, kept)):
            continue
        weighted = _part(graph, kept)
        level = replace(weighted, edge_probability=np.full(int(kept.sum()), ANY_PROB))
        found[_name(GREEDY, lacks)] = _greedy(weighted)
        if unweighted:
            found[_name(GREEDY, ["weights", *lacks])] = _greedy(level)
            found[_name("matching", ["weights", *lacks])] = _matching(level)
        if lacks:
            found[_name("matching", lacks)] = _matching(weighted)
    return found


def _name(what: str, lacks: list[str]) -> str:
    return f"{what} without {' and '.join(lacks)}" if lacks else what


def diagonal_edges(graph: DecodingGraph) -> Mask:
    """Which edges join two stabilizers in different layers, shape (edges,)."""
    bits, layers = graph.layout.detector_bit[graph.vertex_detector], graph.vertex_layer
    inner = graph.edge_v != BOUNDARY
    u, v = graph.edge_u, np.where(inner, graph.edge_v, graph.edge_u)
    return np.asarray(inner & (bits[u] != bits[v]) & (layers[u] != layers[v]))


def error_events(graph: DecodingGraph) -> Bits:
    """The vertices that each edge sets off, 0/1 of shape (edges, vertices)."""
    events = np.zeros((graph.num_edges, graph.num_vertices + 1), dtype=np.uint8)
    rows = np.arange(graph.num_edges)
    events[rows, graph.edge_u] = 1
    events[rows, np.where(graph.edge_v == BOUNDARY, graph.num_vertices, graph.edge_v)] = 1
    return events[:, :-1]


class Company:
    """Modest decoders of a problem, and the single errors that each of them decodes wrongly.

    They have the weights of the problem's error model, and those of the model that the decoder under examination was
    made from: it need not be made for this noise.

    Attributes:
        decoders: by name; none where a detector has no way to the boundary.
        wrong: of each, the edges whose error alone it decodes otherwise than the reference.
    """

    def __init__(self, graph: DecodingGraph, reference: Bits, own: DecodingGraph | None = None) -> None:
        """Judge them.

        Args:
            graph: of the problem.
            reference: flips of each edge's error alone, 0/1 of shape (edges, observables).
            own: the graph that the decoder was made from, where it is another one.
        """
        self.decoders = dict(modest_decoders(graph))
        if own is not None and np.array_equal(own.vertex_detector, graph.vertex_detector):
            weighted = modest_decoders(own, unweighted=False)
            self.decoders |= {f"{name} with weights of its own": each for name, each in weighted.items()}
        errors = error_events(graph)
        self.wrong = {
            name: frozenset(np.flatnonzero((decode(errors) != reference).any(axis=1)).tolist())
            for name, decode in self.decoders.items()
        }

    def of_its_kind(self, wrong: Set[int]) -> list[str]:
        """Those that leave out no more than a decoder with these errors wrong does: its peers."""
        return [name for name, theirs in self.wrong.items() if theirs <= wrong]

    def excuses(self, wrong: Set[int]) -> str | None:
        """A modest decoder that has the same errors wrong, and not many more: they are left out as a kind."""
        for name, theirs in self.wrong.items():
            if wrong <= theirs and len(wrong) >= ALIKE * len(theirs):
                return name
        return None


def ambiguous_errors(graph: DecodingGraph) -> frozenset[int]:
    """Edges whose events another edge sets off, too, with other flips: no decoder tells them apart."""
    flips: dict[tuple[int, int], set[int]] = {}
    ends = list(zip(graph.edge_u.tolist(), graph.edge_v.tolist(), strict=True))
    for pair, mask in zip(ends, graph.edge_observables.tolist(), strict=True):
        flips.setdefault(pair, set()).add(mask)
    return frozenset(edge for edge, pair in enumerate(ends) if len(flips[pair]) > 1)


@dataclass(frozen=True)
class Telling:
    """Syndromes that every modest decoder answers in one way when it knows an error, and in another when it does not.

    Attributes:
        edge: the error.
        defects: 0/1, shape (syndromes, vertices).
        flips: 0/1, shape (syndromes, observables): with the error known.
    """

    edge: int
    defects: Bits
    flips: Bits


def telling_syndromes(graph: DecodingGraph, seed: int, limit_s: float) -> list[Telling]:
    """For each error but the diagonal ones, in random order until the time is over: what tells whether it is known.

    Tried are the error with every other one, and with two others that are near.
    """
    dice, until = np.random.default_rng(seed), monotonic() + limit_s
    everyone, errors = modest_decoders(graph), error_events(graph)
    if not everyone:
        return []
    meet = (errors.astype(np.int64) @ errors.T > 0).astype(np.int64)
    found: list[Telling] = []
    for edge in dice.permutation(np.flatnonzero(~diagonal_edges(graph))):
        if monotonic() > until:
            break
        known = np.arange(graph.num_edges) != edge
        near = np.flatnonzero((meet[edge] @ meet > 0) & known)
        others = modest_decoders(graph, known)
        if others.keys() != everyone.keys() or not near.size:
            continue
        two = dice.choice(near, (CROWDED_TRIES, 2))
        tried = np.unique(
            np.concatenate([errors, errors[two[:, 0]] ^ errors[two[:, 1]]]) ^ errors[edge], axis=0
        )  # fmt: skip
        found.append(_told(int(edge), tried, everyone, others))
    return [each for each in found if len(each.defects) >= FEWEST_TOLD]


def _told(edge: int, tried: Bits, knowing: Mapping[str, Decode], others: Mapping[str, Decode]) -> Telling:
    """Those of the syndromes that tell; each decoder looks at what the ones before it have left."""
    flips = knowing[GREEDY](tried)
    for name in knowing:
        told = (knowing[name](tried) == flips).all(axis=1) & (others[name](tried) != flips).any(axis=1)
        tried, flips = tried[told], flips[told]
        if not len(tried):
            break
    few = np.argsort(tried.sum(axis=1, dtype=np.int64), kind="stable")[:MOST_TOLD]
    return Telling(edge, tried[few], flips[few])


def without_layers(graph: DecodingGraph) -> Decode:
    """The best that one can do who knows of each stabilizer only the parity of its events: matching on one layer."""
    bits = np.searchsorted(graph.layer_select, graph.layout.detector_bit[graph.vertex_detector])
    edges: dict[tuple[int, int, int], float] = {}
    for u, v, flips, prob in zip(
        graph.edge_u, graph.edge_v, graph.edge_observables, graph.edge_probability, strict=True
    ):
        first, second = int(bits[u]), BOUNDARY if v == BOUNDARY else int(bits[v])
        if first != second:
            key = (min(first, second), max(first, second), int(flips))
            edges[key] = combine_probabilities(edges.get(key, 0.0), float(prob))
    likeliest: dict[tuple[int, int], tuple[float, int]] = {}
    for (first, second, flips), prob in edges.items():
        likeliest[first, second] = max(likeliest.get((first, second), (0.0, 0)), (prob, flips))
    matching = pymatching.Matching()
    matching.ensure_num_fault_ids(graph.num_observables)
    for (first, second), (prob, flips) in likeliest.items():
        ids = {k for k in range(graph.num_observables) if flips >> k & 1}
        weight = float(np.log((1 - prob) / prob))
        if first == BOUNDARY:
            matching.add_boundary_edge(second, fault_ids=ids, weight=weight)
        else:
            matching.add_edge(first, second, fault_ids=ids, weight=weight)

    def decode(defects: Bits) -> Bits:
        parities = np.zeros((len(graph.layer_select), len(defects)), dtype=np.uint8)
        np.bitwise_xor.at(parities, bits, defects.T)
        return np.asarray(matching.decode_batch(parities.T.copy()), dtype=np.uint8)

    return decode


def _part(graph: DecodingGraph, kept: Mask) -> DecodingGraph:
    return replace(
        graph,
        edge_u=graph.edge_u[kept],
        edge_v=graph.edge_v[kept],
        edge_observables=graph.edge_observables[kept],
        edge_probability=graph.edge_probability[kept],
    )


def _reach_boundary(graph: DecodingGraph, kept: Mask) -> bool:
    ends = np.where(graph.edge_v == BOUNDARY, graph.num_vertices, graph.edge_v)[kept]
    size = graph.num_vertices + 1
    joined = csr_matrix((np.ones(len(ends)), (graph.edge_u[kept], ends)), shape=(size, size))
    return int(connected_components(joined, directed=False)[0]) == 1


def _greedy(graph: DecodingGraph) -> Decode:
    pairs = greedy_pairs(graph, edge_observables(graph))
    return lambda defects: decode_greedily(pairs, defects)


def _matching(graph: DecodingGraph) -> Decode:
    matching = pymatching.Matching()
    matching.ensure_num_fault_ids(graph.num_observables)
    for u, v, flips, weight in zip(
        graph.edge_u.tolist(), graph.edge_v.tolist(), edge_observables(graph), graph.edge_weight.tolist(), strict=True
    ):
        ids = set(np.flatnonzero(flips).tolist())
        if v == BOUNDARY:
            matching.add_boundary_edge(u, fault_ids=ids, weight=weight, merge_strategy="smallest-weight")
        else:
            matching.add_edge(u, v, fault_ids=ids, weight=weight, merge_strategy="smallest-weight")
    return lambda defects: np.asarray(matching.decode_batch(defects), dtype=np.uint8)
