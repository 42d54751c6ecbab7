"""Time as the twin tells it: seconds since 1970 inside, RFC 3339 in UTC outside."""

from __future__ import annotations

from datetime import UTC, datetime

from twin.errors import Fault, InvalidError

SECONDS_OF = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
LAST_S = 253402300799.0
"""The last second of the year 9999, after which there is no RFC 3339."""
FAR_S = 10_413_792_000.0
"""The year 2300. A number of seconds above it means milliseconds, as JavaScript's Date.now() has them since 1970-04."""


def now() -> float:
    """Seconds since 1970, UTC, in whole microseconds: a time that was written as text is the same when it is parsed."""
    return datetime.now(UTC).timestamp()


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `45m`, `12h`, `30d` or `2w`; raises ValueError."""
    number, unit = text.strip()[:-1], text.strip()[-1:]
    if unit not in SECONDS_OF or not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise ValueError(f"got {text!r}; expected a number and its unit: 90s, 45m, 12h, 30d, 2w")
    return float(number) * SECONDS_OF[unit]


def to_text(timestamp: float) -> str:
    """RFC 3339 with microseconds, for example 2026-01-31T12:00:00.000000Z."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_text_or_none(timestamp: float | None) -> str | None:
    return None if timestamp is None else to_text(timestamp)


def parse(text: str, *, field: str) -> float:
    """Seconds since 1970 from either a number of seconds or an RFC 3339 text (UTC when it names no zone)."""
    try:
        value = float(text)
        if not 0 <= value <= FAR_S:
            unit = "; that looks like milliseconds, and seconds are meant" if FAR_S < value < 1e3 * FAR_S else ""
            message = f"{field}: {text} is outside 1970 to 2300{unit}"
            raise InvalidError(message, [Fault((field,), f"out of range{unit}")])
        return value
    except ValueError:
        pass
    try:
        # In a query string an unescaped '+' of '+00:00' arrives as a blank.
        moment = datetime.fromisoformat(text.strip().replace(" 0", "+0") if "T" in text else text)
    except ValueError as error:
        message = f"{field}: got {text!r}, expected seconds since 1970 or RFC 3339 such as 2026-01-31T12:00:00Z"
        raise InvalidError(message, [Fault((field,), "not a time")]) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
