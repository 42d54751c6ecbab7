// The harness with a second way to move words: input gaps, output stalls, every cycle watched. For the doctor.
#include "harness.cpp"

namespace {

// xorshift64 (Marsaglia, Journal of Statistical Software 8, 14 (2003))
struct Dice {
    uint64_t state;
    bool falls(uint32_t per_mille) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state % 1000 < per_mille;
    }
};

// What another part sees of a decoder's streams at one moment.
struct Outputs {
    bool takes, valid;
    uint32_t word;

    explicit Outputs(const Vtop& top)
        : takes(top.s_axis_tready), valid(top.m_axis_tvalid), word(top.m_axis_tvalid ? top.m_axis_tdata : 0) {}
    bool same_answer(const Outputs& other) const { return valid == other.valid && word == other.word; }
    bool operator==(const Outputs& other) const { return takes == other.takes && same_answer(other); }
};

// How often something was seen, and the cycle of the first time.
struct Sightings {
    uint64_t times, first;
    void note(uint64_t cycle) {
        if (times++ == 0) first = cycle;
    }
};

}  // namespace

extern "C" {

enum ProbeEnd : uint64_t { kQuiet = 0, kFull = 1, kOutOfTime = 2 };

struct ProbePlan {
    uint32_t input_pause_per_mille, output_pause_per_mille;
    uint64_t hold_cycles;     // m_axis_tready stays low for so long
    uint64_t silent_cycles;   // give up after so many cycles in which no word moved
    uint64_t settle_cycles;   // watch for so long after the last answer that is due
    uint64_t seed;
    uint64_t shot_words;      // words of a shot; read where shots wait for answers
    uint64_t max_in_flight;   // shots sent and not answered before the next one waits; 0 = no limit
    uint64_t gap_cycles;      // pause before each shot, once it may go
    uint64_t look_twice;      // not 0: look at the outputs with m_axis_tready low and high, and in mid-cycle
    double limit_s;           // wall clock
};

struct ProbeFound {
    size_t taken, received, answers;
    uint64_t end_cycle, end;              // ProbeEnd
    Sightings withdrawn;                  // m_axis_tvalid fell before the word was taken
    Sightings changed;                    // a waiting word changed
    uint64_t changed_from, changed_to;
    Sightings follows_ready;              // m_axis_tvalid or m_axis_tdata followed m_axis_tready within a cycle
    Sightings moves_in_mid_cycle;         // an output changed without a rising edge and without an input
};

// Sends the words and collects up to `capacity` words; the cycle in which each was taken, and in which each word
// received was first offered, are noted. Cycles count from this call's first.
void qtwin_probe(void* handle, const uint32_t* words, size_t num_words, size_t num_answers, const ProbePlan* plan,
                 uint64_t* taken_cycles, uint32_t* received, uint64_t* offered_cycles, size_t capacity,
                 ProbeFound* found) try {
    auto* decoder = static_cast<Decoder*>(handle);
    auto* top = decoder->top.get();
    *found = ProbeFound{};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(plan->limit_s);
    MessageCounter counter;
    Dice dice{plan->seed * 2 + 1};
    bool offering = false;  // once valid is up it stays up, and so does what waits at the output
    bool waiting = false;
    uint32_t waiting_word = 0;
    uint64_t offered = 0, idle = 0, gap = plan->gap_cycles;
    for (uint64_t cycle = 0;; ++cycle) {
        bool due = found->taken < num_words;
        if (due && plan->shot_words != 0 && found->taken % plan->shot_words == 0 && !offering) {
            const size_t in_flight = found->taken / plan->shot_words - counter.answers;
            const bool room = plan->max_in_flight == 0 || in_flight < plan->max_in_flight;
            due = room && gap == 0;
            gap -= room && gap != 0;
        }
        offering = due && (offering || !dice.falls(plan->input_pause_per_mille));
        top->s_axis_tvalid = offering;
        top->s_axis_tdata = offering ? words[found->taken] : 0;
        top->s_axis_tlast = offering && found->taken + 1 == num_words;
        const bool ready = cycle >= plan->hold_cycles && !dice.falls(plan->output_pause_per_mille);
        if (plan->look_twice != 0) {
            top->m_axis_tready = !ready;
            decoder->settle();
            const Outputs otherwise(*top);
            top->m_axis_tready = ready;
            decoder->settle();
            if (!otherwise.same_answer(Outputs(*top))) found->follows_ready.note(cycle);
        }
        top->m_axis_tready = ready;
        decoder->settle();
        const Outputs seen(*top);
        const bool sends = offering && seen.takes;
        if (waiting && !seen.valid) found->withdrawn.note(cycle);
        if (waiting && seen.valid && seen.word != waiting_word) {
            if (found->changed.times == 0) {
                found->changed_from = waiting_word;
                found->changed_to = seen.word;
            }
            found->changed.note(cycle);
        }
        if (seen.valid && !waiting) offered = cycle;
        const bool receives = seen.valid && ready;
        waiting = seen.valid && !receives;
        waiting_word = seen.word;
        if (receives && found->received < capacity) {
            received[found->received] = seen.word;
            offered_cycles[found->received++] = offered;
            counter.take(seen.word);
        }
        decoder->rising_edge();
        if (plan->look_twice != 0) {  // the clock stands high in `after`, low in the next look; no input moved between
            const Outputs after(*top);
            decoder->settle();
            if (!(after == Outputs(*top))) found->moves_in_mid_cycle.note(cycle);
        }
        if (sends) {
            taken_cycles[found->taken++] = cycle;
            offering = false;
            if (plan->shot_words != 0 && found->taken % plan->shot_words == 0) gap = plan->gap_cycles;
        }
        idle = sends || receives ? 0 : idle + 1;
        const bool complete = found->taken == num_words && counter.answers >= num_answers;
        found->end_cycle = cycle;
        if (idle > (complete ? plan->settle_cycles : plan->silent_cycles + plan->hold_cycles)) break;
        if (found->received == capacity) found->end = kFull;
        if (cycle % kCyclesPerClockCheck == 0 && std::chrono::steady_clock::now() > deadline) found->end = kOutOfTime;
        if (found->end != kQuiet) break;
    }
    found->answers = counter.answers;
    top->s_axis_tvalid = 0;
    top->m_axis_tready = 0;
} catch (const std::exception&) {
    // qtwin_trouble says what it was
}

}  // extern "C"
