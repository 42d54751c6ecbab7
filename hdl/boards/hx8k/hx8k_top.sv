// iCE40-HX8K breakout board: the decoder on the second port of the board's FT2232H. The LEDs are those of qtwin_board_leds.
`default_nettype none
module hx8k_top #(
    parameter int ClocksPerBit = 12
) (
    input  logic       clk_12mhz,
    input  logic       ftdi_txd,   // to the FPGA
    output logic       ftdi_rxd,   // from the FPGA
    output logic [3:0] led
);
  logic rst_n;
  qtwin_board_reset u_reset (
      .clk_i (clk_12mhz),
      .hold_i(1'b0),
      .rst_no(rst_n)
  );

  decoder_top_uart #(
      .ClocksPerBit(ClocksPerBit)
  ) u_decoder (
      .clk_i(clk_12mhz),
      .rst_ni(rst_n),
      .uart_rx_i(ftdi_txd),
      .uart_tx_o(ftdi_rxd)
  );

  qtwin_board_leds #(
      .BlinkBits(23)
  ) u_leds (
      .clk_i(clk_12mhz),
      .rst_ni(rst_n),
      .uart_rx_i(ftdi_txd),
      .uart_tx_i(ftdi_rxd),
      .leds_o(led)
  );
endmodule
`default_nettype wire
