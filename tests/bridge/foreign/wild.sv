// RTL as it is in the wild: a header, a macro, a package in another file, a table in a file, delays, a module with a
// name that qtwin uses as well.
`timescale 1ns / 1ps
`include "settings.vh"
module sync_fifo (
    input  logic clk,
    input  logic d,
    output logic q
);
  assign #1 q = d;
endmodule

module wild (
    input  logic       clk,
    input  logic       rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid,
    input  logic       out_ready
);
  logic [0:0] table_q[0:255];
  initial $readmemb("tables/flips.mem", table_q);
  logic inverted;
  sync_fifo u_wire (.clk, .d(`SETTING ^ `FROM_MANIFEST ^ wild_pkg::Inverted), .q(inverted));
  assign in_ready = !out_valid;
  always_ff @(posedge clk)
    if (rst) out_valid <= #1 0;
    else if (in_valid && in_ready) begin
      out_valid <= #1 1;
      out_data <= #1 {7'b0, table_q[in_data] ^ inverted};
    end else if (out_ready) out_valid <= #1 0;
endmodule
