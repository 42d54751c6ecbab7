"""Times that clients send back: the same instant inside and outside."""

import pytest

from twin import clock
from twin.errors import InvalidError


def test_a_time_written_and_parsed_is_the_same() -> None:
    for _ in range(20_000):
        stamped = clock.now()
        assert clock.parse(clock.to_text(stamped), field="since") == stamped


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00", "1769860800"]
)
def test_the_same_instant_in_every_notation(text: str) -> None:
    assert clock.parse(text, field="since") == 1769860800


@pytest.mark.parametrize("text", ["yesterday", "nan", "-1", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="since"):
        clock.parse(text, field="since")
