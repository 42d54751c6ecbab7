"""Time as the twin tells it: seconds since 1970 inside, RFC 3339 in UTC outside."""

from __future__ import annotations

from datetime import UTC, datetime

from twin.errors import Fault, InvalidError


def now() -> float:
    """Seconds since 1970, UTC, in whole microseconds: a time that was written as text is the same when it is parsed."""
    return datetime.now(UTC).timestamp()


def to_text(timestamp: float) -> str:
    """RFC 3339 with microseconds, for example 2026-01-31T12:00:00.000000Z."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_text_or_none(timestamp: float | None) -> str | None:
    return None if timestamp is None else to_text(timestamp)


def parse(text: str, *, field: str) -> float:
    """Seconds since 1970 from either a number of seconds or an RFC 3339 text (UTC when it names no zone)."""
    try:
        value = float(text)
        if not 0 <= value <= 253402300799:  # the last second of the year 9999
            raise InvalidError(f"{field}: {text} is outside 1970 to 9999", [Fault((field,), "out of range")])
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
