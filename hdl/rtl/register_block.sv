// The registers with all that belongs to them: the AXI4-Lite slave, the stream's accesses, the counters, and the
// constants of this decoder.
`default_nettype none
module register_block (
    input  logic        clk_i,
    input  logic        rst_ni,
    // AXI4-Lite
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
    input  logic        s_axil_rready,
    // WRITE and READ messages
    input  logic        stream_valid_i,
    input  logic        stream_write_i,
    input  logic [31:0] stream_address_i,
    input  logic [31:0] stream_wdata_i,
    output logic        stream_ready_o,
    output logic [31:0] stream_rdata_o,
    output logic        stream_error_o,
    // settings
    output logic        enable_o,
    output logic        soft_reset_o,
    output logic        events_mode_o,
    output logic [31:0] rounds_o,
    output logic [31:0] responses_per_packet_o,
    output logic [31:0] cycle_budget_o,
    // what happened in this cycle
    input  logic        in_shot_i,
    input  logic        skipping_i,
    input  logic        responding_i,
    input  logic        round_i,
    input  logic        abandoned_i,
    input  logic        fault_i,
    input  logic [7:0]  fault_code_i,
    input  logic        stall_i,
    input  logic        shot_i,
    input  logic [31:0] latency_i,
    input  logic        budget_exceeded_i,
    // the core's memory
    output logic        cfg_we_o,
    output logic [31:0] cfg_addr_o,
    output logic [31:0] cfg_wdata_o,
    input  logic [31:0] cfg_rdata_i
);
  localparam int HistogramBits = $clog2(registers_pkg::HistogramWords);
  localparam int CompiledRounds = decoder_pkg::NumLayers - 1;

  logic axil_valid, axil_write, axil_ready;
  logic [31:0] axil_address, axil_wdata;
  logic [3:0] axil_wstrb;
  logic bus_valid, bus_write, bus_ready, bus_error;
  logic [31:0] bus_address, bus_wdata, bus_rdata;
  logic [3:0] bus_wstrb;
  assign stream_rdata_o = bus_rdata;
  assign stream_error_o = bus_error;

  axil_slave u_axil_slave (
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
      .bus_valid_o(axil_valid),
      .bus_write_o(axil_write),
      .bus_address_o(axil_address),
      .bus_wdata_o(axil_wdata),
      .bus_wstrb_o(axil_wstrb),
      .bus_ready_i(axil_ready),
      .bus_rdata_i(bus_rdata),
      .bus_error_i(bus_error)
  );

  register_arbiter u_arbiter (
      .clk_i,
      .rst_ni,
      .stream_valid_i,
      .stream_write_i,
      .stream_address_i,
      .stream_wdata_i,
      .stream_ready_o,
      .axil_valid_i(axil_valid),
      .axil_write_i(axil_write),
      .axil_address_i(axil_address),
      .axil_wdata_i(axil_wdata),
      .axil_wstrb_i(axil_wstrb),
      .axil_ready_o(axil_ready),
      .bus_valid_o(bus_valid),
      .bus_write_o(bus_write),
      .bus_address_o(bus_address),
      .bus_wdata_o(bus_wdata),
      .bus_wstrb_o(bus_wstrb),
      .bus_ready_i(bus_ready)
  );

  logic clear_counters;
  logic [31:0] shots, rounds, abandoned, faults, stalls, budget_exceeded;
  logic [7:0] last_fault_q;
  logic [31:0] latency_min, latency_max;
  logic [63:0] latency_sum;
  logic [4:0] histogram_shift;
  logic [HistogramBits-1:0] histogram_address;
  logic [31:0] histogram_rdata;
  generate
    if (decoder_pkg::Statistics) begin : g_statistics
      statistics #(
          .HistogramBits(HistogramBits)
      ) u_statistics (
          .clk_i,
          .rst_ni,
          .clear_i(clear_counters),
          .round_i,
          .abandoned_i,
          .fault_i,
          .stall_i,
          .shot_i,
          .latency_i,
          .budget_exceeded_i,
          .shots_o(shots),
          .rounds_o(rounds),
          .abandoned_o(abandoned),
          .faults_o(faults),
          .stalls_o(stalls),
          .budget_exceeded_o(budget_exceeded),
          .latency_min_o(latency_min),
          .latency_max_o(latency_max),
          .latency_sum_o(latency_sum),
          .histogram_shift_i(histogram_shift),
          .histogram_address_i(histogram_address),
          .histogram_rdata_o(histogram_rdata)
      );
    end else begin : g_no_statistics
      logic unused;
      assign unused = ^{
        round_i, abandoned_i, stall_i, shot_i, latency_i, budget_exceeded_i, histogram_shift, histogram_address
      };
      assign shots = '0;
      assign rounds = '0;
      assign abandoned = '0;
      assign faults = '0;
      assign stalls = '0;
      assign budget_exceeded = '0;
      assign latency_min = '0;
      assign latency_max = '0;
      assign latency_sum = '0;
      assign histogram_rdata = '0;
    end
  endgenerate

  // STATUS.last_fault is there without statistics, too: it says why a decoder refuses what it is sent. One register
  // before it keeps it off the front end's paths.
  logic fault_q;
  logic [7:0] fault_code_q;
  always_ff @(posedge clk_i) begin
    fault_q <= rst_ni && fault_i;
    fault_code_q <= fault_code_i;
    if (!rst_ni || clear_counters) last_fault_q <= registers_pkg::FaultCodeNone;
    else if (fault_q) last_fault_q <= fault_code_q;
  end

  // ROUNDS: what this decoder can do.
  logic [31:0] rounds_next;
  logic rounds_legal;
  generate
    if (!decoder_pkg::VariableRounds) begin : g_fixed
      assign rounds_legal = rounds_next == CompiledRounds;
    end else if (decoder_pkg::Window != 0) begin : g_any
      logic unused_rounds_next;
      assign unused_rounds_next = ^rounds_next;
      assign rounds_legal = 1'b1;
    end else begin : g_up_to
      assign rounds_legal = rounds_next != '0 && rounds_next <= CompiledRounds;
    end
  endgenerate

  logic [22:0] table_page;
  logic [8:0] table_address;
  assign cfg_addr_o = {table_page, table_address};
  registers #(
      .Statistics(decoder_pkg::Statistics)
  ) u_registers (
      .clk_i,
      .rst_ni,
      .bus_valid_i(bus_valid),
      .bus_write_i(bus_write),
      .bus_address_i(bus_address),
      .bus_wdata_i(bus_wdata),
      .bus_wstrb_i(bus_wstrb),
      .bus_ready_o(bus_ready),
      .bus_rdata_o(bus_rdata),
      .bus_error_o(bus_error),
      .graph_hash_i(decoder_pkg::GraphHash),
      .clock_hz_i(decoder_pkg::ClockHz),
      .num_stabilizers_i(decoder_pkg::NumStabilizers),
      .num_data_qubits_i(decoder_pkg::NumDataQubits),
      .num_observables_i(decoder_pkg::NumObservables),
      .max_rounds_i(decoder_pkg::Window != 0 ? 0 : CompiledRounds),
      .window_i(decoder_pkg::Window),
      .weight_bits_i(decoder_pkg::WeightBits),
      .layer_width_i(decoder_pkg::LayerWidth),
      .features_variable_rounds_i(decoder_pkg::VariableRounds),
      .features_no_statistics_i(!decoder_pkg::Statistics),
      .features_histogram_bins_i(decoder_pkg::Statistics ? 8'(registers_pkg::HistogramWords) : 8'd0),
      .control_enable_o(enable_o),
      .control_soft_reset_o(soft_reset_o),
      .control_clear_counters_o(clear_counters),
      .control_input_mode_o(events_mode_o),
      .status_in_shot_i(in_shot_i),
      .status_skipping_i(skipping_i),
      .status_responding_i(responding_i),
      .status_last_fault_i(last_fault_q),
      .rounds_o,
      .rounds_reset_i(CompiledRounds),
      .rounds_next_o(rounds_next),
      .rounds_legal_i(rounds_legal),
      .responses_per_packet_o,
      .cycle_budget_o,
      .cycle_budget_reset_i(decoder_pkg::CycleBudget),
      .histogram_shift_o(histogram_shift),
      .table_page_o(table_page),
      .count_shots_i(shots),
      .count_rounds_i(rounds),
      .count_abandoned_i(abandoned),
      .count_faults_i(faults),
      .count_stalls_i(stalls),
      .count_budget_exceeded_i(budget_exceeded),
      .latency_min_i(latency_min),
      .latency_max_i(latency_max),
      .latency_sum_low_i(latency_sum[31:0]),
      .latency_sum_high_i(latency_sum[63:32]),
      .histogram_address_o(histogram_address),
      .histogram_rdata_i(histogram_rdata),
      .table_address_o(table_address),
      .table_rdata_i(cfg_rdata_i),
      .table_write_o(cfg_we_o),
      .table_wdata_o(cfg_wdata_o)
  );
endmodule
`default_nettype wire
