// Generated from config/registers.rdl: do not edit.
// One access at a time: bus_valid_i holds with its payload until bus_ready_o, a pulse with rdata and
// error. A register access takes 2 cycles, a read of a memory window as many more as the memory takes.
`default_nettype none
module registers #(
    parameter bit Statistics = 1'b1  // 0: the registers of the statistics do not exist
) (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic        bus_valid_i,
    input  logic        bus_write_i,
    input  logic [31:0] bus_address_i,
    input  logic [31:0] bus_wdata_i,
    input  logic [3:0]  bus_wstrb_i,
    output logic        bus_ready_o,
    output logic [31:0] bus_rdata_o,
    output logic        bus_error_o,
    input  logic [31:0] graph_hash_i,
    input  logic [31:0] clock_hz_i,
    input  logic [31:0] num_stabilizers_i,
    input  logic [31:0] num_data_qubits_i,
    input  logic [31:0] num_observables_i,
    input  logic [31:0] max_rounds_i,
    input  logic [31:0] window_i,
    input  logic [31:0] weight_bits_i,
    input  logic [31:0] layer_width_i,
    input  logic        features_variable_rounds_i,
    input  logic        features_no_statistics_i,
    input  logic [7:0]  features_histogram_bins_i,
    output logic        control_enable_o,
    output logic        control_soft_reset_o,
    output logic        control_clear_counters_o,
    output logic        control_input_mode_o,
    input  logic        status_in_shot_i,
    input  logic        status_skipping_i,
    input  logic        status_responding_i,
    input  logic [7:0]  status_last_fault_i,
    output logic [31:0] rounds_o,
    input  logic [31:0] rounds_reset_i,
    output logic [31:0] rounds_next_o,
    input  logic        rounds_legal_i,
    output logic [31:0] responses_per_packet_o,
    output logic [31:0] cycle_budget_o,
    input  logic [31:0] cycle_budget_reset_i,
    output logic [4:0]  histogram_shift_o,
    output logic [22:0] table_page_o,
    input  logic [31:0] count_shots_i,
    input  logic [31:0] count_rounds_i,
    input  logic [31:0] count_abandoned_i,
    input  logic [31:0] count_faults_i,
    input  logic [31:0] count_stalls_i,
    input  logic [31:0] count_budget_exceeded_i,
    input  logic [31:0] latency_min_i,
    input  logic [31:0] latency_max_i,
    input  logic [31:0] latency_sum_low_i,
    input  logic [31:0] latency_sum_high_i,
    output logic [4:0]  histogram_address_o,
    input  logic [31:0] histogram_rdata_i,
    output logic [8:0]  table_address_o,
    input  logic [31:0] table_rdata_i,
    output logic        table_write_o,
    output logic [31:0] table_wdata_o
);
  localparam logic [1:0] StIdle = 2'd0;
  localparam logic [1:0] StWait = 2'd1;
  localparam logic [1:0] StDone = 2'd2;
  logic [1:0] state_q;
  logic [1:0] wait_q;
  logic [31:0] rdata_q;
  logic error_q;
  logic start;
  logic write;
  logic aligned;
  logic [31:0] mask;
  logic [11:0] address;
  assign address = bus_address_i[11:0];
  assign start = bus_valid_i && state_q == StIdle;
  assign write = start && bus_write_i && aligned;
  assign aligned = bus_address_i[31:12] == '0 && bus_address_i[1:0] == '0;
  assign mask = {{8{bus_wstrb_i[3]}}, {8{bus_wstrb_i[2]}}, {8{bus_wstrb_i[1]}}, {8{bus_wstrb_i[0]}}};

  logic        control_enable_q;
  logic        control_soft_reset_q;
  logic        control_clear_counters_q;
  logic        control_input_mode_q;
  logic [31:0] rounds_q;
  logic [31:0] responses_per_packet_q;
  logic [31:0] cycle_budget_q;
  logic [4:0]  histogram_shift_q;
  logic [22:0] table_page_q;
  logic [31:0] scratch_q;

  // which address this is, what it reads, whether it can be written
  logic in_histogram;
  assign in_histogram = Statistics && address[11:7] == 5'h2;
  assign histogram_address_o = address[6:2];
  logic in_table;
  assign in_table = address[11:11] == 1'h1;
  assign table_address_o = address[10:2];
  assign table_write_o = write && in_table && bus_wstrb_i == 4'hf;
  assign table_wdata_o = bus_wdata_i;
  logic known;
  logic writable;
  logic [31:0] value;
  always_comb begin
    known = 1'b1;
    writable = 1'b0;
    value = '0;
    case (address)
      12'h000: begin  // ID
        value = 32'h31534451;
      end
      12'h004: begin  // VERSION
        value[15:0] = 16'h1;
        value[31:16] = 16'h1;
      end
      12'h008: begin  // GRAPH_HASH
        value = graph_hash_i;
      end
      12'h00c: begin  // CLOCK_HZ
        value = clock_hz_i;
      end
      12'h010: begin  // NUM_STABILIZERS
        value = num_stabilizers_i;
      end
      12'h014: begin  // NUM_DATA_QUBITS
        value = num_data_qubits_i;
      end
      12'h018: begin  // NUM_OBSERVABLES
        value = num_observables_i;
      end
      12'h01c: begin  // MAX_ROUNDS
        value = max_rounds_i;
      end
      12'h020: begin  // WINDOW
        value = window_i;
      end
      12'h024: begin  // WEIGHT_BITS
        value = weight_bits_i;
      end
      12'h028: begin  // LAYER_WIDTH
        value = layer_width_i;
      end
      12'h02c: begin  // FEATURES
        value[0] = features_variable_rounds_i;
        value[1] = features_no_statistics_i;
        value[15:8] = features_histogram_bins_i;
      end
      12'h040: begin  // CONTROL
        writable = 1'b1;
        value[0] = control_enable_q;
        value[8] = control_input_mode_q;
      end
      12'h044: begin  // STATUS
        value[0] = status_in_shot_i;
        value[1] = status_skipping_i;
        value[2] = status_responding_i;
        value[15:8] = status_last_fault_i;
      end
      12'h048: begin  // ROUNDS
        writable = 1'b1;
        value = rounds_q;
      end
      12'h04c: begin  // RESPONSES_PER_PACKET
        writable = 1'b1;
        value = responses_per_packet_q;
      end
      12'h050: begin  // CYCLE_BUDGET
        writable = 1'b1;
        value = cycle_budget_q;
      end
      12'h054: if (Statistics) begin  // HISTOGRAM_SHIFT
        writable = 1'b1;
        value[4:0] = histogram_shift_q;
      end else known = 1'b0;
      12'h058: begin  // TABLE_PAGE
        writable = 1'b1;
        value[22:0] = table_page_q;
      end
      12'h05c: begin  // SCRATCH
        writable = 1'b1;
        value = scratch_q;
      end
      12'h080: if (Statistics) begin  // COUNT_SHOTS
        value = count_shots_i;
      end else known = 1'b0;
      12'h084: if (Statistics) begin  // COUNT_ROUNDS
        value = count_rounds_i;
      end else known = 1'b0;
      12'h088: if (Statistics) begin  // COUNT_ABANDONED
        value = count_abandoned_i;
      end else known = 1'b0;
      12'h08c: if (Statistics) begin  // COUNT_FAULTS
        value = count_faults_i;
      end else known = 1'b0;
      12'h090: if (Statistics) begin  // COUNT_STALLS
        value = count_stalls_i;
      end else known = 1'b0;
      12'h094: if (Statistics) begin  // COUNT_BUDGET_EXCEEDED
        value = count_budget_exceeded_i;
      end else known = 1'b0;
      12'h098: if (Statistics) begin  // LATENCY_MIN
        value = latency_min_i;
      end else known = 1'b0;
      12'h09c: if (Statistics) begin  // LATENCY_MAX
        value = latency_max_i;
      end else known = 1'b0;
      12'h0a0: if (Statistics) begin  // LATENCY_SUM_LOW
        value = latency_sum_low_i;
      end else known = 1'b0;
      12'h0a4: if (Statistics) begin  // LATENCY_SUM_HIGH
        value = latency_sum_high_i;
      end else known = 1'b0;
      default: begin
        known = in_histogram || in_table;
        writable = in_table && bus_wstrb_i == 4'hf;
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
    end else begin
      case (state_q)
        StIdle: begin
          error_q <= !known || !aligned || (bus_write_i && !writable);
          rdata_q <= aligned ? value : '0;
          if (bus_valid_i) state_q <= StDone;
          if (bus_valid_i && !bus_write_i && aligned && in_histogram) begin
            wait_q <= 2'd0;
            state_q <= StWait;
          end
          if (bus_valid_i && !bus_write_i && aligned && in_table) begin
            wait_q <= 2'd1;
            state_q <= StWait;
          end
        end
        StWait: begin
          wait_q <= wait_q - 1'b1;
          if (in_histogram) rdata_q <= histogram_rdata_i;
          if (in_table) rdata_q <= table_rdata_i;
          if (wait_q == '0) state_q <= StDone;
        end
        default: state_q <= StIdle;
      endcase
    end
  end
  assign bus_ready_o = state_q == StDone;
  assign bus_rdata_o = rdata_q;
  assign bus_error_o = error_q;

  // CONTROL.enable
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      control_enable_q <= 1'h1;
    end else if (write && address == 12'h040) begin
      control_enable_q <= (control_enable_q & ~mask[0]) | (bus_wdata_i[0] & mask[0]);
    end
  end
  assign control_enable_o = control_enable_q;
  // CONTROL.soft_reset
  always_ff @(posedge clk_i) begin
    control_soft_reset_q <= rst_ni && write && address == 12'h040 && bus_wstrb_i[0] && bus_wdata_i[1];
  end
  assign control_soft_reset_o = control_soft_reset_q;
  // CONTROL.clear_counters
  always_ff @(posedge clk_i) begin
    control_clear_counters_q <= rst_ni && write && address == 12'h040 && bus_wstrb_i[0] && bus_wdata_i[2];
  end
  assign control_clear_counters_o = control_clear_counters_q;
  // CONTROL.input_mode
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      control_input_mode_q <= 1'h0;
    end else if (write && address == 12'h040) begin
      control_input_mode_q <= (control_input_mode_q & ~mask[8]) | (bus_wdata_i[8] & mask[8]);
    end
  end
  assign control_input_mode_o = control_input_mode_q;
  // ROUNDS.rounds
  assign rounds_next_o = (rounds_q & ~mask) | (bus_wdata_i & mask);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      rounds_q <= rounds_reset_i;
    end else if (write && address == 12'h048 && rounds_legal_i) begin
      rounds_q <= rounds_next_o;
    end
  end
  assign rounds_o = rounds_q;
  // RESPONSES_PER_PACKET.count
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      responses_per_packet_q <= 32'h1;
    end else if (write && address == 12'h04c) begin
      responses_per_packet_q <= (responses_per_packet_q & ~mask) | (bus_wdata_i & mask);
    end
  end
  assign responses_per_packet_o = responses_per_packet_q;
  // CYCLE_BUDGET.cycles
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      cycle_budget_q <= cycle_budget_reset_i;
    end else if (write && address == 12'h050) begin
      cycle_budget_q <= (cycle_budget_q & ~mask) | (bus_wdata_i & mask);
    end
  end
  assign cycle_budget_o = cycle_budget_q;
  // HISTOGRAM_SHIFT.shift
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      histogram_shift_q <= 5'h0;
    end else if (write && Statistics && address == 12'h054) begin
      histogram_shift_q <= (histogram_shift_q & ~mask[4:0]) | (bus_wdata_i[4:0] & mask[4:0]);
    end
  end
  assign histogram_shift_o = histogram_shift_q;
  // TABLE_PAGE.page
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      table_page_q <= 23'h0;
    end else if (write && address == 12'h058) begin
      table_page_q <= (table_page_q & ~mask[22:0]) | (bus_wdata_i[22:0] & mask[22:0]);
    end
  end
  assign table_page_o = table_page_q;
  // SCRATCH.value
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      scratch_q <= 32'h0;
    end else if (write && address == 12'h05c) begin
      scratch_q <= (scratch_q & ~mask) | (bus_wdata_i & mask);
    end
  end
endmodule
`default_nettype wire
