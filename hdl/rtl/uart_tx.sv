// UART transmitter, 8N1. The line is idle from reset on.
`default_nettype none
module uart_tx #(
    parameter int ClocksPerBit = 16
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic [7:0] byte_i,
    input  logic       valid_i,
    output logic       ready_o,
    output logic       tx_o
);
  localparam int CountBits = $clog2(ClocksPerBit);
  localparam logic [CountBits-1:0] LastCount = CountBits'(ClocksPerBit - 1);
  localparam logic [3:0] NumBits = 4'd10;

  logic [8:0] shift_q;  // what follows on the line, the next bit lowest
  logic [3:0] left_q;   // bits of the byte that are not finished
  logic [CountBits-1:0] count_q;
  assign ready_o = left_q == '0 || (left_q == 4'd1 && count_q == LastCount);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tx_o <= 1'b1;
      left_q <= '0;
      count_q <= '0;
    end else if (ready_o) begin
      tx_o <= !valid_i;
      left_q <= valid_i ? NumBits : '0;
      count_q <= '0;
    end else if (count_q == LastCount) begin
      tx_o <= shift_q[0];
      left_q <= left_q - 1'b1;
      count_q <= '0;
    end else begin
      count_q <= count_q + 1'b1;
    end

    if (ready_o) shift_q <= {1'b1, byte_i};
    else if (count_q == LastCount) shift_q <= {1'b1, shift_q[8:1]};
  end
endmodule
`default_nettype wire
