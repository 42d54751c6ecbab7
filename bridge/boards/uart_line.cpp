// Clocks a Verilated decoder_top_uart and plays the other end of its serial line, bit by bit.
//
// Time passes only while there is something on the line, and for a while after: bytes that are sent, bytes that come.
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr int kResetCycles = 8;
constexpr int kStartCycles = 64;  // a board holds its own reset on for a while
constexpr int kBitsPerByte = 10;  // start, eight data bits, stop

// Listens to the decoder's transmitter: waits for a start bit, then reads every bit in its middle.
struct Listener {
    explicit Listener(uint64_t clocks_per_bit) : clocks(clocks_per_bit) {}

    // Takes one clock's level of the line; true when a byte has come.
    bool take(bool level) {
        if (!busy) {
            if (level) return false;
            busy = true;
            count = 0;
            shift = 0;
            return false;
        }
        ++count;
        if (count % clocks != clocks / 2) return false;
        const uint64_t bit = count / clocks;
        if (bit >= 1 && bit <= 8) shift |= uint8_t(level) << (bit - 1);
        if (bit < kBitsPerByte - 1) return false;
        busy = false;
        return level;
    }

    uint64_t clocks;
    uint64_t count = 0;
    uint8_t shift = 0;
    bool busy = false;
};

struct Board {
    explicit Board(uint64_t clocks_per_bit) : clocks(clocks_per_bit), listener(clocks_per_bit) {}

    std::unique_ptr<VerilatedContext> context = std::make_unique<VerilatedContext>();
    std::unique_ptr<Vtop> top;
    uint64_t clocks;
    uint64_t cycles = 0;
    uint64_t idle = 0;
    Listener listener;
    std::vector<uint8_t> received;

    void cycle(bool level) {
        top->uart_rx_i = level;
        top->eval();
        top->clk_i = 1;
        top->eval();
        top->clk_i = 0;
        top->eval();
        ++cycles;
        if (listener.take(top->uart_tx_o)) received.push_back(listener.shift);
        idle = listener.busy ? 0 : idle + 1;
    }

    void reset() {
        top->rst_ni = 0;
        listener.busy = false;
        for (int i = 0; i < kResetCycles; ++i) cycle(true);
        top->rst_ni = 1;
        for (int i = 0; i < kStartCycles; ++i) cycle(true);
        idle = 0;
    }

    void send(uint8_t byte) {
        const unsigned bits = 1u << 9 | unsigned(byte) << 1;  // the start bit goes first
        for (int bit = 0; bit < kBitsPerByte; ++bit) {
            for (uint64_t clock = 0; clock < clocks; ++clock) cycle(bits >> bit & 1);
        }
        idle = 0;
    }
};

}  // namespace

extern "C" {

void* qtwin_board_open(uint64_t clocks_per_bit) {
    auto* board = new Board(clocks_per_bit);
    board->top = std::make_unique<Vtop>(board->context.get());
    board->top->clk_i = 0;
    board->reset();
    return board;
}

void qtwin_board_close(void* handle) {
    auto* board = static_cast<Board*>(handle);
    board->top->final();
    delete board;
}

void qtwin_board_reset(void* handle) { static_cast<Board*>(handle)->reset(); }

uint64_t qtwin_board_cycles(void* handle) { return static_cast<Board*>(handle)->cycles; }

// Sends the bytes without a gap, then lets up to `more_cycles` pass, fewer when the line has been idle for `idle_cycles`.
// Returns the bytes that have come since the last qtwin_board_take; `quiet` tells whether the line is idle.
size_t qtwin_board_run(void* handle, const uint8_t* bytes, size_t num_bytes, uint64_t more_cycles,
                       uint64_t idle_cycles, int* quiet) {
    auto* board = static_cast<Board*>(handle);
    for (size_t i = 0; i < num_bytes; ++i) board->send(bytes[i]);
    for (uint64_t i = 0; i < more_cycles && board->idle < idle_cycles; ++i) board->cycle(true);
    *quiet = board->idle >= idle_cycles;
    return board->received.size();
}

void qtwin_board_take(void* handle, uint8_t* bytes) {
    auto* board = static_cast<Board*>(handle);
    std::memcpy(bytes, board->received.data(), board->received.size());
    board->received.clear();
}

}  // extern "C"
