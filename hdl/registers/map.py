"""Addresses and fields of the decoder's registers. Generated from config/registers.rdl: do not edit."""

from enum import IntEnum
from typing import NamedTuple


class BitField(NamedTuple):
    """Where a field lies in its register."""

    low: int
    width: int

    def get(self, word: int) -> int:
        """The field's value in a register word."""
        return word >> self.low & (1 << self.width) - 1

    def set(self, word: int, value: int) -> int:
        """The register word with the field replaced."""
        mask = (1 << self.width) - 1 << self.low
        return word & ~mask | value << self.low & mask


class FieldFacts(NamedTuple):
    """A field as IP-XACT describes it. access: read-only, read-write or write-only."""

    name: str
    low: int
    width: int
    access: str


class Address(IntEnum):
    """Byte addresses of the registers and of the first words of the windows."""

    ID = 0x000
    VERSION = 0x004
    GRAPH_HASH = 0x008
    CLOCK_HZ = 0x00C
    NUM_STABILIZERS = 0x010
    NUM_DATA_QUBITS = 0x014
    NUM_OBSERVABLES = 0x018
    MAX_ROUNDS = 0x01C
    WINDOW = 0x020
    WEIGHT_BITS = 0x024
    LAYER_WIDTH = 0x028
    FEATURES = 0x02C
    CONTROL = 0x040
    STATUS = 0x044
    ROUNDS = 0x048
    RESPONSES_PER_PACKET = 0x04C
    CYCLE_BUDGET = 0x050
    HISTOGRAM_SHIFT = 0x054
    TABLE_PAGE = 0x058
    SCRATCH = 0x05C
    COUNT_SHOTS = 0x080
    COUNT_ROUNDS = 0x084
    COUNT_ABANDONED = 0x088
    COUNT_FAULTS = 0x08C
    COUNT_STALLS = 0x090
    COUNT_BUDGET_EXCEEDED = 0x094
    LATENCY_MIN = 0x098
    LATENCY_MAX = 0x09C
    LATENCY_SUM_LOW = 0x0A0
    LATENCY_SUM_HIGH = 0x0A4
    HISTOGRAM = 0x100
    TABLE = 0x800


class LinkAddress(IntEnum):
    """Byte addresses of the registers that a decoder behind a UART has in addition."""

    LINK_SESSION = 0x0C0
    LINK_CONTROL = 0x0C4
    LINK_FRAME_WORDS = 0x0C8
    LINK_FRAMES = 0x0CC
    LINK_BAD_CRC = 0x0D0
    LINK_BAD_FRAMES = 0x0D4
    LINK_OVERRUNS = 0x0D8
    LINK_FRAMING_ERRORS = 0x0DC


class FaultCode(IntEnum):
    """Values of `fault_code`."""

    NONE = 0
    """No fault."""
    UNKNOWN_KIND = 1
    """The kind is not one that a decoder takes."""
    WRONG_LENGTH = 2
    """The number of payload words is not the one that this kind has on this decoder."""
    ILLEGAL_NOW = 3
    """A round too many, the shot's end before its last round, or the kind of the other input mode."""
    DISABLED = 4
    """A shot began while CONTROL.enable was 0."""
    ADDRESS = 5
    """WRITE or READ of an address that does not exist, or a write to a read-only one."""


class InputMode(IntEnum):
    """Values of `input_mode`."""

    RAW = 0
    """SYNDROME and MEAS_DATA: the decoder makes the detection events."""
    EVENTS = 1
    """EVENTS and EVENTS_LAST: detection events as they are."""


HISTOGRAM_WORDS = 32
TABLE_WORDS = 512
ID_VALUE = 0x31534451
VERSION_MINOR = BitField(low=0, width=16)
VERSION_MINOR_VALUE = 0x1
VERSION_MAJOR = BitField(low=16, width=16)
VERSION_MAJOR_VALUE = 0x1
FEATURES_VARIABLE_ROUNDS = BitField(low=0, width=1)
FEATURES_NO_STATISTICS = BitField(low=1, width=1)
FEATURES_HISTOGRAM_BINS = BitField(low=8, width=8)
CONTROL_ENABLE = BitField(low=0, width=1)
CONTROL_SOFT_RESET = BitField(low=1, width=1)
CONTROL_CLEAR_COUNTERS = BitField(low=2, width=1)
CONTROL_INPUT_MODE = BitField(low=8, width=1)
STATUS_IN_SHOT = BitField(low=0, width=1)
STATUS_SKIPPING = BitField(low=1, width=1)
STATUS_RESPONDING = BitField(low=2, width=1)
STATUS_LAST_FAULT = BitField(low=8, width=8)
HISTOGRAM_SHIFT_SHIFT = BitField(low=0, width=5)
TABLE_PAGE_PAGE = BitField(low=0, width=23)
LINK_CONTROL_RESET = BitField(low=0, width=1)
LINK_CONTROL_CLEAR_COUNTERS = BitField(low=1, width=1)

RESET_VALUES = {
    Address.CONTROL: 0x1,
    Address.RESPONSES_PER_PACKET: 0x1,
    Address.HISTOGRAM_SHIFT: 0x0,
    Address.TABLE_PAGE: 0x0,
    Address.SCRATCH: 0x0,
}
"""Stored registers whose reset value does not depend on the decoder."""

FIELDS: dict[Address, tuple[FieldFacts, ...]] = {
    Address.ID: (FieldFacts("id", 0, 32, "read-only"),),
    Address.VERSION: (
        FieldFacts("minor", 0, 16, "read-only"),
        FieldFacts("major", 16, 16, "read-only"),
    ),
    Address.GRAPH_HASH: (FieldFacts("hash", 0, 32, "read-only"),),
    Address.CLOCK_HZ: (FieldFacts("clock_hz", 0, 32, "read-only"),),
    Address.NUM_STABILIZERS: (FieldFacts("count", 0, 32, "read-only"),),
    Address.NUM_DATA_QUBITS: (FieldFacts("count", 0, 32, "read-only"),),
    Address.NUM_OBSERVABLES: (FieldFacts("count", 0, 32, "read-only"),),
    Address.MAX_ROUNDS: (FieldFacts("rounds", 0, 32, "read-only"),),
    Address.WINDOW: (FieldFacts("rounds", 0, 32, "read-only"),),
    Address.WEIGHT_BITS: (FieldFacts("bits", 0, 32, "read-only"),),
    Address.LAYER_WIDTH: (FieldFacts("bits", 0, 32, "read-only"),),
    Address.FEATURES: (
        FieldFacts("variable_rounds", 0, 1, "read-only"),
        FieldFacts("no_statistics", 1, 1, "read-only"),
        FieldFacts("histogram_bins", 8, 8, "read-only"),
    ),
    Address.CONTROL: (
        FieldFacts("enable", 0, 1, "read-write"),
        FieldFacts("soft_reset", 1, 1, "write-only"),
        FieldFacts("clear_counters", 2, 1, "write-only"),
        FieldFacts("input_mode", 8, 1, "read-write"),
    ),
    Address.STATUS: (
        FieldFacts("in_shot", 0, 1, "read-only"),
        FieldFacts("skipping", 1, 1, "read-only"),
        FieldFacts("responding", 2, 1, "read-only"),
        FieldFacts("last_fault", 8, 8, "read-only"),
    ),
    Address.ROUNDS: (FieldFacts("rounds", 0, 32, "read-write"),),
    Address.RESPONSES_PER_PACKET: (FieldFacts("count", 0, 32, "read-write"),),
    Address.CYCLE_BUDGET: (FieldFacts("cycles", 0, 32, "read-write"),),
    Address.HISTOGRAM_SHIFT: (FieldFacts("shift", 0, 5, "read-write"),),
    Address.TABLE_PAGE: (FieldFacts("page", 0, 23, "read-write"),),
    Address.SCRATCH: (FieldFacts("value", 0, 32, "read-write"),),
    Address.COUNT_SHOTS: (FieldFacts("count", 0, 32, "read-only"),),
    Address.COUNT_ROUNDS: (FieldFacts("count", 0, 32, "read-only"),),
    Address.COUNT_ABANDONED: (FieldFacts("count", 0, 32, "read-only"),),
    Address.COUNT_FAULTS: (FieldFacts("count", 0, 32, "read-only"),),
    Address.COUNT_STALLS: (FieldFacts("count", 0, 32, "read-only"),),
    Address.COUNT_BUDGET_EXCEEDED: (FieldFacts("count", 0, 32, "read-only"),),
    Address.LATENCY_MIN: (FieldFacts("cycles", 0, 32, "read-only"),),
    Address.LATENCY_MAX: (FieldFacts("cycles", 0, 32, "read-only"),),
    Address.LATENCY_SUM_LOW: (FieldFacts("cycles", 0, 32, "read-only"),),
    Address.LATENCY_SUM_HIGH: (FieldFacts("cycles", 0, 32, "read-only"),),
}
"""Fields of each register, from bit 0 up; windows have none."""
