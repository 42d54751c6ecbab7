// A decoder that identifies itself correctly and then misbehaves: what the bridge must catch.
`default_nettype none
module broken #(
    parameter int GraphHash = 0,
    parameter int Mode = 0  // 0: takes every word, never answers; 1: never takes one; 2: answers garbage; 3: wrong tags
) (
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
  localparam int MessageWords = 4;  // header, flips, latency, status
  localparam logic [31:0] Id = 32'h31534451;
  localparam logic [31:0] Version = 32'h00010000;
  localparam logic [31:0] CorrectionHeader = 32'h00990381;  // tag 0x99 whatever was asked
  localparam logic [31:0] Garbage = 32'hFFFFFFFF;

  logic [1:0] position_q;
  assign s_axis_tready = Mode != 1;
  assign m_axis_tvalid = Mode >= 2;
  assign m_axis_tdata = Mode == 2 ? Garbage : (position_q == 0 ? CorrectionHeader : 32'h0);
  assign m_axis_tlast = 1'b1;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) position_q <= '0;
    else if (m_axis_tvalid && m_axis_tready) position_q <= position_q + 2'(MessageWords / 4);
  end

  assign s_axil_awready = 1'b0;
  assign s_axil_wready = 1'b0;
  assign s_axil_bvalid = 1'b0;
  assign s_axil_bresp = '0;
  assign s_axil_arready = !s_axil_rvalid;
  assign s_axil_rresp = '0;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) s_axil_rvalid <= 1'b0;
    else if (s_axil_arvalid && s_axil_arready) begin
      s_axil_rvalid <= 1'b1;
      s_axil_rdata <= s_axil_araddr == 12'h000 ? Id : (s_axil_araddr == 12'h004 ? Version : GraphHash);
    end else if (s_axil_rready) s_axil_rvalid <= 1'b0;
  end

  logic unused;
  assign unused = ^{s_axis_tdata, s_axis_tvalid, s_axis_tlast, s_axil_awaddr, s_axil_awvalid, s_axil_wdata,
                    s_axil_wstrb, s_axil_wvalid, s_axil_bready};
endmodule
`default_nettype wire
