// Between the front end and a healthy core: illnesses of the decoding itself, named in ailment.txt of the working folder.
`default_nettype none
module decoder_core (
@PORTS@
);
  string ailment;
  int file;
  initial begin
    file = $fopen("ailment.txt", "r");
    if (file != 0) begin
      if ($fgets(ailment, file) == 0) ailment = "";
      $fclose(file);
    end
  end

  localparam int SlowCycles = 2000;

  logic [decoder_pkg::LayerWidth-1:0] events, reversed, before_q;
  logic first_q;
  always_comb begin
    for (int i = 0; i < decoder_pkg::LayerWidth; i++) reversed[i] = layer_events_i[decoder_pkg::LayerWidth-1-i];
    events = layer_events_i;
    if (ailment == "reversed bits") events = reversed;
    if (ailment == "one round late") events = first_q ? '0 : before_q;
    if (ailment == "blind to the last layer" && layer_last_i) events = '0;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) first_q <= 1'b1;
    else if (layer_valid_i && layer_ready_o) first_q <= layer_last_i;
    if (layer_valid_i && layer_ready_o) before_q <= layer_events_i;
  end

  logic result_valid, result_ready;
  logic [decoder_pkg::NumObservables-1:0] flips, flips_before_q;
  logic [15:0] waited_q;
  logic released;
  assign released = ailment != "slow" || 32'(waited_q) >= SlowCycles;
  assign result_valid_o = result_valid && released;
  assign result_ready = result_ready_i && released;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || !result_valid || result_ready) waited_q <= '0;
    else if (!released) waited_q <= waited_q + 1'b1;
    if (!rst_ni) flips_before_q <= '0;
    else if (result_valid && result_ready) flips_before_q <= flips;
  end
  always_comb begin
    result_flips_o = flips;
    if (ailment == "constant") result_flips_o = '0;
    if (ailment == "inverted") result_flips_o = ~flips;
    if (ailment == "one shot late") result_flips_o = flips_before_q;
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
