// Counters, and the latencies' minimum, maximum, sum and histogram.
`default_nettype none
module statistics #(
    parameter int HistogramBits = 5  // 2**HistogramBits bins
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic                     clear_i,
    // what happened in this cycle
    input  logic                     round_i,
    input  logic                     abandoned_i,
    input  logic                     fault_i,
    input  logic                     stall_i,
    input  logic                     shot_i,
    input  logic [31:0]              latency_i,
    input  logic                     budget_exceeded_i,
    // results
    output logic [31:0]              shots_o,
    output logic [31:0]              rounds_o,
    output logic [31:0]              abandoned_o,
    output logic [31:0]              faults_o,
    output logic [31:0]              stalls_o,
    output logic [31:0]              budget_exceeded_o,
    output logic [31:0]              latency_min_o,
    output logic [31:0]              latency_max_o,
    output logic [63:0]              latency_sum_o,
    // histogram: bin i counts latencies from i * 2**shift cycles on, the last bin all above
    input  logic [4:0]               histogram_shift_i,
    input  logic [HistogramBits-1:0] histogram_address_i,
    output logic [31:0]              histogram_rdata_o
);
  localparam int NumBins = 2 ** HistogramBits;

  // One register between what happens and what is counted keeps the counters off every other path.
  logic round_q, abandoned_q, fault_q, stall_q, shot_q, late_q;
  logic [31:0] latency_q;
  always_ff @(posedge clk_i) begin
    round_q <= rst_ni && round_i;
    abandoned_q <= rst_ni && abandoned_i;
    fault_q <= rst_ni && fault_i;
    stall_q <= rst_ni && stall_i;
    shot_q <= rst_ni && shot_i;
    late_q <= rst_ni && shot_i && budget_exceeded_i;
    latency_q <= latency_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      shots_o <= '0;
      rounds_o <= '0;
      abandoned_o <= '0;
      faults_o <= '0;
      stalls_o <= '0;
      budget_exceeded_o <= '0;
      latency_min_o <= '1;
      latency_max_o <= '0;
      latency_sum_o <= '0;
    end else begin
      shots_o <= shots_o + 32'(shot_q);
      rounds_o <= rounds_o + 32'(round_q);
      abandoned_o <= abandoned_o + 32'(abandoned_q);
      faults_o <= faults_o + 32'(fault_q);
      stalls_o <= stalls_o + 32'(stall_q);
      budget_exceeded_o <= budget_exceeded_o + 32'(late_q);
      if (shot_q && latency_q < latency_min_o) latency_min_o <= latency_q;
      if (shot_q && latency_q > latency_max_o) latency_max_o <= latency_q;
      if (shot_q) latency_sum_o <= latency_sum_o + 64'(latency_q);
    end
  end

  // The bins are RAM, which has no reset: a bin counts only once its flag in used_q is set.
  // Two CORRECTIONs are at least four cycles apart, so read, add and write never overlap.
  logic [31:0] bins_q [0:NumBins-1];
  logic [NumBins-1:0] used_q;
  logic [31:0] scaled;
  logic [HistogramBits-1:0] bin_q;
  logic count_q;
  assign scaled = latency_q >> histogram_shift_i;
  always_ff @(posedge clk_i) begin
    bin_q <= scaled >= NumBins ? '1 : scaled[HistogramBits-1:0];
    if (count_q) bins_q[bin_q] <= used_q[bin_q] ? bins_q[bin_q] + 1 : 32'd1;
    if (!rst_ni || clear_i) begin
      count_q <= 1'b0;
      used_q <= '0;
    end else begin
      count_q <= shot_q;
      if (count_q) used_q[bin_q] <= 1'b1;
    end
  end
  assign histogram_rdata_o = used_q[histogram_address_i] ? bins_q[histogram_address_i] : '0;
endmodule
`default_nettype wire
