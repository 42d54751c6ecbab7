"""Writes the folder that a new decoder starts from: everything runs, and one small module is there to be edited."""

import json
import os
import re
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from hdl.compile.core_files import CoreFiles
from hdl.compile.decoder import COMMON_RTL, DEFAULT_CLOCK_MHZ, TOP, package_source, write_folder
from hdl.compile.graph import BOUNDARY, DecodingGraph
from hdl.compile.manifest import MANIFEST_NAME, PROTOCOL, STREAM_PROTOCOL, DecoderFolder, StreamPorts
from hdl.compile.pairs import Pairs, edge_data_qubits, edge_observables, greedy_pairs
from hdl.compile.ports import CORE_PORTS
from hdl.errors import ErrorModelError, ManifestError

TEMPLATES = Path(__file__).resolve().parent.parent / "skeleton"
STYLES = ("core", "adapter", "stream")
SESSION_FILE = "session.json"
ERROR_MODEL_FILE = "error_model.dem"
SESSION_FACTS = (
    "code_family",
    "code_distance",
    "basis",
    "rounds",
    "num_data_qubits",
    "round_time_ns",
    "stabilizers",
    "observables",
)
OWN_RTL = ("pair_pkg.sv", "pair_list.sv", "decode.sv", "decoder_core.sv")
STREAM_TOP = "stream_decoder"
STREAM_RTL = ("pair_pkg.sv", "pair_list.sv", "decode.sv", "stream_decoder.sv")
STREAM_HINT = """\
# Change the words, the order of the bits and the names of the ports to those of your RTL; docs/own-rtl.md has decoders
# without some of these signals, with tlast, parameters, include folders, data files, or a second clock.
"""
OPTIONAL_PORTS = ("in_last", "in_keep", "out_last")
MAX_PAIRS = 1 << 14


def new_decoder(
    session: Mapping[str, Any],
    error_model: str,
    graph: DecodingGraph,
    output: Path,
    *,
    name: str | None = None,
    style: str = "core",
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
) -> DecoderFolder:
    """Write a decoder folder to edit.

    Args:
        session: the memory as a twin describes it.
        error_model: its detector error model in Stim's format.
        graph: made from the two.
        output: folder to create.
        name: the decoder's; by default the folder's, without what a name cannot have (`decoder_name`).
        style: "core", a module that takes a shot's events and gives its flips; "adapter", one with ports of its own;
            "stream", one with a stream of its own, which needs no RTL of ours.
        clock_mhz: clock that latencies in ns are computed with.

    Raises:
        ManifestError: `output` exists, its name cannot be a decoder's, or there is no such style.
        ErrorModelError: the greedy decoder of the skeleton cannot decode this memory.
    """
    if output.exists():
        raise ManifestError(f"{output} exists; name a folder that does not exist yet")
    if style not in STYLES:
        raise ManifestError(f"there is no style {style!r}; expected {' or '.join(STYLES)}")
    of_qubits = style == "adapter"
    pairs = greedy_pairs(graph, edge_data_qubits(graph) if of_qubits else edge_observables(graph))
    if len(pairs.u) > MAX_PAIRS:
        raise ErrorModelError(
            f"the list of pairs would have {len(pairs.u)} entries, more than {MAX_PAIRS}; take a smaller distance or "
            "fewer rounds (`qtwin compile --core union-find` makes a decoder for this memory)"
        )
    name = name or decoder_name(output)
    values = _values(session, graph, name, style, pairs)
    files: dict[str, str | bytes] = {
        MANIFEST_NAME: yaml.safe_dump(_manifest(session, graph, name, clock_mhz, style), sort_keys=False),
        "pair_pkg.sv": _pair_package(graph, pairs),
        "pair_list.sv": _pair_list(graph, pairs),
        SESSION_FILE: json.dumps({name: session[name] for name in SESSION_FACTS}, indent=1) + "\n",
        ERROR_MODEL_FILE: f"{error_model}\n",
    }
    templates = [*(TEMPLATES / "common").glob("*.in"), *(TEMPLATES / style).glob("*.in")]
    rtl: list[str] = []
    if style == "stream":
        templates.append(TEMPLATES / "core" / "decode.sv.in")
    else:
        rtl = list(COMMON_RTL)
        emitted = CoreFiles(files={}, rtl=())
        files["decoder_pkg.sv"] = package_source(graph, emitted, clock_mhz, num_flips=pairs.flips.shape[1])
    for template in templates:
        files[template.stem] = Template(template.read_text(encoding="utf-8")).substitute(values)
    write_folder(output, files, rtl)
    return DecoderFolder(output)


def new_manifest(
    session: Mapping[str, Any],
    graph: DecodingGraph,
    output: Path,
    rtl: Sequence[str],
    *,
    top: str | None = None,
    name: str | None = None,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
) -> DecoderFolder:
    """Write the manifest alone, for RTL with a stream of its own that is there already.

    Args:
        session, graph, output, name, clock_mhz: see `new_decoder`.
        rtl: its files, the one with the top module last.
        top: the top module; by default that of the last file's name.

    Raises:
        ManifestError: `output` exists, or the name or the top cannot be.
    """
    if output.exists():
        raise ManifestError(f"{output} exists; name a folder that does not exist yet")
    files = [Path(file).expanduser().resolve() for file in rtl]
    sources = [os.path.relpath(file, output.resolve()) for file in files]
    name = name or decoder_name(output)
    content = _manifest(session, graph, name, clock_mhz, "stream") | {"sources": sources, "top": top or files[-1].stem}
    del content["error_model"]
    text = yaml.safe_dump({key: value for key, value in content.items() if key != "stream"}, sort_keys=False)
    stream = yaml.safe_dump({"stream": content["stream"]}, sort_keys=False)
    names = {name: value for name, value in StreamPorts().model_dump().items() if name not in OPTIONAL_PORTS}
    ports = yaml.safe_dump({"ports": names}, sort_keys=False)
    text += STREAM_HINT + stream + textwrap.indent(ports, "  ")
    write_folder(output, {MANIFEST_NAME: text}, [])
    return DecoderFolder(output)


def decoder_name(folder: Path) -> str:
    """A name for the decoder in a folder of any name: accents are dropped, and what else it cannot have is a dash."""
    plain = unicodedata.normalize("NFKD", folder.resolve().name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", plain).strip("-_.+") or "decoder"


def _manifest(
    session: Mapping[str, Any], graph: DecodingGraph, name: str, clock_mhz: float, style: str
) -> dict[str, Any]:
    layout = graph.layout
    facts: dict[str, Any] = {
        "clock_mhz": clock_mhz,
        "corrections": "data_qubits" if style == "adapter" else "observables",
        "graph_hash": f"0x{graph.graph_hash:08x}",
        "num_stabilizers": layout.num_stabilizers,
        "num_data_qubits": layout.num_data_qubits,
        "num_observables": graph.num_observables,
        "rounds": layout.rounds,
        "error_model": ERROR_MODEL_FILE,
        "code": {
            "family": session["code_family"],
            "distance": session["code_distance"],
            "rounds": session["rounds"],
            "basis": session["basis"],
        },
    }
    if style != "stream":
        sources = ["decoder_pkg.sv", *(f"rtl/{file}" for file in COMMON_RTL), *OWN_RTL]
        return {"name": name, "version": "1", "protocol": PROTOCOL, "top": TOP, "sources": sources, **facts}
    stream = {
        "word_bits": 8,
        "shot_words": layout.num_layers * -(-len(graph.layer_select) // 8),
        "answer_words": -(-graph.num_observables // 8),
        "layers": {"stabilizers": "decoded"},
        "observables": [[index] for index in range(graph.num_observables)],
    }
    head = {"name": name, "version": "1", "protocol": STREAM_PROTOCOL, "top": STREAM_TOP, "sources": list(STREAM_RTL)}
    return {**head, **facts, "stream": stream}


def _values(session: Mapping[str, Any], graph: DecodingGraph, name: str, style: str, pairs: Pairs) -> dict[str, str]:
    stabilizers = {int(each["index"]): each for each in session["stabilizers"]}
    rows = [
        f"| {bit} | {index} | {stabilizers[index]['type']} | "
        f"{', '.join(f'{place:g}' for place in stabilizers[index]['coordinates'])} | "
        f"{', '.join(str(qubit) for qubit in stabilizers[index]['data_qubits'])} |"
        for bit, index in enumerate(int(index) for index in graph.layer_select)
    ]
    return {
        "name": name,
        "style": style,
        "core_ports": CORE_PORTS,
        "memory": f"{session['code_family']} code, distance {session['code_distance']}, {session['rounds']} rounds, "
        f"memory {session['basis']}",
        "loop_options": f"--code {session['code_family']} --distance {session['code_distance']} "
        f"--rounds {session['rounds']} --basis {session['basis']}",
        "num_layers": str(graph.layout.num_layers),
        "last_layer": str(graph.layout.rounds),
        "layer_width": str(len(graph.layer_select)),
        "num_pairs": str(len(pairs.u)),
        "events_table": "\n".join(rows),
        "observable": ", ".join(str(qubit) for qubit in session["observables"][0]["data_qubits"]),
    }


def _widths(graph: DecodingGraph, pairs: Pairs) -> tuple[int, int]:
    """Bits of the number of a pair, and of an event."""
    num_events = len(graph.layer_select) * graph.layout.num_layers
    return max(1, (len(pairs.u) - 1).bit_length()), max(1, (num_events - 1).bit_length())


def _pair_package(graph: DecodingGraph, pairs: Pairs) -> str:
    index_bits, event_bits = _widths(graph, pairs)
    return textwrap.dedent(f"""\
        // Sizes of pair_list.sv, generated from the error model.
        package pair_pkg;
          localparam int NumPairs = {len(pairs.u)};
          localparam int IndexBits = {index_bits};
          localparam int EventBits = {event_bits};
          localparam int NumFlips = {pairs.flips.shape[1]};
          localparam int NumLayers = {graph.layout.num_layers};
          localparam int LayerWidth = {len(graph.layer_select)};
          localparam int PairBits = NumFlips + 1 + 2 * EventBits;
        endpackage
        """)


def _pair_list(graph: DecodingGraph, pairs: Pairs) -> str:
    _, event_bits = _widths(graph, pairs)
    num_flips = pairs.flips.shape[1]
    digits = f"{num_flips}'b{{flips}}, 1'b{{boundary}}, {event_bits}'d{{v}}, {event_bits}'d{{u}}"
    entries = []
    for index, (u, v, flips) in enumerate(zip(pairs.u, pairs.v, pairs.flips, strict=True)):
        fields = digits.format(
            flips="".join(str(bit) for bit in flips[::-1]),
            boundary=int(v == BOUNDARY),
            v=0 if v == BOUNDARY else int(graph.vertex_position[v]),
            u=int(graph.vertex_position[u]),
        )
        entries.append(f"    pairs[{index}] = {{{fields}}};")
    body = "\n".join(entries)
    return f"""\
// Pairs for greedy matching, cheapest first: {{flips, to the boundary, event v, event u}}. Generated.
`default_nettype none
module pair_list (
    input  logic [pair_pkg::IndexBits-1:0] index_i,
    output logic [pair_pkg::PairBits-1:0]  pair_o
);
  logic [pair_pkg::PairBits-1:0] pairs [0:pair_pkg::NumPairs-1];
  initial begin
{body}
  end
  assign pair_o = pairs[index_i];
endmodule
`default_nettype wire
"""
