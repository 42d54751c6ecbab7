// Says how often the second clock rose in the 24 cycles after the shot; bit 7 is the flip.
module ratio (
    input  logic       clk,
    input  logic       other_clk,
    input  logic       rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid,
    input  logic       out_ready
);
  logic [31:0] rises, begun;
  logic [4:0] left;
  logic flip;
  always_ff @(posedge other_clk) rises <= rst ? 0 : rises + 1;
  assign in_ready = left == 0 && !out_valid;
  always_ff @(posedge clk)
    if (rst) begin
      left <= 0;
      out_valid <= 0;
    end else if (in_valid && in_ready) begin
      left <= 24;
      begun <= rises;
      flip <= ^(in_data & 8'haa) & ~^(in_data & 8'h55);
    end else if (left != 0) begin
      left <= left - 1;
      if (left == 1) begin
        out_valid <= 1;
        out_data <= {flip, 7'(rises - begun)};
      end
    end else if (out_ready) out_valid <= 0;
endmodule
