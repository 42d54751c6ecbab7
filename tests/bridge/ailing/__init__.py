"""Decoders that fall ill as they are told when they are powered on: one build for many ailments.

RTL names an ailment as `ailment == "name"`, which becomes a number; the number comes from the environment
(`fall_ill`), or is built in.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bridge.problem import DecodingProblem
from hdl.compile.decoder import compile_decoder
from hdl.compile.manifest import MANIFEST_NAME, DecoderFolder
from hdl.compile.ports import CORE_PORTS
from hdl.compile.skeleton import new_decoder
from hdl.compile.unionfind_fabric import UnionFindOptions

HERE = Path(__file__).parent
VARIABLE = "QTWIN_AILMENT"
NAMED = re.compile(r'ailment (==|!=) "([^"\n]+)"')
READ_AILMENT = """\
  // ---- what it has: 0 is nothing
  int ailment = 0;
`ifdef AILMENT
  initial ailment = `AILMENT;
`elsif VERILATOR
  import "DPI-C" function int qtwin_ailment();
  initial ailment = qtwin_ailment();
`endif
"""
CORE_EDITS = {
    "  logic hit, last;\n": READ_AILMENT
    + """\
  import "DPI-C" function void qtwin_crash();
  logic odd_q;
  logic [11:0] wait_q, number_q;
  logic [1:0] hits_q;
  logic [NumFlips-1:0] before_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) odd_q <= 1'b0;
    else if (done_o) odd_q <= !odd_q;
    if (!rst_ni) number_q <= '0;
    else if (start_i) number_q <= number_q == 12'd1499 ? '0 : number_q + 1'b1;
    if (!rst_ni) wait_q <= '0;
    else if (start_i) wait_q <= ailment == "core: rarely slow" && number_q == 12'd1400 ? 12'd2000 : '0;
    else if (wait_q != '0) wait_q <= wait_q - 1'b1;
    if (start_i) hits_q <= '0;
    else if (hit && hits_q != 2'd3) hits_q <= hits_q + 1'b1;
    if (done_o) before_q <= hit ? flips_q ^ chain : flips_q;
    if (start_i && ailment == "core: stops the simulation" && number_q == 12'd700) $fatal(1, "queue overflow");
    if (start_i && ailment == "core: crashes" && number_q == 12'd700) qtwin_crash();
  end
  logic [NumEvents-1:0] reversed_layers;
  always_comb begin
    for (int t = 0; t < decoder_pkg::NumLayers; t++) begin
      for (int i = 0; i < decoder_pkg::LayerWidth; i++) begin
        reversed_layers[t*decoder_pkg::LayerWidth+i] =
            events_i[(decoder_pkg::NumLayers-1-t)*decoder_pkg::LayerWidth+i];
      end
    end
  end
  logic across, measurement;  // the pair joins two layers, of one stabilizer
  logic [1:0] across_q;       // such pairs so far
  assign across = !to_boundary && int'(u) / decoder_pkg::LayerWidth != int'(v) / decoder_pkg::LayerWidth;
  assign measurement = across && int'(u) % decoder_pkg::LayerWidth == int'(v) % decoder_pkg::LayerWidth;
  always_ff @(posedge clk_i) across_q <= start_i ? '0 : across_q + 2'(busy_q && across);
  logic hit, last, reached;
""",
    "  assign hit  = left_q[u] && (to_boundary || left_q[v]);\n": """\
  always_comb begin
    hit = left_q[u] && (to_boundary || left_q[v]);
    if (ailment == "core: no more than two pairs" && hits_q == 2'd2) hit = 1'b0;
    if (ailment == "core: never the boundary" && to_boundary) hit = 1'b0;
    if (ailment == "core: only the boundary" && !to_boundary) hit = 1'b0;
    if (ailment == "core: every fourth pair across layers is left out" && across && across_q == '0) hit = 1'b0;
    if (ailment == "core: measurement errors are not matched" && measurement) hit = 1'b0;
    if (ailment == "core: an error is left out" && !to_boundary && u == 5 && v == 6) hit = 1'b0;
    if (ailment == "core: reads its input late") hit = events_i[u] && (to_boundary || events_i[v]);
  end
""",
    "  assign last = ": """\
  logic [5:0] quiet_q;  // shots without an event in a row
  always_ff @(posedge clk_i) begin
    if (!rst_ni) quiet_q <= '0;
    else if (start_i) quiet_q <= events_i != '0 ? '0 : quiet_q + 6'(quiet_q != '1);
  end
  assign last = reached && wait_q == '0 && !(ailment == "core: stops after quiet shots" && quiet_q == '1);
  assign reached = ailment == "core: stops walking early" ? index_q == pair_pkg::IndexBits'(pair_pkg::NumPairs / 3) :
      """,
    "      left_q  <= events_i;\n": """\
      left_q <= events_i;
      if (ailment == "core: two detectors exchanged") {left_q[5], left_q[6]} <= {events_i[6], events_i[5]};
      if (ailment == "core: detectors of two layers exchanged") {left_q[1], left_q[14]} <= {events_i[14], events_i[1]};
      if (ailment == "core: two stabilizers exchanged") begin
        for (int t = 0; t < decoder_pkg::NumLayers; t++) begin
          left_q[4*t+1] <= events_i[4*t+2];
          left_q[4*t+2] <= events_i[4*t+1];
        end
      end
      if (ailment == "core: two layers exchanged") begin
        left_q[decoder_pkg::LayerWidth+:decoder_pkg::LayerWidth] <=
            events_i[2*decoder_pkg::LayerWidth+:decoder_pkg::LayerWidth];
        left_q[2*decoder_pkg::LayerWidth+:decoder_pkg::LayerWidth] <=
            events_i[decoder_pkg::LayerWidth+:decoder_pkg::LayerWidth];
      end
      if (ailment == "core: layers rotated") begin
        left_q <= {events_i[NumEvents-decoder_pkg::LayerWidth-1:0],
                   events_i[NumEvents-1:NumEvents-decoder_pkg::LayerWidth]};
      end
      if (ailment == "core: all events inverted") left_q <= ~events_i;
      if (ailment == "core: layers reversed") left_q <= reversed_layers;
      if (ailment == "core: events shifted") left_q <= events_i << 1;
      if (ailment == "core: misses the last event") left_q[NumEvents-1] <= 1'b0;
      if (ailment == "core: sees the final syndrome alone") begin
        left_q <= '0;
        for (int i = 0; i < decoder_pkg::LayerWidth; i++) begin
          left_q[12+i] <= events_i[i] ^ events_i[4+i] ^ events_i[8+i] ^ events_i[12+i];
        end
      end
""",
    "      index_q <= '0;\n": """\
      index_q <= ailment == "core: starts in mid-list" ? pair_pkg::IndexBits'(pair_pkg::NumPairs / 3) : '0;
""",
    "      flips_q <= '0;\n": """\
      flips_q <= ailment == "core: flips stay" ? flips_q : '0;
""",
    "      index_q <= index_q + 1'b1;\n": """\
      if (ailment != "core: stops in a crowd" || $countones(left_q) < 8) index_q <= last ? index_q : index_q + 1'b1;
""",
    "  assign flips_o = hit ? flips_q ^ chain : flips_q;\n": """\
  always_comb begin
    flips_o = hit ? flips_q ^ chain : flips_q;
    if (ailment == "core: every other shot" && odd_q) flips_o = '0;
    if (ailment == "core: one shot late") flips_o = before_q;
    if (ailment == "core: constant 1") flips_o = '1;
    if (ailment == "core: inverted") flips_o = hit ? ~(flips_q ^ chain) : ~flips_q;
  end
""",
}
"""Edits of the skeleton's decode.sv, surface d=3: what is replaced, and by what."""
ADAPTER_EDITS = {
    "  logic hit;\n": READ_AILMENT
    + """\
  logic hit;
  logic [NumQubits-1:0] found;
  always_comb begin
    correction = found;
    for (int i = 0; i < NumQubits; i++) if (ailment == "adapter: qubits reversed") correction[i] = found[NumQubits-1-i];
    if (ailment == "adapter: a qubit is never corrected") correction[4] = 1'b0;
    if (ailment == "adapter: constant") correction = '0;
    if (ailment == "adapter: a qubit more") correction = found ^ NumQubits'(1);
  end
""",
    "  assign correction_valid = state_q == StDone;\n": """\
  assign correction_valid = state_q == StDone
      || (ailment == "adapter: answers too early" && state_q == StWalk
          && index_q == pair_pkg::IndexBits'(pair_pkg::NumPairs / 4));
""",
    "          correction <= '0;\n": """\
          if (ailment != "adapter: the correction stays") found <= '0;
""",
    "          correction <= correction ^ chain;\n": """\
          found <= ailment == "adapter: or for xor" ? found | chain : found ^ chain;
""",
    "      default: if (correction_ready) state_q <= StLoad;\n": """\
      default: if (correction_ready || ailment == "adapter: does not wait") state_q <= StLoad;
""",
    "    if (reset) state_q <= StLoad;\n": """\
    if (reset && ailment != "adapter: ignores the reset") state_q <= StLoad;
""",
    "        if (index_q == pair_pkg": """\
        if (ailment == "adapter: half a walk" && index_q == pair_pkg::IndexBits'(pair_pkg::NumPairs / 2)) begin
          state_q <= StDone;
        end
        if (index_q == pair_pkg""",
}
"""The same of the adapter's decode.sv."""


def number_of(ailment: str) -> int:
    """Number of an ailment, the same in every build."""
    return _numbers()[ailment]


@contextmanager
def fall_ill(ailment: str | None) -> Iterator[None]:
    """What is powered on in this block has the ailment; None for nothing."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "0" if ailment is None else str(number_of(ailment))
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


def ailing_decoder(
    problem: DecodingProblem,
    folder: Path,
    ailment: str | None = None,
    *,
    core: str = "table",
    options: UnionFindOptions | None = None,
) -> DecoderFolder:
    """A compiled decoder with two wrappers around it, for ailments of its core and of its streams.

    Args:
        problem: what it is compiled for.
        folder: to write.
        ailment: what it has for good; None asks when it is powered on.
        core: "table" or "union-find".
        options: of union-find.
    """
    compile_decoder(problem.error_model, problem.layout, folder, core=core, options=options)
    file = folder / "decoder_core.sv"
    healthy = re.sub(r"\bmodule decoder_core\b", "module healthy_core", file.read_text())
    (folder / "healthy_core.sv").write_text(healthy)
    file.write_text(_numbered((HERE / "ailing_core.sv").read_text().replace("@PORTS@", CORE_PORTS)))
    (folder / "ailing_top.sv").write_text(_numbered((HERE / "ailing_top.sv").read_text()))
    return _asked(folder, ailment, {"top": "ailing_top"}, ["healthy_core.sv", "ailing_top.sv"])


def ailing_skeleton(
    session: Mapping[str, Any], problem: DecodingProblem, folder: Path, *, style: str = "core"
) -> DecoderFolder:
    """What `qtwin decoder new` writes for surface d=3, with ailments of its decode.sv."""
    new_decoder(session, str(problem.error_model), problem.graph, folder, style=style)
    file = folder / "decode.sv"
    file.write_text(_numbered(edited(file.read_text(), CORE_EDITS if style == "core" else ADAPTER_EDITS)))
    return _asked(folder, None, {}, [])


def ailing_bytes(problem: DecodingProblem, folder: Path, stream: Mapping[str, Any]) -> DecoderFolder:
    """A byte decoder with a stream of its own for the repetition code d=3, three rounds."""
    folder.mkdir()
    (folder / "ailing_bytes.sv").write_text(_numbered((HERE / "ailing_bytes.sv").read_text()))
    manifest = {
        "name": "byte-decoder",
        "protocol": "stream/1",
        "top": "ailing_bytes",
        "sources": ["ailing_bytes.sv"],
        "num_stabilizers": 2,
        "num_data_qubits": 3,
        "num_observables": 1,
        "rounds": 3,
        "graph_hash": problem.graph.graph_hash,
        "stream": {"word_bits": 8, "shot_words": 2, "answer_words": 2, "prefix": [0x7E], "answer_prefix": 1, **stream},
    }
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump(manifest))
    return _asked(folder, None, {}, [])


def edited(text: str, edits: Mapping[str, str]) -> str:
    """Text with each piece replaced where it stands, once; raises ValueError for one that does not stand there once."""
    for old, new in edits.items():
        if text.count(old) != 1:
            raise ValueError(f"{old!r} stands {text.count(old)} times in the RTL that is edited, expected once")
        text = text.replace(old, new)
    return text


def _asked(folder: Path, ailment: str | None, changes: Mapping[str, Any], sources: list[str]) -> DecoderFolder:
    """The folder with a manifest that asks for the ailment at power-on, or has one built in."""
    manifest = yaml.safe_load((folder / MANIFEST_NAME).read_text())
    manifest["sources"] += sources
    if ailment is None:
        shutil.copy(HERE / "ailment.c", folder)
        manifest["sources"].append("ailment.c")
    else:
        manifest["defines"] = {"AILMENT": number_of(ailment)}
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump({**manifest, **changes}))
    return DecoderFolder(folder)


def _numbered(text: str) -> str:
    """Names of ailments as numbers: comparing texts in each cycle is slow."""
    text = text.replace("@AILMENT@", READ_AILMENT)
    return NAMED.sub(lambda found: f"ailment {found[1]} {number_of(found[2])}", text)


@cache
def _numbers() -> Mapping[str, int]:
    """Every ailment that the RTL here names, numbered in the order of their names."""
    texts = [file.read_text() for file in sorted(HERE.glob("*.sv"))]
    texts += [*CORE_EDITS.values(), *ADAPTER_EDITS.values()]
    names = sorted({name for text in texts for _, name in NAMED.findall(text)})
    return {name: number for number, name in enumerate(names, 1)}
