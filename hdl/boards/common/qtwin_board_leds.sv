// What a glance at the board should tell: the clock runs, the decoder is out of reset, bytes come, bytes go.
`default_nettype none
module qtwin_board_leds #(
    parameter int BlinkBits = 25  // a flash on the line is stretched to a quarter of the blinking's period
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       uart_rx_i,
    input  logic       uart_tx_i,
    output logic [3:0] leds_o     // sending, receiving, out of reset, blinking
);
  logic [BlinkBits-1:0] blink_q;
  logic [BlinkBits-3:0] rx_left_q;
  logic [BlinkBits-3:0] tx_left_q;
  logic [1:0] rx_q;
  always_ff @(posedge clk_i) begin
    rx_q <= {rx_q[0], uart_rx_i};
    if (!rst_ni) begin
      blink_q <= '0;
      rx_left_q <= '0;
      tx_left_q <= '0;
    end else begin
      blink_q <= blink_q + 1'b1;
      if (!rx_q[1]) rx_left_q <= '1;
      else if (rx_left_q != '0) rx_left_q <= rx_left_q - 1'b1;
      if (!uart_tx_i) tx_left_q <= '1;
      else if (tx_left_q != '0) tx_left_q <= tx_left_q - 1'b1;
    end
  end
  assign leds_o = {tx_left_q != '0, rx_left_q != '0, rst_ni, blink_q[BlinkBits-1]};
endmodule
`default_nettype wire
