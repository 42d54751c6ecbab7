// Tokens and the core's results -> response messages on the output stream, in order, one word per cycle.
//
// The output register drives m_axis directly, so the latency of a CORRECTION counts to the very cycle in which its
// header is first seen: header_cycle - acceptance_cycle.
// A soft reset (flush_i) lets the message under way finish: the stream never breaks off inside a message.
`default_nettype none
module response #(
    parameter int NumObservables = 1
) (
    input  logic                           clk_i,
    input  logic                           rst_ni,
    input  logic                           flush_i,
    input  logic [31:0]                    now_i,
    input  logic [31:0]                    responses_per_packet_i,
    input  logic [31:0]                    cycle_budget_i,
    // what is to be answered
    input  logic                           token_valid_i,
    input  logic [qds1_pkg::TokenBits-1:0] token_i,
    output logic                           token_pop_o,
    // from the core; the newest layer's tag and time serve windowed answers
    input  logic                           result_valid_i,
    output logic                           result_ready_o,
    input  logic [NumObservables-1:0]      result_flips_i,
    input  logic [7:0]                     result_status_i,
    input  logic                           result_frame_i,
    input  logic [31:0]                    result_round_i,
    input  logic                           abort_i,
    input  logic [15:0]                    layer_tag_i,
    input  logic [31:0]                    layer_time_i,
    // output stream
    output logic [31:0]                    m_axis_tdata,
    output logic                           m_axis_tvalid,
    input  logic                           m_axis_tready,
    output logic                           m_axis_tlast,
    // one cycle per CORRECTION
    output logic                           shot_o,
    output logic [31:0]                    latency_o,
    output logic                           budget_exceeded_o
);
  localparam int FlipWords = (NumObservables + 31) / 32;

  logic [1:0] token_type;
  logic [15:0] token_tag;
  logic [11:0] token_argument;
  logic [31:0] token_word;
  assign {token_type, token_tag, token_argument, token_word} = token_i;

  // ---- which message can begin
  logic wants_result;
  logic start_token, start_correction, start_frame;
  assign wants_result = token_valid_i && token_type == qds1_pkg::TokenShot;
  assign start_token = token_valid_i && token_type != qds1_pkg::TokenShot;
  assign start_correction = wants_result && result_valid_i && !result_frame_i;
  // a frame of the oldest unanswered shot: one that has ended (its token waits), or the one still coming in
  assign start_frame = result_valid_i && result_frame_i && (wants_result || (!token_valid_i && !abort_i));

  // ---- the message under way
  logic [7:0] kind_q;
  logic [7:0] words_left_q;
  logic [7:0] index_q;
  logic [FlipWords*32-1:0] flips_q;
  logic [7:0] status_q;
  logic [31:0] first_q;   // first word of FRAME (round), FAULT (code) and DATA (address)
  logic [31:0] second_q;  // second word of FAULT and DATA
  logic [31:0] latency_q;
  logic shot_q;

  logic out_free;
  logic idle;
  logic start;
  assign out_free = !m_axis_tvalid || m_axis_tready;
  assign idle = out_free && words_left_q == '0 && !flush_i;
  assign start = idle && (start_token || start_correction || start_frame);
  assign token_pop_o = idle && (start_token || start_correction);
  assign result_ready_o = idle && (start_correction || start_frame);

  logic [7:0] kind;
  logic [7:0] length;
  logic [15:0] tag;
  always_comb begin
    tag = token_valid_i ? token_tag : layer_tag_i;
    if (start_token && token_type == qds1_pkg::TokenFault) begin
      kind = qds1_pkg::KindFault;
      length = 8'd2;
    end else if (start_token) begin
      kind = qds1_pkg::KindData;
      length = 8'd2;
    end else begin
      kind = start_frame ? qds1_pkg::KindFrame : qds1_pkg::KindCorrection;
      length = 8'(FlipWords + 2);
    end
  end

  // ---- payload word number index_q
  logic [31:0] word;
  logic over_budget;
  assign over_budget = status_q[0] || (cycle_budget_i != '0 && latency_q > cycle_budget_i);
  always_comb begin
    word = latency_q;
    case (kind_q)
      qds1_pkg::KindCorrection: begin
        if (32'(index_q) == FlipWords + 1) word = 32'(status_q) | 32'(over_budget);
        for (int w = 0; w < FlipWords; w++) begin
          if (32'(index_q) == w) word = 32'(flips_q >> 32 * w);
        end
      end
      qds1_pkg::KindFrame: begin
        if (index_q == '0) word = first_q;
        for (int w = 0; w < FlipWords; w++) begin
          if (32'(index_q) == w + 1) word = 32'(flips_q >> 32 * w);
        end
      end
      default: word = index_q == '0 ? first_q : second_q;
    endcase
  end

  // ---- packets
  // A FRAME goes into the packet of the answer that it announces: the host knows how many answers come, not how many
  // FRAMEs. 0 responses a packet (never ends) also starts the count anew, after a host gave up in mid-packet.
  logic [31:0] responses_q;  // answers of the packet before the one under way
  logic counted, packet_ends;
  assign counted = kind_q != qds1_pkg::KindFrame;
  assign packet_ends = counted && responses_per_packet_i != '0 && responses_q + 1 >= responses_per_packet_i;

  always_ff @(posedge clk_i) begin
    shot_q <= 1'b0;
    if (!rst_ni) begin
      m_axis_tvalid <= 1'b0;
      words_left_q <= '0;
      responses_q <= '0;
    end else if (out_free) begin
      m_axis_tvalid <= start || words_left_q != '0;
      if (words_left_q != '0) begin
        words_left_q <= words_left_q - 1'b1;
        if (words_left_q == 8'd1 && counted) responses_q <= packet_ends ? '0 : responses_q + 1;
      end else if (start) begin
        words_left_q <= length;
        shot_q <= start_correction && !start_token;
      end
    end
    if (responses_per_packet_i == '0) responses_q <= '0;

    if (out_free) begin
      m_axis_tdata <= words_left_q != '0 ? word : {tag, length, kind};
      m_axis_tlast <= words_left_q == 8'd1 && packet_ends;
      index_q <= words_left_q != '0 ? index_q + 1'b1 : '0;
    end
    if (start) begin
      kind_q <= kind;
      flips_q <= (FlipWords*32)'(result_flips_i);
      status_q <= result_status_i;
      first_q <= start_frame ? result_round_i : 32'(token_argument);
      second_q <= token_word;
      latency_q <= now_i + 1 - (wants_result ? token_word : layer_time_i);
    end
  end

  assign shot_o = shot_q;
  assign latency_o = latency_q;
  assign budget_exceeded_o = over_budget;
endmodule
`default_nettype wire
