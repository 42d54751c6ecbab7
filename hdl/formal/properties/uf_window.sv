  // What uf_control keeps: a window is finished only when the result before it is gone.
  always_comb begin
    assume (!done_i || (result_free_o && busy_q));
    assume (!window_take_i || window_valid_o);
  end

  // a result holds until it is taken, but for a frame of a shot that is abandoned
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && result_valid_o && !result_ready_i && !(dropped && result_frame_o))) begin
      assert (result_valid_o && result_flips_o == $past(result_flips_o) && result_status_o == $past(result_status_o));
      assert (result_frame_o == $past(result_frame_o) && result_round_o == $past(result_round_o));
    end
    if (f_past && $past(rst_ni && done_i && last_q && !dropped)) assert (result_valid_o && !result_frame_o);
  end

  // a window holds until it is taken, unless its shot is abandoned
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && window_valid_o && !window_take_i && !flush)) begin
      assert (window_valid_o && window_events_o == $past(window_events_o) && window_last_o == $past(window_last_o));
    end
  end

  // no layer leaves the queue while its window waits or is decoded
  always_comb begin
    if (f_past) begin
      assert (!(valid_q && busy_q));
      assert (!(fifo_pop && (valid_q || busy_q)));
    end
  end
