  // What uf_layers, uf_window and uf_whole rely on.
  always_comb begin
    if (f_past) begin
      assert (!shot_take_o || shot_valid_i);
      assert (!(finish_o || finish_empty_o) || result_free_i);
      assert (!(finish_o && finish_empty_o));
    end
  end

  // each shot taken is finished exactly once: no second one is taken before
  logic f_open_q;
  always_ff @(posedge clk_i) f_open_q <= rst_ni && (load_o || (f_open_q && !finish_o));
  always_comb begin
    if (f_past) begin
      assert (f_open_q == !idle_o);
      assert (!(load_o && f_open_q) && !(finish_o && !f_open_q));
    end
  end
