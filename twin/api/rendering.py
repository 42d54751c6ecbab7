"""Answers that may be large: rendered in a thread and sent in pieces, so that no other request waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import orjson
from starlette.responses import Response, StreamingResponse

T = TypeVar("T")
NUM_AT_ONCE = 200
"""Items that are rendered together: less than a millisecond, in which Python's lock is held."""


def json_list(items: Iterable[T], view: Callable[[T], Any]) -> Iterator[bytes]:
    """A JSON list, a few items at a time."""
    yield b"["
    items, separator = iter(items), b""
    while some := list(islice(items, NUM_AT_ONCE)):
        yield separator + orjson.dumps([view(each) for each in some])[1:-1]
        separator = b","
    yield b"]"


async def listed(name: str, items: Sequence[T], view: Callable[[T], Any], **others: Any) -> Response:
    """`{name: [...], ...others}`."""

    def render() -> bytes:
        rest = orjson.dumps(others)[1:-1]
        parts = [b'{"%s":' % name.encode(), *json_list(items, view), b"," * bool(rest), rest, b"}"]
        return b"".join(parts)

    return Response(await asyncio.to_thread(render), media_type="application/json")


def streamed(parts: Iterator[bytes]) -> Response:
    """Pieces that are rendered in a thread, each when the one before has been sent."""
    return StreamingResponse(parts, media_type="application/json")
