// Consistent overhead byte stuffing, encoder; each frame is followed by a zero. After reset a zero comes first: it
// ends whatever the other side has seen of a frame that a reset broke off.
//
// A block is collected before its length can be sent, so the input waits while a block goes out.
`default_nettype none
module cobs_encoder (
    input  logic       clk_i,
    input  logic       rst_ni,
    input  logic [7:0] byte_i,
    input  logic       last_i,
    input  logic       valid_i,
    output logic       ready_o,
    output logic [7:0] byte_o,
    output logic       valid_o,
    input  logic       ready_i
);
  localparam logic [7:0] LongestBlock = 8'd254;

  localparam logic [2:0] StFill = 3'd0;  // collect a block
  localparam logic [2:0] StCode = 3'd1;  // its length + 1
  localparam logic [2:0] StData = 3'd2;  // its bytes
  localparam logic [2:0] StTail = 3'd3;  // a frame that ends in a zero has an empty last block
  localparam logic [2:0] StEnd = 3'd4;   // the delimiter
  logic [2:0] state_q, state_d;

  logic [7:0] block_q [0:255];
  logic [7:0] length_q, length_d;
  logic [7:0] index_q, index_d;
  logic last_q, last_d;  // the frame's last byte is in this block
  logic tail_q, tail_d;  // and it was a zero

  logic take, is_zero, sent_all;
  assign ready_o = state_q == StFill;
  assign take = valid_i && ready_o;
  assign is_zero = byte_i == '0;
  assign sent_all = index_q + 8'd1 == length_q;

  always_comb begin
    state_d = state_q;
    length_d = length_q;
    index_d = index_q;
    last_d = last_q;
    tail_d = tail_q;
    valid_o = 1'b1;
    byte_o = '0;
    case (state_q)
      StFill: begin
        valid_o = 1'b0;
        if (take) begin
          length_d = is_zero ? length_q : length_q + 1'b1;
          last_d = last_i;
          tail_d = last_i && is_zero;
          if (is_zero || last_i || length_d == LongestBlock) state_d = StCode;
        end
      end
      StCode: begin
        byte_o = length_q + 1'b1;
        index_d = '0;
        if (ready_i) begin
          if (length_q != '0) state_d = StData;
          else if (tail_q) state_d = StTail;
          else state_d = last_q ? StEnd : StFill;
        end
      end
      StData: begin
        byte_o = block_q[index_q];
        if (ready_i) begin
          index_d = index_q + 1'b1;
          if (sent_all) begin
            length_d = '0;
            if (tail_q) state_d = StTail;
            else state_d = last_q ? StEnd : StFill;
          end
        end
      end
      StTail: begin
        byte_o = 8'd1;
        if (ready_i) state_d = StEnd;
      end
      default: begin  // StEnd
        if (ready_i) state_d = StFill;
        length_d = '0;
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StEnd;
      length_q <= '0;
    end else begin
      state_q <= state_d;
      length_q <= length_d;
    end
    index_q <= index_d;
    last_q <= last_d;
    tail_q <= tail_d;
    if (take && !is_zero) block_q[length_q] <= byte_i;
  end
endmodule
`default_nettype wire
