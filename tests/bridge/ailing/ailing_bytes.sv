// The decoder of tests/bridge/byte_decoder with illnesses of its own stream: 0x7E and a byte of events in, 0xA5 and a
// byte with the flip in bit 0 out. Event bits 3:0 are stabilizer 1, 7:4 stabilizer 0.
`default_nettype none
module ailing_bytes (
    input  logic       clk,
    input  logic       rst,
    input  logic [7:0] in_data,
    input  logic       in_valid,
    output logic       in_ready,
    output logic [7:0] out_data,
    output logic       out_valid,
    input  logic       out_ready
);
@AILMENT@
  logic started_q, flip_q, before_q;
  logic [1:0] left_q;
  logic [31:0] shots_q;
  logic [7:0] stalled_q, junk_q;
  logic [7:0] events;
  logic [15:0] idle_q;
  logic stale_q;  // the shot came after a long pause
  logic take, reset;
  assign reset = rst && !(ailment == "bytes: ignores the reset" && shots_q > 32'd10);
  always_comb begin
    events = in_data;
    if (ailment == "bytes: bits reversed") for (int i = 0; i < 8; i++) events[i] = in_data[7-i];
    if (ailment == "bytes: blind to a layer") events = in_data & 8'hEE;
    if (ailment == "bytes: one bit inverted") events = in_data ^ 8'h04;
    if (ailment == "bytes: stabilizers exchanged") events = {in_data[3:0], in_data[7:4]};
  end
  assign in_ready = (left_q == '0 || ailment == "bytes: takes the next too early") && ailment != "bytes: never ready";
  assign take = in_valid && in_ready;
  always_comb begin
    out_valid = left_q != '0 && !(ailment == "bytes: withdraws valid" && stalled_q == 8'd2);
    out_data = left_q == 2'd2 ? 8'hA5 : {7'b0, flip_q};
    if (ailment == "bytes: changes data" && stalled_q > 8'd1) out_data = ~out_data;
    if (ailment == "bytes: valid waits for ready") out_valid = left_q != '0 && out_ready;
    if (ailment == "bytes: wrong after a pause" && left_q == 2'd1 && stale_q) out_data = 8'h00;
    if (ailment == "bytes: constant") out_data = 8'h00;
    if (ailment == "bytes: silent" || (ailment == "bytes: stops after 3,000 shots" && shots_q >= 32'd3000)) out_valid = 1'b0;
    if (ailment == "bytes: inverted") out_data = left_q == 2'd2 ? 8'hA5 : {7'b0, !flip_q};
    if (ailment == "bytes: every third shot" && shots_q % 3 == 2) out_data = 8'h00;
    if (ailment == "bytes: one shot late") out_data = left_q == 2'd2 ? 8'hA5 : {7'b0, before_q};
    if (ailment == "bytes: adds what was") out_data = left_q == 2'd2 ? 8'hA5 : {7'b0, flip_q ^ before_q};
    if (ailment == "bytes: an unset register") out_data = left_q == 2'd2 ? 8'hA5 : {7'b0, flip_q ^ junk_q[3]};
    if (ailment == "bytes: a byte too many" && shots_q % 50 == 49 && left_q == 2'd1) out_data = 8'hA5;
  end
  always_ff @(posedge clk) begin
    stalled_q <= left_q != '0 && !out_ready ? stalled_q + 8'(stalled_q != '1) : '0;
    junk_q <= junk_q;
    idle_q <= reset || in_valid ? '0 : idle_q + 16'(idle_q != '1);
    if (take && !started_q) stale_q <= idle_q > 16'd2000;
    if (reset) begin
      started_q <= 1'b0;
      left_q <= '0;
      shots_q <= '0;
      before_q <= 1'b0;
    end else begin
      if (left_q != '0 && out_valid && out_ready) begin
        left_q <= left_q - 1'b1;
        if (left_q == 2'd1) begin
          shots_q <= shots_q + 1;
          before_q <= flip_q;
        end
      end
      if (take) begin
        started_q <= !started_q && in_data == 8'h7E;
        if (started_q) begin
          left_q <= 2'd2;
          flip_q <= ^events[3:0] && !(^events[7:4]);
        end
      end
    end
  end
endmodule
`default_nettype wire
