"""A twin that is waited for when it is lost in mid-run: calls made again, and a session's stream opened again."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from qds1.shots import Words
from twin.client import SessionStream, TwinApiError, TwinClient, TwinError, TwinUnreachableError

T = TypeVar("T")
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 3.0
MAX_LOSSES = 12
"""In a row, without one call getting through: then the call is the reason."""

_NOT_NOW = (429, 502, 503, 504)
_ELSEWHERE = 409
"""Of a session that is opened: the replica that has it is not answering, and not yet given up."""


def until_it_answers(call: Callable[[], T], wait_s: float) -> T:
    """Call again while the twin is away, for at most `wait_s`.

    Args:
        call: leaves the same behind however often it was made: its first answer may be what was lost.
        wait_s: wall clock; 0 for one attempt.

    Raises:
        TwinError: as the call, when the time is up or the twin refuses.
    """
    deadline, pause_s = time.monotonic() + wait_s, FIRST_PAUSE_S
    while True:
        try:
            return call()
        except TwinError as error:
            if not _is_away(error) or time.monotonic() + pause_s > deadline:
                raise
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LAST_PAUSE_S)


class ReturningStream:
    """A session's stream of whole shots, opened on entry of the `with` block, and again when it is lost in there.

    What the twin acknowledged (`flush`) it has kept, whatever becomes of it. Corrections since then are kept here, and
    given to the twin that came back with the shots that they belong to, which it sends again: so whoever uses the
    stream goes on where he was, and decodes no shot twice.
    """

    def __init__(
        self,
        twin: TwinClient,
        session_id: str,
        *,
        acknowledged_shots: int,
        words_per_shot: int,
        wait_s: float,
        tell: Callable[[str], None],
    ) -> None:
        """Nothing is opened before the `with` block.

        Args:
            twin: who is asked for the stream.
            session_id: its session.
            acknowledged_shots: how many have their corrections already.
            words_per_shot: uint32 words of SYNDROME.. MEAS_DATA.
            wait_s: deadline for a twin that was lost to come back; 0 for not at all.
            tell: told of each loss that was overcome, in one line.
        """
        self._twin = twin
        self._session_id = session_id
        self._acknowledged = acknowledged_shots
        self._words_per_shot = words_per_shot
        self._wait_s = wait_s
        self._tell = tell
        self._sent: list[tuple[Words, int]] = []  # corrections that are not acknowledged, and of how many shots

    def next_shots(self, count: int, first_shot: int) -> Words:
        """The next at most `count` shots, see `SessionStream.next_shots`; raises TwinError."""
        return self._surely(lambda stream: stream.next_shots(count, first_shot))

    def send_corrections(self, words: Words, num_shots: int) -> None:
        """Send the corrections (uint32 words) of the next shots; raises TwinError."""
        self._sent.append((words, num_shots))
        try:
            self._stream.send_corrections(words)
        except TwinError as error:
            self._recover(error, 1)  # which sends them, too

    def flush(self) -> None:
        """Wait until the twin has kept every correction; raises TwinError."""
        self._surely(lambda stream: stream.flush())
        self._acknowledged += sum(num_shots for _, num_shots in self._sent)
        self._sent.clear()

    def __enter__(self) -> Self:
        self._stream = until_it_answers(self._open, self._wait_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def _surely(self, action: Callable[[SessionStream], T]) -> T:
        losses = 0
        while True:
            try:
                return action(self._stream)
            except TwinError as error:
                losses += 1
                self._recover(error, losses)

    def _recover(self, loss: TwinError, losses: int) -> None:
        """Open the stream again, as often as it takes before the deadline; losses: in a row, this one included."""
        if not _is_away(loss) or self._wait_s == 0:
            raise loss
        if losses > MAX_LOSSES:
            raise TwinUnreachableError(f"the twin was lost {losses} times in the same place; last: {loss}") from loss
        begun = time.monotonic()
        self._stream.close()
        try:
            self._stream = until_it_answers(self._open_again, self._wait_s)
        except TwinError as error:
            raise TwinUnreachableError(
                f"{loss}\nIt did not come back within {self._wait_s:g} s (--reconnect): {error}"
            ) from error
        shot = self._acknowledged + sum(num_shots for _, num_shots in self._sent)
        self._tell(f"the twin was lost, and is back after {time.monotonic() - begun:.1f} s; going on at shot {shot:,}")

    def _open(self) -> SessionStream:
        try:
            return self._twin.open_stream(self._session_id)
        except TwinApiError as error:
            if error.status == _ELSEWHERE:
                raise TwinUnreachableError(str(error)) from error
            raise

    def _open_again(self) -> SessionStream:
        stream = self._open()
        try:
            self._send_again(stream)
        except BaseException:
            stream.close()
            raise
        return stream

    def _send_again(self, stream: SessionStream) -> None:
        shot = self._acknowledged
        for words, num_shots in self._sent:
            end = shot + num_shots
            while shot < end:
                num_words = stream.next_shots(end - shot, shot).size
                if num_words == 0 or num_words % self._words_per_shot:
                    raise TwinError(f"the twin that came back sent {num_words} words from shot {shot} on")
                shot += num_words // self._words_per_shot
            stream.send_corrections(words)


def _is_away(error: TwinError) -> bool:
    """Whether it may come back: no answer, a gateway without its twin, a twin without its database."""
    return isinstance(error, TwinUnreachableError) or (isinstance(error, TwinApiError) and error.status in _NOT_NOW)
