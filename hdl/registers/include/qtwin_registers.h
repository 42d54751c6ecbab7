/* Addresses and fields of the decoder's registers. Generated from config/registers.rdl: do not edit.
 *
 * All are 32-bit words at byte addresses from the base of the AXI4-Lite slave:
 *   *(volatile uint32_t *)(base + QTWIN_CONTROL) |= QTWIN_CONTROL_ENABLE_MASK;
 */
#ifndef QTWIN_REGISTERS_H
#define QTWIN_REGISTERS_H

/* Identity: the bytes 'Q', 'D', 'S', '1', lowest address first. */
#define QTWIN_ID 0x000u
#define QTWIN_ID_VALUE 0x31534451u

/* Version of the protocol. */
#define QTWIN_VERSION 0x004u
#define QTWIN_VERSION_MINOR_SHIFT 0
#define QTWIN_VERSION_MINOR_MASK 0x0000FFFFu
#define QTWIN_VERSION_MINOR_VALUE 0x1u
#define QTWIN_VERSION_MAJOR_SHIFT 16
#define QTWIN_VERSION_MAJOR_MASK 0xFFFF0000u
#define QTWIN_VERSION_MAJOR_VALUE 0x1u

/* Hash of the decoding graph that the decoder was compiled for. */
#define QTWIN_GRAPH_HASH 0x008u

/* Clock frequency that the decoder was compiled for, in Hz. */
#define QTWIN_CLOCK_HZ 0x00Cu

/* Stabilizers measured each round: bits of a SYNDROME or EVENTS message. */
#define QTWIN_NUM_STABILIZERS 0x010u

/* Data qubits: bits of a MEAS_DATA message. */
#define QTWIN_NUM_DATA_QUBITS 0x014u

/* Logical observables: bits of a CORRECTION. */
#define QTWIN_NUM_OBSERVABLES 0x018u

/* Largest number of rounds of a shot; 0 = no limit (windowed decoder). */
#define QTWIN_MAX_ROUNDS 0x01Cu

/* Rounds of a decoding window; 0 = whole shots. */
#define QTWIN_WINDOW 0x020u

/* Bits of an edge weight; 0 = no weights (table). */
#define QTWIN_WEIGHT_BITS 0x024u

/* Detection events of a round that the decoder's core uses. */
#define QTWIN_LAYER_WIDTH 0x028u

/* What else this decoder can do. */
#define QTWIN_FEATURES 0x02Cu
#define QTWIN_FEATURES_VARIABLE_ROUNDS_SHIFT 0
#define QTWIN_FEATURES_VARIABLE_ROUNDS_MASK 0x00000001u
#define QTWIN_FEATURES_NO_STATISTICS_SHIFT 1
#define QTWIN_FEATURES_NO_STATISTICS_MASK 0x00000002u
#define QTWIN_FEATURES_HISTOGRAM_BINS_SHIFT 8
#define QTWIN_FEATURES_HISTOGRAM_BINS_MASK 0x0000FF00u

/* Mode and reset. */
#define QTWIN_CONTROL 0x040u
#define QTWIN_CONTROL_ENABLE_SHIFT 0
#define QTWIN_CONTROL_ENABLE_MASK 0x00000001u
#define QTWIN_CONTROL_SOFT_RESET_SHIFT 1
#define QTWIN_CONTROL_SOFT_RESET_MASK 0x00000002u
#define QTWIN_CONTROL_CLEAR_COUNTERS_SHIFT 2
#define QTWIN_CONTROL_CLEAR_COUNTERS_MASK 0x00000004u
#define QTWIN_CONTROL_INPUT_MODE_SHIFT 8
#define QTWIN_CONTROL_INPUT_MODE_MASK 0x00000100u

/* What the decoder is doing. */
#define QTWIN_STATUS 0x044u
#define QTWIN_STATUS_IN_SHOT_SHIFT 0
#define QTWIN_STATUS_IN_SHOT_MASK 0x00000001u
#define QTWIN_STATUS_SKIPPING_SHIFT 1
#define QTWIN_STATUS_SKIPPING_MASK 0x00000002u
#define QTWIN_STATUS_RESPONDING_SHIFT 2
#define QTWIN_STATUS_RESPONDING_MASK 0x00000004u
#define QTWIN_STATUS_LAST_FAULT_SHIFT 8
#define QTWIN_STATUS_LAST_FAULT_MASK 0x0000FF00u

/* Rounds of a shot. Taken at the start of a shot. A value that the decoder cannot do is not stored: read back to see. 0 = any number (windowed decoder only). */
#define QTWIN_ROUNDS 0x048u

/* m_axis_tlast is raised at the end of every so many responses, FRAMEs not counted; 0 = never, and the count starts anew. */
#define QTWIN_RESPONSES_PER_PACKET 0x04Cu

/* A CORRECTION later than this many cycles has status bit 0 set and is counted; 0 = no budget. */
#define QTWIN_CYCLE_BUDGET 0x050u

/* A histogram bin is 2**shift cycles wide. */
#define QTWIN_HISTOGRAM_SHIFT 0x054u
#define QTWIN_HISTOGRAM_SHIFT_SHIFT_SHIFT 0
#define QTWIN_HISTOGRAM_SHIFT_SHIFT_MASK 0x0000001Fu

/* Which 512 words of the core's memory TABLE shows. */
#define QTWIN_TABLE_PAGE 0x058u
#define QTWIN_TABLE_PAGE_PAGE_SHIFT 0
#define QTWIN_TABLE_PAGE_PAGE_MASK 0x007FFFFFu

/* No function: a place for self-tests to write and read back. */
#define QTWIN_SCRATCH 0x05Cu

/* CORRECTION responses begun. */
#define QTWIN_COUNT_SHOTS 0x080u

/* Rounds received, of whichever shots. */
#define QTWIN_COUNT_ROUNDS 0x084u

/* Shots abandoned because a new tag began before their end. */
#define QTWIN_COUNT_ABANDONED 0x088u

/* FAULT responses. */
#define QTWIN_COUNT_FAULTS 0x08Cu

/* Cycles in which an input word had to wait. */
#define QTWIN_COUNT_STALLS 0x090u

/* CORRECTION responses with status bit 0 set. */
#define QTWIN_COUNT_BUDGET_EXCEEDED 0x094u

/* Smallest latency in cycles; 0xFFFFFFFF before the first shot. */
#define QTWIN_LATENCY_MIN 0x098u

/* Largest latency in cycles. */
#define QTWIN_LATENCY_MAX 0x09Cu

/* Sum of all latencies in cycles, low word. */
#define QTWIN_LATENCY_SUM_LOW 0x0A0u

/* Sum of all latencies, high word. Read high, low, high again until both highs agree. */
#define QTWIN_LATENCY_SUM_HIGH 0x0A4u

/* Latencies: word i counts those of i * 2**shift cycles up to the next bin; the last bin takes all above. */
#define QTWIN_HISTOGRAM 0x100u
#define QTWIN_HISTOGRAM_WORDS 32u

/* 512 words of the core's memory (look-up table or edge weights), from word 512 * TABLE_PAGE on. */
#define QTWIN_TABLE 0x800u
#define QTWIN_TABLE_WORDS 512u

/* Only behind a UART, as WRITE and READ messages: */

/* No function, 0 after power-on: a host writes a number of its own here, and sees by it that the board was reset. */
#define QTWIN_LINK_SESSION 0x0C0u

/* Reset of the decoder, and of the counters below. */
#define QTWIN_LINK_CONTROL 0x0C4u
#define QTWIN_LINK_CONTROL_RESET_SHIFT 0
#define QTWIN_LINK_CONTROL_RESET_MASK 0x00000001u
#define QTWIN_LINK_CONTROL_CLEAR_COUNTERS_SHIFT 1
#define QTWIN_LINK_CONTROL_CLEAR_COUNTERS_MASK 0x00000002u

/* Words that fit into one frame to the board. */
#define QTWIN_LINK_FRAME_WORDS 0x0C8u

/* Frames received in good order. */
#define QTWIN_LINK_FRAMES 0x0CCu

/* Frames dropped: damaged. */
#define QTWIN_LINK_BAD_CRC 0x0D0u

/* Frames dropped: undamaged, but too long or no sequence of whole messages. */
#define QTWIN_LINK_BAD_FRAMES 0x0D4u

/* Frames dropped: no room. */
#define QTWIN_LINK_OVERRUNS 0x0D8u

/* Bytes dropped: no stop bit. */
#define QTWIN_LINK_FRAMING_ERRORS 0x0DCu

/* Values of fault_code. */
enum qtwin_fault_code {
    QTWIN_FAULT_CODE_NONE = 0, /* No fault. */
    QTWIN_FAULT_CODE_UNKNOWN_KIND = 1, /* The kind is not one that a decoder takes. */
    QTWIN_FAULT_CODE_WRONG_LENGTH = 2, /* The number of payload words is not the one that this kind has on this decoder. */
    QTWIN_FAULT_CODE_ILLEGAL_NOW = 3, /* A round too many, the shot's end before its last round, or the kind of the other input mode. */
    QTWIN_FAULT_CODE_DISABLED = 4, /* A shot began while CONTROL.enable was 0. */
    QTWIN_FAULT_CODE_ADDRESS = 5 /* WRITE or READ of an address that does not exist, or a write to a read-only one. */
};

/* Values of input_mode. */
enum qtwin_input_mode {
    QTWIN_INPUT_MODE_RAW = 0, /* SYNDROME and MEAS_DATA: the decoder makes the detection events. */
    QTWIN_INPUT_MODE_EVENTS = 1 /* EVENTS and EVENTS_LAST: detection events as they are. */
};

#endif /* QTWIN_REGISTERS_H */
