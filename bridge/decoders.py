"""Finds the decoder that a user named: compiled here, a software decoder, or anyone's manifest."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

from bridge.decoder_names import decoder_options
from bridge.errors import DecoderMismatchError, LinkOpenError
from bridge.problem import DecodingProblem
from hdl.build import cached_build
from hdl.compile.decoder import CORES, RTL_FOLDER, compile_decoder
from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.manifest import DecoderFolder
from hdl.compile.table import decode_with_table
from hdl.compile.unionfind_fabric import UnionFindOptions, window_hash
from hdl.errors import ErrorModelError, HdlError
from hdl.model.unionfind import UnionFindModel, WindowStream

Bits = NDArray[np.uint8]
Statuses = NDArray[np.uint32]
Weights = NDArray[np.int64]
COMPILED_FOLDER = "decoder"


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


@dataclass(frozen=True)
class Decoder:
    """A decoder that was found.

    Attributes:
        name, version: for reports.
        folder: manifest and RTL; None for a decoder that exists in software only.
        software: makes the software form; None where there is none.
        problem: what it was found for.
    """

    name: str
    version: str
    folder: DecoderFolder | None
    software: Callable[[], ShotDecoder] | None
    problem: DecodingProblem

    @property
    def graph_hash(self) -> int:
        """What it says in its GRAPH_HASH: the hash of the problem's graph, or of a window of it."""
        return hash_for(self.problem.graph, self.options)

    @property
    def options(self) -> UnionFindOptions | None:
        """Choices of a compiled union-find core."""
        return None if self.folder is None else _core_options(self.folder)

    @property
    def clock_mhz(self) -> float | None:
        """Clock of the RTL."""
        return self.folder.manifest.clock_mhz if self.folder else None


def find_decoder(name: str, problem: DecodingProblem) -> Decoder:
    """The decoder for a name or the path of a manifest.

    Args:
        name: "pymatching"; or a core of `qtwin compile`, compiled for the problem, once per content, with choices after
            a colon where it takes some (see `decoder_options`); "sinter:..." (see `sinter_decoder`); or a path.
        problem: what it has to solve.

    Raises:
        LinkOpenError: no such decoder, or its manifest or RTL cannot be used; says what there is.
        DecoderMismatchError: it was made for another problem.
    """
    if name == "pymatching":
        made = pymatching.__version__
        return Decoder("pymatching", made, None, lambda: MatchingDecoder(problem), problem)
    if name.startswith("sinter:"):
        from bridge.sinter_decoders import sinter_decoder

        sinter_name, version, make = sinter_decoder(name)
        return Decoder(sinter_name, version, None, lambda: make(problem), problem)
    try:
        core, _, choices = name.partition(":")
        if core in CORES:
            return _from_folder(_compiled(core, decoder_options(name, core, choices, problem), problem), problem)
        check_decoder_name(name)
        return _from_folder(DecoderFolder(Path(name)), problem)
    except HdlError as error:
        raise LinkOpenError(str(error)) from error


def check_decoder_name(name: str) -> None:
    """Raises LinkOpenError where no decoder has this name, before anything is started for it."""
    known = (*CORES, "pymatching", "sinter")
    if name.partition(":")[0] not in known and not Path(name).exists():
        raise LinkOpenError(
            f"there is no decoder {name!r}: expected {', '.join((*CORES, 'pymatching', 'sinter:NAME'))}, "
            "or the path of a decoder.yaml (or of its folder)"
        )


def _compiled(core: str, options: UnionFindOptions | None, problem: DecodingProblem) -> DecoderFolder:
    key = {
        "what": "compiled decoder",
        "core": core,
        "options": None if options is None else asdict(options),
        "error_model": str(problem.error_model),
        "graph_hash": problem.graph.graph_hash,
        "code": json.dumps(problem.code, sort_keys=True),
        "sources": [*sorted(RTL_FOLDER.glob("*.sv")), *sorted(Path(RTL_FOLDER.parent, "compile").glob("*.py"))],
    }

    def build(folder: Path) -> None:
        target = folder / COMPILED_FOLDER
        compile_decoder(problem.error_model, problem.layout, target, core=core, options=options, code=problem.code)

    return DecoderFolder(cached_build(key, build) / COMPILED_FOLDER)


def _from_folder(folder: DecoderFolder, problem: DecodingProblem) -> Decoder:
    manifest = folder.manifest
    _check_fit(folder, problem)
    return Decoder(manifest.name, manifest.version, folder, _software_form(folder, problem), problem)


def hash_for(graph: DecodingGraph, options: UnionFindOptions | None) -> int:
    """GRAPH_HASH of a decoder with these choices that was made for this graph; memories of any length share windows."""
    return window_hash(graph, options) if options and options.window else graph.graph_hash


def _core_options(folder: DecoderFolder) -> UnionFindOptions | None:
    manifest = folder.manifest
    return UnionFindOptions(**manifest.options) if manifest.core == "union-find" else None


def _software_form(folder: DecoderFolder, problem: DecodingProblem) -> Callable[[], ShotDecoder] | None:
    """The model of a compiled decoder; None for a user's own RTL."""
    manifest = folder.manifest
    if manifest.table is not None:
        table = np.load(folder.file(manifest.table))
        return lambda: TableDecoder(problem, table)
    options = _core_options(folder)
    if options is not None:
        weight = None if manifest.weights is None else np.load(folder.file(manifest.weights))
        return partial(union_find_decoder, problem.graph, options, weight)
    return None


def compiled_graph(folder: DecoderFolder, problem: DecodingProblem) -> DecodingGraph:
    """The graph with the probabilities that the decoder was compiled with; they need not be the session's.

    Raises:
        HdlError: the folder's error model cannot be read.
    """
    name = folder.manifest.error_model
    if name is None:
        return problem.graph
    try:
        error_model = stim.DetectorErrorModel.from_file(folder.file(name))
    except ValueError as error:
        raise ErrorModelError(f"{folder.file(name)} is no detector error model: {error}") from error
    return decoding_graph(error_model, problem.layout)


def _check_fit(folder: DecoderFolder, problem: DecodingProblem) -> None:
    manifest, layout = folder.manifest, problem.layout
    facts = {
        "num_stabilizers": (manifest.num_stabilizers, layout.num_stabilizers),
        "num_data_qubits": (manifest.num_data_qubits, layout.num_data_qubits),
        "num_observables": (manifest.num_observables, problem.graph.num_observables),
    }
    options = _core_options(folder)
    if not (options and options.window):
        facts["rounds"] = (manifest.rounds, layout.rounds)
    if manifest.graph_hash is not None:
        facts["graph_hash"] = (manifest.graph_hash, hash_for(problem.graph, options))
    wrong = [
        f"{name} {made:#x}, not {asked:#x}" if name == "graph_hash" else f"{name} {made}, not {asked}"
        for name, (made, asked) in facts.items()
        if made != asked
    ]
    if wrong:
        raise DecoderMismatchError(
            f"the decoder {manifest.name} ({folder.path}) was made for another problem: {'; '.join(wrong)}. "
            "Compile it for this code, distance and number of rounds, or open a session that it fits"
        )
