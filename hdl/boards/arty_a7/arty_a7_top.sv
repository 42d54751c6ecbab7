// Arty A7-35T: the decoder on the board's USB serial port. The red RESET button resets it; the LEDs LD4 to LD7 are those
// of qtwin_board_leds.
`default_nettype none
module arty_a7_top #(
    parameter int ClocksPerBit = 25,
    parameter int ClockDivide = 20
) (
    input  logic       clk_100mhz,
    input  logic       reset_n,
    input  logic       uart_txd_in,   // to the FPGA
    output logic       uart_rxd_out,  // from the FPGA
    output logic [3:0] led
);
  logic clk, clk_raw, feedback, locked, rst_n;
  logic [4:0] unused_clkout;
  // 100 MHz * 10 = 1,000 MHz, within the 800 to 1,600 MHz of speed grade -1 (AMD DS181), then divided.
  PLLE2_BASE #(
      .CLKIN1_PERIOD(10.0),
      .CLKFBOUT_MULT(10),
      .CLKOUT0_DIVIDE(ClockDivide)
  ) u_pll (
      .CLKIN1(clk_100mhz),
      .CLKFBIN(feedback),
      .CLKFBOUT(feedback),
      .CLKOUT0(clk_raw),
      .CLKOUT1(unused_clkout[0]),
      .CLKOUT2(unused_clkout[1]),
      .CLKOUT3(unused_clkout[2]),
      .CLKOUT4(unused_clkout[3]),
      .CLKOUT5(unused_clkout[4]),
      .LOCKED(locked),
      .PWRDWN(1'b0),
      .RST(1'b0)
  );
  BUFG u_clock (
      .I(clk_raw),
      .O(clk)
  );

  qtwin_board_reset u_reset (
      .clk_i (clk),
      .hold_i(!reset_n || !locked),
      .rst_no(rst_n)
  );

  decoder_top_uart #(
      .ClocksPerBit(ClocksPerBit)
  ) u_decoder (
      .clk_i(clk),
      .rst_ni(rst_n),
      .uart_rx_i(uart_txd_in),
      .uart_tx_o(uart_rxd_out)
  );

  qtwin_board_leds u_leds (
      .clk_i(clk),
      .rst_ni(rst_n),
      .uart_rx_i(uart_txd_in),
      .uart_tx_i(uart_rxd_out),
      .leds_o(led)
  );
endmodule
`default_nettype wire
