// Slides a window over the layers of a memory of any length and keeps its Pauli frame.
//
// The newest layer is the highest of the window. The first window waits for NumLayers layers, each later one for
// CommitLayers more, the last one for the shot's end; layers before the shot's first hold no defect. Layers that come
// while a window is decoded wait in a FIFO; when it is full the stream stalls, and the shot's status says so (bit 2).
`default_nettype none
module uf_window #(
    parameter int LayerWidth = 4,
    parameter int NumLayers = 6,
    parameter int CommitLayers = 3,
    parameter int FifoDepthBits = 3,
    parameter int NumObservables = 1
) (
    input  logic                            clk_i,
    input  logic                            rst_ni,
    input  logic                            layer_valid_i,
    output logic                            layer_ready_o,
    input  logic [LayerWidth-1:0]           layer_events_i,
    input  logic                            layer_last_i,
    input  logic                            abort_i,
    // the window, for the core
    output logic                            window_valid_o,
    output logic                            window_last_o,
    output logic [NumLayers*LayerWidth-1:0] window_events_o,
    input  logic                            window_take_i,
    // what became of it
    input  logic                            done_i,
    input  logic [NumLayers*LayerWidth-1:0] kept_i,      // defects left to the next window, in place
    input  logic [NumObservables-1:0]       flips_i,
    input  logic [1:0]                      status_i,
    // results
    output logic                            result_free_o,
    output logic                            result_valid_o,
    input  logic                            result_ready_i,
    output logic [NumObservables-1:0]       result_flips_o,
    output logic [7:0]                      result_status_o,
    output logic                            result_frame_o,
    output logic [31:0]                     result_round_o
);
  localparam int CountBits = $clog2(NumLayers + 1);

  // ---- layers waiting
  logic fifo_full, fifo_valid, fifo_pop;
  logic [LayerWidth:0] fifo_out;
  logic accept, flush, abort_q;
  logic valid_q, last_q, busy_q;
  assign layer_ready_o = !fifo_full && !abort_q;
  assign accept = layer_valid_i && layer_ready_o;

  sync_fifo #(
      .Width(LayerWidth + 1),
      .DepthBits(FifoDepthBits)
  ) u_fifo (
      .clk_i,
      .rst_ni (rst_ni && !flush),
      .push_i (accept),
      .wdata_i({layer_last_i, layer_events_i}),
      .full_o (fifo_full),
      .valid_o(fifo_valid),
      .rdata_o(fifo_out),
      .pop_i  (fifo_pop)
  );

  // An abandoned shot is flushed once the shots before it are answered; no layer is taken until then.
  logic [FifoDepthBits+1:0] complete_q;  // shots whose last layer is here and that are not answered
  logic answered;
  logic dropped;
  assign dropped = (abort_i || abort_q) && complete_q == '0;
  assign flush = abort_q && complete_q == '0 && !busy_q && !window_take_i;

  // ---- the window
  logic [NumLayers*LayerWidth-1:0] events_q;
  logic [NumLayers*LayerWidth-1:0] shifted;
  logic [LayerWidth-1:0] unused_shifted_out;
  logic [CountBits-1:0] wanted_q;
  logic [31:0] round_q;

  assign fifo_pop = fifo_valid && !valid_q && !busy_q;
  assign {shifted, unused_shifted_out} = {fifo_out[LayerWidth-1:0], events_q};
  assign window_valid_o = valid_q;
  assign window_last_o = last_q;
  assign window_events_o = events_q;

  always_ff @(posedge clk_i) begin
    if (fifo_pop) begin
      events_q <= shifted;
      wanted_q <= wanted_q - 1'b1;
      last_q <= fifo_out[LayerWidth];
      valid_q <= fifo_out[LayerWidth] || wanted_q == CountBits'(1);
    end
    if (window_take_i) begin
      valid_q <= 1'b0;
      busy_q <= 1'b1;
    end
    if (done_i) begin
      events_q <= kept_i;
      busy_q <= 1'b0;
      wanted_q <= CountBits'(CommitLayers);
      round_q <= round_q + CommitLayers;
    end
    if (!rst_ni || flush || answered) begin
      events_q <= '0;
      wanted_q <= CountBits'(NumLayers);
      round_q <= '0;
    end
    if (!rst_ni || flush) begin
      valid_q <= 1'b0;
      busy_q <= 1'b0;
    end
  end

  always_ff @(posedge clk_i) begin
    abort_q <= rst_ni && !flush && (abort_i || abort_q);
    if (!rst_ni) complete_q <= '0;
    else if (accept && layer_last_i && !answered) complete_q <= complete_q + 1'b1;
    else if (answered && !(accept && layer_last_i)) complete_q <= complete_q - 1'b1;
  end

  // ---- the Pauli frame and the results
  logic [NumObservables-1:0] frame_q, frame;
  logic [1:0] flags_q, flags;
  logic stalled_q;
  logic result_valid_q, result_frame_q;
  logic [NumObservables-1:0] result_flips_q;
  logic [7:0] result_status_q;
  logic [31:0] result_round_q;

  assign frame = frame_q ^ flips_i;
  assign flags = flags_q | status_i;
  assign answered = done_i && last_q;
  assign result_free_o = !result_valid_q;

  always_ff @(posedge clk_i) begin
    stalled_q <= (stalled_q && !answered) || (layer_valid_i && fifo_full);
    if (result_ready_i || (dropped && result_frame_q)) result_valid_q <= 1'b0;
    if (done_i) begin
      frame_q <= frame;
      flags_q <= flags;
      result_valid_q <= !dropped;
      result_flips_q <= frame;
      result_status_q <= {5'b0, stalled_q, flags};
      result_frame_q <= !last_q;
      result_round_q <= round_q + CommitLayers;
    end
    if (!rst_ni || flush || answered) begin
      frame_q <= '0;
      flags_q <= '0;
    end
    if (!rst_ni) begin
      result_valid_q <= 1'b0;
      stalled_q <= 1'b0;
    end
  end

  assign result_valid_o = result_valid_q;
  assign result_flips_o = result_flips_q;
  assign result_status_o = result_status_q;
  assign result_frame_o = result_frame_q;
  assign result_round_o = result_round_q;
endmodule
`default_nettype wire
