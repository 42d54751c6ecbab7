"""Finds the decoder that a user named: compiled here, a software decoder, or anyone's manifest."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pymatching

from bridge.decoder_names import check_decoder_name, decoder_options
from bridge.errors import DecoderMismatchError, LinkOpenError
from bridge.problem import DecodingProblem
from bridge.sinter_import import SINTER_PREFIX, sinter_decoder
from bridge.software_decoders import MatchingDecoder, ShotDecoder, TableDecoder, union_find_decoder
from hdl.build import cached_build, content_id
from hdl.compile.decoder import CORES, RTL_FOLDER, compile_decoder
from hdl.compile.formulas import memory_of
from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import read_error_model
from hdl.compile.manifest import DecoderFolder
from hdl.compile.unionfind_fabric import UnionFindOptions, window_hash
from hdl.errors import HdlError
from hdl.standalone import included_files

COMPILED_FOLDER = "decoder"
MAX_READ_BYTES = 1 << 20
"""Of a file beside a codec, to tell whether it has changed; of a larger one the size counts."""
LEFT_BY_PROGRAMS = {"__pycache__", "sim_build", "obj_dir", "runs", "node_modules"}


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
        return None if self.folder is None else core_options(self.folder)

    def num_frames(self, num_layers: int) -> int:
        """How many FRAMEs come before the CORRECTION of a shot of so many layers of detection events."""
        options = self.options
        if options is None or not options.window:
            return 0
        return max(0, -(-(num_layers - options.window) // options.commit_layers))

    @property
    def clock_mhz(self) -> float | None:
        """Clock of the RTL."""
        return self.folder.manifest.clock_mhz if self.folder else None


def decoder_id(decoder: Decoder) -> str:
    """What tells a decoder from another of the same name: all that its RTL reads, its manifest, codec and tables.

    Where Verilator does not take the RTL, as VHDL, the files that the manifest names count alone.
    """
    folder = decoder.folder
    if folder is None:
        return f"{decoder.name} {decoder.version}"
    manifest, design = folder.manifest, folder.design
    try:
        besides = included_files(design)
    except HdlError:
        besides = []
    codec = manifest.stream.codec.partition(":")[0] if manifest.stream and manifest.stream.codec else None
    return content_id(
        {
            "manifest": manifest.model_dump(mode="json"),
            "design": design.key(),
            "besides": besides,
            "codec": [] if codec is None else _codec_files(folder.file(codec)),
            "data": dict(folder.data_files),
        }
    )


def _codec_files(codec: Path) -> list[Path | list[str | int]]:
    """What a codec may read: the files beside it, by their contents, or where they are large by name and size."""
    sizes = {path: path.stat().st_size for path in files_beside(codec)}
    return [path if size <= MAX_READ_BYTES else [path.name, size] for path, size in sizes.items()]


def files_beside(file: Path) -> Iterator[Path]:
    """A file with all that lies in and below its folder, but for what programs leave there."""
    for parent, names, files in os.walk(file.parent):
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in LEFT_BY_PROGRAMS)
        for name in sorted(files):
            path = Path(parent) / name
            if not name.startswith(".") and path.suffix != ".pyc" and path.is_file():
                yield path


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
    if name.startswith(SINTER_PREFIX):
        sinter_name, version, make = sinter_decoder(name)
        return Decoder(sinter_name, version, None, lambda: make(problem), problem)
    try:
        core = name.partition(":")[0]
        if core in CORES:
            return _from_folder(_compiled(core, decoder_options(name, problem), problem), problem)
        check_decoder_name(name)
        return _from_folder(_made_for(DecoderFolder(Path(name), memory_of(problem.code)), problem), problem)
    except HdlError as error:
        raise LinkOpenError(str(error)) from error


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


def _made_for(folder: DecoderFolder, problem: DecodingProblem) -> DecoderFolder:
    """The decoder; one with a stream of its own that names no graph is made for that of the problem."""
    manifest = folder.manifest
    if manifest.stream is not None and manifest.graph_hash is None:
        folder.manifest = manifest.model_copy(update={"graph_hash": problem.graph.graph_hash})
    return folder


def _from_folder(folder: DecoderFolder, problem: DecodingProblem) -> Decoder:
    manifest = folder.manifest
    _check_fit(folder, problem)
    return Decoder(manifest.name, manifest.version, folder, _software_form(folder, problem), problem)


def hash_for(graph: DecodingGraph, options: UnionFindOptions | None) -> int:
    """GRAPH_HASH of a decoder with these choices that was made for this graph; memories of any length share windows."""
    return window_hash(graph, options) if options and options.window else graph.graph_hash


def core_options(folder: DecoderFolder) -> UnionFindOptions | None:
    """Choices of a compiled union-find core; None for any other decoder."""
    manifest = folder.manifest
    return UnionFindOptions(**manifest.options) if manifest.core == "union-find" else None


def _software_form(folder: DecoderFolder, problem: DecodingProblem) -> Callable[[], ShotDecoder] | None:
    """The model of a compiled decoder; None for a user's own RTL."""
    manifest = folder.manifest
    if manifest.table is not None:
        table = np.load(folder.file(manifest.table))
        return lambda: TableDecoder(problem, table)
    options = core_options(folder)
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
    return decoding_graph(read_error_model(folder.file(name)), problem.layout)


def _check_fit(folder: DecoderFolder, problem: DecodingProblem) -> None:
    manifest, layout = folder.manifest, problem.layout
    facts = {
        "num_stabilizers": (manifest.num_stabilizers, layout.num_stabilizers),
        "num_data_qubits": (manifest.num_data_qubits, layout.num_data_qubits),
        "num_observables": (manifest.num_observables, problem.graph.num_observables),
    }
    options = core_options(folder)
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
