"""The decoder's registers as attributes, over any link: `DecoderRegisters(link).control.enable = 1`.

Generated from config/registers.rdl: do not edit.
"""

from hdl.registers.access import Field, Register, RegisterBus, Window


class Version(Register):
    """Version of the protocol."""

    minor = Field(low=0, width=16, writable=False)
    """Incremented when something is added."""
    major = Field(low=16, width=16, writable=False)
    """Incremented when something old no longer works."""


class Features(Register):
    """What else this decoder can do."""

    variable_rounds = Field(low=0, width=1, writable=False)
    """ROUNDS can be changed."""
    no_statistics = Field(low=1, width=1, writable=False)
    """1: built without statistics. HISTOGRAM_SHIFT, the COUNT_ and LATENCY_ registers and HISTOGRAM do not exist."""
    histogram_bins = Field(low=8, width=8, writable=False)
    """Bins of HISTOGRAM; 0 without statistics."""


class Control(Register):
    """Mode and reset."""

    enable = Field(low=0, width=1, writable=True)
    """0: a new shot is answered by FAULT DISABLED. A shot in progress is finished."""
    soft_reset = Field(low=1, width=1, writable=True)
    """Write 1: forget the shots in the decoder. A response under way is finished; registers keep their values."""
    clear_counters = Field(low=2, width=1, writable=True)
    """Write 1: counters, latency, histogram and STATUS.last_fault to zero."""
    input_mode = Field(low=8, width=1, writable=True)
    """Taken at the start of a shot."""


class Status(Register):
    """What the decoder is doing."""

    in_shot = Field(low=0, width=1, writable=False)
    """A shot is in progress."""
    skipping = Field(low=1, width=1, writable=False)
    """After a fault: skipping to the next shot boundary."""
    responding = Field(low=2, width=1, writable=False)
    """Responses are waiting or being sent."""
    last_fault = Field(low=8, width=8, writable=False)
    """Code of the last FAULT since reset or CONTROL.clear_counters; 0 = none."""


class HistogramShift(Register):
    """A histogram bin is 2**shift cycles wide."""

    shift = Field(low=0, width=5, writable=True)
    """A histogram bin is 2**shift cycles wide."""


class TablePage(Register):
    """Which 512 words of the core's memory TABLE shows."""

    page = Field(low=0, width=23, writable=True)
    """Which 512 words of the core's memory TABLE shows."""


class LinkControl(Register):
    """Reset of the decoder, and of the counters below."""

    reset = Field(low=0, width=1, writable=True)
    """Write 1: the decoder's own reset; what it was about to answer is dropped."""
    clear_counters = Field(low=1, width=1, writable=True)
    """Write 1: LINK_FRAMES and the counters after it to zero."""


class DecoderRegisters:
    """Registers of every decoder, over AXI4-Lite or as WRITE and READ messages of the stream."""

    def __init__(self, bus: RegisterBus) -> None:
        self.id = Register(bus, 0x000)
        self.version = Version(bus, 0x004)
        self.graph_hash = Register(bus, 0x008)
        self.clock_hz = Register(bus, 0x00C)
        self.num_stabilizers = Register(bus, 0x010)
        self.num_data_qubits = Register(bus, 0x014)
        self.num_observables = Register(bus, 0x018)
        self.max_rounds = Register(bus, 0x01C)
        self.window = Register(bus, 0x020)
        self.weight_bits = Register(bus, 0x024)
        self.layer_width = Register(bus, 0x028)
        self.features = Features(bus, 0x02C)
        self.control = Control(bus, 0x040)
        self.status = Status(bus, 0x044)
        self.rounds = Register(bus, 0x048)
        self.responses_per_packet = Register(bus, 0x04C)
        self.cycle_budget = Register(bus, 0x050)
        self.histogram_shift = HistogramShift(bus, 0x054)
        self.table_page = TablePage(bus, 0x058)
        self.scratch = Register(bus, 0x05C)
        self.count_shots = Register(bus, 0x080)
        self.count_rounds = Register(bus, 0x084)
        self.count_abandoned = Register(bus, 0x088)
        self.count_faults = Register(bus, 0x08C)
        self.count_stalls = Register(bus, 0x090)
        self.count_budget_exceeded = Register(bus, 0x094)
        self.latency_min = Register(bus, 0x098)
        self.latency_max = Register(bus, 0x09C)
        self.latency_sum_low = Register(bus, 0x0A0)
        self.latency_sum_high = Register(bus, 0x0A4)
        self.histogram = Window(bus, 0x100, num_words=32, writable=False)
        self.table = Window(bus, 0x800, num_words=512, writable=True)


class LinkRegisters:
    """Registers that a decoder behind a UART has in addition."""

    def __init__(self, bus: RegisterBus) -> None:
        self.link_session = Register(bus, 0x0C0)
        self.link_control = LinkControl(bus, 0x0C4)
        self.link_frame_words = Register(bus, 0x0C8)
        self.link_frames = Register(bus, 0x0CC)
        self.link_bad_crc = Register(bus, 0x0D0)
        self.link_bad_frames = Register(bus, 0x0D4)
        self.link_overruns = Register(bus, 0x0D8)
        self.link_framing_errors = Register(bus, 0x0DC)
