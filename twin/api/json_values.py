"""Free-form JSON in a body: whatever the store, the workers and other JSON readers can take."""

from __future__ import annotations

import math
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator


def checked_json(value: Any) -> Any:
    """The value itself; raises ValueError for what JSON or its readers do not have.

    Python's parser takes NaN, infinities, lone surrogates and integers of any size; RFC 8259 does not have the first
    three, and warns of the last.
    """
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"is not JSON that others can read: {error}") from error
    if _has_non_finite(value):
        raise ValueError("holds NaN or infinity, which JSON does not have")
    return value


def _has_non_finite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_has_non_finite, value.values()))
    return isinstance(value, list) and any(map(_has_non_finite, value))


JsonObject = Annotated[dict[str, Any], AfterValidator(checked_json)]
