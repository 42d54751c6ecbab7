// A decoder: input stream -> front end -> core -> response -> output stream, with its registers.
//
// decoder_core and decoder_pkg are generated for one error model; everything else is the same for all of them.
// rst_ni is sampled by the clock and has to be low for at least two cycles.
`default_nettype none
module decoder_top (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic [31:0] s_axis_tdata,
    input  logic        s_axis_tvalid,
    output logic        s_axis_tready,
    input  logic        s_axis_tlast,
    output logic [31:0] m_axis_tdata,
    output logic        m_axis_tvalid,
    input  logic        m_axis_tready,
    output logic        m_axis_tlast,
    input  logic [11:0] s_axil_awaddr,
    input  logic        s_axil_awvalid,
    output logic        s_axil_awready,
    input  logic [31:0] s_axil_wdata,
    input  logic [3:0]  s_axil_wstrb,
    input  logic        s_axil_wvalid,
    output logic        s_axil_wready,
    output logic [1:0]  s_axil_bresp,
    output logic        s_axil_bvalid,
    input  logic        s_axil_bready,
    input  logic [11:0] s_axil_araddr,
    input  logic        s_axil_arvalid,
    output logic        s_axil_arready,
    output logic [31:0] s_axil_rdata,
    output logic [1:0]  s_axil_rresp,
    output logic        s_axil_rvalid,
    input  logic        s_axil_rready
);
  // Responses that can wait, of any kind; more input than that stalls.
  localparam int TokenDepthBits = 4;

  logic enable, soft_reset, events_mode, stream_rst_n;
  logic [31:0] rounds, responses_per_packet, cycle_budget;
  logic bus_valid, bus_write, bus_ready, bus_error;
  logic [31:0] bus_address, bus_wdata, bus_rdata;
  logic in_shot, skipping, round, abandoned, fault, shot, budget_exceeded;
  logic [7:0] fault_code;
  logic [31:0] latency;
  logic layer_valid, layer_ready, layer_last, abort;
  logic [decoder_pkg::LayerWidth-1:0] layer_events;
  logic [15:0] layer_tag;
  logic [31:0] layer_time;
  logic result_valid, result_ready, result_frame;
  logic [decoder_pkg::NumObservables-1:0] result_flips;
  logic [7:0] result_status;
  logic [31:0] result_round;
  logic cfg_we;
  logic [31:0] cfg_addr, cfg_wdata, cfg_rdata;
  logic token_push, token_full, token_valid, token_pop;
  logic [qds1_pkg::TokenBits-1:0] token_in, token_out;

  logic unused_tlast;
  assign unused_tlast = s_axis_tlast;
  assign stream_rst_n = rst_ni && !soft_reset;

  logic [31:0] now_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) now_q <= '0;
    else now_q <= now_q + 1;
  end

  front_end #(
      .NumStabilizers(decoder_pkg::NumStabilizers),
      .NumDataQubits(decoder_pkg::NumDataQubits),
      .LayerWidth(decoder_pkg::LayerWidth),
      .OpenEnded(decoder_pkg::Window != 0),
      .LayerSelect(decoder_pkg::LayerSelect),
      .DataParity(decoder_pkg::DataParity)
  ) u_front_end (
      .clk_i,
      .rst_ni(stream_rst_n),
      .now_i(now_q),
      .word_i(s_axis_tdata),
      .word_valid_i(s_axis_tvalid),
      .word_ready_o(s_axis_tready),
      .enable_i(enable),
      .events_mode_i(events_mode),
      .rounds_i(rounds),
      .layer_valid_o(layer_valid),
      .layer_ready_i(layer_ready),
      .layer_events_o(layer_events),
      .layer_last_o(layer_last),
      .layer_tag_o(layer_tag),
      .layer_time_o(layer_time),
      .abort_o(abort),
      .token_push_o(token_push),
      .token_o(token_in),
      .token_full_i(token_full),
      .bus_valid_o(bus_valid),
      .bus_write_o(bus_write),
      .bus_address_o(bus_address),
      .bus_wdata_o(bus_wdata),
      .bus_ready_i(bus_ready),
      .bus_rdata_i(bus_rdata),
      .bus_error_i(bus_error),
      .round_o(round),
      .abandoned_o(abandoned),
      .fault_o(fault),
      .fault_code_o(fault_code),
      .in_shot_o(in_shot),
      .skipping_o(skipping)
  );

  decoder_core u_core (
      .clk_i,
      .rst_ni(stream_rst_n),
      .layer_valid_i(layer_valid),
      .layer_ready_o(layer_ready),
      .layer_events_i(layer_events),
      .layer_last_i(layer_last),
      .abort_i(abort),
      .result_valid_o(result_valid),
      .result_ready_i(result_ready),
      .result_flips_o(result_flips),
      .result_status_o(result_status),
      .result_frame_o(result_frame),
      .result_round_o(result_round),
      .cfg_we_i(cfg_we),
      .cfg_addr_i(cfg_addr),
      .cfg_wdata_i(cfg_wdata),
      .cfg_rdata_o(cfg_rdata)
  );

  sync_fifo #(
      .Width(qds1_pkg::TokenBits),
      .DepthBits(TokenDepthBits)
  ) u_tokens (
      .clk_i,
      .rst_ni(stream_rst_n),
      .push_i(token_push),
      .wdata_i(token_in),
      .full_o(token_full),
      .valid_o(token_valid),
      .rdata_o(token_out),
      .pop_i(token_pop)
  );

  response #(
      .NumObservables(decoder_pkg::NumObservables)
  ) u_response (
      .clk_i,
      .rst_ni,
      .flush_i(soft_reset),
      .now_i(now_q),
      .responses_per_packet_i(responses_per_packet),
      .cycle_budget_i(cycle_budget),
      .token_valid_i(token_valid),
      .token_i(token_out),
      .token_pop_o(token_pop),
      .result_valid_i(result_valid),
      .result_ready_o(result_ready),
      .result_flips_i(result_flips),
      .result_status_i(result_status),
      .result_frame_i(result_frame),
      .result_round_i(result_round),
      .abort_i(abort),
      .layer_tag_i(layer_tag),
      .layer_time_i(layer_time),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready,
      .m_axis_tlast,
      .shot_o(shot),
      .latency_o(latency),
      .budget_exceeded_o(budget_exceeded)
  );

  register_block u_registers (
      .clk_i,
      .rst_ni,
      .s_axil_awaddr,
      .s_axil_awvalid,
      .s_axil_awready,
      .s_axil_wdata,
      .s_axil_wstrb,
      .s_axil_wvalid,
      .s_axil_wready,
      .s_axil_bresp,
      .s_axil_bvalid,
      .s_axil_bready,
      .s_axil_araddr,
      .s_axil_arvalid,
      .s_axil_arready,
      .s_axil_rdata,
      .s_axil_rresp,
      .s_axil_rvalid,
      .s_axil_rready,
      .stream_valid_i(bus_valid),
      .stream_write_i(bus_write),
      .stream_address_i(bus_address),
      .stream_wdata_i(bus_wdata),
      .stream_ready_o(bus_ready),
      .stream_rdata_o(bus_rdata),
      .stream_error_o(bus_error),
      .enable_o(enable),
      .soft_reset_o(soft_reset),
      .events_mode_o(events_mode),
      .rounds_o(rounds),
      .responses_per_packet_o(responses_per_packet),
      .cycle_budget_o(cycle_budget),
      .in_shot_i(in_shot),
      .skipping_i(skipping),
      .responding_i(token_valid || m_axis_tvalid),
      .round_i(round),
      .abandoned_i(abandoned),
      .fault_i(fault),
      .fault_code_i(fault_code),
      .stall_i(s_axis_tvalid && !s_axis_tready),
      .shot_i(shot),
      .latency_i(latency),
      .budget_exceeded_i(budget_exceeded),
      .cfg_we_o(cfg_we),
      .cfg_addr_o(cfg_addr),
      .cfg_wdata_o(cfg_wdata),
      .cfg_rdata_i(cfg_rdata)
  );
endmodule
`default_nettype wire
