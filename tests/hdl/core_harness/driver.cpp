// Drives the ports of a Verilated decoder_core: many shots a call, with random gaps and backpressure.
#include <cstdint>
#include <random>

#include "Vdecoder_core.h"
#include "verilated.h"

namespace {

void set_bits(CData& port, const uint8_t* bits, int n) { port = 0; for (int i = 0; i < n; i++) port |= bits[i] << i; }
void set_bits(SData& port, const uint8_t* bits, int n) { port = 0; for (int i = 0; i < n; i++) port |= bits[i] << i; }
void set_bits(IData& port, const uint8_t* bits, int n) { port = 0; for (int i = 0; i < n; i++) port |= uint32_t(bits[i]) << i; }
void set_bits(QData& port, const uint8_t* bits, int n) { port = 0; for (int i = 0; i < n; i++) port |= uint64_t(bits[i]) << i; }
template <std::size_t W>
void set_bits(VlWide<W>& port, const uint8_t* bits, int n) {
  for (std::size_t w = 0; w < W; w++) port[w] = 0;
  for (int i = 0; i < n; i++) port[i / 32] |= uint32_t(bits[i]) << (i % 32);
}

struct Core {
  VerilatedContext context;
  Vdecoder_core top{&context};
  uint64_t cycle = 0;

  void fall() { top.clk_i = 0; top.eval(); }
  void rise() { top.clk_i = 1; top.eval(); cycle++; }
  void tick() { fall(); rise(); }
};

}  // namespace

extern "C" {

Core* core_new() {
  Core* core = new Core;
  core->top.rst_ni = 0;
  for (int i = 0; i < 4; i++) core->tick();
  core->top.rst_ni = 1;
  return core;
}

void core_delete(Core* core) { delete core; }

void core_write(Core* core, uint32_t address, uint32_t value) {
  core->top.cfg_we_i = 1;
  core->top.cfg_addr_i = address;
  core->top.cfg_wdata_i = value;
  core->tick();
  core->top.cfg_we_i = 0;
}

uint32_t core_read(Core* core, uint32_t address) {
  core->top.cfg_addr_i = address;
  core->tick();
  core->tick();
  core->fall();
  return core->top.cfg_rdata_o;
}

// Shots one after another. `gap` and `stall`: percent of cycles without a layer offered, without the result taken.
// serial: a shot's layers wait for the result of the shot before, so that latency is the core's own.
// Results: flips, status, latency (last layer's handshake to the cycle the result is seen), frame, round;
// returns how many, or -1 when nothing moved for too long.
int64_t core_run(Core* core, int64_t num_shots, int64_t num_layers, int width, const uint8_t* layers, int gap, int stall,
                 int serial, uint32_t seed, int64_t room, uint32_t* flips, uint32_t* status, uint32_t* latency,
                 uint8_t* frame, uint32_t* round) {
  std::mt19937 random(seed);
  Vdecoder_core& top = core->top;
  int64_t shot = 0, layer = 0, answered = 0, results = 0;
  uint64_t last_layer_cycle = 0, progress = core->cycle;
  bool offered = false;
  bool seen = false;
  uint64_t seen_cycle = 0;
  while (answered < num_shots) {
    if (!offered) {
      const bool may = shot < num_shots && (!serial || shot == answered || layer > 0);
      offered = may && int(random() % 100) >= gap;
      if (offered) set_bits(top.layer_events_i, layers + (shot * num_layers + layer) * width, width);
    }
    top.layer_valid_i = offered;
    top.layer_last_i = layer + 1 == num_layers;
    top.result_ready_i = int(random() % 100) >= stall;
    core->fall();
    if (top.result_valid_o && !seen) {
      seen = true;
      seen_cycle = core->cycle;
    }
    if (top.result_valid_o && top.result_ready_i) {
      if (results == room) return -1;
      flips[results] = uint32_t(top.result_flips_o);
      status[results] = top.result_status_o;
      latency[results] = uint32_t(seen_cycle - last_layer_cycle);
      frame[results] = top.result_frame_o;
      round[results] = top.result_round_o;
      results++;
      answered += !top.result_frame_o;
      seen = false;
      progress = core->cycle;
    }
    if (offered && top.layer_ready_o) {
      offered = false;
      progress = core->cycle;
      if (++layer == num_layers) {
        layer = 0;
        shot++;
        last_layer_cycle = core->cycle;
      }
    }
    if (core->cycle - progress > 200000) return -1;
    core->rise();
  }
  top.layer_valid_i = 0;
  top.result_ready_i = 0;
  return results;
}

uint64_t core_cycles(Core* core) { return core->cycle; }
}
