  localparam int Words = 2 ** AddressBits;
  logic [AddressBits:0] f_count, f_released;
  assign f_count = write_q - read_q;
  assign f_released = commit_q - read_q;

  // ---- the buffer: words of whole frames in front, then those of the frame under way
  always_comb begin
    if (f_past) begin
      assert (f_count <= Words && f_released <= f_count);
      assert (full == (f_count == Words));
      assert (length_q <= 2 ** FrameWordsBits);
      if (!no_room_q) assert (write_q - commit_q == (AddressBits+1)'(length_q));
    end
  end

  // ---- Any one word may be marked when it is stored. It comes out unchanged after the words in front of it, if and
  // only if its frame is released.
  (* anyseq *) logic f_mark;
  logic f_marked_q, f_released_q;
  logic [31:0] f_word_q;
  logic [AddressBits:0] f_ahead_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      f_marked_q <= 1'b0;
    end else if (!f_marked_q) begin
      f_marked_q <= f_mark && store && !full && !too_long;
      f_released_q <= 1'b0;
      f_word_q <= held_q;
      f_ahead_q <= f_count - (AddressBits+1)'(pop);
    end else begin
      if (frame_end && !f_released_q) begin
        f_marked_q <= frame_o;
        f_released_q <= frame_o;
      end
      if (pop) begin
        if (f_ahead_q == '0) f_marked_q <= 1'b0;
        f_ahead_q <= f_ahead_q - 1'b1;
      end
    end
  end
  always_comb begin
    if (f_past && f_marked_q) begin
      assert (f_released_q ? f_ahead_q < f_released : f_ahead_q >= f_released && f_ahead_q < f_count);
      assert (memory_q[AddressBits'(read_q + f_ahead_q)] == f_word_q);
      if (f_ahead_q == '0 && f_released_q) assert (word_valid_o && word_o == f_word_q);
      if (f_ahead_q == '0 && !f_released_q) assert (!word_valid_o);
    end
  end

  // ---- a released word holds until it is taken
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && word_valid_o && !word_ready_i)) assert (word_valid_o && word_o == $past(word_o));
  end

  // ---- every frame is released or counted, never both
  always_comb begin
    if (f_past) begin
      assert (2'(frame_o) + 2'(bad_crc_o) + 2'(bad_frame_o) + 2'(overrun_o) == 2'(frame_end));
      if (frame_o) assert (f_count != f_released);
    end
  end
