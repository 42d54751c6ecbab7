"""What hdl/rtl/front_end.sv does with its input words: layers for the core, faults, register accesses."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qds1 import FaultCode, Kind, pack_bits, split_header, unpack_bits, words_for_bits

Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class DecoderShape:
    """The constants of decoder_pkg that the front end needs.

    Attributes:
        num_stabilizers, num_data_qubits: bits of a SYNDROME and of a MEAS_DATA payload.
        layer_select: stabilizer index of each bit of a layer that the core sees.
        data_parity: 0/1, shape (num_stabilizers, num_data_qubits): the data qubits that rebuild each stabilizer.
        open_ended: ROUNDS = 0 means any number of rounds (a windowed decoder).
    """

    num_stabilizers: int
    num_data_qubits: int
    layer_select: tuple[int, ...]
    data_parity: Bits
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """Detection events of a layer, packed like a payload: bit i of word i // 32 is core bit i."""

    events: tuple[int, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Abort:
    """The layers since the last shot's end are to be forgotten (only if there are any)."""


@dataclass(frozen=True, slots=True)
class ShotEnd:
    """A shot is complete: a CORRECTION with this tag is due."""

    tag: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A FAULT with this tag is due."""

    tag: int
    code: FaultCode
    word: int


@dataclass(frozen=True, slots=True)
class RegisterValue:
    """A DATA with this tag is due."""

    tag: int
    address: int
    value: int


Action = Layer | Abort | ShotEnd | Fault | RegisterValue


class RegisterBus(Protocol):
    """The registers as WRITE and READ messages reach them."""

    def read(self, address: int) -> int | None:
        """The register's value; None where there is no register."""

    def write(self, address: int, value: int) -> bool:
        """Store a value; False where nothing can be written."""


@dataclass
class Settings:
    """The fields of CONTROL and ROUNDS; a shot takes them at its start."""

    rounds: int
    enable: bool = True
    events_mode: bool = False


@dataclass(slots=True)
class _Shot:
    tag: int
    events_mode: bool
    rounds_left: int | None
    """Rounds still to come; None in a shot of any length."""
    previous: Bits
    num_layers: int = 0


class FrontEnd:
    """Feed it words, collect actions.

    Attributes:
        num_rounds, num_abandoned, num_faults: as the registers count them.
        shot_tag: tag of the shot in progress, or None.
        skipped_tag: tag of the shot that a fault has spoiled and whose messages are dropped, or None.
    """

    def __init__(self, shape: DecoderShape, settings: Settings, registers: RegisterBus) -> None:
        self.settings = settings
        self.num_rounds = 0
        self.num_abandoned = 0
        self.num_faults = 0
        self.skipped_tag: int | None = None
        self._shape = shape
        self._registers = registers
        self._shot: _Shot | None = None
        self._actions: list[Action] = []
        self._parser = self._parse()
        next(self._parser)

    def feed(self, words: Iterable[int]) -> list[Action]:
        """Take words, in any portions; return what they caused, in order."""
        for word in words:
            self._parser.send(int(word))
        actions, self._actions = self._actions, []
        return actions

    def reset(self) -> None:
        """Soft reset: forget the shot and the message in progress. The counters keep their values."""
        self._shot = None
        self.skipped_tag = None
        self._parser = self._parse()
        next(self._parser)

    @property
    def shot_tag(self) -> int | None:
        """Tag of the shot in progress."""
        return self._shot.tag if self._shot else None

    @property
    def is_idle(self) -> bool:
        """Whether the next word starts a new shot, with nothing in progress."""
        return self._between_messages and self._shot is None and self.skipped_tag is None

    def _parse(self) -> Generator[None, int, None]:
        while True:
            self._between_messages = True
            word = yield
            self._between_messages = False
            kind, length, tag = split_header(word)
            handles = self._header(word)
            payload: list[int] = []
            for _ in range(length):
                payload.append((yield))
            if not handles:
                continue
            if kind in (Kind.WRITE, Kind.READ):
                self._access(kind, tag, payload)
            else:
                self._layer(kind, payload)

    # ---- headers

    def _header(self, word: int) -> bool:
        """Judge a header; True if its payload means something."""
        kind, length, tag = split_header(word)
        is_shot = kind in (Kind.SYNDROME, Kind.EVENTS, Kind.MEAS_DATA, Kind.EVENTS_LAST)
        is_end = kind in (Kind.MEAS_DATA, Kind.EVENTS_LAST)
        is_register = kind in (Kind.WRITE, Kind.READ)
        if self.skipped_tag is not None and not is_register and not (is_shot and tag != self.skipped_tag):
            if is_end:
                self.skipped_tag = None
            return False
        opens = is_shot and (self._shot is None or self._shot.tag != tag)
        if opens:
            self._open(tag)
        code = self._fault_code(kind, length, opens, is_shot, is_end, is_register)
        if code is None:
            return True
        # The fault spoils the shot that the message belongs to; outside any shot, nothing.
        spoiled_tag = self._forget_shot()
        self._fault(tag if spoiled_tag is None else spoiled_tag, code, word)
        if spoiled_tag is not None and not is_end:
            self.skipped_tag = spoiled_tag
        return False

    def _open(self, tag: int) -> None:
        if self._shot is not None:
            self.num_abandoned += 1
            self._forget_shot()
        self.skipped_tag = None
        rounds = self.settings.rounds
        any_length = self._shape.open_ended and rounds == 0
        self._shot = _Shot(
            tag=tag,
            events_mode=self.settings.events_mode,
            rounds_left=None if any_length else rounds,
            previous=np.zeros(self._shape.num_stabilizers, dtype=np.uint8),
        )

    def _forget_shot(self) -> int | None:
        """Drop the shot in progress; returns its tag."""
        shot, self._shot = self._shot, None
        if shot is None:
            return None
        if shot.num_layers:
            self._actions.append(Abort())
        return shot.tag

    def _fault_code(
        self, kind: int, length: int, opens: bool, is_shot: bool, is_end: bool, is_register: bool
    ) -> FaultCode | None:
        if not is_shot and not is_register:
            return FaultCode.UNKNOWN_KIND
        if opens and not self.settings.enable:
            return FaultCode.DISABLED
        if length != self._payload_words(kind):
            return FaultCode.WRONG_LENGTH
        if is_shot and not self._is_due(kind, opens, is_end):
            return FaultCode.ILLEGAL_NOW
        return None

    def _payload_words(self, kind: int) -> int:
        if kind == Kind.WRITE:
            return 2
        if kind == Kind.READ:
            return 1
        bits = self._shape.num_data_qubits if kind == Kind.MEAS_DATA else self._shape.num_stabilizers
        return words_for_bits(bits)

    def _is_due(self, kind: int, opens: bool, is_end: bool) -> bool:
        """Whether a shot message may come now: of the right input mode, after the right number of rounds."""
        shot = self._shot
        if shot is None or (kind in (Kind.EVENTS, Kind.EVENTS_LAST)) != shot.events_mode:
            return False
        if shot.rounds_left is None:
            return not (is_end and opens)
        return is_end == (shot.rounds_left == 0)

    def _fault(self, tag: int, code: FaultCode, word: int) -> None:
        self.num_faults += 1
        self._actions.append(Fault(tag, code, word))

    # ---- payloads

    def _access(self, kind: int, tag: int, payload: list[int]) -> None:
        address = payload[0]
        if kind == Kind.READ:
            value = self._registers.read(address)
            if value is not None:
                self._actions.append(RegisterValue(tag, address, value))
                return
        elif self._registers.write(address, payload[1]):
            return
        self._fault(tag, FaultCode.ADDRESS, address)

    def _layer(self, kind: int, payload: list[int]) -> None:
        shot = self._shot
        if shot is None:  # a WRITE of CONTROL.soft_reset cannot come between a header and its payload
            raise RuntimeError("a payload without a shot")
        words = np.array(payload, dtype=np.uint32)
        if kind == Kind.MEAS_DATA:
            data = unpack_bits(words, self._shape.num_data_qubits)
            outcomes = (self._shape.data_parity.astype(np.int64) @ data % 2).astype(np.uint8)
        else:
            outcomes = unpack_bits(words, self._shape.num_stabilizers)
        events = outcomes if shot.events_mode else outcomes ^ shot.previous
        shot.previous = outcomes
        shot.num_layers += 1
        is_end = kind in (Kind.MEAS_DATA, Kind.EVENTS_LAST)
        selected = pack_bits(events[list(self._shape.layer_select)])
        self._actions.append(Layer(tuple(int(word) for word in selected), is_end))
        if is_end:
            self._actions.append(ShotEnd(shot.tag))
            self._shot = None
        else:
            self.num_rounds += 1
            if shot.rounds_left is not None:
                shot.rounds_left -= 1
