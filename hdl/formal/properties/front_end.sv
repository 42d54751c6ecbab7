  // The queue of tokens only fills by what is pushed here.
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && !token_full_i && !token_push_o)) assume (!token_full_i);
  end

  // ---- a layer holds until the core takes it, and none is written over one that waits
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && layer_valid_o && !layer_ready_i)) begin
      assert (layer_valid_o && layer_events_o == $past(layer_events_o) && layer_last_o == $past(layer_last_o));
      assert (layer_tag_o == $past(layer_tag_o) && layer_time_o == $past(layer_time_o));
    end
    if (f_past && $past(rst_ni)) assert (layer_valid_o == ($past(push) || $past(layer_valid_o && !layer_ready_i)));
  end
  always_comb begin
    if (f_past) begin
      assert (!(push && layer_valid_o));
      assert (!(abort_o && layer_valid_o));
    end
  end

  // ---- no token is pushed where there is no room; a shot's end pushes exactly one
  always_comb begin
    if (f_past) begin
      assert (!(token_push_o && token_full_i));
      if (push) assert (token_push_o == is_end_q);
    end
  end

  // ---- a register access holds until it is done
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && bus_valid_o && !bus_ready_i)) begin
      assert (bus_valid_o && bus_write_o == $past(bus_write_o));
      assert (bus_address_o == $past(bus_address_o) && bus_wdata_o == $past(bus_wdata_o));
    end
  end
