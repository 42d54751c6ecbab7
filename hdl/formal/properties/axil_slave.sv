  // AXI4-Lite: a response holds until it is taken
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && s_axil_bvalid && !s_axil_bready)) begin
      assert (s_axil_bvalid && s_axil_bresp == $past(s_axil_bresp));
    end
    if (f_past && $past(rst_ni && s_axil_rvalid && !s_axil_rready)) begin
      assert (s_axil_rvalid && s_axil_rdata == $past(s_axil_rdata) && s_axil_rresp == $past(s_axil_rresp));
    end
  end

  // one response for each address that was taken
  logic [1:0] f_reads_q, f_writes_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      f_reads_q <= '0;
      f_writes_q <= '0;
    end else begin
      f_reads_q <= f_reads_q + 2'(s_axil_arvalid && s_axil_arready) - 2'(s_axil_rvalid && s_axil_rready);
      f_writes_q <= f_writes_q + 2'(s_axil_awvalid && s_axil_awready) - 2'(s_axil_bvalid && s_axil_bready);
    end
  end
  always_comb begin
    if (f_past) begin
      assert (f_reads_q == 2'(ar_full_q) + 2'(s_axil_rvalid));
      assert (f_writes_q == 2'(aw_full_q) + 2'(s_axil_bvalid));
      if (state_q == StWrite) assert (aw_full_q && w_full_q && !s_axil_bvalid);
      if (state_q == StRead) assert (ar_full_q && !s_axil_rvalid);
    end
  end
