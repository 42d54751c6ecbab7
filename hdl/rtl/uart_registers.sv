// The link's own registers, and the two streams between the line and the decoder.
//
// Words to the decoder pass unchanged, but for WRITE and READ messages to the addresses of the link registers
// (config/registers.rdl): those are answered here. Their answers go out between two messages of the decoder, so they
// can overtake answers that the decoder still owes.
`default_nettype none
module uart_registers #(
    parameter int FrameWords = 64
) (
    input  logic        clk_i,
    input  logic        rst_ni,
    // from the line, to the decoder
    input  logic [31:0] in_word_i,
    input  logic        in_valid_i,
    output logic        in_ready_o,
    output logic [31:0] decoder_word_o,
    output logic        decoder_valid_o,
    input  logic        decoder_ready_i,
    // from the decoder, to the line
    input  logic [31:0] response_word_i,
    input  logic        response_valid_i,
    output logic        response_ready_o,
    output logic [31:0] out_word_o,
    output logic        out_valid_o,
    input  logic        out_ready_i,
    // what happened on the line, one cycle each
    input  logic        frame_i,
    input  logic        bad_crc_i,
    input  logic        bad_frame_i,
    input  logic        overrun_i,
    input  logic        framing_error_i,
    output logic        decoder_rst_no
);
  localparam logic [31:0] FirstAddress = registers_pkg::AddressLinkSession;
  localparam logic [31:0] LastAddress = registers_pkg::AddressLinkFramingErrors;
  localparam logic [3:0] ResetCycles = 4'd8;

  localparam logic [2:0] StHeader = 3'd0;   // between messages
  localparam logic [2:0] StPayload = 3'd1;  // the decoder's message
  localparam logic [2:0] StPeek = 3'd2;     // a register's header is held, its address is at the input
  localparam logic [2:0] StValue = 3'd3;    // WRITE: the value comes next
  localparam logic [2:0] StAnswer = 3'd4;   // the answer is due
  localparam logic [2:0] StReset = 3'd5;    // the decoder is in reset
  logic [2:0] state_q, state_d;
  logic [7:0] left_q, left_d;     // payload words of the decoder's message
  logic [31:0] header_q, header_d;
  logic [31:0] address_q, address_d;
  logic [3:0] reset_left_q, reset_left_d;

  logic is_write, is_access, is_ours, held_write, take_address, write_value, writable, fault;
  assign is_write = in_word_i[15:0] == {8'd2, qds1_pkg::KindWrite};
  assign is_access = is_write || in_word_i[15:0] == {8'd1, qds1_pkg::KindRead};
  assign held_write = header_q[7:0] == qds1_pkg::KindWrite;
  assign is_ours = in_word_i >= FirstAddress && in_word_i <= LastAddress && in_word_i[1:0] == '0;
  assign take_address = state_q == StPeek && in_valid_i && is_ours;
  assign write_value = state_q == StValue && in_valid_i;
  assign writable = address_q == registers_pkg::AddressLinkSession || address_q == registers_pkg::AddressLinkControl;
  assign fault = held_write;  // a WRITE is answered only where nothing can be written

  logic answer_done;
  always_comb begin
    state_d = state_q;
    left_d = left_q;
    header_d = header_q;
    address_d = address_q;
    reset_left_d = reset_left_q;
    in_ready_o = 1'b0;
    decoder_word_o = in_word_i;
    decoder_valid_o = 1'b0;
    case (state_q)
      StHeader: begin
        header_d = in_word_i;
        left_d = in_word_i[15:8];
        decoder_valid_o = in_valid_i && !is_access;
        in_ready_o = is_access || decoder_ready_i;
        if (in_valid_i && in_ready_o) begin
          if (is_access) state_d = StPeek;
          else if (in_word_i[15:8] != '0) state_d = StPayload;
        end
      end
      StPayload: begin
        decoder_valid_o = in_valid_i;
        in_ready_o = decoder_ready_i;
        if (in_valid_i && in_ready_o) begin
          left_d = left_q - 1'b1;
          if (left_q == 8'd1) state_d = StHeader;
        end
      end
      StPeek: begin
        address_d = in_word_i;
        in_ready_o = is_ours;
        decoder_word_o = header_q;  // the decoder gets the message after all
        decoder_valid_o = in_valid_i && !is_ours;
        if (take_address) state_d = held_write ? StValue : StAnswer;
        else if (in_valid_i && decoder_ready_i) state_d = StPayload;
      end
      StValue: begin
        in_ready_o = 1'b1;
        reset_left_d = ResetCycles;
        if (in_valid_i) begin
          if (!writable) state_d = StAnswer;
          else if (address_q == registers_pkg::AddressLinkControl && in_word_i[0]) state_d = StReset;
          else state_d = StHeader;
        end
      end
      StReset: begin
        reset_left_d = reset_left_q - 1'b1;
        if (reset_left_q == '0) state_d = StHeader;
      end
      default: begin  // StAnswer
        if (answer_done) state_d = StHeader;
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= StHeader;
    else state_q <= state_d;
    left_q <= left_d;
    header_q <= header_d;
    address_q <= address_d;
    reset_left_q <= reset_left_d;
  end
  assign decoder_rst_no = rst_ni && state_q != StReset;

  // ---- registers
  logic [31:0] session_q, frames_q, bad_crc_q, bad_frames_q, overruns_q, framing_errors_q;
  logic [31:0] value;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) session_q <= '0;
    else if (write_value && address_q == registers_pkg::AddressLinkSession) session_q <= in_word_i;

    if (!rst_ni || (write_value && address_q == registers_pkg::AddressLinkControl && in_word_i[1])) begin
      frames_q <= '0;
      bad_crc_q <= '0;
      bad_frames_q <= '0;
      overruns_q <= '0;
      framing_errors_q <= '0;
    end else begin
      frames_q <= frames_q + 32'(frame_i);
      bad_crc_q <= bad_crc_q + 32'(bad_crc_i);
      bad_frames_q <= bad_frames_q + 32'(bad_frame_i);
      overruns_q <= overruns_q + 32'(overrun_i);
      framing_errors_q <= framing_errors_q + 32'(framing_error_i);
    end
  end
  always_comb begin
    case (address_q)
      registers_pkg::AddressLinkSession: value = session_q;
      registers_pkg::AddressLinkFrameWords: value = FrameWords;
      registers_pkg::AddressLinkFrames: value = frames_q;
      registers_pkg::AddressLinkBadCrc: value = bad_crc_q;
      registers_pkg::AddressLinkBadFrames: value = bad_frames_q;
      registers_pkg::AddressLinkOverruns: value = overruns_q;
      registers_pkg::AddressLinkFramingErrors: value = framing_errors_q;
      default: value = '0;  // LINK_CONTROL
    endcase
  end

  // ---- the way out: the decoder's messages, and between them the answer
  logic [7:0] response_left_q;
  logic [1:0] answer_index_q;
  logic answering, out_taken;
  logic committed_q;  // a word of the decoder that was offered stays offered until it is taken
  assign answering = state_q == StAnswer && (answer_index_q != '0 || response_left_q == '0) && !committed_q;
  assign out_taken = out_valid_o && out_ready_i;
  assign answer_done = answering && out_taken && answer_index_q == 2'd2;
  assign out_valid_o = answering || response_valid_i;
  assign response_ready_o = !answering && out_ready_i;
  always_comb begin
    out_word_o = response_word_i;
    if (answering) begin
      case (answer_index_q)
        2'd0: out_word_o = {header_q[31:16], 8'd2, fault ? qds1_pkg::KindFault : qds1_pkg::KindData};
        2'd1: out_word_o = fault ? 32'(registers_pkg::FaultCodeAddress) : address_q;
        default: out_word_o = fault ? address_q : value;
      endcase
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      answer_index_q <= '0;
      committed_q <= 1'b0;
    end else begin
      if (answering && out_taken) answer_index_q <= answer_done ? '0 : answer_index_q + 1'b1;
      committed_q <= !answering && out_valid_o && !out_ready_i && decoder_rst_no;
    end
    if (!decoder_rst_no) response_left_q <= '0;
    else if (!answering && out_taken) begin
      response_left_q <= response_left_q == '0 ? response_word_i[15:8] : response_left_q - 1'b1;
    end
  end
endmodule
`default_nettype wire
