// The lowest set bit of a vector, one-hot: first within groups, then among groups, so that the depth is logarithmic.
`default_nettype none
module uf_first_one #(
    parameter int Width = 16,
    parameter int GroupWidth = 8,
    localparam int NumGroups = (Width + GroupWidth - 1) / GroupWidth,
    localparam int PaddedWidth = NumGroups * GroupWidth
) (
    input  logic [Width-1:0] bits_i,
    output logic [Width-1:0] first_o
);
  logic [PaddedWidth-1:0] padded;
  logic [PaddedWidth-1:0] local_first;
  logic [PaddedWidth-1:0] selected;
  logic [NumGroups-1:0] group_any;
  logic [NumGroups-1:0] group_first;

  assign padded = PaddedWidth'(bits_i);
  assign group_first = group_any & (~group_any + 1'b1);
  assign first_o = Width'(selected);
  logic unused_padding;
  assign unused_padding = ^selected;

  generate
    for (genvar g = 0; g < NumGroups; g++) begin : g_group
      logic [GroupWidth-1:0] bits;
      assign bits = padded[g*GroupWidth +: GroupWidth];
      assign group_any[g] = |bits;
      assign local_first[g*GroupWidth +: GroupWidth] = bits & (~bits + 1'b1);
      assign selected[g*GroupWidth +: GroupWidth] = local_first[g*GroupWidth +: GroupWidth] & {GroupWidth{group_first[g]}};
    end
  endgenerate
endmodule
`default_nettype wire
