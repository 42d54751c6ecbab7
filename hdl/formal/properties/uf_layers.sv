  // What uf_control keeps: a shot is taken only when there is one.
  always_comb assume (!shot_take_i || shot_valid_o);

  // a whole shot holds until it is taken, and no layer gets into it
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && shot_valid_o && !shot_take_i)) begin
      assert (shot_valid_o && shot_events_o == $past(shot_events_o));
    end
  end
  always_comb if (f_past) assert (!(accept && shot_valid_o));

  // every shot that came to its end is one shot to decode
  logic f_waits_q;
  always_ff @(posedge clk_i) begin
    f_waits_q <= rst_ni && ((accept && layer_last_i) || (f_waits_q && !shot_take_i));
  end
  always_comb if (f_past) assert (shot_valid_o == f_waits_q);
