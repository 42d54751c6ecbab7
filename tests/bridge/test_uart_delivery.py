"""The delivery against a board in Python, whose every answer the test decides: what is sent when, what again."""

from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

from bridge.errors import DecoderSilentError, LinkError, LinkLostError, ProtocolError, RegisterError
from bridge.links.base import Deadlines
from bridge.links.uart.delivery import MAX_TIMES_SENT, Delivery, NumFrames
from bridge.links.uart.frames import FrameReader, frame
from bridge.links.uart.items import Item
from bridge.links.uart.link import UartLink
from hdl.registers.map import ID_VALUE, Address, LinkAddress
from qds1 import Kind, Message, encode, parse

END_KINDS = (Kind.MEAS_DATA, Kind.EVENTS_LAST)


def shot(tag: int, num_rounds: int = 3) -> Item:
    rounds = [Message(Kind.SYNDROME, tag, (0,))] * num_rounds
    words = encode([*rounds, Message(Kind.MEAS_DATA, tag, (tag,))])
    return Item(words, tag, is_shot=True, num_layers=num_rounds + 1)


class Board:
    """Answers in order, as a decoder does: to a shot its tag as flips, to a READ the ID.

    Attributes:
        loses: told of each shot's tag and how often it came; True for a shot that is lost on the way.
        hold: reads that bring nothing before the next that does: the time that the board takes.
        most_waiting: shots that had come and were not answered, at most.
    """

    def __init__(self, loses: Callable[[int, int], bool] = lambda _tag, _times: False, hold: int = 0) -> None:
        self.loses = loses
        self.hold = hold
        self.most_waiting = 0
        self.times_seen: dict[int, int] = {}
        self._reader = FrameReader()
        self._answers: deque[bytes] = deque()
        self._held = hold

    def write(self, data: bytes) -> None:
        for words in self._reader.take(data):
            for message in parse(words):
                self._take(message)

    def _take(self, message: Message) -> None:
        if message.kind == Kind.READ:
            self.answer(Message(Kind.DATA, message.tag, (Address.ID, ID_VALUE)))
        elif message.kind in END_KINDS:
            times = self.times_seen[message.tag] = self.times_seen.get(message.tag, 0) + 1
            if not self.loses(message.tag, times):
                self.answer(Message(Kind.CORRECTION, message.tag, (message.payload[0], 4, 0)))
        self.most_waiting = max(self.most_waiting, len(self._answers))

    def answer(self, message: Message) -> None:
        self._answers.append(frame(encode([message]).astype("<u4").tobytes()))

    def read(self, timeout_s: float) -> bytes:
        del timeout_s
        if self._held or not self._answers:
            self._held -= bool(self._held)
            return b""
        self._held = self.hold
        return self._answers.popleft()

    def close(self) -> None:
        pass


def delivery(
    board: Board, max_shots: int = 1024, silent_s: float = 20.0, num_frames: NumFrames = lambda _: 0
) -> Delivery:
    made = Delivery(board, "the board", silent_s, num_frames)
    made.max_shots = max_shots
    return made


def check(answers: list[Message], num_shots: int) -> None:
    assert [(answer.tag, answer.payload[0]) for answer in answers] == [(tag, tag) for tag in range(num_shots)]


def test_shots_do_not_wait_for_one_another() -> None:
    board = Board(hold=60)  # reads; more than there are while the host has something to send
    sender = delivery(board)
    check(sender.deliver([shot(tag) for tag in range(1000)], 60), 1000)
    assert board.most_waiting > 200
    assert sender.repeats == 0


def test_no_more_shots_are_under_way_than_allowed() -> None:
    board = Board(hold=3)
    check(delivery(board, max_shots=5).deliver([shot(tag) for tag in range(200)], 60), 200)
    assert board.most_waiting <= 5 + 1  # and a probe


def test_exactly_what_is_lost_is_sent_again_and_answers_stay_in_order() -> None:
    random = np.random.default_rng(5)
    lost: dict[int, int] = {}

    def loses(tag: int, _times: int) -> bool:
        is_lost = bool(random.random() < 0.2)
        lost[tag] = lost.get(tag, 0) + is_lost
        return is_lost

    board = Board(loses)
    sender = delivery(board)
    check(sender.deliver([shot(tag) for tag in range(500)], 60), 500)
    assert sender.repeats == sum(lost.values()) > 50
    assert all(board.times_seen[tag] == lost[tag] + 1 for tag in range(500))


def test_the_last_shot_is_not_forgotten() -> None:
    board = Board(lambda tag, times: tag == 9 and times < 4)
    sender = delivery(board)
    check(sender.deliver([shot(tag) for tag in range(10)], 60), 10)
    assert sender.repeats == 3


def test_a_shot_that_is_never_answered_is_named() -> None:
    board = Board(lambda tag, _times: tag == 3)
    with pytest.raises(DecoderSilentError, match=f"not tag 3, which was sent {MAX_TIMES_SENT} times"):
        delivery(board).deliver([shot(tag) for tag in range(6)], 60)


class WindowedBoard(Board):
    """Sends FRAMEs before each CORRECTION; each of its messages is lost on the way back with a probability."""

    def __init__(self, num_frames: int, lost_prob: float) -> None:
        super().__init__()
        self._num_frames = num_frames
        self._lost_prob = lost_prob
        self._random = np.random.default_rng(8)

    def answer(self, message: Message) -> None:
        if message.kind == Kind.CORRECTION:
            for window in range(self._num_frames):
                self.answer(Message(Kind.FRAME, message.tag, (3 * (window + 1), message.tag, 5)))
        if self._random.random() >= self._lost_prob:
            super().answer(message)


def test_frames_of_windows_that_are_lost_are_sent_again() -> None:
    board = WindowedBoard(num_frames=4, lost_prob=0.1)
    sender = delivery(board, num_frames=lambda num_layers: num_layers)
    answers = sender.deliver([shot(tag) for tag in range(300)], 60)
    # shots of three rounds have four layers
    frames = [(Kind.FRAME, 3), (Kind.FRAME, 6), (Kind.FRAME, 9), (Kind.FRAME, 12)]
    expected = [(kind, tag, first) for tag in range(300) for kind, first in [*frames, (Kind.CORRECTION, tag)]]
    assert [(answer.kind, answer.tag, answer.payload[0]) for answer in answers] == expected
    assert sender.repeats > 0.3 * 300  # of five messages, each of which is lost with 10%
    assert max(board.times_seen.values()) < 8


def test_a_frame_that_never_comes_is_named() -> None:
    sender = delivery(WindowedBoard(num_frames=2, lost_prob=0), num_frames=lambda num_layers: num_layers)
    with pytest.raises(DecoderSilentError, match="2 FRAMEs of 4 for tag 0, which was sent 64 times"):
        sender.deliver([shot(0)], 60)


class TwiceBoard(Board):
    """Answers every shot twice."""

    def answer(self, message: Message) -> None:
        super().answer(message)
        if message.kind == Kind.CORRECTION:
            super().answer(message)


@pytest.mark.parametrize("num_shots", [1, 20])
def test_a_second_answer_is_called_so(num_shots: int) -> None:
    sender = delivery(TwiceBoard())
    access = Item(encode([Message(Kind.READ, 77, (Address.ID,))]), 77)
    with pytest.raises(ProtocolError, match="another CORRECTION for tag 0 after the shot was answered"):
        sender.deliver([*(shot(tag) for tag in range(num_shots)), access], 60)


def test_a_board_that_answers_nothing_counts_as_lost() -> None:
    board = Board(hold=10**9)
    board._held = 10**9
    with pytest.raises(LinkLostError, match=r"answered nothing for 0\.2 s"):
        delivery(board, silent_s=0.2).deliver([shot(0)], 60)


def test_a_deadline_ends_it() -> None:
    board = Board(lambda tag, _times: tag == 0)
    with pytest.raises(DecoderSilentError, match="within 0 s"):
        delivery(board).deliver([shot(0)], 0)


def test_answers_to_another_program_are_thrown_away() -> None:
    board = Board()
    for tag in range(20):
        board.answer(Message(Kind.CORRECTION, tag, (99, 4, 0)))
    check(delivery(board).deliver([shot(tag) for tag in range(20)], 60), 20)


def test_a_register_access_waits_for_the_shots_before_it() -> None:
    board = Board()
    access = Item(encode([Message(Kind.READ, 77, (Address.ID,))]), 77)
    answers = delivery(board).deliver([shot(0), shot(1), access, shot(2)], 60)
    assert [answer.tag for answer in answers] == [0, 1, 77, 2]


def test_what_does_not_fit_into_a_frame_is_refused() -> None:
    with pytest.raises(LinkError, match=r"34 words .* do not fit into a frame"):
        delivery(Board()).deliver([shot(0, num_rounds=16)], 60)


def test_a_whole_frame_that_is_no_message_is_an_error() -> None:
    board = Board()
    sender = delivery(board)
    check(sender.deliver([shot(0)], 60), 1)
    board._answers.append(frame(b"\x01\x02\x03\x04"))
    with pytest.raises(ProtocolError, match="not qds1"):
        sender.deliver([shot(1)], 60)


class SlowBoard(Board):
    """A board at the end of a slow line, which moves a clock of its own."""

    def __init__(self, bytes_per_s: float) -> None:
        super().__init__()
        self.now_s = 0.0
        self.num_sent = 0
        self._byte_s = 1 / bytes_per_s
        self._line_free_s = 0.0
        self._ready: deque[tuple[float, bytes]] = deque()

    def write(self, data: bytes) -> None:
        self.num_sent += len(data)
        self._line_free_s = max(self._line_free_s, self.now_s) + len(data) * self._byte_s
        super().write(data)
        for answer in self._answers:
            after_s = max(self._line_free_s, self._ready[-1][0] if self._ready else 0)
            self._ready.append((after_s + len(answer) * self._byte_s, answer))
        self._answers.clear()

    def read(self, timeout_s: float) -> bytes:
        if self._ready and self._ready[0][0] <= self.now_s + timeout_s:
            at_s, answer = self._ready.popleft()
            self.now_s = max(self.now_s, at_s)
            return answer
        self.now_s += timeout_s
        return b""


@pytest.mark.parametrize("bytes_per_s", [50, 400, 100_000])
def test_a_slow_line_is_not_filled_with_questions(bytes_per_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    board = SlowBoard(bytes_per_s)
    monkeypatch.setattr("bridge.links.uart.delivery.time.monotonic", lambda: board.now_s)
    shots = [shot(tag) for tag in range(100)]
    sender = delivery(board)
    check(sender.deliver(shots, 1e4), 100)
    assert sender.repeats == 0
    assert board.num_sent < 1.2 * sum(len(frame(item.words.astype("<u4").tobytes())) for item in shots)


class RegisterBoard(Board):
    """Answers every READ with a value of its own; the first `num_lost` values of SCRATCH are lost on the way back."""

    def __init__(self, num_lost: int) -> None:
        super().__init__()
        self.num_lost = num_lost

    def _take(self, message: Message) -> None:
        if message.kind != Kind.READ:
            return
        address = message.payload[0]
        if address == Address.SCRATCH and self.num_lost:
            self.num_lost -= 1
            return
        values: dict[int, int] = {
            Address.ID: ID_VALUE,
            LinkAddress.LINK_FRAME_WORDS: 32,
            Address.NUM_OBSERVABLES: 1,
            Address.SCRATCH: 7,
        }
        self.answer(Message(Kind.DATA, message.tag, (address, values[address])))


@pytest.mark.parametrize("num_lost", [0, 1, 3])
def test_a_register_whose_value_was_lost_is_read_again(num_lost: int) -> None:
    link = UartLink("the board", lambda: RegisterBoard(num_lost), Deadlines())
    link.open()
    assert link.read_register(Address.SCRATCH) == 7


def test_a_register_that_never_answers_is_refused() -> None:
    link = UartLink("the board", lambda: RegisterBoard(1000), Deadlines())
    link.open()
    with pytest.raises(RegisterError, match="0x05c: no answer"):
        link.read_register(Address.SCRATCH)
