"""Decoders in software: PyMatching, and the models of the compiled cores."""

from typing import Protocol

import numpy as np
import pymatching
from numpy.typing import NDArray

from bridge.problem import DecodingProblem
from hdl.compile.graph import DecodingGraph
from hdl.compile.table import decode_with_table
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.model.unionfind import UnionFindModel, WindowStream

Bits = NDArray[np.uint8]
Statuses = NDArray[np.uint32]
Weights = NDArray[np.int64]


class ShotDecoder(Protocol):
    """A decoder in software: detection events in, observable flips out."""

    def decode(self, detection_events: Bits) -> tuple[Bits, Statuses]:
        """Decode whole shots.

        Args:
            detection_events: 0/1, shape (shots, detectors of the error model).

        Returns:
            observable flips, 0/1 of shape (shots, observables); `qds1.Status` flags, shape (shots,).
        """


class MatchingDecoder:
    """PyMatching on the problem's error model."""

    def __init__(self, problem: DecodingProblem) -> None:
        self._matching = pymatching.Matching.from_detector_error_model(problem.error_model)

    def decode(self, detection_events: Bits) -> tuple[Bits, Statuses]:
        """See `ShotDecoder.decode`."""
        flips = np.asarray(self._matching.decode_batch(detection_events), dtype=np.uint8)
        return flips, np.zeros(len(flips), dtype=np.uint32)


class TableDecoder:
    """The table of a compiled look-up decoder."""

    def __init__(self, problem: DecodingProblem, table: NDArray[np.uint32]) -> None:
        self._graph = problem.graph
        self._table = table

    def decode(self, detection_events: Bits) -> tuple[Bits, Statuses]:
        """See `ShotDecoder.decode`."""
        graph = self._graph
        flips = decode_with_table(self._table, graph.defects(detection_events), graph.num_observables)
        return flips, np.zeros(len(flips), dtype=np.uint32)


class UnionFindDecoder:
    """The model of a compiled union-find decoder, bit for bit; `weight` as compiled, None for the graph's own."""

    def __init__(self, graph: DecodingGraph, options: UnionFindOptions, weight: Weights | None = None) -> None:
        self._graph = graph
        self.model = UnionFindModel(graph, options, weight)

    def decode(self, detection_events: Bits) -> tuple[Bits, Statuses]:
        """See `ShotDecoder.decode`."""
        return self.model.decode(self._graph.defects(detection_events))


class WindowedDecoder:
    """The model of a compiled union-find decoder that works in windows, bit for bit; `weight` as above."""

    def __init__(self, graph: DecodingGraph, options: UnionFindOptions, weight: Weights | None = None) -> None:
        self._graph = graph
        self.model = UnionFindModel(graph, options, weight)
        self.commit_layers = options.commit_layers

    def decode(self, detection_events: Bits) -> tuple[Bits, Statuses]:
        """See `ShotDecoder.decode`."""
        flips, status = self.decode_windows(detection_events)
        return flips[:, -1], status

    def decode_windows(self, detection_events: Bits) -> tuple[Bits, Statuses]:
        """Decode whole shots, window by window.

        Returns:
            observable flips so far, 0/1 of shape (shots, windows, observables); `qds1.Status` flags, shape (shots,).
        """
        graph = self._graph
        width = len(graph.layer_select)
        flat = np.zeros((len(detection_events), graph.layout.num_layers * width), dtype=np.uint8)
        flat[:, graph.vertex_position] = graph.defects(detection_events)
        streamed = self.model.decode_stream(flat.reshape(len(flat), -1, width))
        return streamed.flips, streamed.status[:, -1]

    def stream(self) -> WindowStream:
        """One memory of any length, layer by layer."""
        return self.model.stream()


def union_find_decoder(
    graph: DecodingGraph, options: UnionFindOptions, weight: Weights | None = None
) -> UnionFindDecoder | WindowedDecoder:
    """The model of a union-find core with these choices."""
    return (WindowedDecoder if options.window else UnionFindDecoder)(graph, options, weight)
