"""A link that is opened again when it is lost, and the shots that it was lost with sent again."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from bridge.errors import DecoderSilentError, LinkError, LinkLostError, LinkOpenError, RegisterError
from bridge.links.base import Link, LinkInfo, RepeatingLink, Words

FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 3.0
MAX_LOSSES = 12
"""In a row, without a single shot getting through: then the shots are the reason."""

_TRANSIENT = (LinkOpenError, LinkLostError, RegisterError, DecoderSilentError)


class RecoveringLink:
    """Another link, opened on entry of the `with` block and closed at its end.

    A shot's answer counts once the link has given it, and a link gives a call's answers all or not at all. So the shots
    that a link was lost with are sent again without harm: a shot is idempotent.

    Attributes:
        link: the other link, for registers.
        info: what it said of itself when it was opened last.
        reconnects: how often it was opened again.
    """

    info: LinkInfo

    def __init__(self, link: Link, greet: Callable[[Link, LinkInfo], None], reconnect_s: float) -> None:
        """Nothing is opened before the `with` block.

        Args:
            link: not open yet.
            greet: called each time it is open, with what it says of itself, to check who is there and to set registers.
            reconnect_s: deadline for opening it again after a loss.
        """
        self.link = link
        self.reconnects = 0
        self._greet = greet
        self._reconnect_s = reconnect_s

    @property
    def repeats(self) -> int:
        """Frames that the link itself sent again."""
        return self.link.repeats if isinstance(self.link, RepeatingLink) else 0

    def exchange(self, shots: Words) -> Words:
        """Send whole shots and collect one answer for each.

        Args:
            shots: uint32, shape (shots, words of a shot).

        Raises:
            LinkLostError: the link was lost and did not come back, or is lost again and again with the same shots.
            BridgeError: as `Link.exchange`.
        """
        answers: list[Words] = []
        done, step, losses = 0, len(shots), 0
        while done < len(shots):
            part = shots[done : done + step]
            try:
                answers.append(self.link.exchange(part.ravel(), len(part)))
            except LinkLostError as error:
                losses += 1
                self._recover(error, losses)
                step = max(1, step // 2)  # fewer at stake the next time
            else:
                done += len(part)
                losses = 0
        return np.concatenate(answers)

    def access(self, action: Callable[[Link], None]) -> None:
        """Do something to the decoder between shots, from its beginning again when the link is lost in it.

        Args:
            action: leaves the same behind however often it was broken off.

        Raises:
            BridgeError: as `exchange`.
        """
        losses = 0
        while True:
            try:
                return action(self.link)
            except LinkLostError as error:
                losses += 1
                self._recover(error, losses)

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.link.close()
        else:
            self.link.abort()

    def _open(self) -> None:
        self.info = self.link.open()
        try:
            self._greet(self.link, self.info)
        except BaseException:
            self.link.abort()
            raise

    def _recover(self, loss: LinkLostError, losses: int) -> None:
        """Open the link again, as often as it takes before the deadline; losses: in a row, this one included."""
        if losses > MAX_LOSSES:
            raise LinkLostError(f"the link was lost {losses} times with the same shots; last: {loss}") from loss
        self.link.abort()
        attempts = Retrying(
            retry=retry_if_exception_type(_TRANSIENT),
            stop=stop_after_delay(self._reconnect_s),
            wait=wait_exponential(multiplier=FIRST_PAUSE_S, max=LAST_PAUSE_S),
        )
        try:
            attempts(self._open)
        except RetryError as error:
            last = error.last_attempt.exception()
            raise LinkLostError(f"{loss}\nIt could not be opened again within {self._reconnect_s:g} s: {last}") from (
                last if isinstance(last, LinkError) else error
            )
        self.reconnects += 1
