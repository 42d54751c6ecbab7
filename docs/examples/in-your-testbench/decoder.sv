// A decoder for the repetition code of distance 3: the majority of the final readout, in one clock cycle.
`default_nettype none
module my_decoder (
    input  wire         clk,
    input  wire         rst,
    input  wire  [31:0] in_word,
    input  wire         in_valid,
    output logic        in_ready,
    output logic [31:0] out_word,
    output logic        out_valid,
    input  wire         out_ready
);
  localparam logic [7:0] MeasData = 8'h03, Correction = 8'h81;
  logic        in_payload_q;  // the header is there, its payload comes next
  logic [31:0] header_q;
  logic        flip_q;        // observable 0 is data qubit 2
  logic [2:0]  num_left_q;    // words of the answer that are still to be sent

  assign in_ready  = num_left_q == 0;
  assign out_valid = num_left_q != 0;
  always_comb
    case (num_left_q)
      3'd4:    out_word = {header_q[31:16], 8'd3, Correction};  // the shot's tag, three words of payload
      3'd3:    out_word = {31'd0, flip_q};
      3'd2:    out_word = 32'd1;                                // latency in cycles
      default: out_word = 32'd0;                                // no status flags
    endcase

  always_ff @(posedge clk)
    if (rst) begin
      in_payload_q <= 1'b0;
      num_left_q   <= 3'd0;
    end else if (in_valid && in_ready) begin
      in_payload_q <= !in_payload_q;
      if (!in_payload_q) header_q <= in_word;
      else if (header_q[7:0] == MeasData) begin  // rounds of syndromes pass by unused
        flip_q     <= in_word[0] == in_word[1] && in_word[2] != in_word[1];  // qubit 2 is outvoted
        num_left_q <= 3'd4;
      end
    end else if (out_valid && out_ready) num_left_q <= num_left_q - 1'b1;
endmodule
`default_nettype wire
