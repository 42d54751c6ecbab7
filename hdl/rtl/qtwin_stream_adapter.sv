// Between the qds1 ports and a decoder with a stream of its own: so many words a shot in, so many words an answer out.
//
// On the link, a word of up to 32 bits of a shot takes a 32-bit word of s_axis, a wider one as many as it needs, lowest
// bits first. Answers are packed: as many whole words as fit share a 32-bit word. An answer becomes a CORRECTION: its
// words, the latency from the cycle in which the decoder took the shot's last word to this message's header, and the
// status; tags count the shots. The registers are ID, VERSION, GRAPH_HASH, CLOCK_HZ, and the status at 0xff0.
//
// Status, each bit up from its first cause until reset:
//   8  out_valid_i fell before a word was taken          9  a word changed before it was taken
//  10  out_last_i was not with an answer's last word    11  a word came when none was due: no shot was under way, or
//                                                           it could not be held up and was lost
//
// It stands alone, and its name has a prefix: a decoder may have modules and packages of any name.
`default_nettype none
module qtwin_stream_adapter #(
    parameter int WordBits = 8,
    parameter int ShotWords = 1,
    parameter int AnswerWords = 1,
    parameter int InFlight = 16,        // shots between the first word in and the end of the answer out
    parameter int Answers = 1,          // answers that are kept until they are sent: InFlight for a decoder that
                                        // cannot be stalled
    parameter bit HasOutReady = 1'b1,
    parameter bit HasOutLast = 1'b0,
    parameter bit HasOutValid = 1'b1,
    parameter int Latency = 0,          // without out_valid_i: from the last word on in_data_o to the answer
    parameter logic [31:0] GraphHash = '0,
    parameter logic [31:0] ClockHz = '0
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
    output logic                in_last_o,
    input  logic                in_ready_i,
    input  logic [WordBits-1:0] out_data_i,
    input  logic                out_valid_i,
    input  logic                out_last_i,
    output logic                out_ready_o
);
  localparam int BeatsPerWord = (WordBits + 31) / 32;
  localparam int WordsPerBeat = WordBits > 16 ? 1 : 32 / WordBits;
  localparam int Rows = (AnswerWords + WordsPerBeat - 1) / WordsPerBeat;  // of an answer in its memory
  localparam int RowBits = 32 * BeatsPerWord;
  localparam int Beats = Rows * BeatsPerWord;  // of an answer on the link
  localparam logic [31:0] Length = 32'(Beats + 2);
  localparam logic [7:0] KindCorrection = 8'h81;
  localparam logic [1:0] SlvErr = 2'b10;

  logic [31:0] now_q;
  always_ff @(posedge clk_i) now_q <= rst_ni ? now_q + 1 : '0;

  // ---- input: words are put together, and a shot begins only where its answer has a place
  logic [31:0] beat_q, word_q, in_flight_q;
  logic in_shot_q;
  logic last_beat, last_word, may_pass, take, shot_ends, shot_begins, answer_sent;
  logic [RowBits-1:0] gathered_q, gathered;
  assign last_beat = beat_q == 32'(BeatsPerWord - 1);
  assign last_word = word_q == 32'(ShotWords - 1);
  assign may_pass = rst_ni && (in_shot_q || in_flight_q < 32'(InFlight));
  always_comb begin
    gathered = gathered_q;
    gathered[32*beat_q+:32] = s_axis_tdata;
  end
  always_ff @(posedge clk_i) if (s_axis_tvalid && s_axis_tready) gathered_q <= gathered;
  assign s_axis_tready = last_beat ? in_ready_i && may_pass : rst_ni;
  assign take = s_axis_tvalid && s_axis_tready && last_beat;
  assign shot_begins = take && !in_shot_q;
  assign shot_ends = take && last_word;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q <= '0;
      word_q <= '0;
      in_shot_q <= 1'b0;
      in_flight_q <= '0;
    end else begin
      if (s_axis_tvalid && s_axis_tready) beat_q <= last_beat ? '0 : beat_q + 1;
      if (take) begin
        word_q <= last_word ? '0 : word_q + 1;
        in_shot_q <= !last_word;
      end
      in_flight_q <= in_flight_q + 32'(shot_begins) - 32'(answer_sent);
    end
  end

  // ---- a decoder without out_valid sees each word until the next one, and answers after a time of its own
  logic answer_valid, lost;
  generate
    if (HasOutValid) begin : g_valid
      assign in_data_o = gathered[WordBits-1:0];
      assign in_valid_o = s_axis_tvalid && last_beat && may_pass;
      assign in_last_o = last_word;
      assign answer_valid = out_valid_i;
    end else begin : g_timed
      logic [WordBits-1:0] shown_q;
      logic shown_valid_q, shown_last_q;
      logic [Latency:0] due;
      always_ff @(posedge clk_i) begin
        if (take) shown_q <= gathered[WordBits-1:0];
        else if (!rst_ni) shown_q <= '0;
        shown_valid_q <= take;
        shown_last_q <= shot_ends;
      end
      assign in_data_o = shown_q;
      assign in_valid_o = shown_valid_q;
      assign in_last_o = shown_last_q;
      assign due[0] = shown_last_q && rst_ni;
      if (Latency > 0) begin : g_wait
        logic [Latency-1:0] due_q;
        always_ff @(posedge clk_i) due_q <= rst_ni ? due[Latency-1:0] : '0;
        assign due[Latency:1] = due_q;
      end
      assign answer_valid = due[Latency];
    end
  endgenerate

  // ---- the time at which each shot's last word was taken
  logic [31:0] times_q[0:InFlight-1];
  logic [31:0] time_write_q, time_read_q, uncollected_q;
  logic collected;
  always_ff @(posedge clk_i) begin
    if (shot_ends) times_q[time_write_q] <= now_q;
    if (!rst_ni) begin
      time_write_q <= '0;
      time_read_q <= '0;
      uncollected_q <= '0;
    end else begin
      if (shot_ends) time_write_q <= time_write_q == 32'(InFlight - 1) ? '0 : time_write_q + 1;
      if (answer_sent) time_read_q <= time_read_q == 32'(InFlight - 1) ? '0 : time_read_q + 1;
      uncollected_q <= uncollected_q + 32'(shot_ends) - 32'(collected);
    end
  end

  // ---- output: answers are collected row by row
  logic [RowBits-1:0] rows_q[0:Answers*Rows-1];
  logic [RowBits-1:0] row_q, row;
  logic [31:0] lane_q, column_q, write_row_q, complete_q;
  logic receive, ends_answer;
  assign out_ready_o = rst_ni && uncollected_q != '0 && complete_q < 32'(Answers);
  assign receive = answer_valid && out_ready_o;
  assign lost = answer_valid && !out_ready_o && rst_ni && (!(HasOutReady && HasOutValid) || in_flight_q == '0);
  assign ends_answer = column_q == 32'(AnswerWords - 1);
  assign collected = receive && ends_answer;
  always_comb begin
    row = lane_q == '0 ? '0 : row_q;
    row[WordBits*lane_q+:WordBits] = out_data_i;
  end
  always_ff @(posedge clk_i) begin
    if (receive) begin
      row_q <= row;
      rows_q[write_row_q] <= row;
    end
    if (!rst_ni) begin
      lane_q <= '0;
      column_q <= '0;
      write_row_q <= '0;
    end else if (receive) begin
      column_q <= ends_answer ? '0 : column_q + 1;
      lane_q <= ends_answer || lane_q == 32'(WordsPerBeat - 1) ? '0 : lane_q + 1;
      if (ends_answer || lane_q == 32'(WordsPerBeat - 1)) begin
        write_row_q <= write_row_q == 32'(Answers * Rows - 1) ? '0 : write_row_q + 1;
      end
    end
  end

  // ---- ... and sent
  logic [31:0] sent_q, read_row_q, read_beat_q, latency_q;
  logic sending_q, begin_sending, send;
  logic [15:0] tag_q;
  logic withdrawn_q, changed_q, stalled_q, misplaced_q, lost_q;
  logic [WordBits-1:0] stalled_data_q;
  logic [31:0] status;
  assign status = {20'b0, lost_q, misplaced_q, changed_q, withdrawn_q, 8'b0};
  assign begin_sending = !sending_q && complete_q != '0;
  assign send = sending_q && m_axis_tready;
  assign answer_sent = send && sent_q == Length;
  assign m_axis_tvalid = sending_q;
  assign m_axis_tlast = sent_q == Length;
  always_comb begin
    if (sent_q == '0) m_axis_tdata = {tag_q, Length[7:0], KindCorrection};
    else if (sent_q == Length - 1) m_axis_tdata = latency_q;
    else if (sent_q == Length) m_axis_tdata = status;
    else m_axis_tdata = rows_q[read_row_q][32*read_beat_q+:32];
  end
  always_ff @(posedge clk_i) begin
    if (begin_sending) latency_q <= now_q + 1 - times_q[time_read_q];
    stalled_data_q <= out_data_i;
    if (!rst_ni) begin
      sent_q <= '0;
      read_row_q <= '0;
      read_beat_q <= '0;
      complete_q <= '0;
      sending_q <= 1'b0;
      tag_q <= '0;
      {withdrawn_q, changed_q, stalled_q, misplaced_q, lost_q} <= '0;
    end else begin
      complete_q <= complete_q + 32'(collected) - 32'(answer_sent);
      if (begin_sending) begin
        sending_q <= 1'b1;
        sent_q <= '0;
      end else if (send) begin
        sent_q <= sent_q + 1;
        if (sent_q != '0 && sent_q < Length - 1) begin
          read_beat_q <= read_beat_q == 32'(BeatsPerWord - 1) ? '0 : read_beat_q + 1;
          if (read_beat_q == 32'(BeatsPerWord - 1)) begin
            read_row_q <= read_row_q == 32'(Answers * Rows - 1) ? '0 : read_row_q + 1;
          end
        end
        if (answer_sent) begin
          sending_q <= 1'b0;
          tag_q <= tag_q + 1'b1;
        end
      end
      if (HasOutReady && HasOutValid) begin
        stalled_q <= out_valid_i && !out_ready_o;
        if (stalled_q && !out_valid_i) withdrawn_q <= 1'b1;
        if (stalled_q && out_valid_i && out_data_i != stalled_data_q) changed_q <= 1'b1;
      end
      if (HasOutLast && receive && out_last_i != ends_answer) misplaced_q <= 1'b1;
      if (lost) lost_q <= 1'b1;
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
        12'h00c: s_axil_rdata <= ClockHz;
        12'hff0: s_axil_rdata <= status;
        default: begin
          s_axil_rdata <= '0;
          s_axil_rresp <= SlvErr;
        end
      endcase
    end
  end
endmodule
`default_nettype wire
