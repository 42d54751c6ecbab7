"""Free-form JSON in a body: whatever the store, the workers and other JSON readers can take."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator

from twin.integers import INTEGER_LIMIT

MAX_VALUES = 1_000_000
"""Keys aside; 100,000 actions of a circuit have about 900,000. They are looked at where every request is served."""


def checked_json(value: Any) -> Any:
    """The value itself; raises ValueError for what JSON or its readers do not have.

    Python's parser takes NaN, infinities, lone surrogates and integers of any size; RFC 8259 does not have the first
    three, and warns of the last: another reader of the same document would find another integer.
    """
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"is not JSON that others can read: {error}") from error
    for number in _numbers(value):
        if not math.isfinite(number):
            raise ValueError("holds NaN or infinity, which JSON does not have")
        if isinstance(number, int) and abs(number) >= INTEGER_LIMIT:
            raise ValueError(
                f"holds the integer {number}, which many JSON readers round (from 2^53 on); send it as text"
            )
    return value


def _numbers(value: Any) -> Iterator[float | int]:
    """Every number in a value; not by recursion, whose cost would be length times depth."""
    waiting, num_values = [value], 0
    while waiting:
        each = waiting.pop()
        num_values += 1
        if num_values + len(waiting) > MAX_VALUES:
            raise ValueError(f"holds more than {MAX_VALUES} values; send less at once")
        if isinstance(each, float | int):
            yield each
        elif isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


JsonObject = Annotated[dict[str, Any], AfterValidator(checked_json)]
