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

}  // namespace

extern "C" {

struct ProbePlan {
    uint32_t input_pause_per_mille, output_pause_per_mille;
    uint64_t hold_cycles;    // m_axis_tready stays low for so long
    uint64_t silent_cycles;  // give up after so many cycles in which no word moved
    uint64_t settle_cycles;  // watch for so long after the last answer that is due
    uint64_t seed;
};

struct ProbeFound {
    size_t taken, received, answers;
    uint64_t end_cycle;
    uint64_t num_withdrawn, first_withdrawn;  // cycles in which m_axis_tvalid fell before the word was taken
    uint64_t num_changed, first_changed;      // cycles in which a waiting word changed
    uint32_t changed_from, changed_to;
};

// Sends the words and collects up to `capacity` words; the cycle in which each was taken, and in which each word
// received was first offered, are noted. Cycles count from this call's first.
void qtwin_probe(void* handle, const uint32_t* words, size_t num_words, size_t num_answers, const ProbePlan* plan,
                 uint64_t* taken_cycles, uint32_t* received, uint64_t* offered_cycles, size_t capacity,
                 ProbeFound* found) {
    auto* decoder = static_cast<Decoder*>(handle);
    auto* top = decoder->top.get();
    *found = ProbeFound{};
    MessageCounter counter;
    Dice dice{plan->seed * 2 + 1};
    bool offering = false;  // once valid is up it stays up, and so does what waits at the output
    bool waiting = false;
    uint32_t waiting_word = 0;
    uint64_t offered = 0, idle = 0;
    for (uint64_t cycle = 0;; ++cycle) {
        const bool due = found->taken < num_words;
        offering = due && (offering || !dice.falls(plan->input_pause_per_mille));
        top->s_axis_tvalid = offering;
        top->s_axis_tdata = offering ? words[found->taken] : 0;
        top->s_axis_tlast = offering && found->taken + 1 == num_words;
        top->m_axis_tready = cycle >= plan->hold_cycles && !dice.falls(plan->output_pause_per_mille);
        decoder->settle();
        const bool sends = offering && top->s_axis_tready;
        const bool valid = top->m_axis_tvalid;
        const uint32_t word = top->m_axis_tdata;
        if (waiting && !valid && found->num_withdrawn++ == 0) found->first_withdrawn = cycle;
        if (waiting && valid && word != waiting_word && found->num_changed++ == 0) {
            found->first_changed = cycle;
            found->changed_from = waiting_word;
            found->changed_to = word;
        }
        if (valid && !waiting) offered = cycle;
        const bool receives = valid && top->m_axis_tready;
        waiting = valid && !receives;
        waiting_word = word;
        if (receives && found->received < capacity) {
            received[found->received] = word;
            offered_cycles[found->received++] = offered;
            counter.take(word);
        }
        decoder->rising_edge();
        if (sends) {
            taken_cycles[found->taken++] = cycle;
            offering = false;
        }
        idle = sends || receives ? 0 : idle + 1;
        const bool complete = found->taken == num_words && counter.answers >= num_answers;
        found->end_cycle = cycle;
        if (idle > (complete ? plan->settle_cycles : plan->silent_cycles + plan->hold_cycles)) break;
        if (found->received == capacity) break;
    }
    found->answers = counter.answers;
    top->s_axis_tvalid = 0;
    top->m_axis_tready = 0;
}

}  // extern "C"
