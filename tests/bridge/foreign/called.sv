// A decoder whose decision is made in C.
module called (
    input  logic       clk,
    input  logic       rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid,
    input  logic       out_ready
);
  import "DPI-C" function int decide(input int events);
  assign in_ready = !out_valid;
  always_ff @(posedge clk)
    if (rst) out_valid <= 0;
    else if (in_valid && in_ready) begin
      out_valid <= 1;
      out_data <= 8'(decide(32'(in_data)));
    end else if (out_ready) out_valid <= 0;
endmodule
