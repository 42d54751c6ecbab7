"""Work for a client that waits for it: given up when the client has left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from twin.errors import BusyError

T = TypeVar("T")
LOOK_INTERVAL_S = 0.5


async def while_asked(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; its place in line and its process are free again when its client has left.

    Raises BusyError then, which nobody reads. The request's body must have been read.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=LOOK_INTERVAL_S))[0]:
            if await request.is_disconnected():
                raise BusyError("the client has left", 1.0)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
