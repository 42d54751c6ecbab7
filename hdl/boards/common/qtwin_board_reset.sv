// Reset for a board: from power-on until the clock has run for a while, and while the button is pressed.
`default_nettype none
module qtwin_board_reset (
    input  logic clk_i,
    input  logic hold_i,  // not synchronous to the clock: a button, a PLL that has not locked
    output logic rst_no
);
  logic [1:0] hold_q;
  logic [4:0] count_q;  // the top bit ends the reset; the FPGA's configuration loads the zeros
  initial begin
    hold_q = '0;
    count_q = '0;
  end
  always_ff @(posedge clk_i) begin
    hold_q <= {hold_q[0], hold_i};
    if (hold_q[1]) count_q <= '0;
    else if (!count_q[4]) count_q <= count_q + 1'b1;
  end
  assign rst_no = count_q[4];
endmodule
`default_nettype wire
