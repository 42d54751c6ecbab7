// A decoder with the pins of a TinyTapeout project: a table of corrections for the repetition code of distance 3.
//
// ui_in[1:0] is the final syndrome: the parity of data qubits 0 and 1, and that of 1 and 2. uo_out[2:0] says which data
// qubit was flipped. There is no handshake, and nothing is clocked.
module tt_um_repetition (
    input  wire [7:0] ui_in,
    output wire [7:0] uo_out,
    input  wire [7:0] uio_in,
    output wire [7:0] uio_out,
    output wire [7:0] uio_oe,
    input  wire       ena,
    input  wire       clk,
    input  wire       rst_n
);
  reg [2:0] flipped;
  always @* begin
    case (ui_in[1:0])
      2'b01:   flipped = 3'b001;
      2'b11:   flipped = 3'b010;
      2'b10:   flipped = 3'b100;
      default: flipped = 3'b000;
    endcase
  end
  assign uo_out = ena ? {5'b00000, flipped} : 8'h00;
  assign uio_out = 8'h00;
  assign uio_oe = 8'h00;
  wire unused = &{uio_in, ui_in[7:2], clk, rst_n};
endmodule
