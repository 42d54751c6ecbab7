// Bytes of the line -> words of the frames that arrived whole.
//
// A frame is COBS(words, little-endian, then their CRC-32) and a zero. Its words wait in a buffer until the CRC was
// found right; a frame that is damaged, too long, not made of whole messages, or that finds no room is taken back and
// counted. Nothing of it reaches the decoder.
`default_nettype none
module uart_frame_rx #(
    parameter int FrameWordsBits = 6  // the longest frame is 2**FrameWordsBits words; the buffer holds two
) (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic [7:0]  byte_i,
    input  logic        valid_i,
    output logic [31:0] word_o,
    output logic        word_valid_o,
    input  logic        word_ready_i,
    // one cycle each
    output logic        frame_o,      // released
    output logic        bad_crc_o,    // damaged on the way
    output logic        bad_frame_o,  // undamaged, but too long or no sequence of whole messages
    output logic        overrun_o     // no room
);
  localparam int AddressBits = FrameWordsBits + 1;
  localparam logic [31:0] FirstCrc = '1;
  localparam logic [31:0] Residue = 32'hdebb_20e3;  // of data and CRC together, when both are right

  logic [7:0] data;
  logic data_valid, frame_end, cut_short;
  cobs_decoder u_cobs (
      .clk_i,
      .rst_ni,
      .byte_i,
      .valid_i,
      .byte_o(data),
      .valid_o(data_valid),
      .end_o(frame_end),
      .error_o(cut_short)
  );

  logic [31:0] crc_q, crc_next;
  crc32_byte u_crc (
      .crc_i(crc_q),
      .byte_i(data),
      .crc_o(crc_next)
  );

  // ---- words; one is held back until the next is whole: the frame's last word is its CRC
  logic [23:0] bytes_q;
  logic [1:0] byte_index_q;
  logic [31:0] held_q;
  logic held_valid_q;
  logic word_done, store;
  assign word_done = data_valid && byte_index_q == 2'd3;
  assign store = word_done && held_valid_q;

  // ---- buffer: words from read_q to commit_q are released, those up to write_q belong to the frame under way
  logic [31:0] memory_q [0:2**AddressBits-1];
  logic [AddressBits:0] write_q, commit_q, read_q;
  logic [FrameWordsBits:0] length_q;
  logic [7:0] message_left_q;  // payload words that the message under way lacks
  logic too_long_q, no_room_q;
  logic full, too_long, pop, crc_right, whole;
  assign full = (write_q ^ read_q) == {1'b1, {AddressBits{1'b0}}};
  assign too_long = length_q[FrameWordsBits];
  assign crc_right = !cut_short && byte_index_q == '0 && held_valid_q && crc_q == Residue;
  assign whole = length_q != '0 && message_left_q == '0 && !too_long_q;

  assign word_o = memory_q[read_q[AddressBits-1:0]];
  assign word_valid_o = read_q != commit_q;
  assign pop = word_valid_o && word_ready_i;
  assign bad_crc_o = frame_end && !crc_right;
  assign bad_frame_o = frame_end && crc_right && !whole;
  assign overrun_o = frame_end && crc_right && whole && no_room_q;
  assign frame_o = frame_end && crc_right && whole && !no_room_q;

  always_ff @(posedge clk_i) begin
    if (store && !full) memory_q[write_q[AddressBits-1:0]] <= held_q;
  end

  always_ff @(posedge clk_i) begin
    if (data_valid) bytes_q <= {data, bytes_q[23:8]};
    if (word_done) held_q <= {data, bytes_q};
    if (!rst_ni || frame_end) begin
      crc_q <= FirstCrc;
      byte_index_q <= '0;
      held_valid_q <= 1'b0;
      length_q <= '0;
      message_left_q <= '0;
      too_long_q <= 1'b0;
      no_room_q <= 1'b0;
    end else if (data_valid) begin
      crc_q <= crc_next;
      byte_index_q <= byte_index_q + 1'b1;
      if (word_done) held_valid_q <= 1'b1;
      if (store) begin
        message_left_q <= message_left_q == '0 ? held_q[15:8] : message_left_q - 1'b1;
        if (too_long) too_long_q <= 1'b1;
        else length_q <= length_q + 1'b1;
        if (full) no_room_q <= 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= '0;
      commit_q <= '0;
      read_q <= '0;
    end else begin
      if (frame_end) write_q <= frame_o ? write_q : commit_q;
      else if (store && !full && !too_long) write_q <= write_q + 1'b1;
      if (frame_o) commit_q <= write_q;
      if (pop) read_q <= read_q + 1'b1;
    end
  end
endmodule
`default_nettype wire
