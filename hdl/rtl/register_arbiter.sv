// Two masters, the stream's WRITE and READ messages and AXI4-Lite, onto one register bus.
// The stream goes first; it needs several words per access, so AXI4-Lite always finds a gap.
// The request is registered on its way: neither master's timing reaches the registers' read multiplexer.
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
  logic busy_q;        // an access is under way
  logic axil_owner_q;  // and whose it is
  assign bus_valid_o = busy_q;
  assign axil_ready_o = busy_q && axil_owner_q && bus_ready_i;
  assign stream_ready_o = busy_q && !axil_owner_q && bus_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) busy_q <= 1'b0;
    else if (busy_q) busy_q <= !bus_ready_i;
    else busy_q <= stream_valid_i || axil_valid_i;

    if (!busy_q) begin
      axil_owner_q <= !stream_valid_i;
      bus_write_o <= stream_valid_i ? stream_write_i : axil_write_i;
      bus_address_o <= stream_valid_i ? stream_address_i : axil_address_i;
      bus_wdata_o <= stream_valid_i ? stream_wdata_i : axil_wdata_i;
      bus_wstrb_o <= stream_valid_i ? 4'hf : axil_wstrb_i;
    end
  end
endmodule
`default_nettype wire
