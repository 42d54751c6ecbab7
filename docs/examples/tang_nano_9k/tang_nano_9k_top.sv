// Tang Nano 9K: the decoder on the board's USB serial port.
`default_nettype none
module tang_nano_9k_top #(
    parameter int ClocksPerBit = 27
) (
    input  logic clk_27mhz,
    input  logic uart_rx,
    output logic uart_tx
);
  logic rst_n;
  qtwin_board_reset u_reset (
      .clk_i (clk_27mhz),
      .hold_i(1'b0),
      .rst_no(rst_n)
  );

  decoder_top_uart #(
      .ClocksPerBit(ClocksPerBit)
  ) u_decoder (
      .clk_i(clk_27mhz),
      .rst_ni(rst_n),
      .uart_rx_i(uart_rx),
      .uart_tx_o(uart_tx)
  );
endmodule
`default_nettype wire
