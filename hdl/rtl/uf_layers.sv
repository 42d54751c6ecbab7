// Collects the layers of a shot while the core decodes the shot before.
`default_nettype none
module uf_layers #(
    parameter int LayerWidth = 4,
    parameter int NumLayers = 4
) (
    input  logic                            clk_i,
    input  logic                            rst_ni,
    input  logic                            layer_valid_i,
    output logic                            layer_ready_o,
    input  logic [LayerWidth-1:0]           layer_events_i,
    input  logic                            layer_last_i,
    input  logic                            abort_i,
    output logic                            shot_valid_o,
    output logic                            shot_empty_o,
    output logic [NumLayers*LayerWidth-1:0] shot_events_o,  // layer 0 lowest
    input  logic                            shot_take_i
);
  logic [NumLayers*LayerWidth-1:0] events_q;
  logic [LayerWidth-1:0] unused_shifted_out;
  logic [NumLayers*LayerWidth-1:0] shifted;
  logic valid_q;
  logic empty_q;
  logic accept;

  assign {shifted, unused_shifted_out} = {layer_events_i, events_q};
  assign layer_ready_o = !valid_q;
  assign accept = layer_valid_i && layer_ready_o;
  assign shot_valid_o = valid_q;
  assign shot_empty_o = empty_q;
  assign shot_events_o = events_q;

  always_ff @(posedge clk_i) begin
    if (accept) begin
      events_q <= shifted;
      empty_q <= empty_q && layer_events_i == '0;
    end
    if (accept && layer_last_i) valid_q <= 1'b1;
    if (shot_take_i || (abort_i && !valid_q)) empty_q <= 1'b1;
    if (shot_take_i) valid_q <= 1'b0;
    if (!rst_ni) begin
      valid_q <= 1'b0;
      empty_q <= 1'b1;
    end
  end
endmodule
`default_nettype wire
