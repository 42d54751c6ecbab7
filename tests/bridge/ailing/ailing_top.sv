// Around a healthy decoder_top: illnesses of the stream and of the registers.
`default_nettype none
module ailing_top (
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic [31:0] s_axis_tdata,
    input  logic        s_axis_tvalid,
    output logic        s_axis_tready,
    input  logic        s_axis_tlast,
    output logic [31:0] m_axis_tdata,
    output logic        m_axis_tvalid,
    input  logic        m_axis_tready,
    output logic        m_axis_tlast,
    input  logic [11:0] s_axil_awaddr,
    input  logic        s_axil_awvalid,
    output logic        s_axil_awready,
    input  logic [31:0] s_axil_wdata,
    input  logic [3:0]  s_axil_wstrb,
    input  logic        s_axil_wvalid,
    output logic        s_axil_wready,
    output logic [1:0]  s_axil_bresp,
    output logic        s_axil_bvalid,
    input  logic        s_axil_bready,
    input  logic [11:0] s_axil_araddr,
    input  logic        s_axil_arvalid,
    output logic        s_axil_arready,
    output logic [31:0] s_axil_rdata,
    output logic [1:0]  s_axil_rresp,
    output logic        s_axil_rvalid,
    input  logic        s_axil_rready
);
@AILMENT@
  localparam int DropEvery = 1000;
  localparam int RepeatEvery = 100;
  localparam int LieEvery = 500;
  localparam int NumStabilizers = decoder_pkg::NumStabilizers;
  localparam int NumDataQubits = decoder_pkg::NumDataQubits;

  // ---- reset: only the first one counts for a decoder that ignores it
  logic was_reset_q = 1'b0;
  always_ff @(posedge clk_i) if (rst_ni) was_reset_q <= 1'b1;
  logic inner_rst_n;
  assign inner_rst_n = rst_ni || (was_reset_q && ailment == "ignores reset");

  // ---- input: where the word stands in its message, and what it becomes
  logic [7:0] in_left_q, in_kind_q;
  logic in_accept;
  logic stuck_q;
  logic inner_ready;
  logic [31:0] in_word;
  assign s_axis_tready = inner_ready && !stuck_q && ailment != "never ready";
  assign in_accept = s_axis_tvalid && s_axis_tready;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) in_left_q <= '0;
    else if (in_accept) begin
      in_left_q <= in_left_q == '0 ? s_axis_tdata[15:8] : in_left_q - 1'b1;
      if (in_left_q == '0) in_kind_q <= s_axis_tdata[7:0];
    end
  end
  always_comb begin
    in_word = s_axis_tdata;
    if (in_left_q != '0 && (ailment == "reversed payloads" || ailment == "reversed readout")) begin
      if (in_kind_q == 8'h01 && ailment == "reversed payloads") begin
        for (int i = 0; i < NumStabilizers; i++) in_word[i] = s_axis_tdata[NumStabilizers-1-i];
      end
      if (in_kind_q == 8'h03) begin
        for (int i = 0; i < NumDataQubits; i++) in_word[i] = s_axis_tdata[NumDataQubits-1-i];
      end
    end
    if (in_left_q != '0 && in_kind_q == 8'h03 && ailment == "two bits of the readout exchanged") begin
      {in_word[2], in_word[6]} = {s_axis_tdata[6], s_axis_tdata[2]};
    end
    if (in_left_q != '0 && in_kind_q == 8'h01 && ailment == "two bits of the syndrome exchanged") begin
      {in_word[0], in_word[1]} = {s_axis_tdata[1], s_axis_tdata[0]};
    end
    if (in_left_q != '0 && ailment == "bytes swapped") begin
      in_word = {s_axis_tdata[7:0], s_axis_tdata[15:8], s_axis_tdata[23:16], s_axis_tdata[31:24]};
    end
  end

  // ---- output
  logic [31:0] word;
  logic valid, ready, last;
  logic [7:0] left_q, index_q;
  logic [15:0] shots_q;
  logic [31:0] copy_q [0:3];
  logic [2:0] replay_q;  // words of the copy still to send
  logic take;
  logic dropping;
  logic [7:0] stalled_q;
  assign dropping = ailment == "drops a shot in a thousand" && 32'(shots_q) % DropEvery == DropEvery - 1;
  assign take = valid && ready;
  logic in_latency;
  assign in_latency = index_q == 8'd1 && left_q != '0;
  // shots that were taken whole and not answered yet
  logic [7:0] ahead_q;
  logic shot_in, shot_out;
  assign shot_in = in_accept && in_left_q == 8'd1 && in_kind_q == 8'h03;
  assign shot_out = take && left_q == 8'd1;
  logic was_ready_q, offered_q, losing_q;
  always_ff @(posedge clk_i) begin
    was_ready_q <= m_axis_tready && rst_ni;
    offered_q <= rst_ni && m_axis_tvalid && !m_axis_tready;
    if (!rst_ni) ahead_q <= '0;
    else ahead_q <= ahead_q + 8'(shot_in) - 8'(shot_out);
    if (!rst_ni) losing_q <= 1'b0;
    else if (take && left_q == 8'd1 || left_q == '0 && !valid) losing_q <= ahead_q > 8'd1;
  end
  always_comb begin
    ready = m_axis_tready && replay_q == '0;
    m_axis_tvalid = valid || replay_q != '0;
    m_axis_tlast = last;
    m_axis_tdata = word;
    if (replay_q != '0) m_axis_tdata = copy_q[2'(3'd4 - replay_q)];
    if (dropping) begin
      m_axis_tvalid = 1'b0;
      ready = 1'b1;
    end
    if (ailment == "ignores backpressure") ready = 1'b1;
    if (ailment == "withdraws valid" && stalled_q == 8'd3) m_axis_tvalid = 1'b0;
    if (ailment == "changes data" && stalled_q >= 8'd3) m_axis_tdata = ~word;
    if (ailment == "wrong tags" && left_q == '0) m_axis_tdata = word + 32'h0001_0000;
    if (ailment == "untrue latency" && index_q == 8'd1 && left_q != '0) m_axis_tdata = word - 32'd1;
    if (ailment == "latency lies rarely" && in_latency && 32'(shots_q) % LieEvery == LieEvery - 1) m_axis_tdata = word + 32'd7;
    if (ailment == "latency lies under load" && in_latency && ahead_q > 8'd2) m_axis_tdata = word - 32'd3;
    if (ailment == "latency lies when idle" && in_latency && ahead_q < 8'd2) m_axis_tdata = word - 32'd3;
    if (ailment == "latency is a constant" && in_latency) m_axis_tdata = 32'd20;
    if (ailment == "tags of 15 bits" && left_q == '0) m_axis_tdata = {1'b0, word[30:0]};
    if (ailment == "valid waits for ready") begin
      m_axis_tvalid = valid && (was_ready_q || offered_q);
      ready = m_axis_tready && (was_ready_q || offered_q);
    end
    if (ailment == "valid follows ready") m_axis_tvalid = valid && m_axis_tready;
    if (ailment == "data follows ready") m_axis_tdata = m_axis_tready ? word : ~word;
    if (ailment == "changes in mid-cycle") m_axis_tdata = word ^ {31'b0, clk_i};
    if (ailment == "sends without end" && 32'(shots_q) >= DropEvery) begin
      m_axis_tvalid = 1'b1;
      m_axis_tdata = {shots_q, 16'h0381};
      ready = 1'b0;
    end
    if (ailment == "no room for two" && losing_q) begin
      m_axis_tvalid = 1'b0;
      ready = 1'b1;
    end
    if (ailment == "garbage") m_axis_tdata = 32'hFFFF_FFFF;
    if (ailment == "silent") begin
      m_axis_tvalid = 1'b0;
      ready = 1'b1;
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q <= '0;
      shots_q <= '0;
      stuck_q <= 1'b0;
      replay_q <= '0;
      stalled_q <= '0;
    end else begin
      stalled_q <= valid && !m_axis_tready ? stalled_q + 8'(stalled_q != '1) : '0;
      if (replay_q != '0 && m_axis_tready) replay_q <= replay_q - 1'b1;
      if (take) begin
        left_q <= left_q == '0 ? word[15:8] : left_q - 1'b1;
        if (left_q == '0) copy_q[0] <= word;
        else copy_q[2'(index_q + 8'd1)] <= word;
        if (left_q == 8'd1) begin
          shots_q <= shots_q + 1'b1;
          if (ailment == "answers twice" && 32'(shots_q) % RepeatEvery == RepeatEvery - 1) replay_q <= 3'd4;
          if (ailment == "answers all twice") replay_q <= 3'd4;
        end
        if (left_q == '0 && word[7:0] == 8'hEE && ailment == "stuck after a fault") stuck_q <= 1'b1;
      end
    end
    if (take) index_q <= left_q == '0 ? '0 : index_q + 1'b1;
  end

  decoder_top u_decoder (
      .clk_i,
      .rst_ni(inner_rst_n),
      .s_axis_tdata(in_word),
      .s_axis_tvalid(s_axis_tvalid && !stuck_q && ailment != "never ready"),
      .s_axis_tready(inner_ready),
      .s_axis_tlast,
      .m_axis_tdata(word),
      .m_axis_tvalid(valid),
      .m_axis_tready(ready),
      .m_axis_tlast(last),
      .s_axil_awaddr,
      .s_axil_awvalid,
      .s_axil_awready,
      .s_axil_wdata,
      .s_axil_wstrb,
      .s_axil_wvalid,
      .s_axil_wready,
      .s_axil_bresp,
      .s_axil_bvalid,
      .s_axil_bready,
      .s_axil_araddr,
      .s_axil_arvalid,
      .s_axil_arready(arready),
      .s_axil_rdata(rdata),
      .s_axil_rresp,
      .s_axil_rvalid(rvalid),
      .s_axil_rready
  );

  // ---- registers
  logic arready, rvalid;
  logic [31:0] rdata;
  logic [11:0] address_q;
  always_ff @(posedge clk_i) if (s_axil_arvalid && s_axil_arready) address_q <= s_axil_araddr;
  assign s_axil_arready = arready;
  assign s_axil_rvalid = rvalid && ailment != "registers do not answer";
  always_comb begin
    s_axil_rdata = rdata;
    if (ailment == "wrong identity" && address_q == 12'h000) s_axil_rdata = 32'h0BAD_CAFE;
    if (ailment == "wrong version" && address_q == 12'h004) s_axil_rdata = 32'h0007_0000;
    if (ailment == "wrong graph" && address_q == 12'h008) s_axil_rdata = ~rdata;
  end
endmodule
`default_nettype wire
