"""How long a board may answer nothing."""

import time

FIRST_SILENCE_S, LAST_SILENCE_S = 0.1, 2.0


class Silence:
    """How long nothing has come, and how long to wait for something before asking again."""

    def __init__(self, limit_s: float, round_trip_s: float) -> None:
        self._limit_s = limit_s
        self.broken(round_trip_s)

    def broken(self, round_trip_s: float) -> None:
        """Something came. round_trip_s: of the last probe that was answered."""
        self._since = time.monotonic()
        self.wait_s = min(LAST_SILENCE_S, max(FIRST_SILENCE_S, 2 * round_trip_s))

    def is_over(self) -> bool:
        """Whether the limit has passed; if not, the next wait is longer."""
        self.wait_s = min(2 * self.wait_s, LAST_SILENCE_S)
        return time.monotonic() - self._since > self._limit_s
