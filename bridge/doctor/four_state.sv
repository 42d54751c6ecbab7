// Drives a decoder with the qds1 ports in a simulator of four states, and prints each word that it sends in binary.
//   W bits      a word that was taken            X port cycle   valid or ready is unknown, which ends the run
//   E answers   the end
`default_nettype none
module qtwin_four_state;
  localparam int NumWords = @NUM_WORDS@;
  localparam int NumAnswers = @NUM_ANSWERS@;
  localparam int SilentCycles = @SILENT_CYCLES@;
  localparam logic [7:0] KindFrame = 8'h82;

  logic clk = 1'b0, rst_n = 1'b0;
  logic [31:0] words [0:NumWords-1];
  logic [31:0] in_word = '0;
  logic in_valid = 1'b0, in_last = 1'b0, out_ready = 1'b0;
  wire in_ready, out_valid, out_last;
  wire [31:0] out_word;
  wire awready, wready, bvalid, arready, rvalid;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata;

  @TOP@ dut (
      .clk_i(clk), .rst_ni(rst_n),
      .s_axis_tdata(in_word), .s_axis_tvalid(in_valid), .s_axis_tready(in_ready), .s_axis_tlast(in_last),
      .m_axis_tdata(out_word), .m_axis_tvalid(out_valid), .m_axis_tready(out_ready), .m_axis_tlast(out_last),
      .s_axil_awaddr(12'd0), .s_axil_awvalid(1'b0), .s_axil_awready(awready),
      .s_axil_wdata(32'd0), .s_axil_wstrb(4'd0), .s_axil_wvalid(1'b0), .s_axil_wready(wready),
      .s_axil_bresp(bresp), .s_axil_bvalid(bvalid), .s_axil_bready(1'b0),
      .s_axil_araddr(12'd0), .s_axil_arvalid(1'b0), .s_axil_arready(arready),
      .s_axil_rdata(rdata), .s_axil_rresp(rresp), .s_axil_rvalid(rvalid), .s_axil_rready(1'b0)
  );

  int sent = 0, answers = 0, left = 0, idle = 0, cycle = 0;
  logic sends, receives, counted = 1'b0, unknown = 1'b0;
  initial begin
    $readmemh("@WORDS@", words);
    for (int i = 0; i < 8; i++) begin
      #5 clk = 1'b1;
      #5 clk = 1'b0;
    end
    rst_n = 1'b1;
    while (answers < NumAnswers && idle < SilentCycles && !unknown) begin
      in_valid = sent < NumWords;
      in_word = sent < NumWords ? words[sent] : '0;
      in_last = sent == NumWords - 1;
      out_ready = cycle % 4 != 3;  // a stall now and then
      #5;
      if (cycle > 0 && in_ready === 1'bx) begin
        $display("X s_axis_tready %0d", cycle);
        unknown = 1'b1;
      end
      if (cycle > 0 && out_valid === 1'bx) begin
        $display("X m_axis_tvalid %0d", cycle);
        unknown = 1'b1;
      end
      sends = in_valid && in_ready === 1'b1;
      receives = out_ready && out_valid === 1'b1;
      if (receives) begin
        $display("W %b %0d", out_word, cycle);
        if (left == 0) begin
          unknown = unknown || ^out_word === 1'bx;  // where the answer ends is unknown, too
          left = 32'(out_word[15:8]);
          counted = out_word[7:0] != KindFrame;
        end else left = left - 1;
        if (left == 0 && counted) answers = answers + 1;
      end
      if (sends) sent = sent + 1;
      idle = sends || receives ? 0 : idle + 1;
      cycle = cycle + 1;
      clk = 1'b1;
      #5 clk = 1'b0;
    end
    $display("E %0d", answers);
    $finish;
  end
endmodule
`default_nettype wire
