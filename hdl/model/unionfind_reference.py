"""The union-find core in plain Python: what it decides, without cycles. Slow, and meant to be read.

Weighted growth after Huang, Newman and Brown, Phys. Rev. A 102, 012419 (2020), kept at the vertices: each counts the
steps it was active, and an edge is full once both ends together have made twice its weight. A step is therefore half
a unit of weight, and two clusters that grow towards each other meet without rounding.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hdl.compile.graph import BOUNDARY
from hdl.compile.unionfind_fabric import Fabric
from hdl.compile.unionfind_rows import way_order
from hdl.compile.unionfind_windows import FUTURE

AMBIGUOUS = 2


@dataclass(frozen=True)
class Cluster:
    """Vertices joined by full edges.

    Attributes:
        phase: observables flipped on the way from the cluster's first vertex to each of its vertices.
        defects: those among them that fired.
        ways_out: observable masks of the boundaries reached, seen from the first vertex.
        open_ended: it reaches layers not seen yet.
    """

    phase: dict[int, int]
    defects: frozenset[int]
    ways_out: frozenset[int]
    open_ended: bool

    @property
    def odd(self) -> bool:
        """Whether one defect must be matched outside."""
        return len(self.defects) % 2 == 1

    @property
    def grows_on(self) -> bool:
        """Odd, and no way out yet."""
        return self.odd and not self.ways_out and not self.open_ended


@dataclass
class Decision:
    """What a shot or window came to: mask of flips, status flags, and the defects left to the next window."""

    flips: int = 0
    status: int = 0
    kept: set[int] = field(default_factory=set)


class ReferenceDecoder:
    """Decodes one shot or window at a time.

    Args:
        fabric: vertices and edges.
        commit_layers: layers that a window commits; unused when it is the last.
        last: whether the window ends the shot, as a whole shot does.
    """

    def __init__(self, fabric: Fabric, *, commit_layers: int = 0, last: bool = True) -> None:
        self.fabric = fabric
        self.commit_layers = commit_layers
        self.last = last
        self.ends = list(zip(fabric.end_u.tolist(), fabric.end_v.tolist(), strict=True))
        self.incident: list[list[int]] = [[] for _ in range(fabric.num_vertices)]
        for edge, (u, v) in enumerate(self.ends):
            self.incident[u].append(edge)
            if v >= 0:
                self.incident[v].append(edge)

    def decode(self, defects: Iterable[int]) -> Decision:
        """Decode defects (vertex numbers). A fabric without any way out needs an even number of them."""
        fired = frozenset(defects)
        decision = Decision()
        growth = [0] * self.fabric.num_vertices
        full: set[int] = set()
        clusters = [Cluster({vertex: 0}, frozenset({vertex}), frozenset(), False) for vertex in fired]
        while growing := [cluster for cluster in clusters if cluster.grows_on]:
            for cluster in growing:
                for vertex in cluster.phase:
                    growth[vertex] += 1
            filled = [edge for edge in range(len(self.ends)) if edge not in full and self._is_full(edge, growth)]
            full.update(filled)
            changed = self._clusters_at(sorted({self.ends[edge][0] for edge in filled}), full, fired)
            swallowed = {vertex for cluster in changed for vertex in cluster.phase}
            clusters = [c for c in clusters if not swallowed.intersection(c.phase)] + changed
            if any(cluster.odd and len(cluster.ways_out) > 1 for cluster in changed):
                decision.status |= AMBIGUOUS
        for cluster in clusters:
            self._conclude(cluster, decision)
        return decision

    def _is_full(self, edge: int, growth: list[int]) -> bool:
        u, v = self.ends[edge]
        if v == FUTURE and self.last:
            return False
        return bool(growth[u] + (growth[v] if v >= 0 else 0) >= 2 * int(self.fabric.weight[edge]))

    def _clusters_at(self, firsts: list[int], full: set[int], fired: frozenset[int]) -> list[Cluster]:
        """Clusters of these vertices, each explored from the first of them that it holds."""
        found: list[Cluster] = []
        for first in firsts:
            if not any(first in cluster.phase for cluster in found):
                found.append(self._explore(first, full, fired))
        return found

    def _explore(self, first: int, full: set[int], fired: frozenset[int]) -> Cluster:
        """Flood along full edges, all vertices of one distance at a time; each takes one way of the shortest."""
        fabric = self.fabric
        phase = {first: 0}
        front = [first]
        ways_out: set[int] = set()
        open_ended = False
        while front:
            reached: dict[int, tuple[tuple[int, bool], int]] = {}
            for vertex in front:
                for edge in full.intersection(self.incident[vertex]):
                    u, v = self.ends[edge]
                    other = u if v == vertex else v
                    if other == BOUNDARY:
                        ways_out.add(fabric.boundary_mask(edge) ^ phase[vertex])
                    elif other == FUTURE:
                        open_ended = True
                    elif other not in phase:
                        way = (way_order(vertex, other), phase[vertex] ^ int(fabric.twist[edge]))
                        reached[other] = min(way, reached.get(other, way))
            phase |= {vertex: flips for vertex, (_, flips) in reached.items()}
            front = list(reached)
        return Cluster(phase, fired.intersection(phase), frozenset(ways_out), open_ended)

    def _conclude(self, cluster: Cluster, decision: Decision) -> None:
        """Match the cluster's defects within it, an odd one through the boundary of the smallest mask."""
        committed = any(self.fabric.layer[defect] < self.commit_layers for defect in cluster.defects)
        if not self.last and not committed:
            decision.kept |= cluster.defects
            return
        for defect in cluster.defects:
            decision.flips ^= int(self.fabric.potential[defect]) ^ cluster.phase[defect]
        if cluster.odd and cluster.ways_out:
            decision.flips ^= min(cluster.ways_out)
