// Input words -> layers for the core, tokens for the response stage, register accesses.
//
// Checks every header, follows the shots, and keeps going after a fault:
//   - A shot message with a new tag before the end of a shot abandons the old shot (counted, no response).
//   - A header that cannot be right is answered by FAULT, its payload is skipped, the shot it belongs to is lost, and
//     messages are skipped up to that shot's end or the first shot message with another tag. A faulty message
//     that belongs to no shot is skipped alone.
//   - WRITE and READ may stand between any two messages; they touch no shot.
// One word per cycle as long as the core takes its layers and the token queue has room.
`default_nettype none
module front_end #(
    parameter int NumStabilizers = 2,
    parameter int NumDataQubits = 3,
    parameter int LayerWidth = 2,
    parameter bit OpenEnded = 1'b0,  // ROUNDS = 0 means: any number of rounds
    parameter logic [LayerWidth*16-1:0] LayerSelect = '0,
    parameter logic [NumStabilizers*NumDataQubits-1:0] DataParity = '0
) (
    input  logic                           clk_i,
    input  logic                           rst_ni,
    input  logic [31:0]                    now_i,           // cycle counter
    // words of the stream
    input  logic [31:0]                    word_i,
    input  logic                           word_valid_i,
    output logic                           word_ready_o,
    // settings, taken at the start of a shot
    input  logic                           enable_i,
    input  logic                           events_mode_i,
    input  logic [31:0]                    rounds_i,
    // to the core; the tag and the acceptance cycle of the newest layer serve windowed answers
    output logic                           layer_valid_o,
    input  logic                           layer_ready_i,
    output logic [LayerWidth-1:0]          layer_events_o,
    output logic                           layer_last_o,
    output logic [15:0]                    layer_tag_o,
    output logic [31:0]                    layer_time_o,
    output logic                           abort_o,
    // to the response stage
    output logic                           token_push_o,
    output logic [qds1_pkg::TokenBits-1:0] token_o,
    input  logic                           token_full_i,
    // to the registers
    output logic                           bus_valid_o,
    output logic                           bus_write_o,
    output logic [31:0]                    bus_address_o,
    output logic [31:0]                    bus_wdata_o,
    input  logic                           bus_ready_i,
    input  logic [31:0]                    bus_rdata_i,
    input  logic                           bus_error_i,
    // what happened, one cycle each
    output logic                           round_o,
    output logic                           abandoned_o,
    output logic                           fault_o,
    output logic [7:0]                     fault_code_o,
    output logic                           in_shot_o,
    output logic                           skipping_o
);
  localparam int StabilizerWords = (NumStabilizers + 31) / 32;
  localparam int DataWords = (NumDataQubits + 31) / 32;

  localparam logic [2:0] StHeader = 3'd0;   // the next word is a header
  localparam logic [2:0] StPayload = 3'd1;  // payload of a shot message
  localparam logic [2:0] StSkip = 3'd2;     // payload of a message that is dropped
  localparam logic [2:0] StAddress = 3'd3;  // first payload word of WRITE and READ
  localparam logic [2:0] StValue = 3'd4;    // second payload word of WRITE
  localparam logic [2:0] StAccess = 3'd5;   // the register access is under way
  logic [2:0] state_q, state_d;
  logic [7:0] words_left_q, words_left_d;

  // the shot in progress; after a fault, the shot to skip
  logic in_shot_q, in_shot_d;
  logic skipping_q, skipping_d;
  logic [15:0] tag_q, tag_d;
  logic events_mode_q, events_mode_d;
  logic [31:0] rounds_left_q, rounds_left_d;
  logic no_round_left_q, no_round_left_d;  // rounds_left_q == 0, ready in time for the next header
  logic no_rounds_q;                       // the same for rounds_i
  logic unlimited_q, unlimited_d;     // open-ended shot: rounds_left does not count
  logic any_layer_q, any_layer_d;     // a layer of this shot has gone to the core
  logic abort_q, abort_d;             // the core has to be told, once the layer register is empty
  logic is_end_q, is_end_d;           // the message under way: ends the shot
  logic is_data_q, is_data_d;         //   is MEAS_DATA
  logic [15:0] bus_tag_q, bus_tag_d;  //   WRITE, READ
  logic bus_write_q, bus_write_d;
  logic [31:0] bus_address_q, bus_address_d;
  logic [31:0] bus_wdata_q, bus_wdata_d;

  // ---- the word at the input, read as a header
  logic [7:0] kind;
  logic [7:0] length;
  logic [15:0] tag;
  logic is_round, is_end, is_shot, is_events, is_bus;
  assign kind = word_i[7:0];
  assign length = word_i[15:8];
  assign tag = word_i[31:16];
  assign is_round = kind == qds1_pkg::KindSyndrome || kind == qds1_pkg::KindEvents;
  assign is_end = kind == qds1_pkg::KindMeasData || kind == qds1_pkg::KindEventsLast;
  assign is_events = kind == qds1_pkg::KindEvents || kind == qds1_pkg::KindEventsLast;
  assign is_bus = kind == qds1_pkg::KindWrite || kind == qds1_pkg::KindRead;
  assign is_shot = is_round || is_end;

  logic length_ok;
  always_comb begin
    case (kind)
      qds1_pkg::KindMeasData: length_ok = length == 8'(DataWords);
      qds1_pkg::KindWrite: length_ok = length == 8'd2;
      qds1_pkg::KindRead: length_ok = length == 8'd1;
      default: length_ok = length == 8'(StabilizerWords);
    endcase
  end

  // ---- what the header means for the shots
  logic opens;        // first message of a shot
  logic skipped;      // belongs to the shot that a fault has spoiled
  logic events_mode;  // the shot's own settings
  logic no_round_left;
  logic unlimited;
  logic wrong_time;
  logic [7:0] fault_code;
  assign opens = !in_shot_q || tag != tag_q;
  assign skipped = skipping_q && !is_bus && !(is_shot && tag != tag_q);
  assign events_mode = opens ? events_mode_i : events_mode_q;
  assign no_round_left = opens ? no_rounds_q : no_round_left_q;
  assign unlimited = opens ? OpenEnded && no_rounds_q : unlimited_q;
  always_comb begin
    if (is_events != events_mode) wrong_time = 1'b1;
    else if (unlimited) wrong_time = is_end && opens;
    else wrong_time = is_end != no_round_left;

    if (!is_shot && !is_bus) fault_code = registers_pkg::FaultCodeUnknownKind;
    else if (is_shot && opens && !enable_i) fault_code = registers_pkg::FaultCodeDisabled;
    else if (!length_ok) fault_code = registers_pkg::FaultCodeWrongLength;
    else if (is_shot && wrong_time) fault_code = registers_pkg::FaultCodeIllegalNow;
    else fault_code = registers_pkg::FaultCodeNone;
  end

  // ---- state machine
  logic last_word;
  logic accept;
  logic store;
  logic push;
  logic token_push;
  logic [1:0] token_type;
  logic [15:0] token_tag;
  logic [11:0] token_argument;
  logic [31:0] token_word;
  assign last_word = words_left_q == 8'd1;
  assign accept = word_valid_i && word_ready_o;

  always_comb begin
    case (state_q)
      StHeader: word_ready_o = !token_full_i;
      StPayload: word_ready_o = !last_word || (!layer_valid_o && !(is_end_q && token_full_i));
      StAccess: word_ready_o = 1'b0;
      default: word_ready_o = 1'b1;
    endcase
  end

  always_comb begin
    state_d = state_q;
    words_left_d = words_left_q;
    in_shot_d = in_shot_q;
    skipping_d = skipping_q;
    tag_d = tag_q;
    events_mode_d = events_mode_q;
    rounds_left_d = rounds_left_q;
    no_round_left_d = no_round_left_q;
    unlimited_d = unlimited_q;
    any_layer_d = any_layer_q;
    abort_d = abort_q && layer_valid_o;
    is_end_d = is_end_q;
    is_data_d = is_data_q;
    bus_tag_d = bus_tag_q;
    bus_write_d = bus_write_q;
    bus_address_d = bus_address_q;
    bus_wdata_d = bus_wdata_q;
    store = 1'b0;
    push = 1'b0;
    abandoned_o = 1'b0;
    round_o = 1'b0;
    token_push = 1'b0;
    token_type = qds1_pkg::TokenFault;
    token_tag = tag_q;
    token_argument = '0;
    token_word = word_i;

    case (state_q)
      StHeader: begin
        if (accept) begin
          words_left_d = length;
          if (skipped) begin
            state_d = length == '0 ? StHeader : StSkip;
            if (is_end) skipping_d = 1'b0;
          end else begin
            if (is_shot && opens) begin
              abandoned_o = in_shot_q;
              abort_d = abort_d || (in_shot_q && any_layer_q);
              in_shot_d = 1'b1;
              skipping_d = 1'b0;
              tag_d = tag;
              events_mode_d = events_mode;
              rounds_left_d = rounds_i;
              no_round_left_d = no_rounds_q;
              unlimited_d = unlimited;
              any_layer_d = 1'b0;
            end
            if (fault_code != registers_pkg::FaultCodeNone) begin
              state_d = length == '0 ? StHeader : StSkip;
              token_push = 1'b1;
              token_argument = 12'(fault_code);
              // the fault spoils the shot that the message belongs to; outside any shot, nothing
              token_tag = is_shot || !in_shot_q ? tag : tag_q;
              if (in_shot_d) begin
                abort_d = abort_d || (any_layer_q && in_shot_q);
                in_shot_d = 1'b0;
                skipping_d = !is_end;
              end
            end else if (is_bus) begin
              state_d = StAddress;
              bus_tag_d = tag;
              bus_write_d = kind == qds1_pkg::KindWrite;
            end else begin
              state_d = StPayload;
              is_end_d = is_end;
              is_data_d = kind == qds1_pkg::KindMeasData;
            end
          end
        end
      end

      StPayload: begin
        if (accept) begin
          words_left_d = words_left_q - 1'b1;
          store = !last_word;
          push = last_word;
          if (last_word) begin
            state_d = StHeader;
            any_layer_d = 1'b1;
            if (!is_end_q) begin
              round_o = 1'b1;
              rounds_left_d = rounds_left_q - 1;
              no_round_left_d = rounds_left_q == 32'd1;
            end
            if (is_end_q) begin
              in_shot_d = 1'b0;
              token_push = 1'b1;
              token_type = qds1_pkg::TokenShot;
              token_word = now_i;
            end
          end
        end
      end

      StSkip: begin
        if (accept) begin
          words_left_d = words_left_q - 1'b1;
          if (last_word) state_d = StHeader;
        end
      end

      StAddress: begin
        if (accept) begin
          bus_address_d = word_i;
          state_d = bus_write_q ? StValue : StAccess;
        end
      end

      StValue: begin
        if (accept) begin
          bus_wdata_d = word_i;
          state_d = StAccess;
        end
      end

      default: begin  // StAccess
        token_tag = bus_tag_q;
        if (bus_error_i) begin
          token_argument = 12'(registers_pkg::FaultCodeAddress);
          token_word = bus_address_q;
        end else begin
          token_type = qds1_pkg::TokenData;
          token_argument = 12'(bus_address_q);
          token_word = bus_rdata_i;
        end
        if (bus_valid_o && bus_ready_i) begin
          state_d = StHeader;
          token_push = bus_error_i || !bus_write_q;
        end
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StHeader;
      in_shot_q <= 1'b0;
      skipping_q <= 1'b0;
      any_layer_q <= 1'b0;
      abort_q <= 1'b0;
    end else begin
      state_q <= state_d;
      in_shot_q <= in_shot_d;
      skipping_q <= skipping_d;
      any_layer_q <= any_layer_d;
      abort_q <= abort_d;
    end
    words_left_q <= words_left_d;
    tag_q <= tag_d;
    events_mode_q <= events_mode_d;
    rounds_left_q <= rounds_left_d;
    no_round_left_q <= no_round_left_d;
    no_rounds_q <= rounds_i == '0;
    unlimited_q <= unlimited_d;
    is_end_q <= is_end_d;
    is_data_q <= is_data_d;
    bus_tag_q <= bus_tag_d;
    bus_write_q <= bus_write_d;
    bus_address_q <= bus_address_d;
    bus_wdata_q <= bus_wdata_d;
  end

  // ---- layers
  layer_former #(
      .NumStabilizers(NumStabilizers),
      .NumDataQubits(NumDataQubits),
      .LayerWidth(LayerWidth),
      .LayerSelect(LayerSelect),
      .DataParity(DataParity)
  ) u_layer_former (
      .clk_i,
      .rst_ni,
      .word_i,
      .store_i(store),
      .push_i(push),
      .events_i(events_mode_q),
      .data_i(is_data_q),
      .first_i(!any_layer_q),
      .last_i(is_end_q),
      .layer_valid_o,
      .layer_ready_i,
      .layer_events_o,
      .layer_last_o
  );
  always_ff @(posedge clk_i) begin
    if (push) begin
      layer_tag_o <= tag_q;
      layer_time_o <= now_i;
    end
  end
  assign abort_o = abort_q && !layer_valid_o;

  assign token_push_o = token_push;
  assign token_o = {token_type, token_tag, token_argument, token_word};
  assign bus_valid_o = state_q == StAccess && !token_full_i;
  assign bus_write_o = bus_write_q;
  assign bus_address_o = bus_address_q;
  assign bus_wdata_o = bus_wdata_q;
  assign fault_o = token_push && token_type == qds1_pkg::TokenFault;
  assign fault_code_o = token_argument[7:0];
  assign in_shot_o = in_shot_q;
  assign skipping_o = skipping_q;
endmodule
`default_nettype wire
