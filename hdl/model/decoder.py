"""A whole decoder without time: input words -> the messages it answers, and its registers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hdl.model.front_end import (
    Abort,
    Action,
    DecoderShape,
    Fault,
    FrontEnd,
    Layer,
    RegisterValue,
    Settings,
    ShotEnd,
)
from hdl.model.unionfind import WindowStream
from hdl.registers import map as registers
from hdl.registers.map import Address
from qds1 import Kind, Message, Status, unpack_bits

DecodeShot = Callable[[NDArray[np.uint8]], tuple[tuple[int, ...], Status]]
"""Layers of a shot (0/1, shape (layers, bits of a layer)) -> words of observable flips, status."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A core's result: words of observable flips, status; rounds committed by a frame, None at a shot's end."""

    flips: tuple[int, ...]
    status: Status
    committed: int | None = None


class CoreModel(Protocol):
    """What decoder_core does, without time."""

    def layer(self, events: NDArray[np.uint8], *, last: bool) -> Answer | None:
        """Take a layer, 0/1 of shape (bits of a layer,); an answer where one is due, at the last layer always."""

    def forget(self) -> None:
        """The layers since the last one that ended a shot are void."""


class WholeShots:
    """A core that answers at the end of a shot."""

    def __init__(self, decode: DecodeShot) -> None:
        self._decode = decode
        self._layers: list[NDArray[np.uint8]] = []

    def layer(self, events: NDArray[np.uint8], *, last: bool) -> Answer | None:
        """See `CoreModel.layer`."""
        self._layers.append(events)
        if not last:
            return None
        answer = Answer(*self._decode(np.array(self._layers)))
        self._layers.clear()
        return answer

    def forget(self) -> None:
        """See `CoreModel.forget`."""
        self._layers.clear()


class Windows:
    """A core that answers after every window: `new_stream` starts one for each shot."""

    def __init__(self, new_stream: Callable[[], WindowStream], num_observables: int) -> None:
        self._new_stream = new_stream
        self._num_observables = num_observables
        self._stream = new_stream()

    def layer(self, events: NDArray[np.uint8], *, last: bool) -> Answer | None:
        """See `CoreModel.layer`."""
        found = self._stream.push(events, last=last)
        if last:
            self._stream = self._new_stream()
        if found is None:
            return None
        words = -(-self._num_observables // 32)
        flips = tuple(found.flips >> 32 * word & 0xFFFF_FFFF for word in range(words))
        return Answer(flips, Status(found.status), found.committed)

    def forget(self) -> None:
        """See `CoreModel.forget`."""
        self._stream = self._new_stream()


@dataclass(frozen=True)
class DecoderConstants:
    """What the capability registers show."""

    shape: DecoderShape
    num_observables: int
    max_rounds: int
    graph_hash: int
    clock_hz: int
    cycle_budget: int = 0
    weight_bits: int = 0
    window: int = 0
    variable_rounds: bool = False
    statistics: bool = True


def table_decoder(planes: NDArray[np.uint32]) -> DecodeShot:
    """Decode by look-up, as hdl/rtl/table_core.sv does.

    Args:
        planes: uint32, shape (observables, words): bit a % 32 of word a // 32 is the flip for address a, where
            address bit (layer * layer width + i) is event i of that layer. Read anew for each shot.
    """

    def decode(layers: NDArray[np.uint8]) -> tuple[tuple[int, ...], Status]:
        address = sum(int(bit) << position for position, bit in enumerate(layers.ravel()))
        flips = [int(plane[address // 32]) >> address % 32 & 1 for plane in planes]
        num_words = -(-len(flips) // 32)
        packed = [0] * num_words
        for observable, flip in enumerate(flips):
            packed[observable // 32] |= flip << observable % 32
        return tuple(packed), Status.OK

    return decode


@dataclass
class RegisterModel:
    """The registers that do not depend on time; counters of cycles and latencies read as None elsewhere.

    Attributes:
        table: uint32, the core's memory behind TABLE; empty where there is none.
        num_shots: CORRECTIONs so far.
        table_written: told the index of each word of `table` that was written.
    """

    constants: DecoderConstants
    table: NDArray[np.uint32]
    settings: Settings = field(init=False)
    stored: dict[int, int] = field(init=False)
    num_shots: int = 0
    soft_resets: int = 0
    table_written: Callable[[int], None] | None = None

    def __post_init__(self) -> None:
        self.settings = Settings(rounds=self.constants.max_rounds)
        self.stored = {int(address): value for address, value in registers.RESET_VALUES.items()}
        self.stored[Address.ROUNDS] = self.constants.max_rounds
        self.stored[Address.CYCLE_BUDGET] = self.constants.cycle_budget
        if not self.constants.statistics:
            del self.stored[Address.HISTOGRAM_SHIFT]

    def read(self, address: int) -> int | None:
        """Value of a register; None where there is none, or where it depends on time."""
        constants, shape = self.constants, self.constants.shape
        fixed = {
            Address.ID: registers.ID_VALUE,
            Address.VERSION: registers.VERSION_MAJOR_VALUE << 16 | registers.VERSION_MINOR_VALUE,
            Address.GRAPH_HASH: constants.graph_hash,
            Address.CLOCK_HZ: constants.clock_hz,
            Address.NUM_STABILIZERS: shape.num_stabilizers,
            Address.NUM_DATA_QUBITS: shape.num_data_qubits,
            Address.NUM_OBSERVABLES: constants.num_observables,
            Address.MAX_ROUNDS: 0 if constants.window else constants.max_rounds,
            Address.WINDOW: constants.window,
            Address.WEIGHT_BITS: constants.weight_bits,
            Address.LAYER_WIDTH: len(shape.layer_select),
            Address.FEATURES: self._features(),
        }
        if constants.statistics:
            fixed[Address.COUNT_SHOTS] = self.num_shots
        if address in fixed:
            return fixed[Address(address)]
        if Address.TABLE <= address < Address.TABLE + 4 * registers.TABLE_WORDS and address % 4 == 0:
            index = self._table_index(address)
            return int(self.table[index]) if index < self.table.size else 0
        return self.stored.get(address)

    def _features(self) -> int:
        constants = self.constants
        bins = registers.HISTOGRAM_WORDS if constants.statistics else 0
        word = registers.FEATURES_VARIABLE_ROUNDS.set(0, int(constants.variable_rounds))
        word = registers.FEATURES_NO_STATISTICS.set(word, int(not constants.statistics))
        return registers.FEATURES_HISTOGRAM_BINS.set(word, bins)

    def write(self, address: int, value: int) -> bool:
        """Store a value; False where the address is not writable."""
        if Address.TABLE <= address < Address.TABLE + 4 * registers.TABLE_WORDS and address % 4 == 0:
            index = self._table_index(address)
            if index < self.table.size:
                self.table[index] = value
                if self.table_written is not None:
                    self.table_written(index)
            return True
        if address not in self.stored:
            return False
        if address == Address.ROUNDS and not self._is_possible(value):
            return True
        self.stored[address] = value & WRITABLE_BITS.get(address, 0xFFFF_FFFF)
        self.settings.rounds = self.stored[Address.ROUNDS]
        self.settings.enable = bool(registers.CONTROL_ENABLE.get(self.stored[Address.CONTROL]))
        self.settings.events_mode = bool(registers.CONTROL_INPUT_MODE.get(self.stored[Address.CONTROL]))
        if address == Address.CONTROL and registers.CONTROL_SOFT_RESET.get(value):
            self.soft_resets += 1
        if address == Address.CONTROL and registers.CONTROL_CLEAR_COUNTERS.get(value):
            self.num_shots = 0
        return True

    def _is_possible(self, rounds: int) -> bool:
        if not self.constants.variable_rounds:
            return rounds == self.constants.max_rounds
        return bool(self.constants.window) or 1 <= rounds <= self.constants.max_rounds

    def _table_index(self, address: int) -> int:
        return self.stored[Address.TABLE_PAGE] * registers.TABLE_WORDS + (address - Address.TABLE) // 4


WRITABLE_BITS = {
    int(Address.CONTROL): 1 << registers.CONTROL_ENABLE.low | 1 << registers.CONTROL_INPUT_MODE.low,
    int(Address.HISTOGRAM_SHIFT): (1 << registers.HISTOGRAM_SHIFT_SHIFT.width) - 1,
    int(Address.TABLE_PAGE): (1 << registers.TABLE_PAGE_PAGE.width) - 1,
}
"""Bits that registers with holes keep; the others keep all."""


class DecoderModel:
    """Words in, messages out; latencies in them are 0.

    Attributes:
        registers: what register accesses see.
        front_end: the model of the input side, with its counters.
    """

    def __init__(self, constants: DecoderConstants, core: CoreModel, table: NDArray[np.uint32]) -> None:
        """`table` is the core's memory in the order of the cfg address; writes through TABLE change it in place."""
        self.registers = RegisterModel(constants, table)
        self.front_end = FrontEnd(constants.shape, self.registers.settings, self.registers)
        self._core = core
        self._answer: Answer | None = None
        self._layer_width = len(constants.shape.layer_select)

    def respond(self, words: Iterable[int]) -> list[Message]:
        """The answers to these words; they may end anywhere, even within a message."""
        messages: list[Message] = []
        for word in words:
            for action in self.front_end.feed([word]):
                message = self._act(action)
                if message is not None:
                    messages.append(message)
            if self.registers.soft_resets:
                self.registers.soft_resets = 0
                self._core.forget()
                self.front_end.reset()
        return messages

    def _act(self, action: Action) -> Message | None:
        match action:
            case Layer(events, last):
                bits = unpack_bits(np.array(events, dtype=np.uint32), self._layer_width)
                self._answer = self._core.layer(bits, last=last)
                tag = self.front_end.shot_tag
                if self._answer is not None and self._answer.committed is not None and tag is not None:
                    return Message(Kind.FRAME, tag, (self._answer.committed, *self._answer.flips, 0))
            case ShotEnd(tag) if self._answer is not None:
                self.registers.num_shots += 1
                return Message(Kind.CORRECTION, tag, (*self._answer.flips, 0, int(self._answer.status)))
            case Fault(tag, code, word_at_fault):
                return Message(Kind.FAULT, tag, (int(code), word_at_fault))
            case RegisterValue(tag, address, value):
                return Message(Kind.DATA, tag, (address, value))
            case Abort():
                self._core.forget()
        return None
