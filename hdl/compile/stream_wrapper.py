"""Puts the qds1 ports around a decoder with a stream of its own, as its manifest describes it."""

from pathlib import Path

import yaml

from hdl.build import cached_build
from hdl.compile.decoder import RTL_FOLDER
from hdl.compile.manifest import DATA_FIELDS, MANIFEST_NAME, PROTOCOL, DecoderFolder, StreamFormat

WRAPPER_TOP = "qtwin_stream_top"
WRAPPER_RTL = ("qds1_pkg.sv", "sync_fifo.sv", "stream_adapter.sv")
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
    """The decoder itself, or a folder in the build cache with stream_adapter.sv around it."""
    stream = decoder.manifest.stream
    if stream is None:
        return decoder
    manifest = decoder.manifest.model_dump(mode="json", exclude={"stream", *DATA_FIELDS})
    source = wrapper_source(stream, decoder.manifest.top, decoder.manifest.graph_hash or 0)
    sources = [*(RTL_FOLDER / name for name in WRAPPER_RTL), *decoder.sources]
    manifest |= {
        "protocol": PROTOCOL,
        "top": WRAPPER_TOP,
        "parameters": {},
        "sources": [*map(str, sources), "stream_top.sv"],
    }

    def build(folder: Path) -> None:
        (folder / "stream_top.sv").write_text(source, encoding="utf-8")
        (folder / MANIFEST_NAME).write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")

    key = {"what": "stream wrapper", "manifest": manifest, "source": source, "paths": [str(path) for path in sources]}
    return DecoderFolder(cached_build(key, build))


def wrapper_source(stream: StreamFormat, top: str, graph_hash: int) -> str:
    """Text of the module around a decoder `top`."""
    ports = stream.ports
    reset = "!rst_ni" if ports.reset_active == "high" else "rst_ni"
    return f"""\
// The qds1 ports around {top}. Generated from its manifest.
`default_nettype none
module {WRAPPER_TOP} (
{QDS1_PORTS}
);
  logic [{stream.word_bits - 1}:0] in_data, out_data;
  logic in_valid, in_ready, out_valid, out_ready;
  stream_adapter #(
      .WordBits({stream.word_bits}),
      .ShotWords({stream.shot_words}),
      .AnswerWords({stream.answer_words}),
      .GraphHash(32'h{graph_hash:08x})
  ) u_adapter (
      .clk_i, .rst_ni,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast,
      .s_axil_awvalid, .s_axil_awready, .s_axil_wvalid, .s_axil_wready, .s_axil_bresp, .s_axil_bvalid, .s_axil_bready,
      .s_axil_araddr, .s_axil_arvalid, .s_axil_arready, .s_axil_rdata, .s_axil_rresp, .s_axil_rvalid, .s_axil_rready,
      .in_data_o(in_data), .in_valid_o(in_valid), .in_ready_i(in_ready),
      .out_data_i(out_data), .out_valid_i(out_valid), .out_ready_o(out_ready)
  );
  {top} u_decoder (
      .{ports.clock}(clk_i),
      .{ports.reset}({reset}),
      .{ports.in_data}(in_data),
      .{ports.in_valid}(in_valid),
      .{ports.in_ready}(in_ready),
      .{ports.out_data}(out_data),
      .{ports.out_valid}(out_valid),
      .{ports.out_ready}(out_ready)
  );
  logic unused;
  assign unused = ^{{s_axis_tlast, s_axil_awaddr, s_axil_wdata, s_axil_wstrb}};
endmodule
`default_nettype wire
"""
