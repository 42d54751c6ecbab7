// A decoder for windows of Layers layers, a byte a layer, bit i of a byte the event of stabilizer i: any repetition
// code up to distance 9. It finds the final syndrome, walks along the code and takes the lighter of the two corrections.
module xor_decoder #(
    parameter int Distance = 3,
    parameter int Layers = 6
) (
    input  logic       clk,
    input  logic       rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    input  logic       in_last,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid,
    input  logic       out_ready
);
  logic [7:0] syndrome;
  logic [8:0] flipped;  // of the data qubits, if qubit 0 is not
  logic [3:0] weight;
  always_comb begin
    flipped = '0;
    weight = '0;
    for (int qubit = 1; qubit < Distance; qubit++) begin
      flipped[qubit] = flipped[qubit-1] ^ syndrome[qubit-1];
      weight += 4'(flipped[qubit]);
    end
  end
  assign out_data = {7'b0, flipped[Distance-1] ^ (32'(weight) * 2 > Distance)};
  assign in_ready = !out_valid;
  always_ff @(posedge clk)
    if (rst) begin
      syndrome <= '0;
      out_valid <= 1'b0;
    end else if (in_valid && in_ready) begin
      syndrome <= syndrome ^ in_data;
      out_valid <= in_last;
    end else if (out_valid && out_ready) begin
      syndrome <= '0;
      out_valid <= 1'b0;
    end
endmodule
