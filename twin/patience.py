"""Work that is not given up: while the database is away, and when the caller is cancelled."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from twin.errors import UnavailableError

T = TypeVar("T")
log = structlog.get_logger(__name__)

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
NICENESS = 5


async def until_available(call: Callable[[], Awaitable[T]], purpose: str) -> T:
    """Call again, with growing pauses, while the database is away; for what has nobody to be told of it.

    The call must bear to be repeated: the commit of one that raised may have gone through.
    """
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await call()
        except UnavailableError as error:
            log.warning("waits for the database", purpose=purpose, reason=str(error), again_in_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end, also when the caller is cancelled meanwhile; then the cancellation goes on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def come_second() -> None:
    """The calling thread computes, and gives way to the service's own. On Linux, where threads have a niceness."""
    if sys.platform == "linux":
        os.setpriority(
            os.PRIO_PROCESS, threading.get_native_id(), min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        )
