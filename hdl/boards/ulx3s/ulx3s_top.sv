// ULX3S: the decoder on the board's USB serial port. FIRE1 resets it; the LEDs are those of qtwin_board_leds.
//
// With UsePll the decoder runs at 50 MHz, else at the oscillator's 25 MHz.
`default_nettype none
module ulx3s_top #(
    parameter int ClocksPerBit = 25,
    parameter bit UsePll = 1'b1
) (
    input  logic       clk_25mhz,
    input  logic       btn_fire1,
    input  logic       ftdi_txd,   // to the FPGA
    output logic       ftdi_rxd,   // from the FPGA
    output logic       wifi_gpio0,
    output logic [7:0] led
);
  logic clk, locked, rst_n;

  generate
    if (UsePll) begin : g_pll
      logic unused_clkos, unused_clkos2, unused_clkos3, unused_intlock, unused_refclk, unused_clkintfb;
      // 25 MHz * 2 from a VCO at 600 MHz: Lattice FPGA-TN-02200, checked with ecppll. The loop filter's settings are
      // those that ecppll gives for every frequency.
      (* ICP_CURRENT="12" *) (* LPF_RESISTOR="8" *) (* MFG_ENABLE_FILTEROPAMP="1" *) (* MFG_GMCREF_SEL="2" *)
      EHXPLLL #(
          .CLKI_DIV(1),
          .CLKFB_DIV(2),
          .CLKOP_DIV(12),
          .CLKOP_CPHASE(5),
          .FEEDBK_PATH("CLKOP")
      ) u_pll (
          .CLKI(clk_25mhz),
          .CLKFB(clk),
          .CLKOP(clk),
          .LOCK(locked),
          .RST(1'b0),
          .STDBY(1'b0),
          .PHASESEL0(1'b0),
          .PHASESEL1(1'b0),
          .PHASEDIR(1'b1),
          .PHASESTEP(1'b1),
          .PHASELOADREG(1'b1),
          .PLLWAKESYNC(1'b0),
          .ENCLKOP(1'b0),
          .ENCLKOS(1'b0),
          .ENCLKOS2(1'b0),
          .ENCLKOS3(1'b0),
          .CLKOS(unused_clkos),
          .CLKOS2(unused_clkos2),
          .CLKOS3(unused_clkos3),
          .INTLOCK(unused_intlock),
          .REFCLK(unused_refclk),
          .CLKINTFB(unused_clkintfb)
      );
    end else begin : g_oscillator
      assign clk = clk_25mhz;
      assign locked = 1'b1;
    end
  endgenerate

  qtwin_board_reset u_reset (
      .clk_i (clk),
      .hold_i(btn_fire1 || !locked),
      .rst_no(rst_n)
  );

  decoder_top_uart #(
      .ClocksPerBit(ClocksPerBit)
  ) u_decoder (
      .clk_i(clk),
      .rst_ni(rst_n),
      .uart_rx_i(ftdi_txd),
      .uart_tx_o(ftdi_rxd)
  );

  qtwin_board_leds u_leds (
      .clk_i(clk),
      .rst_ni(rst_n),
      .uart_rx_i(ftdi_txd),
      .uart_tx_i(ftdi_rxd),
      .leds_o(led[3:0])
  );
  assign led[7:4] = '0;
  assign wifi_gpio0 = 1'b1;  // low would let the ESP32 reload the FPGA
endmodule
`default_nettype wire
