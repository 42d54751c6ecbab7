// One result for each whole shot, held until it is taken.
`default_nettype none
module uf_whole #(
    parameter int NumObservables = 1
) (
    input  logic                      clk_i,
    input  logic                      rst_ni,
    input  logic                      done_i,
    input  logic                      empty_i,         // the shot had no defect
    input  logic [NumObservables-1:0] flips_i,
    input  logic [1:0]                status_i,
    output logic                      result_free_o,
    output logic                      result_valid_o,
    input  logic                      result_ready_i,
    output logic [NumObservables-1:0] result_flips_o,
    output logic [7:0]                result_status_o
);
  logic valid_q;
  logic [NumObservables-1:0] flips_q;
  logic [1:0] status_q;

  always_ff @(posedge clk_i) begin
    if (valid_q && result_ready_i) valid_q <= 1'b0;
    if (done_i) begin
      valid_q <= 1'b1;
      flips_q <= empty_i ? '0 : flips_i;
      status_q <= empty_i ? '0 : status_i;
    end
    if (!rst_ni) valid_q <= 1'b0;
  end

  assign result_free_o = !valid_q;
  assign result_valid_o = valid_q;
  assign result_flips_o = flips_q;
  assign result_status_o = 8'(status_q);
endmodule
`default_nettype wire
