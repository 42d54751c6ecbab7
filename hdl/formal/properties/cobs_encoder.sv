  // a byte holds until it is taken
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && valid_o && !ready_i)) assert (valid_o && byte_o == $past(byte_o));
  end

  // no byte is taken while a block goes out, and no block overflows
  always_comb begin
    if (f_past) begin
      assert (!(ready_o && valid_o));
      assert (length_q <= LongestBlock);
      if (state_q == StFill) assert (length_q < LongestBlock);
    end
  end
