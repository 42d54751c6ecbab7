// Healthy decoders with streams of their own, each in another style: a byte of events in (bits 3:0 stabilizer 1, 7:4
// stabilizer 0, as in tests/bridge/byte_decoder), the flip of the observable in bit 0 of the last word out.
`default_nettype none

// A word of the time before the answer: it depends on when the shot comes.
module stamped (
    input  logic       clk, rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid,
    input  logic       out_ready
);
  logic [7:0] now_q, stamp_q, events_q;
  logic [1:0] state_q;
  always_ff @(posedge clk) begin
    now_q <= rst ? '0 : now_q + 1'b1;
    if (rst) state_q <= '0;
    else if (state_q == '0 && in_valid) begin
      events_q <= in_data;
      stamp_q <= now_q;
      state_q <= 2'd1;
    end else if (state_q != '0 && out_ready) state_q <= state_q == 2'd2 ? 2'd0 : 2'd2;
  end
  assign in_ready = state_q == '0;
  assign out_valid = state_q != '0;
  assign out_data = state_q == 2'd1 ? stamp_q : {7'b0, ^events_q[3:0] && !(^events_q[7:4])};
endmodule

// A shot goes through 1,100 stages, which stand still while the answer waits.
module pipeline #(
    parameter int Stages = 1100
) (
    input  logic       clk, rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid,
    input  logic       out_ready
);
  logic [Stages-1:0] valid_q, flip_q;
  logic moves;
  assign moves = !out_valid || out_ready;
  assign in_ready = moves;
  assign out_valid = valid_q[Stages-1];
  assign out_data = {7'b0, flip_q[Stages-1]};
  always_ff @(posedge clk) begin
    if (moves) flip_q <= {flip_q[Stages-2:0], ^in_data[3:0] && !(^in_data[7:4])};
    if (rst) valid_q <= '0;
    else if (moves) valid_q <= {valid_q[Stages-2:0], in_valid};
  end
endmodule

// 249 words of all sorts before the one that counts.
module talker (
    input  logic        clk, rst,
    input  logic [31:0] in_data,
    input  logic        in_valid,
    output logic        in_ready,
    output logic [31:0] out_data,
    output logic        out_valid,
    input  logic        out_ready
);
  logic [7:0] left_q, events_q;
  logic [31:0] shots_q;
  assign in_ready = left_q == '0;
  assign out_valid = left_q != '0;
  assign out_data = left_q == 8'd1 ? 32'(^events_q[3:0] && !(^events_q[7:4])) : {shots_q[23:0], left_q};
  always_ff @(posedge clk) begin
    if (rst) begin
      left_q <= '0;
      shots_q <= '0;
    end else if (in_valid && in_ready) begin
      left_q <= 8'd250;
      events_q <= in_data[7:0];
      shots_q <= shots_q + 1;
    end else if (out_valid && out_ready) left_q <= left_q - 1'b1;
  end
endmodule

// No clock is needed: the answer follows the events.
module combinational (
    input  logic       clk, rst,
    input  logic [7:0] in_data,
    output logic [7:0] out_data
);
  logic unused;
  assign unused = ^{clk, rst};
  assign out_data = {7'b0, ^in_data[3:0] && !(^in_data[7:4])};
endmodule

// Gives its answer for one cycle, three cycles after the shot.
module unstallable (
    input  logic       clk, rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid
);
  logic [2:0] due_q;
  logic [7:0] events_q;
  assign in_ready = due_q == '0;
  assign out_valid = due_q[2];
  assign out_data = {7'b0, ^events_q[3:0] && !(^events_q[7:4])};
  always_ff @(posedge clk) begin
    due_q <= rst ? '0 : {due_q[1:0], in_valid && in_ready};
    if (in_valid && in_ready) events_q <= in_data;
  end
endmodule

// Takes a word in the cycle after it was offered, and not before: ready waits for valid, which it may. Its memory is
// written before it is read, and never reset.
module polite (
    input  logic       clk, rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid,
    input  logic       out_ready
);
  logic [7:0] memory_q [0:3];
  logic [1:0] write_q, read_q;
  logic saw_q;
  assign in_ready = in_valid && saw_q && write_q + 2'd1 != read_q;
  assign out_valid = write_q != read_q;
  assign out_data = {7'b0, ^memory_q[read_q][3:0] && !(^memory_q[read_q][7:4])};
  always_ff @(posedge clk) begin
    saw_q <= in_valid && !in_ready;
    if (in_valid && in_ready) memory_q[write_q] <= in_data;
    if (rst) begin
      write_q <= '0;
      read_q <= '0;
    end else begin
      if (in_valid && in_ready) write_q <= write_q + 1'b1;
      if (out_valid && out_ready) read_q <= read_q + 1'b1;
    end
  end
endmodule

// Never holds a word up: with more than four answers that wait, answers are lost. Healthy where no more are under way.
module queue (
    input  logic       clk, rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid,
    input  logic       out_ready
);
  logic flip_q [0:3];
  logic [1:0] write_q, read_q;
  logic [2:0] count_q;
  logic push, pop;
  assign in_ready = 1'b1;
  assign push = in_valid && count_q != 3'd4;
  assign pop = out_valid && out_ready;
  assign out_valid = count_q != '0;
  assign out_data = {7'b0, flip_q[read_q]};
  always_ff @(posedge clk) begin
    if (push) flip_q[write_q] <= ^in_data[3:0] && !(^in_data[7:4]);
    if (rst) begin
      write_q <= '0;
      read_q <= '0;
      count_q <= '0;
    end else begin
      write_q <= write_q + 2'(push);
      read_q <= read_q + 2'(pop);
      count_q <= count_q + 3'(push) - 3'(pop);
    end
  end
endmodule
`default_nettype wire
