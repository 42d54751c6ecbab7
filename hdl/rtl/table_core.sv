// Exact decoder by look-up: collects the layers of a shot to an address and reads one bit per observable.
//
// Address: the events of a shot that Used names, in order. Event (t * LayerWidth + i) is that of core bit i in layer t
//          (layer 0 first, lowest); without Used all of them.
// Table:   one plane per observable, 2**AddressBits bits in 32-bit words; entry a is bit a[4:0] of word a >> 5
//          (a plane of fewer than 32 bits fills the low bits of its one word; a plane always has >= 2 words).
// Latency: fixed; result_valid_o rises 2 cycles after the handshake of the shot's last layer. The next shot's
//          layers load meanwhile.
//
// The memory itself lives in the generated decoder_core.sv, because its contents are an `initial` block there (no
// file to find at run time, and Icarus, Verilator and Yosys all take it). decoder_core.sv must
//   1. have the ports of a decoder core (see cocotb_tests/fixtures/repetition_d3/decoder_core.sv, a complete example),
//   2. hold for each observable k:   logic [31:0] plane_k [0:NumWords-1]   with an `initial` of word assignments,
//      where NumWords = 2**WordAddressBits and WordAddressBits = max(1, AddressBits - 5),
//   3. read it when mem_read_o is high (address mem_address_o) into a register that drives
//      mem_rdata_i[32*k +: 32] from the next cycle on, and holds it until the next read,
//   4. give the registers a second port: cfg address k * NumWords + w is word w of plane k; cfg_we_i writes it, and
//      cfg_rdata_o shows it 2 cycles after the address (0 outside the table),
//   5. instantiate this module for everything else.
`default_nettype none
module table_core #(
    parameter int LayerWidth = 2,
    parameter int NumLayers = 4,
    parameter int NumObservables = 1,
    localparam int ShotBits = LayerWidth * NumLayers,
    parameter logic [ShotBits-1:0] Used = '1,
    localparam int AddressBits = $countones(Used),
    localparam int WordAddressBits = AddressBits > 6 ? AddressBits - 5 : 1
) (
    input  logic                         clk_i,
    input  logic                         rst_ni,
    // layers of detection events, layer 0 first
    input  logic                         layer_valid_i,
    output logic                         layer_ready_o,
    input  logic [LayerWidth-1:0]        layer_events_i,
    input  logic                         layer_last_i,
    input  logic                         abort_i,
    // one result a shot, in order
    output logic                         result_valid_o,
    input  logic                         result_ready_i,
    output logic [NumObservables-1:0]    result_flips_o,
    // read port of the table's memory: data valid the cycle after the read, and held
    output logic                         mem_read_o,
    output logic [WordAddressBits-1:0]   mem_address_o,
    input  logic [NumObservables*32-1:0] mem_rdata_i
);
  // The layers so far, newest on top; after the last layer, layer 0 has been shifted down to bit 0.
  logic [ShotBits-1:0] collected_q;
  logic [ShotBits-1:0] collected;
  logic [AddressBits-1:0] address;
  logic [LayerWidth-1:0] unused_shifted_out;
  assign {collected, unused_shifted_out} = {layer_events_i, collected_q};
  generate
    for (genvar e = 0; e < ShotBits; e++) begin : g_event
      if (Used[e]) begin : g_used
        localparam int Place = $countones(Used & ((ShotBits'(1) << e) - ShotBits'(1)));
        assign address[Place] = collected[e];
      end
    end
  endgenerate

  logic lookup_valid_q;   // the memory shows the word of a shot
  logic [4:0] select_q;   // which bit of it
  logic result_valid_q;
  logic [NumObservables-1:0] result_flips_q;
  logic take;

  // From registers alone: no path runs from result_ready_i to layer_ready_o.
  assign layer_ready_o = !lookup_valid_q || !result_valid_q;
  assign take = layer_valid_i && layer_ready_o;
  assign mem_read_o = take && layer_last_i;

  // Fewer than 2**6 entries still get a memory of two words; the second stays unused.
  generate
    if (AddressBits > 5) begin : g_words
      assign mem_address_o = address[AddressBits-1:5];
    end else begin : g_one_word
      assign mem_address_o = '0;
    end
  endgenerate

  always_ff @(posedge clk_i) begin
    if (take) begin
      collected_q <= collected;
      if (layer_last_i) select_q <= 5'(address);
    end
    if (!rst_ni) begin
      lookup_valid_q <= 1'b0;
      result_valid_q <= 1'b0;
    end else begin
      if (result_valid_q && result_ready_i) result_valid_q <= 1'b0;
      if (lookup_valid_q && !result_valid_q) begin
        lookup_valid_q <= 1'b0;
        result_valid_q <= 1'b1;
      end
      if (mem_read_o) lookup_valid_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (lookup_valid_q && !result_valid_q) begin
      for (int k = 0; k < NumObservables; k++) begin
        result_flips_q[k] <= mem_rdata_i[32*k + 32'(select_q)];
      end
    end
  end

  assign result_valid_o = result_valid_q;
  assign result_flips_o = result_flips_q;

  // A shot always has NumLayers layers, so an abandoned shot's layers are shifted out by the next one's.
  logic unused_abort;
  assign unused_abort = abort_i;
endmodule
`default_nettype wire
