"""How long a board may answer nothing, and what comes on the line instead."""

import time
from dataclasses import dataclass

FIRST_SILENCE_S, LAST_SILENCE_S = 0.1, 2.0


@dataclass(slots=True)
class Heard:
    """What came since the last answer that was waited for.

    Attributes:
        num_bytes: all of them; num_zeros: those of them that end frames.
        num_bad: frames that are damaged, or none of ours.
        num_echoes: messages that only a host sends.
        num_others: whole messages of a decoder that answer nothing asked now.
    """

    num_bytes: int = 0
    num_zeros: int = 0
    num_bad: int = 0
    num_echoes: int = 0
    num_others: int = 0

    def __str__(self) -> str:
        """What it looks like, and what to do."""
        if self.num_echoes:
            return (
                f"{self.num_echoes} messages came back as they were sent: the line echoes. Is TX connected to RX, or a "
                "loopback jumper in? Is the adapter's local echo on, and no board behind it?"
            )
        if self.num_others:
            return (
                f"{self.num_others} messages came that answer nothing asked now; does another program use this board?"
            )
        if self.num_bytes == 0:
            return "no byte came; is it powered and programmed, are its wires and its baud right?"
        if self.num_zeros == self.num_bytes:
            return f"{self.num_bytes:,} zero bytes came: is the line held low, are wires, ground and baud right?"
        damaged = f"with {self.num_bad:,} damaged frames" if self.num_bad else "without the zero that ends a frame"
        return (
            f"{self.num_bytes:,} bytes came, {damaged}, and no whole one; is it a decoder's port and no console, are "
            "its baud and parity right?"
        )


class Silence:
    """How long no answer has come, and how long to wait for one before asking again.

    Attributes:
        heard: what came meanwhile. Only an answer breaks the silence, whatever else is on the line.
        wait_s: before asking again.
    """

    def __init__(self, limit_s: float, round_trip_s: float) -> None:
        self._limit_s = limit_s
        self.broken(round_trip_s)

    def broken(self, round_trip_s: float) -> None:
        """An answer came. round_trip_s: of the last probe that was answered."""
        self.heard = Heard()
        self._since = time.monotonic()
        self.wait_s = min(LAST_SILENCE_S, max(FIRST_SILENCE_S, 2 * round_trip_s))

    def is_over(self) -> bool:
        """Whether the limit has passed; if not, the next wait is longer."""
        self.wait_s = min(2 * self.wait_s, LAST_SILENCE_S)
        return time.monotonic() - self._since > self._limit_s
