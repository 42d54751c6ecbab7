"""Compiles an error model into a decoder folder: manifest, generated RTL and the RTL library it stands on."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import stim
import yaml
from numpy.typing import NDArray

from hdl.build import cached_build
from hdl.compile import table_core, unionfind
from hdl.compile.core_files import CoreFiles
from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import StreamLayout
from hdl.compile.manifest import MANIFEST_NAME, PROTOCOL, DecoderFolder, manifest_of
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.errors import ErrorModelError, ManifestError

RTL_FOLDER = Path(__file__).resolve().parent.parent / "rtl"
TOP = "decoder_top"
COMMON_RTL = (
    "registers_pkg.sv",
    "qds1_pkg.sv",
    "axil_slave.sv",
    "decoder_top.sv",
    "front_end.sv",
    "layer_former.sv",
    "register_arbiter.sv",
    "register_block.sv",
    "registers.sv",
    "response.sv",
    "statistics.sv",
    "sync_fifo.sv",
)
"""What every decoder is built from, packages first."""
UART_TOP = "decoder_top_uart"
UART_RTL = (
    "cobs_decoder.sv",
    "cobs_encoder.sv",
    "crc32_byte.sv",
    "uart_rx.sv",
    "uart_tx.sv",
    "uart_frame_rx.sv",
    "uart_frame_tx.sv",
    "uart_registers.sv",
    "decoder_top_uart.sv",
)
"""What puts a decoder behind a serial line, in addition to `UART_NEEDS` and the decoder's own sources."""
UART_NEEDS = ("registers_pkg.sv", "qds1_pkg.sv", "sync_fifo.sv")
PREFIX = "qtwin_"
CORES = ("table", "union-find")
DEFAULT_CLOCK_MHZ = 100.0


def uart_rtl() -> list[Path]:
    """What puts a decoder behind a serial line, packages first; BuildError where the cache cannot be written.

    All of its modules and packages but `UART_TOP` have a prefix: a decoder may call its own the same.
    """
    sources = [RTL_FOLDER / name for name in (*UART_NEEDS, *UART_RTL)]
    inner = [path.stem for path in sources if path.stem != UART_TOP]
    names = re.compile(rf"\b({'|'.join(inner)})\b")

    def prefixed(text: str) -> str:
        return names.sub(rf"{PREFIX}\1", text)

    def build(folder: Path) -> None:
        for path in sources:
            (folder / prefixed(path.name)).write_text(prefixed(path.read_text(encoding="utf-8")), encoding="utf-8")

    folder = cached_build({"for": "RTL around a decoder behind a UART", "sources": sources, "prefix": PREFIX}, build)
    return [folder / prefixed(path.name) for path in sources]


def compile_decoder(
    error_model: stim.DetectorErrorModel,
    layout: StreamLayout,
    output: Path,
    *,
    core: str = "table",
    options: UnionFindOptions | None = None,
    name: str | None = None,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
    code: Mapping[str, Any] | None = None,
    statistics: bool = True,
    replace: bool = False,
) -> DecoderFolder:
    """Write a self-contained decoder folder.

    Args:
        error_model: with Stim's decomposition into edges.
        layout: where its detectors sit in the stream.
        output: folder to create; one that holds this very decoder already is left as it is.
        core: one of `CORES`.
        options: choices of the union-find core; a table takes none.
        name: decoder's name; the core and the graph's hash by default.
        clock_mhz: clock that latencies in ns are computed with.
        code: facts about the code for the manifest (family, distance, …).
        statistics: with counters, latencies and histogram among its registers; without, it is smaller.
        replace: put it in the place of another decoder.

    Raises:
        ErrorModelError: the core cannot decode this model, or is unknown.
        ManifestError: `output` is a folder with something else in it, or with another decoder that is not to be
            replaced, or the name or clock cannot be.
    """
    graph = decoding_graph(error_model, layout)
    emitted = _emit(core, graph, options)
    graph_hash = made_for(graph, emitted)
    manifest = {
        "name": name or f"{core}-{graph_hash:08x}",
        "version": "1",
        "protocol": PROTOCOL,
        "top": TOP,
        "sources": ["decoder_pkg.sv", *(f"rtl/{file}" for file in _rtl_names(emitted)), "decoder_core.sv"],
        "clock_mhz": clock_mhz,
        "core": core,
        "graph_hash": f"0x{graph_hash:08x}",
        "num_stabilizers": layout.num_stabilizers,
        "num_data_qubits": layout.num_data_qubits,
        "num_observables": graph.num_observables,
        "rounds": layout.rounds,
        "error_model": "error_model.dem",
        "table": emitted.table,
        "weights": emitted.weights,
        "options": dict(emitted.options),
        "code": dict(code or {}),
    }
    files: dict[str, str | bytes] = {
        **emitted.files,
        "decoder_pkg.sv": package_source(graph, emitted, clock_mhz, statistics=statistics),
        "error_model.dem": f"{error_model}\n",
        MANIFEST_NAME: yaml.safe_dump(manifest, sort_keys=False),
    }
    write_folder(output, files, _rtl_names(emitted), replace=replace)
    return DecoderFolder(output)


def _emit(core: str, graph: DecodingGraph, options: UnionFindOptions | None) -> CoreFiles:
    if core == "table":
        if options is not None:
            raise ErrorModelError(
                "weights, windows and a cycle budget are choices of the union-find core, not of a table"
            )
        return table_core.emit_core(graph)
    if core == "union-find":
        return unionfind.emit_core(graph, options or UnionFindOptions())
    raise ErrorModelError(f"there is no core {core!r}; expected one of {', '.join(CORES)}")


def made_for(graph: DecodingGraph, core: CoreFiles) -> int:
    """The hash that GRAPH_HASH shows."""
    return graph.graph_hash if core.graph_hash is None else core.graph_hash


def package_source(
    graph: DecodingGraph,
    core: CoreFiles,
    clock_mhz: float,
    *,
    num_flips: int | None = None,
    statistics: bool = True,
) -> str:
    """Text of decoder_pkg.sv: the constants of one decoder.

    Args:
        graph, core: what it decodes, and how.
        clock_mhz: clock that latencies in ns are computed with.
        num_flips: bits of a CORRECTION, if not the observables.
        statistics: see `compile_decoder`.
    """
    layout = graph.layout
    select = sum(int(stabilizer) << (16 * index) for index, stabilizer in enumerate(graph.layer_select))
    num_data_qubits = max(1, layout.num_data_qubits)
    return f"""\
// Constants of one decoder, generated from its error model.
package decoder_pkg;
  localparam int NumStabilizers = {layout.num_stabilizers};
  localparam int NumDataQubits = {num_data_qubits};
  localparam int NumObservables = {num_flips or graph.num_observables};
  localparam int NumLayers = {layout.num_layers};
  localparam int LayerWidth = {len(graph.layer_select)};
  localparam int CycleBudget = {core.cycle_budget};
  localparam int WeightBits = {core.weight_bits};
  localparam int Window = {core.window};
  localparam int ClockHz = {round(clock_mhz * 1e6)};
  localparam bit VariableRounds = 1'b{int(core.variable_rounds)};
  localparam bit Statistics = 1'b{int(statistics)};  // counters, latencies and histogram
  localparam logic [31:0] GraphHash = 32'h{made_for(graph, core):08x};
  // stabilizer index of each core bit, 16 bits each, core bit 0 lowest
  localparam logic [LayerWidth*16-1:0] LayerSelect = {16 * len(graph.layer_select)}'h{select:x};
  // row s at [s*NumDataQubits +: NumDataQubits]: the data qubits whose parity is stabilizer s
  localparam logic [NumStabilizers*NumDataQubits-1:0] DataParity = {_flat_bits(layout.data_parity, num_data_qubits)};
endpackage
"""


def _flat_bits(matrix: NDArray[np.uint8], num_columns: int) -> str:
    """A 0/1 matrix as one SystemVerilog literal, row 0 lowest, padded to at least one column."""
    rows = ["".join(str(int(bit)) for bit in row[::-1]).rjust(num_columns, "0") for row in matrix]
    return f"{len(rows) * num_columns}'b" + "_".join(reversed(rows))


def _rtl_names(core: CoreFiles) -> list[str]:
    return [*COMMON_RTL, *(name for name in core.rtl if name not in COMMON_RTL)]


def write_folder(output: Path, files: Mapping[str, str | bytes], rtl: list[str], *, replace: bool = False) -> None:
    """Write everything beside the target, then put it in place with one rename.

    Raises:
        ManifestError: `output` cannot be written, or holds something else, or the manifest does not do.
    """
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    contents |= {f"rtl/{name}": (RTL_FOLDER / name).read_bytes() for name in rtl}
    if output.exists() and not (output / MANIFEST_NAME).is_file():
        raise ManifestError(f"{output} exists and is not a decoder folder; name a folder that does not exist yet")
    manifest_of(yaml.safe_load(files[MANIFEST_NAME]), f"{output / MANIFEST_NAME}, as asked for,")
    if output.exists() and not replace:
        others = sorted(name for name, content in contents.items() if not _holds(output / name, content))
        if not others:
            return
        raise ManifestError(
            f"{output} holds another decoder, or this one with other files ({', '.join(others[:3])}"
            f"{', …' if len(others) > 3 else ''}); name another folder, or give --force to replace it"
        )
    try:
        _put_in_place(output, contents)
    except OSError as error:
        raise ManifestError(f"cannot write {output}: {error.strerror}; name another folder") from error


def _holds(file: Path, content: bytes) -> bool:
    return file.is_file() and file.read_bytes() == content


def _put_in_place(output: Path, contents: Mapping[str, bytes]) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        for file_name, content in contents.items():
            (new / file_name).parent.mkdir(exist_ok=True)
            (new / file_name).write_bytes(content)
        if output.exists():
            output.rename(Path(scratch) / "old")
        new.rename(output)
