"""The link to a decoder on a serial line."""

import secrets
from collections.abc import Callable

from bridge.errors import (
    DecoderSilentError,
    LinkError,
    LinkLostError,
    LinkOpenError,
    RegisterError,
)
from bridge.links.base import Deadlines, LinkInfo, Words
from bridge.links.uart.delivery import Delivery, NumFrames
from bridge.links.uart.frames import frame_bytes
from bridge.links.uart.items import Cutter, Item
from bridge.links.uart.line import Line
from hdl.registers.map import (
    ID_VALUE,
    LINK_CONTROL_CLEAR_COUNTERS,
    LINK_CONTROL_RESET,
    Address,
    LinkAddress,
)
from qds1 import Kind, Message, correction_words, encode
from qds1.messages import TAG_MODULUS

RESPONSE_QUEUE_WORDS = 64
"""Answers that wait in the board for the line; more than these hold up the decoder (hdl/rtl/decoder_top_uart.sv)."""
MOST_SHOTS = 1024
MAX_READS = 8


class UartLink:
    """A decoder on a serial line. Lost and damaged frames are repeated, and counted in `repeats`."""

    def __init__(
        self, where: str, open_line: Callable[[], Line], deadlines: Deadlines, num_frames: NumFrames = lambda _: 0
    ) -> None:
        """Nothing is opened before `open`.

        Args:
            where: names the board in messages.
            open_line: opens the port.
            deadlines: for every wait.
            num_frames: how many FRAMEs come before the CORRECTION of a shot of so many layers.
        """
        self._where = where
        self._open_line = open_line
        self._deadlines = deadlines
        self._num_frames = num_frames
        self._line: Line | None = None
        self._delivery: Delivery | None = None
        self._cutter = Cutter()
        self._repeats_before = 0  # the port was opened last
        self._session = 0
        self._num_observables = 1
        self._register_tag = secrets.randbelow(TAG_MODULUS)

    @property
    def repeats(self) -> int:
        """See `RepeatingLink.repeats`."""
        return self._repeats_before + (self._delivery.repeats if self._delivery is not None else 0)

    def open(self) -> LinkInfo:
        """Open the port, find the board, and bring its decoder to its power-on state; see `Link.open`."""
        self._line = self._open_line()
        try:
            self._delivery = Delivery(self._line, self._where, self._deadlines.register_s, self._num_frames)
            self._greet(self._delivery)
        except LinkError as error:
            self.abort()
            raise LinkOpenError(f"no decoder answers on the serial line: {error}") from error
        except BaseException:
            self.abort()
            raise
        return LinkInfo(link="uart", simulator=None, clocked=True)

    def _greet(self, delivery: Delivery) -> None:
        delivery.settle()
        identity = self.read_register(Address.ID)
        if identity != ID_VALUE:
            raise LinkOpenError(f"{self._where} has 0x{identity:08x} in its ID register, expected 0x{ID_VALUE:08x}")
        delivery.frame_words = self.read_register(LinkAddress.LINK_FRAME_WORDS)
        self._num_observables = self.read_register(Address.NUM_OBSERVABLES)
        self.reset()
        self._session = secrets.randbelow(0xFFFF_FFFF) + 1
        self.write_register(LinkAddress.LINK_SESSION, self._session)

    def exchange(self, words: Words, num_answers: int) -> Words:
        """See `Link.exchange`. Answers are all of a board that was not reset meanwhile, or the link counts as lost."""
        delivery = self._opened()
        items = self._cutter.cut(words)
        delivery.max_shots = self._shots_under_way(items)
        try:
            answers = delivery.deliver(items, self._deadlines.exchange_s)
        except DecoderSilentError:
            self._cutter.forget()
            raise
        session = self.read_register(LinkAddress.LINK_SESSION)
        if session != self._session:
            raise LinkLostError(f"{self._where} was reset; its registers are back at their power-on values")
        num_found = sum(answer.kind != Kind.FRAME for answer in answers)
        if num_found < num_answers:
            raise DecoderSilentError(
                f"{self._where} gave {num_found} of {num_answers} answers and took {words.size} of {words.size} words; "
                "each whole shot is answered once"
            )
        return encode(answers)

    def _shots_under_way(self, items: list[Item]) -> int:
        """As many as the line holds; where answers take longer on the line than shots, as many as wait in the board."""
        answer = correction_words(self._num_observables)
        shots = [(item.words.size, 1 + self._num_frames(item.num_layers)) for item in items if item.is_shot]
        if all(num * frame_bytes(answer) <= frame_bytes(size) for size, num in shots):
            return MOST_SHOTS
        return max(1, RESPONSE_QUEUE_WORDS // (answer * max(num for _, num in shots)))

    def read_register(self, address: int) -> int:
        """See `Link.read_register`."""
        answers: list[Message] = []
        for _ in range(MAX_READS):  # the frame with the value may be lost, and the probe behind it come through
            answers = self._access(Message(Kind.READ, self._new_tag(), (address,)))
            found = next((answer for answer in answers if answer.kind == Kind.DATA), None)
            if found is not None:
                return found.payload[1]
            if answers:
                break
        raise RegisterError(f"register 0x{address:03x}: {_refusal(answers)}")

    def write_register(self, address: int, value: int) -> None:
        """See `Link.write_register`."""
        answers = self._access(Message(Kind.WRITE, self._new_tag(), (address, value)))
        if any(answer.kind == Kind.FAULT for answer in answers):
            raise RegisterError(f"register 0x{address:03x}: {_refusal(answers)}")

    def reset(self) -> None:
        """See `Link.reset`. The decoder is reset and the board's frame counters; the UART goes on."""
        self._cutter.forget()
        pulses = LINK_CONTROL_RESET.set(0, 1) | LINK_CONTROL_CLEAR_COUNTERS.set(0, 1)
        self.write_register(LinkAddress.LINK_CONTROL, pulses)

    def close(self) -> None:
        """See `Link.close`."""
        if self._line is not None:
            self._line.close()
        self._repeats_before = self.repeats
        self._line = self._delivery = None
        self._cutter.forget()

    def abort(self) -> None:
        """See `Link.abort`."""
        self.close()

    def _opened(self) -> Delivery:
        if self._delivery is None:
            raise LinkError("the link is not open; call open() first")
        return self._delivery

    def _access(self, message: Message) -> list[Message]:
        words = encode([message])
        return self._opened().deliver([Item(words, message.tag)], self._deadlines.register_s)

    def _new_tag(self) -> int:
        self._register_tag = (self._register_tag + 1) % TAG_MODULUS
        return self._register_tag


def _refusal(answers: list[Message]) -> str:
    fault = next((answer for answer in answers if answer.kind == Kind.FAULT), None)
    return "no answer" if fault is None else f"the decoder answered with fault {fault.payload[0]} (no such register)"
