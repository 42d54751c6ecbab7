// iCEBreaker: the decoder on the second port of the board's FT2232H. The user button resets it; the red LED lights when
// bytes come or go, the green one blinks.
`default_nettype none
module icebreaker_top #(
    parameter int ClocksPerBit = 12
) (
    input  logic clk_12mhz,
    input  logic btn_n,
    input  logic ftdi_txd,    // to the FPGA
    output logic ftdi_rxd,    // from the FPGA
    output logic led_red_n,
    output logic led_green_n
);
  logic rst_n, unused_out_of_reset;
  logic [3:0] leds;
  qtwin_board_reset u_reset (
      .clk_i (clk_12mhz),
      .hold_i(!btn_n),
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
      .leds_o(leds)
  );
  assign led_red_n = !(leds[3] || leds[2]);
  assign led_green_n = !leds[0];
  assign unused_out_of_reset = leds[1];
endmodule
`default_nettype wire
