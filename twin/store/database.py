"""The database handle: reads on a few threads, writes in one thread that commits many callers at once.

A write is a function of a connection. The writer takes all functions that wait, runs them in one transaction and
answers every caller after its commit. When one of them fails, the batch is rolled back and each is run again in a
transaction of its own, so a function must do nothing but database work.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from twin.errors import InvalidError, UnavailableError
from twin.store.engine import migrate, open_engine

__all__ = ["Connection", "Database", "IntegrityError"]

T = TypeVar("T")
log = structlog.get_logger(__name__)

MAX_BATCH = 256
NUM_READERS = 4
CLOSE_DEADLINE_S = 10.0
AWAY = "the twin's database does not answer; try again"
BEYOND_LIMITS = "54"  # SQLSTATE class: program limit exceeded


@dataclass(frozen=True, slots=True)
class _Write:
    function: Callable[[Connection], Any]
    future: Future[Any]


class Database:
    """One open database. `read` and `write` for coroutines, `read_now` and `write_now` for plain code."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_shared = engine.dialect.name != "sqlite"
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(NUM_READERS, thread_name_prefix="store-read")
        self._writer = threading.Thread(target=self._run_writer, name="store-write", daemon=True)
        self._writer.start()

    @classmethod
    def open(cls, url: str) -> Database:
        """Open `url` and bring its tables to this version."""
        engine = open_engine(url)
        try:
            migrate(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    async def read(self, function: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, function)

    async def write(self, function: Callable[[Connection], T]) -> T:
        """The function's value, after the commit."""
        return await asyncio.wrap_future(self.post(function))

    def post(self, function: Callable[[Connection], T]) -> Future[T]:
        """Queue a write; the future is done after its commit. Writes are committed in this order."""
        future: Future[T] = Future()
        self._queue.put(_Write(function, future))
        return future

    def read_now(self, function: Callable[[Connection], T]) -> T:
        with _told(), self.engine.connect() as connection:
            return function(connection)

    def write_now(self, function: Callable[[Connection], T]) -> T:
        with _told(), self.engine.begin() as connection:
            return function(connection)

    def close(self) -> None:
        """Commit what is queued, then close every connection."""
        self._queue.put(None)
        self._writer.join(CLOSE_DEADLINE_S)
        self._readers.shutdown(wait=True, cancel_futures=True)
        self.engine.dispose()

    def _run_writer(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            ending = False
            while len(batch) < MAX_BATCH and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    ending = True
                    break
                batch.append(following)
            self._commit(batch)
            if ending:
                return

    def _commit(self, batch: list[_Write]) -> None:
        # A caller that gave up waiting (a cancelled request) still has its write committed.
        try:
            with _told(), self.engine.begin() as connection:
                values = [write.function(connection) for write in batch]
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0].future, error=error)
            else:
                for write in batch:
                    self._commit([write])
            return
        for write, value in zip(batch, values, strict=True):
            _settle(write.future, value=value)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the database itself refuses, in words: a value it cannot hold, or that it is not there or has no room.

    The first is a fault of the request: PostgreSQL has no NUL in a text, and limits on what one value holds (class 54).
    The second passes: a lost connection, a server that stops or is a standby, a pool that is used up, a full disk.
    """
    try:
        yield
    except (OperationalError, InternalError, InterfaceError) as error:
        if str(getattr(error.orig, "sqlstate", None) or "").startswith(BEYOND_LIMITS):
            raise InvalidError(f"the database cannot hold a value: {error.orig}") from error
        public = None if isinstance(error.orig, sqlite3.Error) else AWAY  # a server's words tell its address
        raise UnavailableError(f"the twin's database cannot be used: {error.orig}", public) from error
    except PoolTimeoutError as error:
        raise UnavailableError(f"the twin's database cannot be used: {error}") from error
    except DataError as error:
        raise InvalidError(f"the database cannot hold a value: {error.orig}") from error


def _settle(future: Future[Any], *, value: object = None, error: Exception | None = None) -> None:
    if not future.set_running_or_notify_cancel():
        if error is not None:
            log.error("a write that nobody waited for failed", error=str(error))
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
