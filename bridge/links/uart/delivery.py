"""Delivers items to a board over a line that loses frames, and brings every answer back once and in order.

What was lost is known by order alone, never by a clock: frames arrive in the order in which they were sent, and a
decoder answers in that order. So an answer proves that everything sent before it was answered earlier, or lost on the
way there or back; only that is sent again, and its first answer can no longer come. Where nothing follows that would be
answered, a probe does: a READ of the ID register, which passes through the decoder like a shot. How soon it is asked
again follows the time that the last one took, so that a slow line is not filled with questions.
"""

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.errors import DecoderSilentError, LinkError, LinkLostError, ProtocolError
from bridge.links.base import Words
from bridge.links.uart.frames import DELIMITER, FrameReader, frame, frame_bytes
from bridge.links.uart.items import Item
from bridge.links.uart.line import Line
from bridge.links.uart.silence import Silence
from hdl.registers.map import Address
from qds1 import Kind, Message, Qds1Error, encode, parse
from qds1.messages import TAG_MODULUS

NumFrames = Callable[[int], int]

MAX_TIMES_SENT = 64
SHOTS_BETWEEN_READS = 8
SETTLE_SILENCES = 2
"""So many times the longest silence may pass before a line has come to rest."""
LAST_HOST_KIND = 0x7F
"""Kinds up to here are a host's own: a line that brings them back echoes."""
LEAST_PAYLOAD_WORDS = {Kind.CORRECTION: 3, Kind.FRAME: 3, Kind.DATA: 2, Kind.FAULT: 2}


@dataclass
class Pending:
    """An item on its way.

    Attributes:
        sequence: of its last frame.
        probe_tag: of the probe in the same frame; None for a shot.
        frames: FRAMEs of any of its tries, by the rounds that they commit.
        last: the answer that ends a shot, of any of its tries.
    """

    index: int
    item: Item
    sequence: int = -1
    times_sent: int = 0
    probe_tag: int | None = None
    frames: dict[int, Message] = field(default_factory=dict)
    answers: list[Message] = field(default_factory=list)
    last: Message | None = None


class Delivery:
    """One board's line, with what is under way on it.

    Attributes:
        repeats: items that were sent again.
        frame_words: longest frame that the board takes.
        max_shots: shots under way at most; `max_bytes` limits them, too.
    """

    def __init__(self, line: Line, where: str, silent_s: float, num_frames: NumFrames) -> None:
        """silent_s: after so long without any answer the board counts as lost. num_frames: see `UartLink`."""
        self._line = line
        self._where = where
        self._silent_s = silent_s
        self._num_frames = num_frames
        self._reader = FrameReader()
        self._sequence = 0
        self._next_tag = secrets.randbelow(TAG_MODULUS)  # what still answers another program is not taken for a probe
        self._probes: OrderedDict[int, int] = OrderedDict()  # tag -> sequence
        self._asked_s: dict[int, float] = {}  # tag of a probe -> when
        self._round_trip_s = 0.0
        self._shots: OrderedDict[int, Pending] = OrderedDict()  # tag -> shot, in the order of their sequences
        self._other: Pending | None = None
        self._lost: deque[Pending] = deque()
        self._answered: dict[int, list[Message]] = {}
        self._answered_tags: set[int] = set()
        self._is_clean = False
        self._silence = Silence(silent_s, 0.0)
        self.repeats = 0
        self.frame_words = 32
        self.max_shots = 1
        self.max_bytes = 16_384

    @property
    def num_bad_frames(self) -> int:
        """Frames from the board that were damaged on the way."""
        return self._reader.num_bad

    def deliver(self, items: Sequence[Item], deadline_s: float) -> list[Message]:
        """Send items; their answers, in the order of the items.

        Raises:
            LinkLostError: the port is gone, or the board answers nothing any more.
            DecoderSilentError: the deadline passed, or the board answers all but an item.
            LinkError: an item does not fit into a frame. ProtocolError: an answer that is no message, or a second one.
        """
        self._check_sizes(items)
        if not self._is_clean:
            self.settle()
        self._answered = {}
        self._answered_tags = set()
        self._is_clean = False
        end = time.monotonic() + deadline_s
        waiting = deque(Pending(index, item) for index, item in enumerate(items))
        self._silence.broken(self._round_trip_s)
        while waiting or self._shots or self._lost or self._other is not None:
            self._send_what_fits(waiting)
            if not waiting and not self._lost and not self._is_probed():
                self._probe()
            self._listen()
            if time.monotonic() > end:
                raise DecoderSilentError(
                    f"{self._where} answered {len(self._answered)} of {len(items)} items within {deadline_s:g} s; "
                    "send fewer shots at a time, or raise the deadline"
                )
        self._is_clean = True
        return [message for index in sorted(self._answered) for message in self._answered[index]]

    def settle(self) -> None:
        """Throw away what is under way and whatever still comes of it.

        Raises:
            LinkLostError: the port is gone, or no answer comes any more, whatever else does.
        """
        self._shots.clear()
        self._lost.clear()
        self._probes.clear()
        self._asked_s.clear()
        self._other = None
        self._line.write(DELIMITER)  # ends whatever the board has seen of a frame that broke off
        self._probe()
        self._silence.broken(self._round_trip_s)
        limit_s = SETTLE_SILENCES * self._silent_s
        end = time.monotonic() + limit_s
        while self._probes:
            self._listen()
            if time.monotonic() > end:
                raise LinkLostError(
                    f"{self._where} answers, but not all that it is asked within {limit_s:g} s; is the line too slow "
                    "or too noisy?"
                )
        self._is_clean = True

    def _check_sizes(self, items: Sequence[Item]) -> None:
        for item in items:
            room = self.frame_words if item.is_shot else self.frame_words - len(_probe_words(0))
            if item.words.size > room:
                raise LinkError(
                    f"{item.words.size} words (tag {item.tag}) do not fit into a frame, {self._where} takes frames of "
                    f"{self.frame_words} words; use a link without frames for shots of this length"
                )

    def _send_what_fits(self, waiting: deque[Pending]) -> None:
        """Lost items first, then new ones, as far as the window is open."""
        since_read = 0
        while self._other is None and (self._lost or waiting) and self._has_room():
            pending = self._lost[0] if self._lost else waiting[0]
            if pending.item.is_shot:
                if pending.item.tag in self._shots:
                    return  # another shot with this tag is under way
            elif self._shots:
                return  # what is no shot travels alone
            (self._lost if self._lost else waiting).popleft()
            self._send(pending)
            since_read += 1
            if since_read % SHOTS_BETWEEN_READS == 0:
                self._take(self._line.read(0))

    def _has_room(self) -> bool:
        if not self._shots:
            return True
        each = frame_bytes(next(iter(self._shots.values())).item.words.size)
        return len(self._shots) < self.max_shots and (len(self._shots) + 1) * each <= self.max_bytes

    def _send(self, pending: Pending) -> None:
        if pending.times_sent == MAX_TIMES_SENT:
            missing = f"{len(pending.frames)} FRAMEs of {self._num_frames(pending.item.num_layers)} for"
            raise DecoderSilentError(
                f"{self._where} answers, but {missing if pending.last else 'not'} tag {pending.item.tag}, which was "
                f"sent {MAX_TIMES_SENT} times; is the line too noisy (registers LINK_BAD_CRC, LINK_FRAMING_ERRORS), or "
                "the decoder disabled?"
            )
        self.repeats += pending.times_sent > 0
        pending.times_sent += 1
        pending.sequence = self._count()
        pending.answers.clear()
        words = pending.item.words.astype("<u4").tobytes()
        if pending.item.is_shot:
            self._shots[pending.item.tag] = pending
        elif pending.item.is_abandoned:
            self._answered[pending.index] = []
        else:
            pending.probe_tag = self._new_tag(pending.item.tag)
            self._expect(pending.probe_tag, pending.sequence)
            self._other = pending
            words += _probe_words(pending.probe_tag).astype("<u4").tobytes()
        self._line.write(frame(words))

    def _probe(self) -> int:
        tag = self._new_tag()
        self._expect(tag, self._count())
        self._line.write(frame(_probe_words(tag).astype("<u4").tobytes()))
        return tag

    def _expect(self, probe_tag: int, sequence: int) -> None:
        self._probes[probe_tag] = sequence
        self._asked_s[probe_tag] = time.monotonic()

    def _is_probed(self) -> bool:
        """Whether a probe follows everything that is under way."""
        last = max(
            (pending.sequence for pending in (*self._shots.values(), *((self._other,) if self._other else ()))),
            default=-1,
        )
        return bool(self._probes) and next(reversed(self._probes.values())) >= last

    def _count(self) -> int:
        self._sequence += 1
        return self._sequence

    def _new_tag(self, but: int = -1) -> int:
        self._next_tag = (self._next_tag + 1) % TAG_MODULUS
        if self._next_tag == but:
            self._next_tag = (self._next_tag + 1) % TAG_MODULUS
        return self._next_tag

    def _listen(self) -> None:
        """Take what comes; where no answer does, ask again, and in the end give up."""
        end = time.monotonic() + self._silence.wait_s
        while (left_s := end - time.monotonic()) > 0:
            if self._take(self._line.read(left_s)):
                return
        if self._silence.is_over():
            raise LinkLostError(f"{self._where} has answered nothing for {self._silent_s:g} s: {self._silence.heard}")
        self._probe()

    def _take(self, data: bytes) -> bool:
        """Take bytes from the line; whether an answer that was waited for was among them."""
        num_bad = self._reader.num_bad
        num_answers = 0
        heard = self._silence.heard
        heard.num_bytes += len(data)
        heard.num_zeros += data.count(DELIMITER)
        for words in self._reader.take(data):
            for message in _messages(words, self._where):
                if message.kind <= LAST_HOST_KIND:
                    heard.num_echoes += 1
                elif self._accept(message):
                    num_answers += 1
                else:
                    heard.num_others += 1
        heard.num_bad += self._reader.num_bad - num_bad
        if num_answers:
            self._silence.broken(self._round_trip_s)
        return num_answers > 0

    def _accept(self, message: Message) -> bool:
        """Take a message of the board; whether it answers something that is under way."""
        if message.kind == Kind.DATA and message.payload[0] == Address.ID and message.tag in self._probes:
            self._accept_probe(message.tag)
        elif self._other is not None:
            if message.kind == Kind.CORRECTION:
                raise self._twice(message.tag)
            self._other.answers.append(message)
        elif (pending := self._shots.get(message.tag)) is not None:
            if message.kind == Kind.FRAME:
                pending.frames[message.payload[0]] = message
            elif message.kind == Kind.DATA:
                pending.answers.append(message)
            else:
                del self._shots[message.tag]
                pending.last = message
                self._conclude(pending)
                self._give_up_before(pending.sequence)
        elif message.kind == Kind.CORRECTION and message.tag in self._answered_tags:
            raise self._twice(message.tag)
        else:
            return False  # it answers something that was thrown away
        return True

    def _twice(self, tag: int) -> ProtocolError:
        return ProtocolError(
            f"{self._where} sent another CORRECTION for tag {tag} after the shot was answered; "
            "each shot is answered once"
        )

    def _conclude(self, pending: Pending) -> None:
        """No more can come of this try: the shot is answered, or something was lost."""
        wanted = self._num_frames(pending.item.num_layers)
        if pending.last is None or (pending.last.kind == Kind.CORRECTION and len(pending.frames) < wanted):
            self._lost.append(pending)
            return
        frames = [pending.frames[committed] for committed in sorted(pending.frames)]
        self._answered[pending.index] = [*frames, *pending.answers, pending.last]
        self._answered_tags.add(pending.item.tag)

    def _accept_probe(self, tag: int) -> None:
        sequence = self._probes.pop(tag)
        self._round_trip_s = time.monotonic() - self._asked_s.pop(tag)
        if self._other is not None and self._other.probe_tag == tag:
            self._answered[self._other.index] = list(self._other.answers)
            self._other = None
        self._give_up_before(sequence)

    def _give_up_before(self, sequence: int) -> None:
        """What was sent before the frame that was answered now, and is not answered, was lost."""
        while self._shots and (pending := next(iter(self._shots.values()))).sequence < sequence:
            del self._shots[pending.item.tag]
            self._conclude(pending)
        if self._other is not None and self._other.sequence < sequence:
            self._lost.append(self._other)
            self._other = None
        while self._probes and next(iter(self._probes.values())) < sequence:
            tag, _ = self._probes.popitem(last=False)
            del self._asked_s[tag]


def _probe_words(tag: int) -> Words:
    return encode([Message(Kind.READ, tag, (Address.ID,))])


def _messages(words: Words, where: str) -> list[Message]:
    try:
        messages = parse(words)
    except Qds1Error as error:
        raise ProtocolError(f"{where} sent a whole frame that is not qds1: {error}") from error
    for message in messages:
        if len(message.payload) < (least := LEAST_PAYLOAD_WORDS.get(message.kind, 0)):
            raise ProtocolError(
                f"{where} sent a {message.kind.name} of {len(message.payload)} payload words; it has at least {least}"
            )
    return messages
