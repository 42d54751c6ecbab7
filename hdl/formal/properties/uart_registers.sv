  // Both inputs hold their words, as AXI4-Stream asks.
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && in_valid_i && !in_ready_o)) begin
      assume (in_valid_i && in_word_i == $past(in_word_i));
    end
    if (f_past && $past(decoder_rst_no && response_valid_i && !response_ready_o)) begin
      assume (response_valid_i && response_word_i == $past(response_word_i));
    end
  end

  // ---- the decoder's words hold until they are taken, the answers too, but for a reset
  always_ff @(posedge clk_i) begin
    if (f_past && $past(decoder_rst_no && decoder_valid_o && !decoder_ready_i)) begin
      assert (decoder_valid_o && decoder_word_o == $past(decoder_word_o));
    end
    if (f_past && $past(decoder_rst_no && out_valid_o && !out_ready_i) && decoder_rst_no) begin
      assert (out_valid_o);
      // a link counter may still count while the answer with its value waits
      if (!(answering && answer_index_q == 2'd2)) assert (out_word_o == $past(out_word_o));
    end
  end

  // ---- an answer never gets between the words of the decoder's message
  always_comb begin
    if (f_past) begin
      assert (answer_index_q <= 2'd2 && (answer_index_q == '0 || state_q == StAnswer));
      if (answer_index_q != '0) assert (!committed_q && response_left_q == '0);
      if (answering) assert (response_left_q == '0);
    end
  end
