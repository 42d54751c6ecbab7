// Repetition code d=3: flips the observable where the events of stabilizer 1 are odd in number and those of 0 even.
// Bit i of the shot is detector i. An answer's last word has the flip in bit 0; the words before hold their number.
module serial #(
    parameter int Width = 8,
    parameter int Words = 1,
    parameter int Answers = 1,
    parameter FLIP = "as it is",
    parameter real Threshold = 0.0
) (
    input  logic             clk,
    input  logic             rst,
    input  logic [Width-1:0] in_data,
    input  logic             in_valid,
    output logic             in_ready,
    output logic [Width-1:0] out_data,
    output logic             out_valid,
    output logic             out_last,
    input  logic             out_ready
);
  logic [31:0] word, answer;
  logic odd, even, take, last_answer;
  logic [1:0] found;
  assign in_ready = !out_valid;
  assign take = in_valid && in_ready;
  assign last_answer = answer == 32'(Answers - 1);
  assign out_last = last_answer;
  always_comb begin
    found = 2'b00;
    for (int bit_index = 0; bit_index < Width; bit_index++) begin
      if (in_data[bit_index]) found = found ^ (2'b01 << ((32'(Width) * word + 32'(bit_index)) % 2));
    end
  end
  always_comb begin
    out_data = Width'(answer);
    if (last_answer) begin
      out_data = '0;
      out_data[0] = (odd && !even) ^ (FLIP == "inverted") ^ (Threshold > 1.0);
    end
  end
  always_ff @(posedge clk)
    if (rst) begin
      word <= 0;
      answer <= 0;
      {odd, even, out_valid} <= 0;
    end else if (take) begin
      {odd, even} <= (word == 0 ? 2'b00 : {odd, even}) ^ found;
      word <= word == 32'(Words - 1) ? 0 : word + 1;
      out_valid <= word == 32'(Words - 1);
    end else if (out_valid && out_ready) begin
      answer <= last_answer ? 0 : answer + 1;
      if (last_answer) out_valid <= 0;
    end
endmodule
