  // What uf_control keeps: a shot is finished only when the result before it is gone.
  always_comb assume (!done_i || result_free_o);

  // a result holds until it is taken; each shot that is done has one
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && result_valid_o && !result_ready_i)) begin
      assert (result_valid_o && result_flips_o == $past(result_flips_o) && result_status_o == $past(result_status_o));
    end
    if (f_past && $past(rst_ni)) assert (result_valid_o == ($past(done_i) || $past(result_valid_o && !result_ready_i)));
  end
