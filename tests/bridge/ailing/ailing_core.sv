// Between the front end and a healthy core: illnesses of the decoding itself.
`default_nettype none
module decoder_core (
@PORTS@
);
@AILMENT@
  localparam int SlowCycles = 2000;
  localparam int Width = decoder_pkg::LayerWidth;

  // ---- the layers that the core is given
  logic [Width-1:0] events, reversed, before_q, last_layer_q;
  logic [7:0] layer_q;   // number of the layer that comes
  logic [15:0] crowd_q;  // events of the shot that comes, so far
  logic [15:0] crowd;
  logic accept, first;
  assign accept = layer_valid_i && layer_ready_o;
  assign first = layer_q == '0;
  assign crowd = crowd_q + 16'($countones(layer_events_i));
  always_comb begin
    for (int i = 0; i < Width; i++) reversed[i] = layer_events_i[Width-1-i];
    events = layer_events_i;
    if (ailment == "reversed bits") events = reversed;
    if (ailment == "rotated bits") events = {layer_events_i[Width-2:0], layer_events_i[Width-1]};
    if (ailment == "one round late") events = first ? '0 : before_q;
    if (ailment == "blind to the last layer" && layer_last_i) events = '0;
    if (ailment == "blind to the first layer" && first) events = '0;
    if (ailment == "blind to a layer between" && layer_q == 8'd1) events = '0;
    if (ailment == "two detectors exchanged" && layer_q == 8'd1) {events[1], events[2]} = {layer_events_i[2], layer_events_i[1]};
    if (ailment == "two stabilizers exchanged") {events[0], events[1]} = {layer_events_i[1], layer_events_i[0]};
    if (ailment == "deaf to a detector" && layer_q == 8'd2) events[1] = 1'b0;
    if (ailment == "a detector stuck at 1" && layer_q == 8'd2) events[1] = 1'b1;
    if (ailment == "a stabilizer inverted") events[1] = !layer_events_i[1];
    if (ailment == "all events inverted") events = ~layer_events_i;
    if (ailment == "a detector inverted" && layer_q == 8'd2) events[1] = !layer_events_i[1];
    if (ailment == "three stabilizers rotated") events[2:0] = {layer_events_i[1:0], layer_events_i[2]};
    if (ailment == "forgets late layers" && layer_q >= 8'd6) events = '0;
    if (ailment == "leaks a layer" && first) events = layer_events_i ^ last_layer_q;
    if (ailment == "leaks a bit" && first) events[0] = layer_events_i[0] | last_layer_q[2];
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni || abort_i) begin
      layer_q <= '0;
      crowd_q <= '0;
      last_layer_q <= '0;
    end else if (accept) begin
      layer_q <= layer_last_i ? '0 : layer_q + 1'b1;
      crowd_q <= layer_last_i ? '0 : crowd;
      if (layer_last_i) last_layer_q <= layer_events_i;
    end
    if (accept) before_q <= layer_events_i;
  end

  // ---- what is remembered of each shot until its result comes
  logic [7:0] write_q, read_q;
  logic [15:0] crowds_q [0:255];
  logic odd_q [0:255];
  logic stale_q [0:255];  // the shot came after a long pause
  logic [15:0] idle_q;
  logic long_idle_q;
  logic junk_q;  // never set
  logic odd_layer_q;
  always_ff @(posedge clk_i) begin
    if (accept && layer_last_i) begin
      crowds_q[write_q] <= crowd;
      odd_q[write_q] <= odd_layer_q;
      stale_q[write_q] <= long_idle_q;
    end
    junk_q <= junk_q;
    if (!rst_ni || layer_valid_i) idle_q <= '0;
    else if (idle_q != '1) idle_q <= idle_q + 1'b1;
    if (accept && first) long_idle_q <= idle_q > 16'd2000;
    if (accept && layer_q == 8'd1) odd_layer_q <= layer_events_i[1];
    if (!rst_ni) write_q <= '0;
    else if (accept && layer_last_i) write_q <= write_q + 1'b1;
  end

  // ---- the result
  logic result_valid, result_ready, taken, released, stopped;
  logic [decoder_pkg::NumObservables-1:0] flips, flips_before_q;
  logic [31:0] shots_q, events_q;  // results taken, events of all their shots
  logic [15:0] waited_q;
  logic [15:0] noise_q = 16'hACE1, noise_reset_q;  // the first is never reset
  logic odd_crowd_q;
  assign taken = result_valid && result_ready;
  always_comb begin
    released = 1'b1;
    if (ailment == "slow") released = 32'(waited_q) >= SlowCycles;
    if (ailment == "rarely slow" && shots_q % 1500 == 1400) released = 32'(waited_q) >= SlowCycles;
    if (ailment == "slow for a crowd" && crowds_q[read_q] > 16'd6) released = 32'(waited_q) >= SlowCycles;
    stopped = (ailment == "stops after 10,000 shots" && shots_q == 32'd10_000)
        || (ailment == "stops after 65,536 shots" && shots_q == 32'd65_536)
        || (ailment == "stops in a crowd" && crowds_q[read_q] > 16'd9);
  end
  assign result_valid_o = result_valid && released && !stopped;
  assign result_ready = result_ready_i && released && !stopped;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || !result_valid || result_ready) waited_q <= '0;
    else if (!released) waited_q <= waited_q + 1'b1;
    noise_q <= {noise_q[14:0], noise_q[15] ^ noise_q[13] ^ noise_q[12] ^ noise_q[10]};
    if (!rst_ni) noise_reset_q <= 16'h1D0D;
    else noise_reset_q <= {noise_reset_q[14:0], noise_reset_q[15] ^ noise_reset_q[13] ^ noise_reset_q[12] ^ noise_reset_q[10]};
    if (!rst_ni) begin
      flips_before_q <= '0;
      shots_q <= '0;
      events_q <= '0;
      read_q <= '0;
      odd_crowd_q <= 1'b0;
    end else if (taken) begin
      flips_before_q <= flips;
      shots_q <= shots_q + 1;
      events_q <= events_q + 32'(crowds_q[read_q]);
      odd_crowd_q <= crowds_q[read_q] > 16'd2;
      read_q <= read_q + 1'b1;
    end
  end
  always_comb begin
    result_flips_o = flips;
    if (ailment == "constant") result_flips_o = '0;
    if (ailment == "constant 1") result_flips_o = '1;
    if (ailment == "inverted") result_flips_o = ~flips;
    if (ailment == "one shot late") result_flips_o = flips_before_q;
    if (ailment == "adds the shot before") result_flips_o = flips ^ flips_before_q;
    if (ailment == "every other shot" && shots_q[0]) result_flips_o = '0;
    if (ailment == "one shot in 997" && shots_q % 997 == 996) result_flips_o = ~flips;
    if (ailment == "wrong after 40,000 shots" && shots_q >= 32'd40_000) result_flips_o = '0;
    if (ailment == "counts events" && events_q[2:0] == 3'd5) result_flips_o = '0;
    if (ailment == "upset by a crowd" && odd_crowd_q) result_flips_o = ~flips;
    if (ailment == "not in a crowd" && crowds_q[read_q] > 16'd4) result_flips_o = '0;
    if (ailment == "follows one detector in a crowd" && crowds_q[read_q] > 16'd4) result_flips_o = {decoder_pkg::NumObservables{odd_q[read_q]}};
    if (ailment == "wrong for four events" && crowds_q[read_q] == 16'd4) result_flips_o = ~flips;
    if (ailment == "nothing for three events" && crowds_q[read_q] == 16'd3) result_flips_o = '0;
    if (ailment == "wrong after a pause" && stale_q[read_q]) result_flips_o = ~flips;
    if (ailment == "an unset register after 5,000 shots" && shots_q >= 32'd5000 && junk_q) result_flips_o = ~flips;
    if (ailment == "misled by a detector") result_flips_o = flips ^ {decoder_pkg::NumObservables{odd_q[read_q]}};
    if (ailment == "the last observable is constant") result_flips_o[decoder_pkg::NumObservables-1] = 1'b0;
    if (ailment == "the last observable is inverted") begin
      result_flips_o[decoder_pkg::NumObservables-1] = !flips[decoder_pkg::NumObservables-1];
    end
    if (ailment == "the last observable is the first") result_flips_o[decoder_pkg::NumObservables-1] = flips[0];
    if (ailment == "observables in reversed order") begin
      for (int k = 0; k < decoder_pkg::NumObservables; k++) result_flips_o[k] = flips[decoder_pkg::NumObservables-1-k];
    end
    if (ailment == "a cycle of noise" && noise_reset_q[3:0] == '0) result_flips_o = ~flips;
    if (ailment == "noise that no reset clears" && noise_q[3:0] == '0) result_flips_o = ~flips;
  end

  healthy_core u_core (
      .clk_i,
      .rst_ni,
      .layer_valid_i,
      .layer_ready_o,
      .layer_events_i(events),
      .layer_last_i,
      .abort_i,
      .result_valid_o(result_valid),
      .result_ready_i(result_ready),
      .result_flips_o(flips),
      .result_status_o,
      .result_frame_o,
      .result_round_o,
      .cfg_we_i,
      .cfg_addr_i,
      .cfg_wdata_i,
      .cfg_rdata_o
  );
endmodule
`default_nettype wire
