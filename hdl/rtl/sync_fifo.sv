// First-word-fall-through FIFO of 2**DepthBits entries in distributed RAM. A push while full_o is ignored.
`default_nettype none
module sync_fifo #(
    parameter int Width = 32,
    parameter int DepthBits = 4
) (
    input  logic             clk_i,
    input  logic             rst_ni,
    input  logic             push_i,
    input  logic [Width-1:0] wdata_i,
    output logic             full_o,
    output logic             valid_o,
    output logic [Width-1:0] rdata_o,
    input  logic             pop_i
);
  logic [Width-1:0] memory_q [0:2**DepthBits-1];
  // one bit more than an address: equal pointers mean empty, pointers a whole turn apart mean full
  logic [DepthBits:0] write_q;
  logic [DepthBits:0] read_q;
  logic push;

  assign full_o = (write_q ^ read_q) == {1'b1, {DepthBits{1'b0}}};
  assign valid_o = write_q != read_q;
  assign rdata_o = memory_q[read_q[DepthBits-1:0]];
  assign push = push_i && !full_o;

  always_ff @(posedge clk_i) begin
    if (push) memory_q[write_q[DepthBits-1:0]] <= wdata_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q <= '0;
    end else begin
      if (push) write_q <= write_q + 1'b1;
      if (pop_i && valid_o) read_q <= read_q + 1'b1;
    end
  end
endmodule
`default_nettype wire
