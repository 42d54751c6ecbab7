// Sequence of the union-find core: grow until an edge fills, then settle the clusters it touched, one after another.
//
//   StIdle  --load-->  StGrow  --an edge filled-->  StLatch  -->  StFlood  --last cluster settled-->  StGrow
//                        |  nothing active any more: the result is ready, StIdle
//   any of them, once the cycle budget is used up  -->  StDrain  -->  StIdle, with the flag
//
// Growth runs ahead of its detection by two steps; `undo_o` takes them back.
`default_nettype none
module uf_control #(
    parameter int CycleBudget = 1024
) (
    input  logic clk_i,
    input  logic rst_ni,
    // a shot (or window) to decode
    input  logic shot_valid_i,
    input  logic shot_empty_i,
    output logic shot_take_o,
    output logic idle_o,
    // what the fabric reports, each a cycle late
    input  logic any_filled_i,
    input  logic any_active_i,
    input  logic flooded_i,
    input  logic more_clusters_i,
    // what the fabric does
    output logic load_o,
    output logic grow_o,
    output logic undo_o,
    output logic latch_o,
    output logic watch_o,
    output logic flood_o,
    output logic settle_o,
    // the result
    input  logic result_free_i,
    output logic finish_o,
    output logic finish_empty_o,
    output logic over_budget_o
);
  typedef enum logic [2:0] {
    StIdle,
    StGrow,
    StLatch,
    StFlood,
    StDrain
  } state_e;
  state_e state_q;
  state_e state_d;

  logic [15:0] cycle_q;
  logic over_q;

  always_comb begin
    state_d = state_q;
    load_o = 1'b0;
    grow_o = 1'b0;
    undo_o = 1'b0;
    settle_o = 1'b0;
    finish_o = 1'b0;
    finish_empty_o = 1'b0;
    case (state_q)
      StIdle: begin
        if (shot_valid_i && shot_empty_i) finish_empty_o = result_free_i;
        load_o = shot_valid_i && !shot_empty_i;
        if (load_o) state_d = StGrow;
      end
      StGrow: begin
        if (!any_active_i) begin
          finish_o = result_free_i;
          if (result_free_i) state_d = StIdle;
        end else if (over_q) begin
          state_d = StDrain;
        end else if (any_filled_i) begin
          undo_o = 1'b1;
          state_d = StLatch;
        end else begin
          grow_o = 1'b1;
        end
      end
      StLatch: begin
        state_d = StFlood;
        if (over_q) state_d = StDrain;
      end
      StFlood: begin
        if (over_q) begin
          state_d = StDrain;
        end else if (flooded_i) begin
          settle_o = 1'b1;
          if (!more_clusters_i) state_d = StGrow;
        end
      end
      StDrain: begin
        finish_o = result_free_i;
        if (result_free_i) state_d = StIdle;
      end
      default: state_d = StIdle;
    endcase
  end

  assign shot_take_o = load_o || finish_empty_o;
  assign idle_o = state_q == StIdle;
  assign latch_o = state_q == StLatch;
  assign watch_o = state_q == StGrow || state_q == StLatch;
  assign flood_o = state_q == StFlood;
  assign over_budget_o = state_q == StDrain;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= StIdle;
    else state_q <= state_d;
    cycle_q <= load_o ? '0 : cycle_q + 1'b1;
    over_q <= !load_o && (over_q || 32'(cycle_q) + 1 == CycleBudget);
  end
endmodule
`default_nettype wire
