// front_end with the constants of decoder_pkg, which a simulator's command line cannot set.
`default_nettype none
module front_end_bench (
    input  logic                               clk_i,
    input  logic                               rst_ni,
    input  logic [31:0]                        now_i,
    input  logic [31:0]                        word_i,
    input  logic                               word_valid_i,
    output logic                               word_ready_o,
    input  logic                               enable_i,
    input  logic                               events_mode_i,
    input  logic [31:0]                        rounds_i,
    output logic                               layer_valid_o,
    input  logic                               layer_ready_i,
    output logic [decoder_pkg::LayerWidth-1:0] layer_events_o,
    output logic                               layer_last_o,
    output logic [15:0]                        layer_tag_o,
    output logic [31:0]                        layer_time_o,
    output logic                               abort_o,
    output logic                               token_push_o,
    output logic [qds1_pkg::TokenBits-1:0]     token_o,
    input  logic                               token_full_i,
    output logic                               bus_valid_o,
    output logic                               bus_write_o,
    output logic [31:0]                        bus_address_o,
    output logic [31:0]                        bus_wdata_o,
    input  logic                               bus_ready_i,
    input  logic [31:0]                        bus_rdata_i,
    input  logic                               bus_error_i,
    output logic                               round_o,
    output logic                               abandoned_o,
    output logic                               fault_o,
    output logic [7:0]                         fault_code_o,
    output logic                               in_shot_o,
    output logic                               skipping_o
);
  front_end #(
      .NumStabilizers(decoder_pkg::NumStabilizers),
      .NumDataQubits(decoder_pkg::NumDataQubits),
      .LayerWidth(decoder_pkg::LayerWidth),
      .OpenEnded(decoder_pkg::Window != 0),
      .LayerSelect(decoder_pkg::LayerSelect),
      .DataParity(decoder_pkg::DataParity)
  ) u_front_end (
      .*
  );
endmodule
`default_nettype wire
