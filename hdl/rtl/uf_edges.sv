// A row of edges of the union-find core: lane i joins vertex u_i to vertex u_i + (a constant of the row).
//
// An edge of weight w is full once the growth of its two ends reaches 2 w; it then stays full until the next shot.
// Lanes outside Mask hold no edge. Weights are constants, or registers in a chain that is loaded through lane 0.
`default_nettype none
module uf_edges #(
    parameter int Width = 4,
    parameter int WeightBits = 3,
    parameter logic [Width-1:0] Mask = '1,
    parameter bit Loadable = 1'b0,
    parameter logic [Width*WeightBits-1:0] Weights = '0,  // bit b of lane i at [b*Width + i]
    localparam int GrowthBits = WeightBits + 1
) (
    input  logic                        clk_i,
    input  logic [Width*GrowthBits-1:0] growth_u_i,      // bit b of lane i at [b*Width + i]
    input  logic [Width*GrowthBits-1:0] growth_v_i,
    input  logic                        clear_i,         // a new shot: no edge is full
    input  logic                        latch_i,         // keep the edges that are full now
    input  logic                        weight_shift_i,
    input  logic [WeightBits-1:0]       weight_i,
    output logic [WeightBits-1:0]       weight_o,
    output logic [Width-1:0]            full_o,          // full before this step of growth
    output logic [Width-1:0]            filling_o        // full now, but not before
);
  logic [Width*WeightBits-1:0] weights;
  logic [Width-1:0] reached;
  logic [Width-1:0] full_q;

  // Sum of both ends and comparison with the doubled weight, bit by bit from the lowest, all lanes at once.
  generate
    for (genvar b = 0; b < GrowthBits; b++) begin : g_bit
      logic [Width-1:0] u, v, carry, at_least;
      assign u = growth_u_i[b*Width +: Width];
      assign v = growth_v_i[b*Width +: Width];
      if (b == 0) begin : g_lowest
        assign carry = u & v;
        assign at_least = '1;
      end else begin : g_higher
        logic [Width-1:0] sum_bit, weight_bit;
        assign sum_bit = u ^ v ^ g_bit[b-1].carry;
        assign weight_bit = weights[(b-1)*Width +: Width];
        assign carry = (u & v) | (g_bit[b-1].carry & (u ^ v));
        assign at_least = (sum_bit & ~weight_bit) | (~(sum_bit ^ weight_bit) & g_bit[b-1].at_least);
      end
    end
  endgenerate
  assign reached = (g_bit[GrowthBits-1].at_least | g_bit[GrowthBits-1].carry) & Mask;

  assign full_o = full_q;
  assign filling_o = reached & ~full_q;

  always_ff @(posedge clk_i) begin
    if (clear_i) full_q <= '0;
    else if (latch_i) full_q <= full_q | reached;
  end

  generate
    if (Loadable) begin : g_loadable
      logic [Width*WeightBits-1:0] weights_q;
      initial weights_q = Weights;
      assign weights = weights_q;
      for (genvar b = 0; b < WeightBits; b++) begin : g_chain
        assign weight_o[b] = weights_q[b*Width + Width - 1];
        always_ff @(posedge clk_i) begin
          if (weight_shift_i) begin
            weights_q[b*Width +: Width] <= (weights_q[b*Width +: Width] << 1) | Width'(weight_i[b]);
          end
        end
      end
    end else begin : g_fixed
      logic unused_shift;
      assign weights = Weights;
      assign weight_o = weight_i;
      assign unused_shift = weight_shift_i;
    end
  endgenerate
endmodule
`default_nettype wire
