// Consistent overhead byte stuffing, decoder (Cheshire and Baker, IEEE/ACM Trans. Networking 7, 159 (1999)).
//
// At most one byte comes out for each that goes in, in the same cycle. A zero ends a frame; where the bytes before it
// break off inside a block, error_o says so. Zeros with nothing between them are no frames.
`default_nettype none
module cobs_decoder (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic [7:0] byte_i,
    input  logic       valid_i,
    output logic [7:0] byte_o,
    output logic       valid_o,
    output logic       end_o,   // the frame has ended
    output logic       error_o  // with end_o: it was cut short
);
  logic any_q;           // a byte of this frame has come
  logic [7:0] left_q;    // bytes that remain of the block
  logic zero_due_q;      // a zero stands between this block and the next
  logic is_zero, is_code;
  assign is_zero = byte_i == '0;
  assign is_code = !is_zero && left_q == '0;

  assign end_o = valid_i && is_zero && any_q;
  assign error_o = left_q != '0;
  assign valid_o = valid_i && !is_zero && (is_code ? any_q && zero_due_q : 1'b1);
  assign byte_o = is_code ? '0 : byte_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      any_q <= 1'b0;
      left_q <= '0;
    end else if (valid_i) begin
      any_q <= !is_zero;
      if (is_zero) left_q <= '0;
      else if (is_code) left_q <= byte_i - 1'b1;
      else left_q <= left_q - 1'b1;
    end
    if (valid_i && is_code) zero_due_q <= byte_i != 8'hff;
  end
endmodule
`default_nettype wire
