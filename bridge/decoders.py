"""Finds the decoder that a user named: compiled here, a software decoder, or anyone's manifest."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

from bridge.errors import DecoderMismatchError, LinkOpenError
from bridge.problem import DecodingProblem
from hdl.build import cached_build
from hdl.compile.decoder import CORES, RTL_FOLDER, compile_decoder
from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.manifest import DecoderFolder
from hdl.compile.table import decode_with_table
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.errors import ErrorModelError, HdlError
from hdl.model.unionfind import UnionFindModel

Bits = NDArray[np.uint8]
COMPILED_FOLDER = "decoder"


Statuses = NDArray[np.uint32]


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
    """The model of a compiled union-find decoder, bit for bit."""

    def __init__(self, graph: DecodingGraph, options: UnionFindOptions) -> None:
        self._graph = graph
        self._model = UnionFindModel(graph, options)

    def decode(self, detection_events: Bits) -> tuple[Bits, Statuses]:
        """See `ShotDecoder.decode`."""
        return self._model.decode(self._graph.defects(detection_events))


@dataclass(frozen=True)
class Decoder:
    """A decoder that was found.

    Attributes:
        name, version: for reports.
        folder: manifest and RTL; None for a decoder that exists in software only.
        software: makes the software form; None where there is none.
    """

    name: str
    version: str
    folder: DecoderFolder | None
    software: Callable[[], ShotDecoder] | None

    @property
    def clock_mhz(self) -> float | None:
        """Clock of the RTL."""
        return self.folder.manifest.clock_mhz if self.folder else None


def find_decoder(name: str, problem: DecodingProblem) -> Decoder:
    """The decoder for a name or the path of a manifest.

    Args:
        name: "pymatching", a core of `qtwin compile` (compiled for the problem, once per content; "union-find:3"
            takes weights of 3 bits), or a path.
        problem: what it has to solve.

    Raises:
        LinkOpenError: no such decoder, or its manifest or RTL cannot be used; says what there is.
        DecoderMismatchError: it was made for another problem.
    """
    if name == "pymatching":
        return Decoder("pymatching", pymatching.__version__, None, lambda: MatchingDecoder(problem))
    try:
        core, _, weight_bits = name.partition(":")
        if core in CORES:
            return _from_folder(_compiled(core, _options(name, weight_bits), problem), problem)
        path = Path(name)
        if not path.exists():
            raise LinkOpenError(
                f"there is no decoder {name!r}: expected {', '.join((*CORES, 'pymatching'))}, "
                "or the path of a decoder.yaml (or of its folder)"
            )
        return _from_folder(DecoderFolder(path), problem)
    except HdlError as error:
        raise LinkOpenError(str(error)) from error


def _options(name: str, weight_bits: str) -> UnionFindOptions | None:
    if not weight_bits:
        return None
    if weight_bits == "loadable" and name.startswith("union-find:"):
        return UnionFindOptions(loadable=True)
    if not weight_bits.isdigit() or not name.startswith("union-find:"):
        raise LinkOpenError(
            f"there is no decoder {name!r}: only union-find takes a number of weight bits (union-find:3)"
        )
    return UnionFindOptions(weight_bits=int(weight_bits))


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
    return Decoder(manifest.name, manifest.version, folder, _software_form(folder, problem))


def _software_form(folder: DecoderFolder, problem: DecodingProblem) -> Callable[[], ShotDecoder] | None:
    """The model of a compiled decoder; None for a user's own RTL and for windowed cores."""
    manifest = folder.manifest
    if manifest.table is not None:
        table = np.load(folder.file(manifest.table))
        return lambda: TableDecoder(problem, table)
    if manifest.core == "union-find" and not manifest.options.get("window"):
        options = UnionFindOptions(**manifest.options)
        return lambda: UnionFindDecoder(compiled_graph(folder, problem), options)
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
        "rounds": (manifest.rounds, layout.rounds),
    }
    if manifest.graph_hash is not None:
        facts["graph_hash"] = (manifest.graph_hash, problem.graph.graph_hash)
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
