// AXI4-Lite slave -> register bus, one access at a time. Reads and writes that wait together take turns, because a
// write's answer has to be taken before the next write is started, and the same for reads.
`default_nettype none
module axil_slave (
    input  logic        clk_i,
    input  logic        rst_ni,
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
    input  logic        s_axil_rready,
    // register bus: valid holds with its payload until ready
    output logic        bus_valid_o,
    output logic        bus_write_o,
    output logic [31:0] bus_address_o,
    output logic [31:0] bus_wdata_o,
    output logic [3:0]  bus_wstrb_o,
    input  logic        bus_ready_i,
    input  logic [31:0] bus_rdata_i,
    input  logic        bus_error_i
);
  localparam logic [1:0] RespOkay = 2'b00;
  localparam logic [1:0] RespSlverr = 2'b10;

  localparam logic [1:0] StIdle = 2'd0;
  localparam logic [1:0] StWrite = 2'd1;
  localparam logic [1:0] StRead = 2'd2;
  logic [1:0] state_q;

  // Each address and data channel has a register; it is free again when its access is done.
  logic aw_full_q, w_full_q, ar_full_q;
  logic [9:0] awaddr_q, araddr_q;
  logic [31:0] wdata_q;
  logic [3:0] wstrb_q;
  logic write_waits, read_waits, write_done, read_done;
  assign s_axil_awready = !aw_full_q;
  assign s_axil_wready = !w_full_q;
  assign s_axil_arready = !ar_full_q;
  assign write_waits = aw_full_q && w_full_q && !s_axil_bvalid;
  assign read_waits = ar_full_q && !s_axil_rvalid;
  assign write_done = state_q == StWrite && bus_ready_i;
  assign read_done = state_q == StRead && bus_ready_i;

  always_ff @(posedge clk_i) begin
    if (s_axil_awvalid && s_axil_awready) awaddr_q <= s_axil_awaddr[11:2];
    if (s_axil_arvalid && s_axil_arready) araddr_q <= s_axil_araddr[11:2];
    if (s_axil_wvalid && s_axil_wready) begin
      wdata_q <= s_axil_wdata;
      wstrb_q <= s_axil_wstrb;
    end
    if (write_done) s_axil_bresp <= bus_error_i ? RespSlverr : RespOkay;
    if (read_done) begin
      s_axil_rresp <= bus_error_i ? RespSlverr : RespOkay;
      s_axil_rdata <= bus_rdata_i;
    end

    if (!rst_ni) begin
      state_q <= StIdle;
      aw_full_q <= 1'b0;
      w_full_q <= 1'b0;
      ar_full_q <= 1'b0;
      s_axil_bvalid <= 1'b0;
      s_axil_rvalid <= 1'b0;
    end else begin
      aw_full_q <= (aw_full_q || s_axil_awvalid) && !write_done;
      w_full_q <= (w_full_q || s_axil_wvalid) && !write_done;
      ar_full_q <= (ar_full_q || s_axil_arvalid) && !read_done;
      s_axil_bvalid <= write_done || (s_axil_bvalid && !s_axil_bready);
      s_axil_rvalid <= read_done || (s_axil_rvalid && !s_axil_rready);
      if (state_q == StIdle) begin
        if (write_waits) state_q <= StWrite;
        else if (read_waits) state_q <= StRead;
      end else if (bus_ready_i) begin
        state_q <= StIdle;
      end
    end
  end

  assign bus_valid_o = state_q != StIdle;
  assign bus_write_o = state_q == StWrite;
  assign bus_address_o = {20'b0, bus_write_o ? awaddr_q : araddr_q, 2'b00};
  assign bus_wdata_o = wdata_q;
  assign bus_wstrb_o = wstrb_q;

  // The registers are words; the lowest two address bits mean nothing on AXI4-Lite.
  logic unused_address;
  assign unused_address = ^{s_axil_awaddr[1:0], s_axil_araddr[1:0]};
endmodule
`default_nettype wire
