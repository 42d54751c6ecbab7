"""What a windowed union-find core repeats: the edges of one layer of a memory's bulk, and that all layers have them."""

import heapq
import math
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from hdl.compile.graph import BOUNDARY, DecodingGraph, combine_probabilities, observables_of
from hdl.errors import ErrorModelError

FUTURE = -2
"""`Fabric.end_v` of an edge that leaves a window towards layers not seen yet."""
PROBABILITY_TOLERANCE = 0.1
"""Layers are alike when the probabilities of the same edge differ by at most this share of the larger one. Weights are
their logarithms, in 15 steps or fewer: a tenth is less than a step."""
FARTHEST_WAY = 2
"""Layers up and down in which a way of the bulk is looked for that does the work of an edge of the first layers."""
REMEDY = (
    "Leave the window out (whole shots); or, where the last coordinate of the detectors is not the time, give them "
    "coordinates whose last one is"
)

Row = tuple[int, int, int, float]
"""Lower end, upper end, mask of observables, probability."""
Kind = tuple[int, int, int]
"""An edge, wherever its layer is: bit of its lower end, bit of its upper end (BOUNDARY for none), layers between."""
Layer = dict[Kind, tuple[int, float, int]]
"""Mask of observables, probability and number of each edge that begins in a layer."""


def vertex_bits(graph: DecodingGraph) -> NDArray[np.int64]:
    """Bit of each vertex within the selected bits of its layer."""
    return np.asarray(graph.vertex_position % len(graph.layer_select))


def shot_rows(graph: DecodingGraph) -> list[Row]:
    """All edges of a shot."""
    columns = (graph.edge_u, graph.edge_v, graph.edge_observables, graph.edge_probability)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def window_rows(graph: DecodingGraph, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64], list[Row]]:
    """Layer and bit of each vertex, and the edges, of `window` layers like the middle one of the graph.

    Raises:
        ErrorModelError: the memory is too short to have a bulk, or its layers are not alike (see `_check_alike`).
    """
    middle = graph.layout.num_layers // 2 - 1
    if middle < 1 or middle + 2 >= graph.layout.num_layers:
        raise ErrorModelError(
            f"a window needs a memory of at least 3 rounds to learn its bulk from; this one has {graph.layout.rounds}"
        )
    layers = _by_layer(graph)
    _check_alike(graph, layers, middle)
    layer, bit = graph.vertex_layer, vertex_bits(graph)
    present = np.unique(bit[layer == middle])
    place = {int(b): i for i, b in enumerate(present)}
    rows: list[Row] = []
    future: dict[int, float] = {}
    for (lower, upper, reach), (mask, probability, _) in layers[middle].items():
        for t in range(window - reach):
            end = BOUNDARY if upper == BOUNDARY else (t + reach) * len(present) + place[upper]
            rows.append((t * len(present) + place[lower], end, mask, probability))
        if reach:
            last = (window - 1) * len(present) + place[lower]
            future[last] = combine_probabilities(future.get(last, 0.0), probability)
    rows += [(u, FUTURE, 0, probability) for u, probability in future.items()]
    rows.sort(key=lambda row: (row[0], row[1] if row[1] >= 0 else window * len(present) - row[1]))
    return np.repeat(np.arange(window), len(present)), np.tile(present, window), rows


def _by_layer(graph: DecodingGraph) -> list[Layer]:
    """The edges that begin in each layer; raises ErrorModelError for one that skips a layer."""
    layer, bit = graph.vertex_layer.tolist(), vertex_bits(graph).tolist()
    found: list[Layer] = [{} for _ in range(graph.layout.num_layers)]
    for edge, (u, v, mask, probability) in enumerate(shot_rows(graph)):
        reach = 0 if v < 0 else layer[v] - layer[u]
        if reach > 1:
            raise ErrorModelError(
                f"{edge_name(graph, edge)} reaches over {reach} layers; a window takes at most 1.\n{REMEDY}"
            )
        found[layer[u]][bit[u], BOUNDARY if v < 0 else bit[v], reach] = (mask, probability, edge)
    return found


def _check_alike(graph: DecodingGraph, layers: list[Layer], middle: int) -> None:
    """A window decodes every layer as if it were the middle one: they must have the same edges.

    In the first and the last layer, and between them and their neighbours, a memory begins and ends. Edges there may be
    missing and have other probabilities, and one may join two detectors that the bulk joins by more than one edge: the
    core then takes the longer way. None may lead to a boundary that the bulk does not have, or flip other observables.

    Raises:
        ErrorModelError: names the first layer that differs, and the edge.
    """
    like = layers[middle]
    last = graph.layout.num_layers - 1
    for index, layer in enumerate(layers):
        for kind, (mask, probability, edge) in layer.items():
            inside = _inside(index, kind, last)
            _, prob, _ = like.get(kind, (0, probability, 0))
            theirs = like[kind][0] if kind in like else _flips_of_way(like, kind)
            if theirs is None or (inside and kind not in like):
                _refuse(graph, index, f"{edge_name(graph, edge)} ({probability:g}) has no like", middle)
            if mask != theirs:
                flips, others = (" ".join(observables_of(each)) or "nothing" for each in (mask, theirs))
                _refuse(graph, index, f"{edge_name(graph, edge)} flips {flips}, not {others} as", middle)
            if inside and abs(prob - probability) > PROBABILITY_TOLERANCE * max(prob, probability):
                _refuse(
                    graph, index, f"{edge_name(graph, edge)} has probability {probability:g}, not {prob:g} as", middle
                )
        missing = [like[kind] for kind in like if kind not in layer and _inside(index, kind, last)]
        if missing:
            _refuse(graph, index, f"nothing is like {edge_name(graph, missing[0][2])}", middle)


def _flips_of_way(like: Layer, kind: Kind) -> int | None:
    """Observables that the likeliest way of the bulk between the ends of an edge flips; None where none is near."""
    lower, upper, reach = kind
    steps: dict[int, list[tuple[int, int, int, float]]] = {}
    for (u, v, apart), (mask, probability, _) in like.items():
        if v != BOUNDARY:
            weight = math.log1p(-probability) - math.log(probability)
            steps.setdefault(u, []).append((v, apart, mask, weight))
            steps.setdefault(v, []).append((u, -apart, mask, weight))
    queue = [(0.0, lower, 0, 0)]
    seen: set[tuple[int, int]] = set()
    while queue:
        so_far, bit, layer, flips = heapq.heappop(queue)
        if (bit, layer) == (upper, reach):
            return flips
        if (bit, layer) in seen:
            continue
        seen.add((bit, layer))
        for other, apart, mask, weight in steps.get(bit, ()):
            if abs(layer + apart) <= FARTHEST_WAY:
                heapq.heappush(queue, (so_far + weight, other, layer + apart, flips ^ mask))
    return None


def _inside(layer: int, kind: Kind, last: int) -> bool:
    """Whether an edge that begins in this layer touches neither the first nor the last one."""
    return layer >= 1 and layer + kind[2] <= last - 1


def _refuse(graph: DecodingGraph, layer: int, differs: str, middle: int) -> NoReturn:
    raise ErrorModelError(
        f"a window needs layers that repeat, and layer {layer} does not: {differs} in layer {middle} "
        f"(of {graph.layout.num_layers}; probabilities may differ by {PROBABILITY_TOLERANCE:.0%}).\n{REMEDY}"
    )


def edge_name(graph: DecodingGraph, edge: int) -> str:
    """For messages, by the model's detectors."""
    v = int(graph.edge_v[edge])
    end = "the boundary" if v < 0 else f"D{graph.vertex_detector[v]}"
    return f"the edge between D{graph.vertex_detector[graph.edge_u[edge]]} and {end}"
