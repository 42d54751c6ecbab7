  // The whole decoder: what it offers holds until it is taken, a soft reset or not.
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && m_axis_tvalid && !m_axis_tready)) begin
      assert (m_axis_tvalid && m_axis_tdata == $past(m_axis_tdata) && m_axis_tlast == $past(m_axis_tlast));
    end
    if (f_past && $past(rst_ni && s_axil_bvalid && !s_axil_bready)) begin
      assert (s_axil_bvalid && s_axil_bresp == $past(s_axil_bresp));
    end
    if (f_past && $past(rst_ni && s_axil_rvalid && !s_axil_rready)) begin
      assert (s_axil_rvalid && s_axil_rdata == $past(s_axil_rdata) && s_axil_rresp == $past(s_axil_rresp));
    end
  end
