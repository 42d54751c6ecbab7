"""Puts the qds1 ports around a decoder with a stream of its own, or with parameters, as its manifest describes it."""

from collections.abc import Iterable
from enum import IntFlag
from pathlib import Path

import yaml

from hdl.build import cached_build
from hdl.compile.decoder import RTL_FOLDER
from hdl.compile.manifest import DATA_FIELDS, MANIFEST_NAME, PROTOCOL, DecoderFolder, Manifest, StreamFormat
from hdl.design import literal

WRAPPER_TOP = "qtwin_top"
ADAPTER = "qtwin_stream_adapter.sv"
WRAPPER_FILE = "qtwin_top.sv"


class AdapterStatus(IntFlag):
    """Status flags of a CORRECTION that qtwin_stream_adapter.sv sends; each stays up until reset."""

    WITHDRAWN = 1 << 8
    """out_valid fell before a word was taken."""
    CHANGED = 1 << 9
    """A word changed before it was taken."""
    MISPLACED_LAST = 1 << 10
    """out_last was not with an answer's last word."""
    LOST = 1 << 11
    """A word came when none was due."""


QDS1_PORTS = """\
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic [31:0] s_axis_tdata,
    input  logic        s_axis_tvalid,
    output logic        s_axis_tready,
    input  logic        s_axis_tlast,
    output logic [31:0] m_axis_tdata,
    output logic        m_axis_tvalid,
    input  logic        m_axis_tready,
    output logic        m_axis_tlast,
    input  logic [11:0] s_axil_awaddr,
    input  logic        s_axil_awvalid,
    output logic        s_axil_awready,
    input  logic [31:0] s_axil_wdata,
    input  logic [3:0]  s_axil_wstrb,
    input  logic        s_axil_wvalid,
    output logic        s_axil_wready,
    output logic [1:0]  s_axil_bresp,
    output logic        s_axil_bvalid,
    input  logic        s_axil_bready,
    input  logic [11:0] s_axil_araddr,
    input  logic        s_axil_arvalid,
    output logic        s_axil_arready,
    output logic [31:0] s_axil_rdata,
    output logic [1:0]  s_axil_rresp,
    output logic        s_axil_rvalid,
    input  logic        s_axil_rready"""


def with_qds1_ports(decoder: DecoderFolder) -> DecoderFolder:
    """The decoder itself if it has the qds1 ports and no parameters; else a folder in the cache with a top around it.

    Raises:
        BuildError: its VHDL cannot be made into Verilog.
    """
    stream, parameters = decoder.manifest.stream, decoder.manifest.parameters
    if stream is None and not parameters:
        return decoder
    source = wrapper_source(decoder.manifest)
    design = decoder.design
    manifest = decoder.manifest.model_dump(mode="json", exclude={"stream", *DATA_FIELDS})
    adapter = [ADAPTER] if stream is not None else []
    manifest |= {
        "protocol": PROTOCOL,
        "top": WRAPPER_TOP,
        "parameters": {},
        "sources": [
            *({"file": str(each.path), "language": each.language} for each in design.sources), *adapter, WRAPPER_FILE
        ],
        "include_dirs": [str(folder) for folder in design.include_dirs],
        "files": list(design.files),
    }  # fmt: skip

    def build(folder: Path) -> None:
        for name in adapter:
            (folder / name).write_bytes((RTL_FOLDER / name).read_bytes())
        (folder / WRAPPER_FILE).write_text(source, encoding="utf-8")
        (folder / MANIFEST_NAME).write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
        design.put_files(folder)

    key = {
        "what": "qds1 ports",
        "manifest": manifest,
        "source": source,
        "adapter": [RTL_FOLDER / name for name in adapter],
        "design": design.key(),
    }
    return DecoderFolder(cached_build(key, build))


def wrapper_source(manifest: Manifest) -> str:
    """Text of the module around a decoder."""
    stream = manifest.stream
    clocks = "".join(f"    input  logic        {name},\n" for name in manifest.clocks)
    values = ", ".join(f".{name}({literal(value)})" for name, value in manifest.parameters.items())
    inside = _qds1_decoder(manifest) if stream is None else _adapter(manifest, stream)
    return f"""\
// The qds1 ports around {manifest.top}. Generated from its manifest.
`default_nettype none
module {WRAPPER_TOP} (
{clocks}{QDS1_PORTS}
);
{inside.replace("PARAMETERS", f" #({values})" if values else "")}
endmodule
`default_nettype wire
"""


def _qds1_decoder(manifest: Manifest) -> str:
    names = [*manifest.clocks, *(line.split()[-1].rstrip(",") for line in QDS1_PORTS.splitlines())]
    return f"  {manifest.top}PARAMETERS u_decoder (\n{_connected((name, name) for name in names)}\n  );"


def _connected(pins: Iterable[tuple[str, str]]) -> str:
    return ",\n".join(f"      .{pin}({net})" for pin, net in pins)


def _adapter(manifest: Manifest, stream: StreamFormat) -> str:
    pins = [*((name, name) for name in manifest.clocks), *_stream_pins(stream)]
    answers = stream.shots_in_flight if not stream.can_be_stalled else 1
    parameters = {
        "WordBits": stream.word_bits,
        "ShotWords": stream.shot_words,
        "AnswerWords": stream.answer_words,
        "InFlight": stream.shots_in_flight,
        "Answers": answers,
        "HasOutReady": f"1'b{int(stream.has('ready', 'out'))}",
        "HasOutLast": f"1'b{int(stream.has('last', 'out'))}",
        "HasOutValid": f"1'b{int(stream.has('valid', 'out'))}",
        "Latency": stream.latency or 0,
        "GraphHash": f"32'h{manifest.graph_hash or 0:08x}",
        "ClockHz": f"32'd{round(1e6 * manifest.clock_mhz)}",
    }
    return f"""\
  logic [{stream.word_bits - 1}:0] in_data, out_data;
  logic in_valid, in_ready, in_last, out_valid, out_ready, out_last;
  qtwin_stream_adapter #(
{_connected((name, str(value)) for name, value in parameters.items())}
  ) u_adapter (
      .clk_i, .rst_ni,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast,
      .s_axil_awvalid, .s_axil_awready, .s_axil_wvalid, .s_axil_wready, .s_axil_bresp, .s_axil_bvalid, .s_axil_bready,
      .s_axil_araddr, .s_axil_arvalid, .s_axil_arready, .s_axil_rdata, .s_axil_rresp, .s_axil_rvalid, .s_axil_rready,
      .in_data_o(in_data), .in_valid_o(in_valid), .in_last_o(in_last), .in_ready_i(in_ready),
      .out_data_i(out_data), .out_valid_i(out_valid), .out_last_i(out_last), .out_ready_o(out_ready)
  );
{_unconnected(stream)}\
  {manifest.top}PARAMETERS u_decoder (
{_connected(pins)}
  );
  logic unused;
  assign unused = ^{{s_axis_tlast, s_axil_awaddr, s_axil_wdata, s_axil_wstrb, in_valid, in_last, out_ready}};"""


def _stream_pins(stream: StreamFormat) -> list[tuple[str, str]]:
    """(port of the decoder, net) of its clock, reset, streams and tied inputs."""
    ports = stream.ports
    pins = [(ports.clock, "clk_i")]
    if ports.reset is not None:
        pins.append((ports.reset, "!rst_ni" if ports.reset_active == "high" else "rst_ni"))
    pins += [(ports.in_data, "in_data"), (ports.out_data, "out_data")]
    for signal in ("valid", "ready", "last"):
        for side in ("in", "out"):
            if stream.has(signal, side):
                pins.append((getattr(ports, f"{side}_{signal}"), f"{side}_{signal}"))
    if stream.has_keep:
        pins.append((ports.in_keep, f"{{{-(-stream.word_bits // 8)}{{1'b1}}}}"))
    # wide enough for any port: the upper bits of a constant are cut off
    return pins + [(name, f"{max(1, value.bit_length())}'h{value:x}") for name, value in stream.ties.items()]


def _unconnected(stream: StreamFormat) -> str:
    """What the adapter sees of signals that the decoder has not."""
    constants = {
        "in_ready": (stream.has("ready", "in"), "1'b1"),
        "out_valid": (stream.has("valid", "out"), "1'b0"),
        "out_last": (stream.has("last", "out"), "1'b0"),
    }
    return "".join(f"  assign {net} = {value};\n" for net, (is_there, value) in constants.items() if not is_there)
