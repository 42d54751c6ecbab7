// A decoder with a stream of its own, in bytes: 0x7E and a byte of events in, 0xA5 and a byte of corrections out.
//
// For the repetition code d=3 with three rounds. Event bits 3:0 are stabilizer 1 in layers 3 to 0 (in this order: bit 0 is
// layer 3), bits 7:4 stabilizer 0 likewise; correction bit 2 - i is data qubit i. It corrects the qubit that the parities
// of all events point at, as a memory without measurement errors would be.
`default_nettype none
module byte_decoder (
    input  logic       clock,
    input  logic       reset,
    input  logic [7:0] rx_byte,
    input  logic       rx_valid,
    output logic       rx_ready,
    output logic [7:0] tx_byte,
    output logic       tx_valid,
    input  logic       tx_ready
);
  localparam logic [7:0] Start = 8'h7E;
  localparam logic [7:0] Answer = 8'hA5;
  logic started_q;
  logic [1:0] answer_q;  // bytes of the answer still to send
  logic [2:0] qubits_q;
  assign rx_ready = answer_q == '0;
  assign tx_valid = answer_q != '0;
  assign tx_byte = answer_q == 2'd2 ? Answer : {5'b0, qubits_q};
  always_ff @(posedge clock) begin
    if (reset) begin
      started_q <= 1'b0;
      answer_q <= '0;
    end else begin
      if (tx_valid && tx_ready) answer_q <= answer_q - 1'b1;
      if (rx_valid && rx_ready) begin
        started_q <= !started_q && rx_byte == Start;
        if (started_q) begin
          answer_q <= 2'd2;
          case ({^rx_byte[7:4], ^rx_byte[3:0]})
            2'b10: qubits_q <= 3'b100;
            2'b11: qubits_q <= 3'b010;
            2'b01: qubits_q <= 3'b001;
            default: qubits_q <= 3'b000;
          endcase
        end
      end
    end
  end
endmodule
`default_nettype wire
