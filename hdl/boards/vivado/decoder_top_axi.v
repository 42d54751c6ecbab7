// A decoder as Vivado's IP packager takes it: plain Verilog ports, named so that the two AXI4-Streams and the AXI4-Lite
// slave are recognised as interfaces. The ports are decoder_top's, with the byte lanes that AXI DMA drives and wants.
//
// A DMA transfer ends with a packet, so where packets end is decided here, for every decoder alike: m_axis_tlast comes
// after as many messages, FRAMEs not counted, as the register RESPONSES_PER_PACKET (0x04C) says; 0 = never. Accesses to
// all other registers go to the decoder, one at a time. rst_ni is proc_sys_reset's peripheral_aresetn.
//
// The parameters only tell the driver, by way of the hardware handoff, how long answers can be.
`default_nettype none
module decoder_top_axi #(
    /* verilator lint_off UNUSEDPARAM */
    parameter integer LongestAnswerWords = 4,
    parameter integer LongestFrameWords = 0
    /* verilator lint_on UNUSEDPARAM */
) (
    (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 clk_i CLK" *)
    (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axis:m_axis:s_axil, ASSOCIATED_RESET rst_ni" *)
    input  wire        clk_i,
    (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 rst_ni RST" *)
    (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)
    input  wire        rst_ni,
    input  wire [31:0] s_axis_tdata,
    input  wire [3:0]  s_axis_tkeep,
    input  wire        s_axis_tvalid,
    output wire        s_axis_tready,
    input  wire        s_axis_tlast,
    output wire [31:0] m_axis_tdata,
    output wire [3:0]  m_axis_tkeep,
    output wire        m_axis_tvalid,
    input  wire        m_axis_tready,
    output wire        m_axis_tlast,
    input  wire [11:0] s_axil_awaddr,
    input  wire        s_axil_awvalid,
    output wire        s_axil_awready,
    input  wire [31:0] s_axil_wdata,
    input  wire [3:0]  s_axil_wstrb,
    input  wire        s_axil_wvalid,
    output wire        s_axil_wready,
    output wire [1:0]  s_axil_bresp,
    output wire        s_axil_bvalid,
    input  wire        s_axil_bready,
    input  wire [11:0] s_axil_araddr,
    input  wire        s_axil_arvalid,
    output wire        s_axil_arready,
    output wire [31:0] s_axil_rdata,
    output wire [1:0]  s_axil_rresp,
    output wire        s_axil_rvalid,
    input  wire        s_axil_rready
);
  // The stream is of whole words: the host sends no others, so every byte lane counts.
  wire unused_tkeep = ^s_axis_tkeep;
  assign m_axis_tkeep = 4'hF;

  // ---- registers: writes
  localparam [9:0] OwnWord = 10'h013;  // 0x04C
  reg write_open_q, write_own_q, bvalid_q;  // a write is under way; it is the own register's
  wire write_comes = s_axil_awvalid && s_axil_wvalid && !write_open_q;
  wire own_write = write_comes && s_axil_awaddr[11:2] == OwnWord;
  reg aw_sent_q, w_sent_q;
  wire write_passes = write_comes && !own_write || write_open_q && !write_own_q;
  wire d_awvalid = write_passes && s_axil_awvalid && !aw_sent_q;
  wire d_wvalid = write_passes && s_axil_wvalid && !w_sent_q;
  wire d_awready, d_wready, d_bvalid;
  wire [1:0] d_bresp;
  assign s_axil_awready = own_write || d_awvalid && d_awready;
  assign s_axil_wready = own_write || d_wvalid && d_wready;
  assign s_axil_bvalid = write_own_q ? bvalid_q : write_open_q && d_bvalid;
  assign s_axil_bresp = write_own_q ? 2'b00 : d_bresp;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      write_open_q <= 1'b0;
      write_own_q <= 1'b0;
      bvalid_q <= 1'b0;
      aw_sent_q <= 1'b0;
      w_sent_q <= 1'b0;
      responses_q <= 32'd1;
    end else begin
      if (write_comes) begin
        write_open_q <= 1'b1;
        write_own_q <= own_write;
        bvalid_q <= own_write;
      end
      if (d_awvalid && d_awready) aw_sent_q <= 1'b1;
      if (d_wvalid && d_wready) w_sent_q <= 1'b1;
      if (s_axil_bvalid && s_axil_bready) begin
        write_open_q <= 1'b0;
        write_own_q <= 1'b0;
        bvalid_q <= 1'b0;
        aw_sent_q <= 1'b0;
        w_sent_q <= 1'b0;
      end
      if (own_write && s_axil_wstrb[0]) responses_q[7:0] <= s_axil_wdata[7:0];
      if (own_write && s_axil_wstrb[1]) responses_q[15:8] <= s_axil_wdata[15:8];
      if (own_write && s_axil_wstrb[2]) responses_q[23:16] <= s_axil_wdata[23:16];
      if (own_write && s_axil_wstrb[3]) responses_q[31:24] <= s_axil_wdata[31:24];
    end
  end

  // ---- registers: reads
  reg read_open_q, read_own_q, ar_sent_q;
  wire read_comes = s_axil_arvalid && !read_open_q;
  wire own_read = read_comes && s_axil_araddr[11:2] == OwnWord;
  wire d_arvalid = s_axil_arvalid && !ar_sent_q && (read_comes && !own_read || read_open_q && !read_own_q);
  wire d_arready, d_rvalid;
  wire [31:0] d_rdata;
  wire [ 1:0] d_rresp;
  assign s_axil_arready = own_read || d_arvalid && d_arready;
  assign s_axil_rvalid = read_own_q || read_open_q && d_rvalid;
  assign s_axil_rdata = read_own_q ? responses_q : d_rdata;
  assign s_axil_rresp = read_own_q ? 2'b00 : d_rresp;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      read_open_q <= 1'b0;
      read_own_q <= 1'b0;
      ar_sent_q <= 1'b0;
    end else begin
      if (read_comes) begin
        read_open_q <= 1'b1;
        read_own_q <= own_read;
      end
      if (d_arvalid && d_arready) ar_sent_q <= 1'b1;
      if (s_axil_rvalid && s_axil_rready) begin
        read_open_q <= 1'b0;
        read_own_q <= 1'b0;
        ar_sent_q <= 1'b0;
      end
    end
  end

  // ---- packets
  localparam [7:0] KindFrame = 8'h82;
  reg  [31:0] responses_q, count_q;  // of a packet: how many it shall have, and has
  reg  [ 7:0] words_left_q;  // of the message under way, 0 between messages
  reg         frame_q;  // it is a FRAME
  wire        moves = m_axis_tvalid && m_axis_tready;
  wire        between = words_left_q == 8'd0;
  wire        is_frame = between ? m_axis_tdata[7:0] == KindFrame : frame_q;
  wire        ends = between ? m_axis_tdata[15:8] == 8'd0 : words_left_q == 8'd1;
  wire        counts = ends && !is_frame;
  assign m_axis_tlast = counts && responses_q != 32'd0 && count_q >= responses_q - 32'd1;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      words_left_q <= 8'd0;
      frame_q <= 1'b0;
      count_q <= 32'd0;
    end else begin
      if (moves) begin
        words_left_q <= between ? m_axis_tdata[15:8] : words_left_q - 8'd1;
        frame_q <= is_frame;
      end
      if (own_write) count_q <= 32'd0;
      else if (moves && counts) count_q <= m_axis_tlast ? 32'd0 : count_q + 32'd1;
    end
  end

  // The decoder's own idea of packets is not asked for.
  wire unused_tlast;

  decoder_top u_decoder (
      .clk_i(clk_i),
      .rst_ni(rst_ni),
      .s_axis_tdata(s_axis_tdata),
      .s_axis_tvalid(s_axis_tvalid),
      .s_axis_tready(s_axis_tready),
      .s_axis_tlast(s_axis_tlast),
      .m_axis_tdata(m_axis_tdata),
      .m_axis_tvalid(m_axis_tvalid),
      .m_axis_tready(m_axis_tready),
      .m_axis_tlast(unused_tlast),
      .s_axil_awaddr(s_axil_awaddr),
      .s_axil_awvalid(d_awvalid),
      .s_axil_awready(d_awready),
      .s_axil_wdata(s_axil_wdata),
      .s_axil_wstrb(s_axil_wstrb),
      .s_axil_wvalid(d_wvalid),
      .s_axil_wready(d_wready),
      .s_axil_bresp(d_bresp),
      .s_axil_bvalid(d_bvalid),
      .s_axil_bready(write_open_q && !write_own_q && s_axil_bready),
      .s_axil_araddr(s_axil_araddr),
      .s_axil_arvalid(d_arvalid),
      .s_axil_arready(d_arready),
      .s_axil_rdata(d_rdata),
      .s_axil_rresp(d_rresp),
      .s_axil_rvalid(d_rvalid),
      .s_axil_rready(read_open_q && !read_own_q && s_axil_rready)
  );
endmodule
`default_nettype wire
