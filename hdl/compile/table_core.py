"""Writes decoder_core.sv of a look-up-table decoder: the memory with its contents, around hdl/rtl/table_core.sv."""

import io

import numpy as np
from numpy.typing import NDArray

from hdl.compile.core_files import CoreFiles
from hdl.compile.graph import MAX_TABLE_DETECTORS, DecodingGraph
from hdl.compile.ports import CORE_PORTS
from hdl.compile.table import maximum_likelihood_table
from hdl.errors import ErrorModelError

TABLE_FILE = "table.npy"


def emit_core(graph: DecodingGraph) -> CoreFiles:
    """Compile the exact table of a graph.

    Raises:
        ErrorModelError: the component has more than 20 detectors.
    """
    table = maximum_likelihood_table(graph)
    stored = io.BytesIO()
    np.save(stored, table)
    return CoreFiles(
        files={
            "decoder_core.sv": core_source(table_planes(graph, table), graph.num_vertices, used_events(graph)),
            TABLE_FILE: stored.getvalue(),
        },
        rtl=("table_core.sv",),
        table=TABLE_FILE,
    )


def check_table_size(layer_width: int, num_layers: int) -> int:
    """Detectors of a memory of one basis; raises ErrorModelError where they are too many for a table."""
    num_detectors = layer_width * num_layers
    if num_detectors > MAX_TABLE_DETECTORS:
        raise ErrorModelError(
            f"a table needs {num_detectors} address bits ({layer_width} detectors in each of {num_layers} layers), at "
            f"most {MAX_TABLE_DETECTORS} are possible; use fewer rounds, a smaller distance, or the union-find core"
        )
    return num_detectors


def used_events(graph: DecodingGraph) -> NDArray[np.bool_]:
    """Which events of a shot's selected layers make the address, shape (layers * bits of a layer,)."""
    used = np.zeros(graph.layout.num_layers * len(graph.layer_select), dtype=bool)
    used[graph.vertex_position] = True
    return used


def table_planes(graph: DecodingGraph, table: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The memory's contents.

    Args:
        graph: its vertices come in the order of their events, so that a syndrome is its address.
        table: uint32, shape (2**vertices,), from `maximum_likelihood_table`.

    Returns:
        uint32, shape (observables, words): bit a % 32 of word a // 32 is the flip for address a; at least two words.
    """
    planes = np.zeros((graph.num_observables, max(64, table.size)), dtype=np.uint8)
    for observable in range(graph.num_observables):
        planes[observable, : table.size] = table >> np.uint32(observable) & np.uint32(1)
    return np.packbits(planes, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def core_source(planes: NDArray[np.uint32], address_bits: int, used: NDArray[np.bool_] | None = None) -> str:
    """Text of decoder_core.sv.

    Args:
        planes: the memory's contents, from `table_planes`.
        address_bits: of the table.
        used: see `used_events`; None where all of them are.
    """
    used = np.ones(address_bits, dtype=bool) if used is None else used
    num_observables, num_words = planes.shape
    memories = "\n".join(_memory(index, plane) for index, plane in enumerate(planes))
    return f"""\
// Decoder core: exact table of 2**{address_bits} entries for {num_observables} observable(s). Generated.
`default_nettype none
module decoder_core (
{CORE_PORTS}
);
  localparam int WordAddressBits = {num_words.bit_length() - 1};
  localparam int NumWords = {num_words};
  localparam int NumObservables = {num_observables};

  logic mem_read;
  logic [WordAddressBits-1:0] mem_address;
  logic [NumObservables*32-1:0] mem_rdata;
  logic [NumObservables*32-1:0] cfg_rdata;
  logic [31-WordAddressBits:0] cfg_plane;
  logic [31-WordAddressBits:0] cfg_plane_q;
  logic [WordAddressBits-1:0] cfg_word;
  assign {{cfg_plane, cfg_word}} = cfg_addr_i;

{memories}
  always_ff @(posedge clk_i) begin
    cfg_plane_q <= cfg_plane;
    cfg_rdata_o <= '0;
    for (int k = 0; k < NumObservables; k++) begin
      if (32'(cfg_plane_q) == k) cfg_rdata_o <= cfg_rdata[32*k +: 32];
    end
  end

  table_core #(
      .LayerWidth(decoder_pkg::LayerWidth),
      .NumLayers(decoder_pkg::NumLayers),
      .NumObservables(NumObservables),
      .Used({used.size}'b{"".join("1" if event else "0" for event in used[::-1])})
  ) u_table (
      .clk_i,
      .rst_ni,
      .layer_valid_i,
      .layer_ready_o,
      .layer_events_i,
      .layer_last_i,
      .abort_i,
      .result_valid_o,
      .result_ready_i,
      .result_flips_o,
      .mem_read_o   (mem_read),
      .mem_address_o(mem_address),
      .mem_rdata_i  (mem_rdata)
  );
  assign result_status_o = '0;
  assign result_frame_o = 1'b0;
  assign result_round_o = '0;
endmodule
`default_nettype wire
"""


def _memory(index: int, plane: NDArray[np.uint32]) -> str:
    contents = "\n".join(f"    plane_{index}[{word}] = 32'h{int(value):08x};" for word, value in enumerate(plane))
    return f"""\
  logic [31:0] plane_{index} [0:NumWords-1];
  initial begin
{contents}
  end
  always_ff @(posedge clk_i) begin
    if (mem_read) mem_rdata[{32 * index} +: 32] <= plane_{index}[mem_address];
  end
  always_ff @(posedge clk_i) begin
    cfg_rdata[{32 * index} +: 32] <= plane_{index}[cfg_word];
    if (cfg_we_i && 32'(cfg_plane) == {index}) plane_{index}[cfg_word] <= cfg_wdata_i;
  end
"""
