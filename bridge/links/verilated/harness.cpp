// Clocks a Verilated decoder with the qds1 ports and moves words in batches: one call, many cycles.
// Every cycle: drive inputs, settle with the clock low, note the handshakes, raise the clock.
// Of a second clock the compiler is told its port, and how many rising edges it has in how many cycles of clk_i:
// QTWIN_CLOCK2, QTWIN_CLOCK2_EDGES, QTWIN_CLOCK2_CYCLES. The first edges of both coincide.
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Tracer = VerilatedFstC;
#elif VM_TRACE
#include "verilated_vcd_c.h"
using Tracer = VerilatedVcdC;
#endif

namespace {

constexpr uint32_t kFrameKind = 0x82;  // a FRAME announces a window, it does not end a shot
constexpr uint32_t kCorrectionKind = 0x81;
constexpr uint32_t kFaultKind = 0xEE;
constexpr uint32_t kMeasDataKind = 0x03;
constexpr uint32_t kEventsLastKind = 0x04;  // the last of the kinds that make up a shot
constexpr int kResetCycles = 8;
constexpr uint64_t kCyclesPerClockCheck = 1 << 14;
constexpr uint64_t kHalfPeriod = 5;  // time units of the waveform; the period is 10

enum Result { kDone = 0, kSilent = 1, kTimeout = 2, kTrouble = 3 };

int start_mode = 0;  // of registers that nothing sets, as VerilatedContext::randReset takes it
int start_seed = 0;

struct Decoder {
    std::unique_ptr<VerilatedContext> context = std::make_unique<VerilatedContext>();
    std::unique_ptr<Vtop> top;
    uint64_t cycles = 0;
    uint64_t stalled_cycles = 0;
    std::vector<uint32_t> received;
    std::vector<uint32_t> shot_cycles;
    uint64_t max_in_flight = 0;  // shots sent and not answered before the next one waits; 0 = no limit
    uint64_t shot_words = 0;     // of each shot; 0: the words are qds1, and tell
#if VM_TRACE
    std::unique_ptr<Tracer> tracer;
#endif

    void settle() { top->eval(); }

#ifndef QTWIN_CLOCK2
    void rising_edge() {
        dump();
        context->timeInc(kHalfPeriod);
        top->clk_i = 1;
        top->eval();
        dump();
        context->timeInc(kHalfPeriod);
        top->clk_i = 0;
        ++cycles;
    }
#else
    // In steps of which clk_i's half period takes kEdges, the second clock's kCycles: edges of both that fall into the
    // same step happen at once, as those of two clocks from one PLL.
    static constexpr uint64_t kEdges = QTWIN_CLOCK2_EDGES, kCycles = QTWIN_CLOCK2_CYCLES;
    uint64_t second_step = 0;  // of the second clock's period

    void rising_edge() {
        for (uint64_t step = 0; step < 2 * kEdges; ++step) {
            const bool rises = second_step == 0, falls = second_step == kCycles;
            if (rises) top->QTWIN_CLOCK2 = 1;
            if (falls) top->QTWIN_CLOCK2 = 0;
            if (step == 0) top->clk_i = 1;
            if (step == kEdges) top->clk_i = 0;
            if (rises || falls || step == 0 || step == kEdges) {
                dump();
                top->eval();
            }
            context->timeInc(2 * kHalfPeriod);
            second_step = (second_step + 1) % (2 * kCycles);
        }
        ++cycles;
    }
#endif

    void dump() {
#if VM_TRACE
        if (tracer) tracer->dump(context->time());
#endif
    }

    void idle_inputs() {
        top->s_axis_tvalid = 0;
        top->s_axis_tdata = 0;
        top->s_axis_tlast = 0;
        top->m_axis_tready = 0;
        top->s_axil_awvalid = 0;
        top->s_axil_wvalid = 0;
        top->s_axil_bready = 0;
        top->s_axil_arvalid = 0;
        top->s_axil_rready = 0;
        top->s_axil_wstrb = 0xF;
    }

    void reset() {
        idle_inputs();
        top->rst_ni = 0;
        for (int i = 0; i < kResetCycles; ++i) {
            settle();
            rising_edge();
        }
        top->rst_ni = 1;
        settle();
        rising_edge();
        received.clear();
    }
};

// Runs what simulates; false where the simulation could not go on: qtwin_trouble says why.
template <typename Work>
bool guarded(Work work) {
    try {
        work();
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

// Counts whole messages in a growing sequence of words.
struct MessageCounter {
    size_t answers = 0;
    uint32_t remaining = 0;
    bool counted = false;

    void take(uint32_t word) {
        if (remaining == 0) {
            remaining = (word >> 8) & 0xFF;
            counted = (word & 0xFF) != kFrameKind;
        } else {
            --remaining;
        }
        if (remaining == 0 && counted) ++answers;
    }
};

// Notes for every shot the cycles of its first and last word in, and of its answer's first and last word out.
struct ShotClock {
    struct Sent {
        uint64_t first, last;
    };
    std::deque<Sent> unanswered;
    uint64_t shot_words = 0;  // 0: messages tell
    uint64_t first = 0, header = 0;
    uint64_t words_in = 0;
    uint32_t words_out = 0;
    bool in_shot = false, ends = false, answers = false;

    void take_sent(uint32_t word, uint64_t cycle) {
        if (shot_words != 0) {
            if (words_in == 0) {
                first = cycle;
                words_in = shot_words;
            }
            ends = --words_in == 0;
        } else if (words_in == 0) {
            const uint32_t kind = word & 0xFF;
            words_in = (word >> 8) & 0xFF;
            ends = kind == kMeasDataKind || kind == kEventsLastKind;
            if (!in_shot && kind <= kEventsLastKind) {
                first = cycle;
                in_shot = true;
            }
        } else {
            --words_in;
        }
        if (words_in == 0 && ends) {
            unanswered.push_back({first, cycle});
            in_shot = ends = false;
        }
    }

    // Load, decode and readout of an answered shot are appended to `shot_cycles`.
    void take_received(uint32_t word, uint64_t cycle, std::vector<uint32_t>& shot_cycles) {
        if (words_out == 0) {
            const uint32_t kind = word & 0xFF;
            words_out = (word >> 8) & 0xFF;
            answers = kind == kCorrectionKind || kind == kFaultKind;
            header = cycle;
        } else {
            --words_out;
        }
        if (words_out != 0 || !answers || unanswered.empty()) return;
        const Sent sent = unanswered.front();
        unanswered.pop_front();
        for (uint64_t part : {sent.last - sent.first, header - sent.last, cycle - header})
            shot_cycles.push_back(static_cast<uint32_t>(part));
    }
};

}  // namespace

extern "C" {

// How registers start that nothing sets, in what is opened from now on: 0, zeros; 1, ones; 2, at random. Random values
// need a library that was built for them.
void qtwin_set_start(int mode, int seed) {
    start_mode = mode;
    start_seed = seed;
}

// Null where the simulation could not begin.
void* qtwin_open(const char* trace_path) {
    auto decoder = std::make_unique<Decoder>();
    decoder->context->randReset(start_mode);
    decoder->context->randSeed(start_seed);
    decoder->top = std::make_unique<Vtop>(decoder->context.get());
#if VM_TRACE
    if (trace_path != nullptr) {
        decoder->context->traceEverOn(true);
        decoder->tracer = std::make_unique<Tracer>();
        decoder->top->trace(decoder->tracer.get(), 99);
        decoder->tracer->open(trace_path);
    }
#else
    (void)trace_path;
#endif
    decoder->top->clk_i = 0;
    return guarded([&] { decoder->reset(); }) ? decoder.release() : nullptr;
}

void qtwin_close(void* handle) {
    auto* decoder = static_cast<Decoder*>(handle);
    guarded([&] { decoder->top->final(); });
#if VM_TRACE
    if (decoder->tracer) decoder->tracer->close();
#endif
    delete decoder;
}

void qtwin_reset(void* handle) {
    guarded([&] { static_cast<Decoder*>(handle)->reset(); });
}

uint64_t qtwin_cycles(void* handle) { return static_cast<Decoder*>(handle)->cycles; }

uint64_t qtwin_stalled_cycles(void* handle) { return static_cast<Decoder*>(handle)->stalled_cycles; }

// Sends `num_words` words and waits for `num_answers` messages. Returns a Result; the words that came are fetched
// with qtwin_received. `taken` and `answers` report progress in every case.
int qtwin_exchange(void* handle, const uint32_t* words, size_t num_words, size_t num_answers, uint64_t idle_cycles,
                   double timeout_s, size_t* taken, size_t* answers) try {
    auto* decoder = static_cast<Decoder*>(handle);
    *taken = *answers = 0;
    auto* top = decoder->top.get();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout_s);
    MessageCounter counter;
    ShotClock shots;
    shots.shot_words = decoder->shot_words;
    const uint64_t in_flight = decoder->max_in_flight ? decoder->max_in_flight : UINT64_MAX;
    size_t sent = 0;
    uint64_t idle = 0;
    uint64_t until_check = kCyclesPerClockCheck;
    Result result = kDone;
    decoder->received.clear();
    decoder->shot_cycles.clear();
    top->m_axis_tready = 1;
    while (sent < num_words || counter.answers < num_answers) {
        top->s_axis_tvalid = sent < num_words && shots.unanswered.size() < in_flight;
        top->s_axis_tdata = sent < num_words ? words[sent] : 0;
        top->s_axis_tlast = sent + 1 == num_words;
        decoder->settle();
        const bool sends = top->s_axis_tvalid && top->s_axis_tready;
        const bool receives = top->m_axis_tvalid;
        if (receives) {
            decoder->received.push_back(top->m_axis_tdata);
            counter.take(top->m_axis_tdata);
            shots.take_received(top->m_axis_tdata, decoder->cycles, decoder->shot_cycles);
        }
        if (sends) shots.take_sent(words[sent], decoder->cycles);
        decoder->stalled_cycles += top->s_axis_tvalid && !top->s_axis_tready;
        decoder->rising_edge();
        sent += sends;
        idle = sends || receives ? 0 : idle + 1;
        if (idle > idle_cycles) {
            result = kSilent;
            break;
        }
        if (--until_check == 0) {
            until_check = kCyclesPerClockCheck;
            if (std::chrono::steady_clock::now() > deadline) {
                result = kTimeout;
                break;
            }
        }
    }
    top->s_axis_tvalid = 0;
    top->m_axis_tready = 0;
    *taken = sent;
    *answers = counter.answers;
    return result;
} catch (const std::exception&) {
    return kTrouble;
}

// Drives both streams as a DMA engine does: `words` with tlast on the last one, and up to `capacity` words back until
// tlast. Returns when both have ended, after `idle_cycles` without a word, or after `max_cycles`; the words that came are
// fetched with qtwin_received.
void qtwin_transfer(void* handle, const uint32_t* words, size_t num_words, size_t capacity, uint64_t idle_cycles,
                    uint64_t max_cycles, size_t* sent_out, int* ended_out, int* idle_out) try {
    auto* decoder = static_cast<Decoder*>(handle);
    *sent_out = 0;
    *ended_out = *idle_out = 0;
    auto* top = decoder->top.get();
    size_t sent = 0;
    uint64_t idle = 0;
    bool ended = capacity == 0;
    decoder->received.clear();
    for (uint64_t cycle = 0; cycle < max_cycles && idle < idle_cycles; ++cycle) {
        const bool receiving = !ended && decoder->received.size() < capacity;
        if (sent == num_words && !receiving) break;
        top->s_axis_tvalid = sent < num_words;
        top->s_axis_tdata = sent < num_words ? words[sent] : 0;
        top->s_axis_tlast = sent + 1 == num_words;
        top->m_axis_tready = receiving;
        decoder->settle();
        const bool sends = top->s_axis_tvalid && top->s_axis_tready;
        const bool receives = receiving && top->m_axis_tvalid;
        if (receives) {
            decoder->received.push_back(top->m_axis_tdata);
            ended = top->m_axis_tlast;
        }
        decoder->rising_edge();
        sent += sends;
        idle = sends || receives ? 0 : idle + 1;
    }
    top->s_axis_tvalid = 0;
    top->m_axis_tready = 0;
    *sent_out = sent;
    *ended_out = capacity != 0 && ended;
    *idle_out = idle >= idle_cycles;
} catch (const std::exception&) {
    // qtwin_trouble says what it was
}

size_t qtwin_received(void* handle, uint32_t* words, size_t capacity) {
    const auto& received = static_cast<Decoder*>(handle)->received;
    const size_t count = received.size() < capacity ? received.size() : capacity;
    if (words != nullptr) std::memcpy(words, received.data(), count * sizeof(uint32_t));
    return received.size();
}

// How many shots may be under way before the next one waits for an answer, 0 = no limit; and how many words each has,
// 0 = its messages tell.
void qtwin_set_shots(void* handle, uint64_t max_in_flight, uint64_t shot_words) {
    static_cast<Decoder*>(handle)->max_in_flight = max_in_flight;
    static_cast<Decoder*>(handle)->shot_words = shot_words;
}

// Load, decode and readout cycles of each answer of the last exchange, three numbers a shot.
size_t qtwin_shot_cycles(void* handle, uint32_t* cycles, size_t capacity) {
    const auto& found = static_cast<Decoder*>(handle)->shot_cycles;
    const size_t count = found.size() < capacity ? found.size() : capacity;
    if (cycles != nullptr) std::memcpy(cycles, found.data(), count * sizeof(uint32_t));
    return found.size();
}

// AXI4-Lite accesses. Return the two-bit response (0 = OKAY), or -1 when nothing came within `limit_cycles`.
int qtwin_write_register(void* handle, uint32_t address, uint32_t value, uint64_t limit_cycles) try {
    auto* decoder = static_cast<Decoder*>(handle);
    auto* top = decoder->top.get();
    bool address_due = true;
    bool data_due = true;
    int response = -1;
    top->s_axil_awaddr = address;
    top->s_axil_wdata = value;
    top->s_axil_wstrb = 0xF;
    top->s_axil_bready = 1;
    for (uint64_t cycle = 0; cycle < limit_cycles && response < 0; ++cycle) {
        top->s_axil_awvalid = address_due;
        top->s_axil_wvalid = data_due;
        decoder->settle();
        if (address_due && top->s_axil_awready) address_due = false;
        if (data_due && top->s_axil_wready) data_due = false;
        if (top->s_axil_bvalid) response = top->s_axil_bresp;
        decoder->rising_edge();
    }
    top->s_axil_awvalid = 0;
    top->s_axil_wvalid = 0;
    top->s_axil_bready = 0;
    return response;
} catch (const std::exception&) {
    return -1;
}

int qtwin_read_register(void* handle, uint32_t address, uint32_t* value, uint64_t limit_cycles) try {
    auto* decoder = static_cast<Decoder*>(handle);
    auto* top = decoder->top.get();
    bool address_due = true;
    int response = -1;
    top->s_axil_araddr = address;
    top->s_axil_rready = 1;
    for (uint64_t cycle = 0; cycle < limit_cycles && response < 0; ++cycle) {
        top->s_axil_arvalid = address_due;
        decoder->settle();
        if (address_due && top->s_axil_arready) address_due = false;
        if (top->s_axil_rvalid) {
            response = top->s_axil_rresp;
            *value = top->s_axil_rdata;
        }
        decoder->rising_edge();
    }
    top->s_axil_arvalid = 0;
    top->s_axil_rready = 0;
    return response;
} catch (const std::exception&) {
    return -1;
}

}  // extern "C"
