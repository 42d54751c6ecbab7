// UART receiver, 8N1: every bit is the majority of three samples around its middle.
//
// A byte whose stop bit is 0 is dropped and reported; the receiver then waits for the idle line. One start edge per
// byte brings it into step again, so that a transmitter may be 3% off with 16 clocks per bit, 2% with 8.
`default_nettype none
module uart_rx #(
    parameter int ClocksPerBit = 16
) (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic       rx_i,
    output logic [7:0] byte_o,
    output logic       valid_o,         // one cycle per byte; there is no way to hold it back
    output logic       framing_error_o  // one cycle per byte that was dropped
);
  localparam int CountBits = $clog2(ClocksPerBit);
  localparam logic [CountBits-1:0] LastCount = CountBits'(ClocksPerBit - 1);
  localparam logic [CountBits-1:0] DecideCount = CountBits'(ClocksPerBit / 2 + 1);
  localparam logic [3:0] StopBit = 4'd9;

  localparam logic [1:0] StIdle = 2'd0;
  localparam logic [1:0] StBits = 2'd1;
  localparam logic [1:0] StBreak = 2'd2;  // after a framing error: until the line is idle
  logic [1:0] state_q;

  logic [2:0] line_q;  // two stages of synchronizer and the sample before this one
  logic line_older_q;
  logic [CountBits-1:0] count_q;
  logic [3:0] bit_q;  // 0 start, 1 to 8 data, 9 stop
  logic sample;
  logic majority;
  assign sample = line_q[1];
  assign majority = (sample && line_q[2]) || (sample && line_older_q) || (line_q[2] && line_older_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      line_q <= '1;
      line_older_q <= 1'b1;
    end else begin
      line_q <= {line_q[1:0], rx_i};
      line_older_q <= line_q[2];
    end
  end

  always_ff @(posedge clk_i) begin
    valid_o <= 1'b0;
    framing_error_o <= 1'b0;
    if (!rst_ni) begin
      state_q <= StIdle;
    end else begin
      case (state_q)
        StIdle: begin
          if (!sample) state_q <= StBits;
        end
        StBits: begin
          if (count_q == DecideCount) begin
            if (bit_q == '0 && majority) state_q <= StIdle;  // a glitch, no start bit
            if (bit_q == StopBit) begin
              state_q <= majority ? StIdle : StBreak;
              valid_o <= majority;
              framing_error_o <= !majority;
            end
          end
        end
        default: begin
          if (sample) state_q <= StIdle;
        end
      endcase
    end

    if (state_q == StBits) begin
      count_q <= count_q == LastCount ? '0 : count_q + 1'b1;
      if (count_q == LastCount) bit_q <= bit_q + 1'b1;
      if (count_q == DecideCount && bit_q != '0 && bit_q != StopBit) byte_o <= {majority, byte_o[7:1]};
    end else begin
      count_q <= CountBits'(1);
      bit_q <= '0;
    end
  end

`ifndef SYNTHESIS
  initial begin
    if (ClocksPerBit < 4) $display("uart_rx: ClocksPerBit must be at least 4, not %0d", ClocksPerBit);
  end
`endif
endmodule
`default_nettype wire
