// Messages -> bytes of frames: each message becomes COBS(words, little-endian, then their CRC-32) and a zero.
`default_nettype none
module uart_frame_tx (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic [31:0] word_i,
    input  logic        word_valid_i,
    output logic        word_ready_o,
    output logic [7:0]  byte_o,
    output logic        valid_o,
    input  logic        ready_i
);
  logic [7:0] words_left_q;  // payload words of the message that have not begun
  logic in_message_q;        // a header has gone
  logic in_crc_q;
  logic [1:0] byte_index_q;
  logic [31:0] crc_q, crc_next;

  logic [7:0] data;
  logic [31:0] word;
  logic data_valid, data_ready, step, word_ends, message_ends;
  assign word = in_crc_q ? ~crc_q : word_i;
  assign data_valid = in_crc_q || word_valid_i;
  assign step = data_valid && data_ready;
  assign word_ends = step && byte_index_q == 2'd3;
  assign word_ready_o = word_ends && !in_crc_q;
  assign message_ends = in_message_q ? words_left_q == 8'd1 : word_i[15:8] == '0;
  always_comb begin
    case (byte_index_q)
      2'd0: data = word[7:0];
      2'd1: data = word[15:8];
      2'd2: data = word[23:16];
      default: data = word[31:24];
    endcase
  end

  crc32_byte u_crc (
      .crc_i(crc_q),
      .byte_i(data),
      .crc_o(crc_next)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      words_left_q <= '0;
      in_message_q <= 1'b0;
      in_crc_q <= 1'b0;
      byte_index_q <= '0;
      crc_q <= '1;
    end else if (step) begin
      byte_index_q <= byte_index_q + 1'b1;
      if (!in_crc_q) crc_q <= crc_next;
      if (word_ends && in_crc_q) begin
        in_crc_q <= 1'b0;
        in_message_q <= 1'b0;
        crc_q <= '1;
      end else if (word_ends) begin
        in_message_q <= 1'b1;
        words_left_q <= in_message_q ? words_left_q - 1'b1 : word_i[15:8];
        in_crc_q <= message_ends;
      end
    end
  end

  cobs_encoder u_cobs (
      .clk_i,
      .rst_ni,
      .byte_i(data),
      .last_i(in_crc_q && byte_index_q == 2'd3),
      .valid_i(data_valid),
      .ready_o(data_ready),
      .byte_o,
      .valid_o,
      .ready_i
  );
endmodule
`default_nettype wire
