// Between the qds1 ports and a decoder with a stream of its own: so many words a shot in, so many words an answer out.
//
// Words of a shot pass straight through, one a 32-bit word of s_axis. An answer becomes a CORRECTION: its words, the
// latency from the acceptance of the shot's last word to this message's header, and the status; tags count the shots.
// Of the registers there are ID, VERSION and GRAPH_HASH. Status bit 8: out_valid_i fell before a word was taken; bit 9: a word
// changed before it was taken (both stay up until reset).
`default_nettype none
module stream_adapter #(
    parameter int WordBits = 8,
    parameter int ShotWords = 1,
    parameter int AnswerWords = 1,
    parameter logic [31:0] GraphHash = '0
) (
    input  logic                clk_i,
    input  logic                rst_ni,
    // qds1 side
    input  logic [31:0]         s_axis_tdata,
    input  logic                s_axis_tvalid,
    output logic                s_axis_tready,
    output logic [31:0]         m_axis_tdata,
    output logic                m_axis_tvalid,
    input  logic                m_axis_tready,
    output logic                m_axis_tlast,
    input  logic                s_axil_awvalid,
    output logic                s_axil_awready,
    input  logic                s_axil_wvalid,
    output logic                s_axil_wready,
    output logic [1:0]          s_axil_bresp,
    output logic                s_axil_bvalid,
    input  logic                s_axil_bready,
    input  logic [11:0]         s_axil_araddr,
    input  logic                s_axil_arvalid,
    output logic                s_axil_arready,
    output logic [31:0]         s_axil_rdata,
    output logic [1:0]          s_axil_rresp,
    output logic                s_axil_rvalid,
    input  logic                s_axil_rready,
    // the decoder's side
    output logic [WordBits-1:0] in_data_o,
    output logic                in_valid_o,
    input  logic                in_ready_i,
    input  logic [WordBits-1:0] out_data_i,
    input  logic                out_valid_i,
    output logic                out_ready_o
);
  localparam int QueueDepthBits = 4;  // shots whose answer is still to come; more input than that stalls
  localparam logic [7:0] Length = 8'(AnswerWords + 2);
  localparam logic [1:0] SlvErr = 2'b10;

  logic [31:0] now_q;
  always_ff @(posedge clk_i) now_q <= rst_ni ? now_q + 1 : '0;

  // ---- input: the time at which each shot's last word was taken
  logic queue_full, shot_waits, pop;
  logic [31:0] shot_time;
  logic [31:0] word_q;
  logic take, shot_ends;
  assign in_data_o = s_axis_tdata[WordBits-1:0];
  assign in_valid_o = s_axis_tvalid && !queue_full && rst_ni;
  assign s_axis_tready = in_ready_i && !queue_full && rst_ni;
  assign take = s_axis_tvalid && s_axis_tready;
  assign shot_ends = take && word_q == 32'(ShotWords - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni || shot_ends) word_q <= '0;
    else if (take) word_q <= word_q + 1;
  end
  sync_fifo #(
      .Width(32),
      .DepthBits(QueueDepthBits)
  ) u_times (
      .clk_i,
      .rst_ni,
      .push_i (shot_ends),
      .wdata_i(now_q),
      .full_o (queue_full),
      .valid_o(shot_waits),
      .rdata_o(shot_time),
      .pop_i  (pop)
  );

  // ---- output: collect an answer, then send it
  logic [31:0] words_q [0:AnswerWords-1];
  logic [7:0] collected_q, sent_q;
  logic sending_q;
  logic [15:0] tag_q;
  logic [31:0] latency_q;
  logic withdrawn_q, changed_q, stalled_q;
  logic [WordBits-1:0] stalled_data_q;
  assign out_ready_o = shot_waits && !sending_q && collected_q < 8'(AnswerWords);
  assign pop = !sending_q && collected_q == 8'(AnswerWords);
  assign m_axis_tvalid = sending_q;
  assign m_axis_tlast = sent_q == Length;
  always_comb begin
    if (sent_q == '0) m_axis_tdata = {tag_q, Length, qds1_pkg::KindCorrection};
    else if (sent_q == Length - 8'd1) m_axis_tdata = latency_q;
    else if (sent_q == Length) m_axis_tdata = {22'b0, changed_q, withdrawn_q, 8'b0};
    else m_axis_tdata = words_q[$clog2(AnswerWords + 1)'(sent_q - 8'd1)];
  end
  always_ff @(posedge clk_i) begin
    if (out_valid_i && out_ready_o) begin
      words_q[$clog2(AnswerWords + 1)'(collected_q)] <= 32'(out_data_i);
    end
    if (pop) latency_q <= now_q + 1 - shot_time;
    stalled_data_q <= out_data_i;
    if (!rst_ni) begin
      collected_q <= '0;
      sent_q <= '0;
      sending_q <= 1'b0;
      tag_q <= '0;
      {withdrawn_q, changed_q, stalled_q} <= '0;
    end else begin
      if (out_valid_i && out_ready_o) collected_q <= collected_q + 1'b1;
      else if (pop) collected_q <= '0;
      if (pop) begin
        sending_q <= 1'b1;
        sent_q <= '0;
      end else if (m_axis_tvalid && m_axis_tready) begin
        sent_q <= sent_q + 1'b1;
        if (sent_q == Length) begin
          sending_q <= 1'b0;
          tag_q <= tag_q + 1'b1;
        end
      end
      stalled_q <= out_valid_i && !out_ready_o;
      if (stalled_q && !out_valid_i) withdrawn_q <= 1'b1;
      if (stalled_q && out_valid_i && out_data_i != stalled_data_q) changed_q <= 1'b1;
    end
  end

  // ---- registers: who it is
  assign s_axil_awready = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
  assign s_axil_wready = s_axil_awready;
  assign s_axil_bresp = SlvErr;
  assign s_axil_arready = !s_axil_rvalid;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      s_axil_bvalid <= 1'b0;
      s_axil_rvalid <= 1'b0;
    end else begin
      if (s_axil_awready) s_axil_bvalid <= 1'b1;
      else if (s_axil_bready) s_axil_bvalid <= 1'b0;
      if (s_axil_arvalid && s_axil_arready) s_axil_rvalid <= 1'b1;
      else if (s_axil_rready) s_axil_rvalid <= 1'b0;
    end
    if (s_axil_arvalid && s_axil_arready) begin
      s_axil_rresp <= 2'b00;
      case (s_axil_araddr)
        12'h000: s_axil_rdata <= 32'h3153_4451;  // ID
        12'h004: s_axil_rdata <= 32'h0001_0000;  // VERSION
        12'h008: s_axil_rdata <= GraphHash;
        default: begin
          s_axil_rdata <= '0;
          s_axil_rresp <= SlvErr;
        end
      endcase
    end
  end

  logic unused;
  assign unused = ^s_axis_tdata;
endmodule
`default_nettype wire
