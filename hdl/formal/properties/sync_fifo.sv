  // Any one word may be marked when it is pushed. It then has to come out as the (words in front of it + 1)th pop,
  // unchanged. As that holds for every word, none is lost, doubled, altered or overtaken.
  (* anyseq *) logic f_mark;
  logic f_marked_q;
  logic [Width-1:0] f_word_q;
  logic [DepthBits:0] f_ahead_q;
  logic [DepthBits:0] f_count;
  logic f_pop;
  assign f_count = write_q - read_q;
  assign f_pop = pop_i && valid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      f_marked_q <= 1'b0;
    end else if (!f_marked_q) begin
      f_marked_q <= f_mark && push_i && !full_o;
      f_word_q <= wdata_i;
      f_ahead_q <= f_count - (DepthBits+1)'(f_pop);
    end else if (f_pop) begin
      f_marked_q <= f_ahead_q != '0;
      f_ahead_q <= f_ahead_q - 1'b1;
    end
  end

  always_comb begin
    if (f_past) begin
      assert (f_count <= 2 ** DepthBits);
      assert (full_o == (f_count == 2 ** DepthBits));
      assert (valid_o == (f_count != '0));
      if (f_marked_q) begin
        assert (f_ahead_q < f_count);
        assert (memory_q[DepthBits'(read_q + f_ahead_q)] == f_word_q);
        if (f_ahead_q == '0) assert (valid_o && rdata_o == f_word_q);
      end
    end
  end

  // the head holds until it is taken, and what is not pushed fills nothing
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && valid_o && !pop_i)) assert (valid_o && rdata_o == $past(rdata_o));
    if (f_past && $past(rst_ni && !full_o && !push_i)) assert (!full_o);
  end
