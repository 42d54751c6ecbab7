// Two masters, the stream's WRITE and READ messages and AXI4-Lite, onto one register bus.
// The stream goes first; it needs several words per access, so AXI4-Lite always finds a gap.
`default_nettype none
module register_arbiter (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic        stream_valid_i,
    input  logic        stream_write_i,
    input  logic [31:0] stream_address_i,
    input  logic [31:0] stream_wdata_i,
    output logic        stream_ready_o,
    input  logic        axil_valid_i,
    input  logic        axil_write_i,
    input  logic [31:0] axil_address_i,
    input  logic [31:0] axil_wdata_i,
    input  logic [3:0]  axil_wstrb_i,
    output logic        axil_ready_o,
    output logic        bus_valid_o,
    output logic        bus_write_o,
    output logic [31:0] bus_address_o,
    output logic [31:0] bus_wdata_o,
    output logic [3:0]  bus_wstrb_o,
    input  logic        bus_ready_i
);
  logic busy_q;        // an access is under way, its master is settled
  logic axil_owner_q;
  logic axil;
  assign axil = busy_q ? axil_owner_q : !stream_valid_i;

  assign bus_valid_o = axil ? axil_valid_i : stream_valid_i;
  assign bus_write_o = axil ? axil_write_i : stream_write_i;
  assign bus_address_o = axil ? axil_address_i : stream_address_i;
  assign bus_wdata_o = axil ? axil_wdata_i : stream_wdata_i;
  assign bus_wstrb_o = axil ? axil_wstrb_i : 4'hf;
  assign axil_ready_o = axil && bus_ready_i;
  assign stream_ready_o = !axil && bus_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) busy_q <= 1'b0;
    else busy_q <= bus_valid_o && !bus_ready_i;
    axil_owner_q <= axil;
  end
endmodule
`default_nettype wire
