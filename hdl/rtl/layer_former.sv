// Payload words -> layers of detection events, in a register that holds each layer until the core takes it.
//
// A round's layer is its outcomes XOR the previous round's (the first: XOR 0). MEAS_DATA rebuilds the stabilizers
// from the data qubits' parities for the last layer. Detection events pass as they are.
// push is allowed only while layer_valid_o is low; a layer needs at least two words, so a core that takes a
// layer in every other cycle never stalls the stream.
`default_nettype none
module layer_former #(
    parameter int NumStabilizers = 2,
    parameter int NumDataQubits = 3,
    parameter int LayerWidth = 2,
    parameter logic [LayerWidth*16-1:0] LayerSelect = '0,
    parameter logic [NumStabilizers*NumDataQubits-1:0] DataParity = '0
) (
    input  logic                  clk_i,
    input  logic                  rst_ni,
    // payload words, one shot message after another
    input  logic [31:0]           word_i,
    input  logic                  store_i,       // a payload word that is not its message's last
    input  logic                  push_i,        // a payload word that is: the layer is complete
    input  logic                  events_i,      // the message carries detection events
    input  logic                  data_i,        // the message is MEAS_DATA
    input  logic                  first_i,       // first layer of the shot
    input  logic                  last_i,        // last layer of the shot
    // to the core
    output logic                  layer_valid_o,
    input  logic                  layer_ready_i,
    output logic [LayerWidth-1:0] layer_events_o,
    output logic                  layer_last_o
);
  localparam int StabilizerWords = (NumStabilizers + 31) / 32;
  localparam int DataWords = (NumDataQubits + 31) / 32;
  localparam int MaxWords = StabilizerWords > DataWords ? StabilizerWords : DataWords;

  // The message's payload: the words stored so far, and the word at the input in the place of the last.
  logic [StabilizerWords*32-1:0] outcomes;
  logic [DataWords*32-1:0] data;
  generate
    if (MaxWords > 1) begin : g_store
      logic [(MaxWords-1)*32-1:0] words_q;
      logic [7:0] index_q;
      always_ff @(posedge clk_i) begin
        if (!rst_ni || push_i) index_q <= '0;
        else if (store_i) index_q <= index_q + 1'b1;
      end
      for (genvar w = 0; w < MaxWords - 1; w++) begin : g_word
        always_ff @(posedge clk_i) begin
          if (store_i && index_q == 8'(w)) words_q[32*w +: 32] <= word_i;
        end
      end
      if (StabilizerWords > 1) begin : g_outcomes
        assign outcomes = {word_i, words_q[(StabilizerWords-1)*32-1:0]};
      end else begin : g_outcomes
        assign outcomes = word_i;
      end
      if (DataWords > 1) begin : g_data
        assign data = {word_i, words_q[(DataWords-1)*32-1:0]};
      end else begin : g_data
        assign data = word_i;
      end
    end else begin : g_single
      logic unused_store;
      assign unused_store = store_i;
      assign outcomes = word_i;
      assign data = word_i;
    end
  endgenerate

  // Padding, and stabilizers that the core does not look at.
  logic unused_payload;
  assign unused_payload = ^outcomes ^ ^data;

  logic [LayerWidth-1:0] selected;
  logic [LayerWidth-1:0] rebuilt;
  generate
    for (genvar i = 0; i < LayerWidth; i++) begin : g_bit
      localparam int Stabilizer = 32'(LayerSelect[16*i +: 16]);
      localparam logic [NumDataQubits-1:0] Parity = DataParity[Stabilizer*NumDataQubits +: NumDataQubits];
      assign selected[i] = outcomes[Stabilizer];
      assign rebuilt[i] = ^(data[NumDataQubits-1:0] & Parity);
    end
  endgenerate

  logic [LayerWidth-1:0] measured;
  logic [LayerWidth-1:0] previous_q;
  logic [LayerWidth-1:0] reference;
  assign measured = data_i ? rebuilt : selected;
  assign reference = (events_i || first_i) ? '0 : previous_q;

  logic layer_valid_q;
  logic [LayerWidth-1:0] layer_events_q;
  logic layer_last_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) layer_valid_q <= 1'b0;
    else if (push_i) layer_valid_q <= 1'b1;
    else if (layer_ready_i) layer_valid_q <= 1'b0;

    if (push_i) begin
      previous_q <= measured;
      layer_events_q <= measured ^ reference;
      layer_last_q <= last_i;
    end
  end
  assign layer_valid_o = layer_valid_q;
  assign layer_events_o = layer_events_q;
  assign layer_last_o = layer_last_q;

`ifdef VERILATOR
  always_ff @(posedge clk_i) begin
    if (rst_ni && push_i) assert (!layer_valid_q) else $error("a layer was pushed over one that was not taken");
  end
`endif
endmodule
`default_nettype wire
