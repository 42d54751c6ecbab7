// A decoder on a serial line, 8N1: frames of qds1 messages in, frames of responses out; registers by WRITE and READ.
//
// uart_rx -> uart_frame_rx -> uart_registers -> decoder_top -> uart_registers -> sync_fifo -> uart_frame_tx -> uart_tx
`default_nettype none
module decoder_top_uart #(
    parameter int ClocksPerBit = 16
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic uart_rx_i,
    output logic uart_tx_o
);
  // One frame holds a whole shot, so that a shot arrives and is repeated as one; windowed shots have no largest size.
  localparam int LayerWords = 1 + (decoder_pkg::NumStabilizers + 31) / 32;
  localparam int DataWords = 1 + (decoder_pkg::NumDataQubits + 31) / 32;
  localparam int LongerEnd = LayerWords > DataWords ? LayerWords : DataWords;
  localparam int ShotWords = decoder_pkg::Window != 0 ? 512 : (decoder_pkg::NumLayers - 1) * LayerWords + LongerEnd;
  localparam int LeastFrameWordsBits = 5;
  localparam int FrameWordsBits = ShotWords <= 2 ** LeastFrameWordsBits ? LeastFrameWordsBits : $clog2(ShotWords);
  // Responses that can wait for the line before they would hold back the decoder and lengthen its latency.
  localparam int ResponseWordsBits = 6;

  logic [7:0] rx_byte, tx_byte;
  logic rx_valid, tx_valid, tx_ready;
  logic frame, bad_crc, bad_frame, overrun, framing_error;
  logic [31:0] in_word, decoder_word, response_word, out_word, queued_word;
  logic in_valid, in_ready, decoder_valid, decoder_ready, response_valid, response_ready;
  logic out_valid, queue_full, queued_valid, queued_ready;
  logic decoder_rst_n;

  uart_rx #(
      .ClocksPerBit(ClocksPerBit)
  ) u_uart_rx (
      .clk_i,
      .rst_ni,
      .rx_i(uart_rx_i),
      .byte_o(rx_byte),
      .valid_o(rx_valid),
      .framing_error_o(framing_error)
  );

  uart_frame_rx #(
      .FrameWordsBits(FrameWordsBits)
  ) u_frame_rx (
      .clk_i,
      .rst_ni,
      .byte_i(rx_byte),
      .valid_i(rx_valid),
      .word_o(in_word),
      .word_valid_o(in_valid),
      .word_ready_i(in_ready),
      .frame_o(frame),
      .bad_crc_o(bad_crc),
      .bad_frame_o(bad_frame),
      .overrun_o(overrun)
  );

  uart_registers #(
      .FrameWords(2 ** FrameWordsBits)
  ) u_registers (
      .clk_i,
      .rst_ni,
      .in_word_i(in_word),
      .in_valid_i(in_valid),
      .in_ready_o(in_ready),
      .decoder_word_o(decoder_word),
      .decoder_valid_o(decoder_valid),
      .decoder_ready_i(decoder_ready),
      .response_word_i(response_word),
      .response_valid_i(response_valid),
      .response_ready_o(response_ready),
      .out_word_o(out_word),
      .out_valid_o(out_valid),
      .out_ready_i(!queue_full),
      .frame_i(frame),
      .bad_crc_i(bad_crc),
      .bad_frame_i(bad_frame),
      .overrun_i(overrun),
      .framing_error_i(framing_error),
      .decoder_rst_no(decoder_rst_n)
  );

  // AXI4-Lite is not connected: its answers have nowhere to go.
  logic unused_tlast, unused_awready, unused_wready, unused_bvalid, unused_arready, unused_rvalid;
  logic [1:0] unused_bresp, unused_rresp;
  logic [31:0] unused_rdata;
  decoder_top u_decoder (
      .clk_i,
      .rst_ni(decoder_rst_n),
      .s_axis_tdata(decoder_word),
      .s_axis_tvalid(decoder_valid),
      .s_axis_tready(decoder_ready),
      .s_axis_tlast(1'b0),
      .m_axis_tdata(response_word),
      .m_axis_tvalid(response_valid),
      .m_axis_tready(response_ready),
      .m_axis_tlast(unused_tlast),
      .s_axil_awaddr('0),
      .s_axil_awvalid(1'b0),
      .s_axil_awready(unused_awready),
      .s_axil_wdata('0),
      .s_axil_wstrb('0),
      .s_axil_wvalid(1'b0),
      .s_axil_wready(unused_wready),
      .s_axil_bresp(unused_bresp),
      .s_axil_bvalid(unused_bvalid),
      .s_axil_bready(1'b0),
      .s_axil_araddr('0),
      .s_axil_arvalid(1'b0),
      .s_axil_arready(unused_arready),
      .s_axil_rdata(unused_rdata),
      .s_axil_rresp(unused_rresp),
      .s_axil_rvalid(unused_rvalid),
      .s_axil_rready(1'b0)
  );

  sync_fifo #(
      .Width(32),
      .DepthBits(ResponseWordsBits)
  ) u_responses (
      .clk_i,
      .rst_ni(decoder_rst_n),
      .push_i(out_valid),
      .wdata_i(out_word),
      .full_o(queue_full),
      .valid_o(queued_valid),
      .rdata_o(queued_word),
      .pop_i(queued_ready)
  );

  uart_frame_tx u_frame_tx (
      .clk_i,
      .rst_ni(decoder_rst_n),
      .word_i(queued_word),
      .word_valid_i(queued_valid),
      .word_ready_o(queued_ready),
      .byte_o(tx_byte),
      .valid_o(tx_valid),
      .ready_i(tx_ready)
  );

  uart_tx #(
      .ClocksPerBit(ClocksPerBit)
  ) u_uart_tx (
      .clk_i,
      .rst_ni,
      .byte_i(tx_byte),
      .valid_i(tx_valid),
      .ready_o(tx_ready),
      .tx_o(uart_tx_o)
  );
endmodule
`default_nettype wire
