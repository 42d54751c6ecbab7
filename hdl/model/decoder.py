"""A whole decoder without time: input words -> the messages it answers, and its registers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hdl.model.front_end import DecoderShape, Fault, FrontEnd, Layer, RegisterValue, Settings, ShotEnd
from hdl.registers import map as registers
from hdl.registers.map import Address
from qds1 import Kind, Message, Status, unpack_bits

DecodeShot = Callable[[NDArray[np.uint8]], tuple[tuple[int, ...], Status]]
"""Layers of a shot (0/1, shape (layers, bits of a layer)) -> words of observable flips, status."""


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
    """

    constants: DecoderConstants
    table: NDArray[np.uint32]
    settings: Settings = field(init=False)
    stored: dict[int, int] = field(init=False)
    num_shots: int = 0
    soft_resets: int = 0

    def __post_init__(self) -> None:
        self.settings = Settings(rounds=self.constants.max_rounds)
        self.stored = {int(address): value for address, value in registers.RESET_VALUES.items()}
        self.stored[Address.ROUNDS] = self.constants.max_rounds
        self.stored[Address.CYCLE_BUDGET] = self.constants.cycle_budget

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
            Address.FEATURES: registers.HISTOGRAM_WORDS << 8 | int(constants.variable_rounds),
            Address.COUNT_SHOTS: self.num_shots,
        }
        if address in fixed:
            return fixed[Address(address)]
        if Address.TABLE <= address < Address.TABLE + 4 * registers.TABLE_WORDS and address % 4 == 0:
            index = self._table_index(address)
            return int(self.table[index]) if index < self.table.size else 0
        return self.stored.get(address)

    def write(self, address: int, value: int) -> bool:
        """Store a value; False where the address is not writable."""
        if Address.TABLE <= address < Address.TABLE + 4 * registers.TABLE_WORDS and address % 4 == 0:
            index = self._table_index(address)
            if index < self.table.size:
                self.table[index] = value
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

    def __init__(self, constants: DecoderConstants, decode: DecodeShot, table: NDArray[np.uint32]) -> None:
        """`table` is the core's memory in the order of the cfg address; writes through TABLE change it in place."""
        self.registers = RegisterModel(constants, table)
        self.front_end = FrontEnd(constants.shape, self.registers.settings, self.registers)
        self._decode = decode
        self._layer_width = len(constants.shape.layer_select)
        self._layers: list[NDArray[np.uint8]] = []

    def respond(self, words: Iterable[int]) -> list[Message]:
        """The answers to these words; they may end anywhere, even within a message."""
        messages: list[Message] = []
        for word in words:
            for action in self.front_end.feed([word]):
                match action:
                    case Layer(events):
                        self._layers.append(unpack_bits(np.array(events, dtype=np.uint32), self._layer_width))
                    case ShotEnd(tag):
                        flips, status = self._decode(np.array(self._layers))
                        self._layers.clear()
                        self.registers.num_shots += 1
                        messages.append(Message(Kind.CORRECTION, tag, (*flips, 0, int(status))))
                    case Fault(tag, code, word_at_fault):
                        messages.append(Message(Kind.FAULT, tag, (int(code), word_at_fault)))
                    case RegisterValue(tag, address, value):
                        messages.append(Message(Kind.DATA, tag, (address, value)))
                    case _:
                        self._layers.clear()
            if self.registers.soft_resets:
                self.registers.soft_resets = 0
                self._layers.clear()
                self.front_end.reset()
        return messages
