// Colorlight i5 on its extension board: the decoder on the debugger's serial port. The module's LED blinks, and flickers
// when bytes come or go.
`default_nettype none
module colorlight_i5_top #(
    parameter int ClocksPerBit = 217
) (
    input  logic clk_25mhz,
    input  logic reset_n,
    input  logic uart_rx,
    output logic uart_tx,
    output logic led_n
);
  logic rst_n, unused_out_of_reset;
  logic [3:0] leds;
  qtwin_board_reset u_reset (
      .clk_i (clk_25mhz),
      .hold_i(!reset_n),
      .rst_no(rst_n)
  );

  decoder_top_uart #(
      .ClocksPerBit(ClocksPerBit)
  ) u_decoder (
      .clk_i(clk_25mhz),
      .rst_ni(rst_n),
      .uart_rx_i(uart_rx),
      .uart_tx_o(uart_tx)
  );

  qtwin_board_leds #(
      .BlinkBits(24)
  ) u_leds (
      .clk_i(clk_25mhz),
      .rst_ni(rst_n),
      .uart_rx_i(uart_rx),
      .uart_tx_i(uart_tx),
      .leds_o(leds)
  );
  assign led_n = leds[0] ^ (leds[3] || leds[2]);
  assign unused_out_of_reset = leds[1];
endmodule
`default_nettype wire
