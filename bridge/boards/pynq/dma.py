"""Registers of AXI DMA in direct register (simple) mode: AMD product guide PG021, "Register Space"."""

from enum import IntFlag

from bridge.boards.pynq.memory import Memory
from hdl.boards.vivado.design import DMA_LENGTH_BITS

CONTROL, STATUS, ADDRESS, ADDRESS_HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
RECEIVE_OFFSET = 0x30
"""MM2S's registers are at 0x00, S2MM's are the same again from here."""
WORD_BYTES = 4
LENGTH_MASK = (1 << DMA_LENGTH_BITS) - 1


class Control(IntFlag):
    """Bits of a DMACR."""

    RUN = 1 << 0
    ALWAYS_ONE = 1 << 1
    RESET = 1 << 2
    INTERRUPT_ENABLES = 0x7 << 12
    THRESHOLD_ONE = 1 << 16


class Status(IntFlag):
    """Bits of a DMASR."""

    HALTED = 1 << 0
    IDLE = 1 << 1
    INTERNAL_ERROR = 1 << 4
    SLAVE_ERROR = 1 << 5
    DECODE_ERROR = 1 << 6
    COMPLETED = 1 << 12
    DELAY = 1 << 13
    ERROR = 1 << 14


ERRORS = Status.INTERNAL_ERROR | Status.SLAVE_ERROR | Status.DECODE_ERROR
WRITE_ONE_TO_CLEAR = Status.COMPLETED | Status.DELAY | Status.ERROR


class DmaChannel:
    """One direction of the engine.

    Attributes:
        active: a transfer is under way.
        address, num_bytes: of that transfer.
        num_moved_words: how far it is.
    """

    def __init__(self, memory: Memory, align_bytes: int) -> None:
        """align_bytes: what an address has to be a multiple of: the width of the port to memory."""
        self._memory = memory
        self._align_bytes = align_bytes
        self.reset()

    def reset(self) -> None:
        """As after power-on."""
        self._control = Control.ALWAYS_ONE | Control.THRESHOLD_ONE
        self._status = Status.HALTED
        self.address = 0
        self.num_bytes = 0
        self.num_moved_words = 0
        self.active = False

    def read(self, offset: int) -> int:
        """Value of the register at an offset within the channel; 0 where there is none."""
        values = {
            CONTROL: int(self._control),
            STATUS: int(self._status),
            ADDRESS: self.address & 0xFFFF_FFFF,
            ADDRESS_HIGH: self.address >> 32,
            LENGTH: self.num_bytes,
        }
        return values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register; writes where there is none have no effect. The engine handles the reset bit."""
        if offset == CONTROL:
            self._set_control(value)
        elif offset == STATUS:
            self._status &= ~(Status(value & WRITE_ONE_TO_CLEAR))
        elif offset == ADDRESS:
            self.address = (self.address & ~0xFFFF_FFFF) | value
        elif offset == ADDRESS_HIGH:
            self.address = (self.address & 0xFFFF_FFFF) | value << 32
        elif offset == LENGTH and Status.HALTED not in self._status and not self.active:
            self._begin(value & LENGTH_MASK)

    def finish(self, num_bytes: int) -> None:
        """The transfer is complete; LENGTH reads how many bytes it moved."""
        self.active = False
        self.num_bytes = num_bytes
        self._status |= Status.IDLE | Status.COMPLETED
        self._halt_if_stopped()

    def fail(self, error: Status) -> None:
        """Stop for an error; only a reset helps."""
        self.active = False
        self._control &= ~Control.RUN
        self._status |= error | Status.ERROR | Status.HALTED

    def _set_control(self, value: int) -> None:
        keep = Control.RUN | Control.INTERRUPT_ENABLES
        threshold = value & 0xFFFF_0000 or int(Control.THRESHOLD_ONE)
        self._control = Control(value & keep | threshold) | Control.ALWAYS_ONE
        if self._status & ERRORS:
            self._control &= ~Control.RUN
        elif Control.RUN in self._control:
            self._status &= ~Status.HALTED
        else:
            self._halt_if_stopped()

    def _halt_if_stopped(self) -> None:
        # A transfer under way is completed first, however long it takes.
        if Control.RUN not in self._control and not self.active:
            self._status |= Status.HALTED

    def _begin(self, num_bytes: int) -> None:
        self.num_bytes, self.num_moved_words = num_bytes, 0
        if num_bytes == 0:
            self.fail(Status.INTERNAL_ERROR)
        elif not self._memory.is_reached(self.address, num_bytes):
            self.fail(Status.DECODE_ERROR)
        elif self.address % self._align_bytes or not self._memory.is_allocated(self.address, num_bytes):
            # Hardware without realignment does not define the first, and lets the second overwrite the system's memory.
            self.fail(Status.SLAVE_ERROR)
        else:
            self._status &= ~Status.IDLE
            self.active = True


class Dma:
    """Both channels behind one block of registers. What moves the words is not here."""

    def __init__(self, memory: Memory, align_bytes: int = WORD_BYTES) -> None:
        self.send = DmaChannel(memory, align_bytes)
        self.receive = DmaChannel(memory, align_bytes)

    def reset(self) -> None:
        """Both channels, whichever of them was told."""
        self.send.reset()
        self.receive.reset()

    def read(self, offset: int) -> int:
        """Value of a register."""
        channel, offset = self.channel(offset)
        return channel.read(offset)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        channel, offset = self.channel(offset)
        if offset == CONTROL and value & Control.RESET:
            self.reset()
        else:
            channel.write(offset, value)

    def channel(self, offset: int) -> tuple[DmaChannel, int]:
        """The channel that a register belongs to, and the register's offset within it."""
        return (self.send, offset) if offset < RECEIVE_OFFSET else (self.receive, offset - RECEIVE_OFFSET)
