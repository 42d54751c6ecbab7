"""Edges of the union-find core in rows: all edges whose ends lie the same number of vertices apart share one.

A code's layers repeat, so its edges fall into a few rows, and a row is wired by slices instead of edge by edge.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdl.compile.graph import BOUNDARY
from hdl.compile.unionfind_fabric import Fabric
from hdl.compile.unionfind_windows import FUTURE

LEAST_DENSITY = 0.2
"""A row is cut at a gap where fewer than this share of the lanes before it would hold edges."""


@dataclass(frozen=True)
class Row:
    """Edges from vertices low .. low + width - 1.

    Attributes:
        kind: "inner", "boundary" or "future".
        low, width: the lanes' lower ends.
        offset: upper end minus lower end of each lane; 0 for rows that leave.
        edge: int, shape (width,): the edge of each lane, -1 where there is none.
    """

    kind: str
    low: int
    width: int
    offset: int
    edge: NDArray[np.int64]


def edge_rows(fabric: Fabric) -> tuple[Row, ...]:
    """All edges of the fabric, inner rows first."""
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for edge in range(fabric.num_edges):
        u, v = int(fabric.end_u[edge]), int(fabric.end_v[edge])
        if v == BOUNDARY:
            groups["boundary", 0].append(edge)
        elif v == FUTURE:
            groups["future", 0].append(edge)
        else:
            groups["inner", v - u].append(edge)
    order = {"inner": 0, "boundary": 1, "future": 2}
    rows = []
    for kind, offset in sorted(groups, key=lambda key: (order[key[0]], key[1])):
        for run in _runs(groups[kind, offset], fabric.end_u):
            low = int(fabric.end_u[run[0]])
            lanes = np.full(int(fabric.end_u[run[-1]]) - low + 1, -1, dtype=np.int64)
            lanes[fabric.end_u[run] - low] = run
            rows.append(Row(kind, low, len(lanes), offset, lanes))
    return tuple(rows)


def _runs(edges: list[int], lower: NDArray[np.int64]) -> list[list[int]]:
    """Cut where the gap to the next edge would leave a row mostly empty."""
    ordered = sorted(edges, key=lambda edge: int(lower[edge]))
    runs = [[ordered[0]]]
    for edge in ordered[1:]:
        run = runs[-1]
        if len(run) + 1 < LEAST_DENSITY * (lower[edge] - lower[run[0]] + 1):
            runs.append([edge])
        else:
            run.append(edge)
    return runs


def lane_weights(fabric: Fabric, rows: tuple[Row, ...]) -> NDArray[np.int64]:
    """Weight of each lane of all rows, in order; 1 where there is no edge."""
    edge = np.concatenate([row.edge for row in rows])
    return np.where(edge >= 0, fabric.weight[edge], 1)


def way_order(source: int, reached: int) -> tuple[int, bool]:
    """Of several ways of one length to a vertex the one counts whose last step comes first in this order.

    The step over the fewest numbers, of two over equally many the one that leads down: the order of the core's rows.
    """
    return abs(source - reached), source < reached
