// Edge weights that can be changed while the decoder runs.
//
// cfg address 0 .. NumLanes-1: the weight of a lane;  NumLanes: the growth that decoding starts at;
// NumLanes+1: writing anything puts all of them to use, between two shots, in one piece; reads 1 until that is done.
`default_nettype none
module uf_weight_store #(
    parameter int NumLanes = 16,
    parameter int WeightBits = 4,
    parameter int Start = 1,
    parameter logic [NumLanes*WeightBits-1:0] Weights = '0  // lane i at [i*WeightBits +: WeightBits]
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    input  logic                  cfg_we_i,
    input  logic [31:0]           cfg_addr_i,
    input  logic [31:0]           cfg_wdata_i,
    output logic [31:0]           cfg_rdata_o,
    input  logic                  core_idle_i,
    output logic                  hold_o,          // no shot may be loaded
    output logic                  weight_shift_o,
    output logic [WeightBits-1:0] weight_o,
    output logic [WeightBits:0]   start_o
);
  localparam int AddressBits = NumLanes > 1 ? $clog2(NumLanes) : 1;

  logic [WeightBits-1:0] memory_q [0:NumLanes-1];
  initial begin
    for (int i = 0; i < NumLanes; i++) memory_q[i] = Weights[i*WeightBits +: WeightBits];
  end

  logic [WeightBits:0] start_q, start_next_q;
  initial begin
    start_q = (WeightBits+1)'(Start);
    start_next_q = (WeightBits+1)'(Start);
  end

  logic wanted_q, shift_q;
  logic [AddressBits-1:0] lane_q;
  logic [WeightBits-1:0] read_q;
  logic [31:0] other_q;
  logic in_table_q;
  logic in_table;
  assign in_table = cfg_addr_i < NumLanes;
  assign hold_o = wanted_q || shift_q;
  assign weight_shift_o = shift_q;
  assign weight_o = memory_q[lane_q];
  assign start_o = start_q;

  always_ff @(posedge clk_i) begin
    if (cfg_we_i && in_table) memory_q[AddressBits'(cfg_addr_i)] <= WeightBits'(cfg_wdata_i);
    if (cfg_we_i && cfg_addr_i == NumLanes) start_next_q <= (WeightBits+1)'(cfg_wdata_i);
  end

  // The chain of weight registers is filled from its far end on: the highest lane goes in first.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) wanted_q <= 1'b0;
    else if (cfg_we_i && cfg_addr_i == NumLanes + 1) wanted_q <= 1'b1;
    else if (wanted_q && core_idle_i && !shift_q) wanted_q <= 1'b0;
    if (shift_q) begin
      lane_q <= lane_q - 1'b1;
      if (lane_q == '0) shift_q <= 1'b0;
    end else if (wanted_q && core_idle_i) begin
      shift_q <= 1'b1;
      lane_q <= AddressBits'(NumLanes - 1);
      start_q <= start_next_q;
    end
  end
  initial shift_q = 1'b0;

  always_ff @(posedge clk_i) begin
    read_q <= memory_q[in_table ? AddressBits'(cfg_addr_i) : '0];
    in_table_q <= in_table;
    other_q <= cfg_addr_i == NumLanes ? 32'(start_next_q) : 32'(cfg_addr_i == NumLanes + 1 && hold_o);
    cfg_rdata_o <= in_table_q ? 32'(read_q) : other_q;
  end

  logic unused_wdata;
  assign unused_wdata = ^cfg_wdata_i;
endmodule
`default_nettype wire
