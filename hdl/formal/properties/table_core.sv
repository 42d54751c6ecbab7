  // Shots whose last layer was taken and whose result was not: exactly those that the core holds.
  logic [1:0] f_owed_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) f_owed_q <= '0;
    else f_owed_q <= f_owed_q + 2'(take && layer_last_i) - 2'(result_valid_o && result_ready_i);
  end
  always_comb begin
    if (f_past) assert (f_owed_q == 2'(lookup_valid_q) + 2'(result_valid_q));
  end

  // a result holds until it is taken
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && result_valid_o && !result_ready_i)) begin
      assert (result_valid_o && result_flips_o == $past(result_flips_o));
    end
  end
