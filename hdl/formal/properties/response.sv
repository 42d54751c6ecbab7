  // ---- AXI4-Stream: an offered word holds until it is taken
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && m_axis_tvalid && !m_axis_tready)) begin
      assert (m_axis_tvalid && m_axis_tdata == $past(m_axis_tdata) && m_axis_tlast == $past(m_axis_tlast));
    end
  end

  // ---- every token that is taken becomes one message with its tag, and so does every result
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni && token_pop_o)) begin
      assert (m_axis_tvalid && m_axis_tdata[31:16] == $past(token_tag));
      assert ((m_axis_tdata[7:0] == qds1_pkg::KindFault) == ($past(token_type) == qds1_pkg::TokenFault));
      assert ((m_axis_tdata[7:0] == qds1_pkg::KindCorrection) == ($past(token_type) == qds1_pkg::TokenShot));
    end
    if (f_past && $past(rst_ni && result_ready_o)) begin
      assert (m_axis_tvalid && $past(result_valid_i));
      assert (m_axis_tdata[7:0] == ($past(result_frame_i) ? qds1_pkg::KindFrame : qds1_pkg::KindCorrection));
    end
  end
  always_comb begin
    if (f_past) assert (!(token_pop_o && token_type == qds1_pkg::TokenShot) || (result_ready_o && !result_frame_i));
  end

  // ---- the words of a message are as many as its header says, and a packet ends only where a message does
  logic [7:0] f_left_q;  // words that the receiver still expects; 0: a header comes next
  always_ff @(posedge clk_i) begin
    if (!rst_ni) f_left_q <= '0;
    else if (m_axis_tvalid && m_axis_tready) f_left_q <= f_left_q == '0 ? m_axis_tdata[15:8] : f_left_q - 1'b1;
  end
  always_comb begin
    if (f_past) begin
      if (!m_axis_tvalid) assert (f_left_q == '0 && words_left_q == '0);
      else if (f_left_q == '0) assert (words_left_q == m_axis_tdata[15:8] && words_left_q != '0 && !m_axis_tlast);
      else assert (words_left_q == f_left_q - 1'b1 && (!m_axis_tlast || words_left_q == '0));
    end
  end

  // ---- a new header comes only from a token or a result
  always_ff @(posedge clk_i) begin
    if (f_past && $past(rst_ni) && m_axis_tvalid && f_left_q == '0 && !$past(m_axis_tvalid && !m_axis_tready)) begin
      assert ($past(token_pop_o || result_ready_o));
    end
  end
