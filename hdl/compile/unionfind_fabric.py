"""What the union-find core is made of: vertices, weighted edges, boundaries and what crossing them flips.

The generator, the models and the loading of weights all start from here.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hdl.compile.graph import BOUNDARY, DecodingGraph, hash_of
from hdl.compile.unionfind_weights import quantise_weights
from hdl.compile.unionfind_windows import edge_name, shot_rows, vertex_bits, window_rows
from hdl.errors import ErrorModelError

MAX_WEIGHT_BITS = 6
MAX_CYCLE_BUDGET = 0xFFFF
MAX_FIFO_LAYERS = 1 << 16
MAX_WINDOW_LAYERS = 1024
MAX_CLASSES = 8
LARGEST_PROB = 0.5 + 1e-9
"""Errors of 1/2 that are merged may come out a rounding above it."""


@dataclass(frozen=True, slots=True)
class UnionFindOptions:
    """Choices of the union-find core.

    Attributes:
        weight_bits: bits of an edge weight.
        loadable: weights can be changed at run time (larger), or are constants.
        window: layers decoded together, for memories of any length; 0 decodes whole shots.
        commit: layers committed by each window; 0 means half the window.
        cycle_budget: cycles after which a shot (or window) is answered unfinished; 0 takes a bound that only a
            shot far from any real one reaches.
        fifo_layers: layers that a windowed core keeps while it decodes; a power of two, 0 means the window rounded up.
    """

    weight_bits: int = 4
    loadable: bool = False
    window: int = 0
    commit: int = 0
    cycle_budget: int = 0
    fifo_layers: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.weight_bits <= MAX_WEIGHT_BITS:
            raise ErrorModelError(f"weight_bits is {self.weight_bits}; expected 1 to {MAX_WEIGHT_BITS}")
        if not 0 <= self.window <= MAX_WINDOW_LAYERS:
            raise ErrorModelError(f"window is {self.window}; expected at most {MAX_WINDOW_LAYERS} layers")
        if self.window and not 1 <= self.commit_layers < self.window:
            raise ErrorModelError(f"a window of {self.window} layers cannot commit {self.commit_layers} of them")
        if not 0 <= self.cycle_budget <= MAX_CYCLE_BUDGET:
            raise ErrorModelError(f"cycle_budget is {self.cycle_budget}; expected 0 to {MAX_CYCLE_BUDGET}")
        if self.fifo_layers and (
            self.fifo_layers & (self.fifo_layers - 1) or not 2 <= self.fifo_layers <= MAX_FIFO_LAYERS
        ):
            raise ErrorModelError(
                f"fifo_layers is {self.fifo_layers}; expected a power of two from 2 to {MAX_FIFO_LAYERS}"
            )

    @property
    def commit_layers(self) -> int:
        """Layers committed by each window."""
        return self.commit or self.window // 2

    @property
    def fifo_depth(self) -> int:
        """Layers that the windowed core's FIFO holds."""
        return self.fifo_layers or 1 << max(2, (self.window - 1).bit_length())


@dataclass(frozen=True)
class Fabric:
    """The decoder's vertices and edges.

    Observables are in boundary form where the graph allows it: a vertex carries a mask (`potential`), and only edges
    to the boundary flip observables besides. Edges for which that is impossible (`twist` != 0) close a loop that flips
    an observable; the core then also tracks, within a cluster, the flips on the way from its first vertex.

    Attributes:
        layer, bit: int, shape (vertices,): where each vertex sits in the layers that the core is given.
        num_layers, layer_width: shape of those layers.
        end_u, end_v: int, shape (edges,): end points; end_v is BOUNDARY (-1) or FUTURE (-2) for an edge that leaves.
        weight: int, shape (edges,): quantised.
        twist: int, shape (edges,): observables that an inner edge flips besides the potentials of its ends.
        component: int, shape (vertices,): which vertices inner edges connect.
        boundary_class: int, shape (edges,): index into its component's `classes` of an edge to the boundary, else -1.
        classes: int, shape (components, classes): observable masks of a component's boundaries as seen from anywhere in
            it, ascending; -1 where a component has fewer.
        potential: int, shape (vertices,): observable mask of a defect.
        num_observables: of the error model.
    """

    layer: NDArray[np.int64]
    bit: NDArray[np.int64]
    num_layers: int
    layer_width: int
    end_u: NDArray[np.int64]
    end_v: NDArray[np.int64]
    weight: NDArray[np.int64]
    twist: NDArray[np.int64]
    component: NDArray[np.int64]
    boundary_class: NDArray[np.int64]
    classes: NDArray[np.int64]
    potential: NDArray[np.int64]
    num_observables: int

    @property
    def num_vertices(self) -> int:
        """Vertices."""
        return len(self.layer)

    @property
    def num_edges(self) -> int:
        """Edges, those that leave included."""
        return len(self.end_u)

    @cached_property
    def twisted(self) -> tuple[int, ...]:
        """Observables that some loop flips."""
        union = int(np.bitwise_or.reduce(self.twist, initial=0))
        return tuple(k for k in range(self.num_observables) if union >> k & 1)

    def boundary_mask(self, edge: int) -> int:
        """Observables that an edge to the boundary flips besides the potential of its end."""
        return int(self.classes[self.component[self.end_u[edge]], self.boundary_class[edge]])

    @property
    def start(self) -> int:
        """Growth of a defect at which the first edge can be full: decoding starts there."""
        return start_growth(self)

    def with_weights(self, weight: NDArray[np.int64]) -> "Fabric":
        """The same fabric with other weights."""
        return replace(self, weight=weight)


def start_growth(fabric: Fabric) -> int:
    """Steps that no cluster could use: an inner edge fills from both ends, one that leaves from one end."""
    inner = fabric.end_v >= 0
    steps = np.where(inner, fabric.weight, 2 * fabric.weight)
    return int(steps.min(initial=(1 << MAX_WEIGHT_BITS)))


def default_cycle_budget(fabric: Fabric) -> int:
    """Cycles that no shot but a pathological one needs: each cluster flooded once for each step of growth."""
    return min(0xFFFF, 256 + 16 * fabric.num_vertices)


def cycle_budget(fabric: Fabric, options: UnionFindOptions) -> int:
    """Cycles after which the core gives up."""
    return options.cycle_budget or default_cycle_budget(fabric)


def build_fabric(graph: DecodingGraph, options: UnionFindOptions) -> Fabric:
    """Fabric of a whole shot, or of one window.

    Raises:
        ErrorModelError: the memory is too short to take a window's bulk from or has a part without boundaries,
            boundaries flip too many masks, or an error is likelier than not.
    """
    graph.require_edges()
    _check_likely(graph)
    if options.window:
        layer, bit, rows = window_rows(graph, options.window)
    else:
        layer, bit, rows = graph.vertex_layer, vertex_bits(graph), shot_rows(graph)
    u, v = (np.array([row[i] for row in rows], dtype=np.int64) for i in (0, 1))
    observables = np.array([row[2] for row in rows], dtype=np.int64)
    probability = np.array([row[3] for row in rows], dtype=np.float64)
    potential, component = _potential(len(layer), u, v, observables)
    if options.window:
        _check_boundaries(component, u, v)
    crossing = observables ^ potential[u] ^ np.where(v >= 0, potential[v], 0)
    twist = np.where(v >= 0, crossing, 0)
    leaving = v == BOUNDARY
    classes = _classes(component[u], crossing, leaving, twist)
    boundary_class = np.full(len(rows), -1, dtype=np.int64)
    boundary_class[leaving] = (classes[component[u]] == crossing[:, None])[leaving].argmax(axis=1)
    return Fabric(
        layer=layer,
        bit=bit,
        num_layers=options.window or graph.layout.num_layers,
        layer_width=len(graph.layer_select),
        end_u=u,
        end_v=v,
        weight=quantise_weights(np.log1p(-probability) - np.log(probability), probability, options.weight_bits),
        twist=twist,
        component=component,
        boundary_class=boundary_class,
        classes=classes,
        potential=potential,
        num_observables=graph.num_observables,
    )


def _check_likely(graph: DecodingGraph) -> None:
    likely = np.flatnonzero(graph.edge_probability > LARGEST_PROB)
    if likely.size:
        edge = int(likely[0])
        raise ErrorModelError(
            f"{edge_name(graph, edge)} happens with probability {graph.edge_probability[edge]:g}: what is likelier "
            "than not would need a negative weight, which a union-find core does not have; use a table, or correct the "
            "model"
        )


def _check_boundaries(component: NDArray[np.int64], u: NDArray[np.int64], v: NDArray[np.int64]) -> None:
    """A cluster that leaves a window by its open end is committed, and its partner in later layers is left alone.

    Where there is a boundary that one ends there. Without one no cluster can end it: the shot would not be finished.
    """
    closed = set(component.tolist()) - set(component[u[v == BOUNDARY]].tolist())
    if closed:
        raise ErrorModelError(
            "windows need a boundary in every connected part of the graph, and "
            f"{len(closed)} of {len(set(component.tolist()))} have none (as on a torus).\n"
            "Leave the window out: whole shots are decoded"
        )


def _classes(
    component: NDArray[np.int64], crossing: NDArray[np.int64], leaving: NDArray[np.bool_], twist: NDArray[np.int64]
) -> NDArray[np.int64]:
    """`Fabric.classes`, from the edges: their component, what they flip, whether they lead to the boundary, the loops.

    Raises:
        ErrorModelError: a component's boundaries flip more sets of observables than the core tells apart.
    """
    num_components = int(component.max()) + 1
    boundaries: list[set[int]] = [set() for _ in range(num_components)]
    loops: list[set[int]] = [set() for _ in range(num_components)]
    for number, mask, leaves, loop in zip(
        *(each.tolist() for each in (component, crossing, leaving, twist)), strict=True
    ):
        if leaves:
            boundaries[number].add(mask)
        elif loop:
            loops[number].add(loop)
    found = [sorted(_closed(masks, around)) for masks, around in zip(boundaries, loops, strict=True)]
    classes = np.full((len(found), max(map(len, found))), -1, dtype=np.int64)
    for number, masks in enumerate(found):
        classes[number, : len(masks)] = masks
    return classes


def _closed(masks: set[int], loops: set[int]) -> set[int]:
    """What boundaries of these masks flip, going around any of the loops before; {0} without a boundary."""
    for loop in loops if masks else ():
        masks = masks | {mask ^ loop for mask in masks}
        if len(masks) > MAX_CLASSES:
            break
    if len(masks) > MAX_CLASSES:
        raise ErrorModelError(
            f"edges to the boundary flip {len(masks)} or more different sets of observables in one connected part of "
            f"the graph; the union-find core tells {MAX_CLASSES} apart.\nSplit the observables into several models"
        )
    return masks or {0}


def window_hash(graph: DecodingGraph, options: UnionFindOptions) -> int:
    """What `DecodingGraph.graph_hash` is to a shot, for a window of it: memories of any length share it."""
    fabric = build_fabric(graph, options)
    structure = {
        "stabilizers": graph.layout.num_stabilizers,
        "data_qubits": graph.layout.num_data_qubits,
        "data_parity": graph.layout.data_parity.tolist(),
        "layer_select": graph.layer_select.tolist(),
        "window": [options.window, options.commit_layers],
        "bits": fabric.bit.tolist(),
        "edges": np.stack([fabric.end_u, fabric.end_v, fabric.twist, fabric.boundary_class], axis=1).tolist(),
        "classes": fabric.classes.tolist(),
        "potential": fabric.potential.tolist(),
        "observables": fabric.num_observables,
    }
    return hash_of(structure)


def _potential(
    num_vertices: int,
    end_u: NDArray[np.int64],
    end_v: NDArray[np.int64],
    observables: Sequence[int] | NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Observable masks of the vertices that leave every edge of a spanning forest without a flip, and its trees."""
    neighbours: list[list[tuple[int, int]]] = [[] for _ in range(num_vertices)]
    for u, v, mask in zip(end_u.tolist(), end_v.tolist(), observables, strict=True):
        if v >= 0:
            neighbours[u].append((v, int(mask)))
            neighbours[v].append((u, int(mask)))
    potential = np.full(num_vertices, -1, dtype=np.int64)
    component = np.zeros(num_vertices, dtype=np.int64)
    num_components = 0
    for root in range(num_vertices):
        if potential[root] >= 0:
            continue
        potential[root] = 0
        component[root] = num_components
        queue = deque([root])
        while queue:
            vertex = queue.popleft()
            for other, mask in neighbours[vertex]:
                if potential[other] < 0:
                    potential[other] = potential[vertex] ^ mask
                    component[other] = num_components
                    queue.append(other)
        num_components += 1
    return potential, component
