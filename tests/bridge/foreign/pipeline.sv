// A pipeline that nothing holds up: a shot a cycle, its answer Depth cycles later, with or without valid.
module pipeline #(
    parameter int Depth = 4
) (
    input  logic       clk,
    input  logic       rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic [7:0] out_data,
    output logic       out_valid
);
  logic [7:0] data[Depth];
  logic [Depth-1:0] valid;
  always_ff @(posedge clk) begin
    data[0] <= {7'b0, ^(in_data & 8'haa) & ~^(in_data & 8'h55)};
    for (int stage = 1; stage < Depth; stage++) data[stage] <= data[stage-1];
    valid <= rst ? '0 : Depth'({valid, in_valid});
  end
  assign out_data = data[Depth-1];
  assign out_valid = valid[Depth-1];
endmodule
