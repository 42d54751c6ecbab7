"""The default executor: worker processes on this machine, kept by Pebble, which replaces one that dies."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import CancelledError, TimeoutError
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeVar

import structlog
from pebble import ProcessExpired, ProcessPool

from twin.jobs import worker
from twin.jobs.executor import TimeLimitError, WorkerLostError
from twin.jobs.model import AnalysisOutcome, AnalysisTask, CheckOutcome, CheckTask, RunOutcome, RunTask
from twin.jobs.turns import Turns
from twin.settings import Limits

log = structlog.get_logger(__name__)
T = TypeVar("T")
Task = TypeVar("Task")
START_LIMIT_S = 120.0
"""For a process to start and to load the engines."""
REPLACE_LIMIT_S = 20.0
NUM_SHORT = 2
"""Checks, readouts and analyses at a time, each: one user has at most one of them."""


class LocalExecutor:
    """`num_workers` processes for jobs; and for checks, readouts and analyses, which wait for no job, two each.

    Processes start when they are first needed. From then on a spare one is kept warm: one that is stopped at its time
    limit, or with its job, leaves nobody waiting for the engines' import.
    """

    def __init__(self, num_workers: int, limits: Limits) -> None:
        self._limits = limits
        self._num_workers = num_workers
        self._processes = processes = _Processes(limits.worker_memory_bytes)
        self._runners = _Crew(processes)
        self._checkers = _Crew(processes, Turns(NUM_SHORT, "circuit checks"))
        self._readers = _Crew(processes, Turns(NUM_SHORT, "readouts"))
        self._analysts = _Crew(processes, Turns(NUM_SHORT, "error models"))

    @property
    def num_slots(self) -> int:
        return self._num_workers

    async def check(self, task: CheckTask, user: str) -> CheckOutcome:
        return await self._checkers.call(worker.check, task, self._limits.check_time_limit_s, user)

    async def run_short(self, task: RunTask, user: str) -> RunOutcome:
        return await self._readers.call(worker.run, task, self._limits.check_time_limit_s, user)

    async def analyse(self, task: AnalysisTask, user: str) -> AnalysisOutcome:
        return await self._analysts.call(worker.analyse, task, self._limits.check_time_limit_s, user)

    async def run(self, task: RunTask) -> RunOutcome:
        return await self._runners.call(worker.run_job, task, self._limits.job_time_limit_s)

    async def close(self) -> None:
        await self._processes.close()


class _Processes:
    """Makes worker processes, each in a pool of its own, and keeps a spare one.

    What the processes of one pool share, locks and a pipe, one that is killed may leave locked for the others.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._pools: set[ProcessPool] = set()
        self._spare: ProcessPool | None = None
        self._start: asyncio.Task[None] | None = None  # of the spare one
        self._closed = False

    def take(self) -> ProcessPool:
        """The spare one, else a new one, which starts with its first task."""
        pool, self._spare = self._spare or self._new(), None
        return pool

    def refill(self) -> None:
        """Start another spare one when there is none: after a task, whose start it would slow down before."""
        if self._spare is None and not self._closed:
            self._spare = self._new()
            self._start = asyncio.create_task(_start(self._spare))

    async def ready(self) -> None:
        """Wait until there is a spare one that has started.

        Who had a process stopped holds its place until then: a row of tasks that are stopped as soon as they run would
        keep everybody waiting for processes that start.
        """
        self.refill()
        if self._start is not None:
            await asyncio.wait([self._start], timeout=REPLACE_LIMIT_S)

    def end(self, pool: ProcessPool) -> None:
        self._pools.discard(pool)
        asyncio.get_running_loop().run_in_executor(None, _end, pool)

    async def close(self) -> None:
        self._closed = True
        await asyncio.to_thread(_end, *self._pools)

    def _new(self) -> ProcessPool:
        pool = ProcessPool(
            max_workers=1,
            initializer=worker.start,
            initargs=[self._memory_bytes],
            context=multiprocessing.get_context("spawn"),
        )
        self._pools.add(pool)
        return pool


class _Crew:
    """Processes of one purpose, with one task at a time each. As many as `turns` has places; without, as are asked."""

    def __init__(self, processes: _Processes, turns: Turns | None = None) -> None:
        self._processes = processes
        self._turns = turns
        self._idle: list[ProcessPool] = []

    async def call(self, function: Callable[[Task], T], task: Task, time_limit_s: float, user: str = "") -> T:
        """Run in the next process that is free; see `Executor` for what it raises. Stopped when the caller gives up."""
        async with self._turn(task, user):
            pool = self._idle.pop() if self._idle else self._processes.take()
            if not pool.active:  # its process died between two tasks
                self._processes.end(pool)
                pool = self._processes.take()
            is_usable = True
            try:
                return await _call(pool, function, task, time_limit_s)
            except (WorkerLostError, TimeLimitError, asyncio.CancelledError):
                is_usable = False
                raise
            finally:
                if is_usable:
                    self._idle.append(pool)
                    self._processes.refill()
                else:
                    self._processes.end(pool)
                    await self._processes.ready()

    def _turn(self, task: object, user: str) -> AbstractAsyncContextManager[None]:
        if self._turns is None:
            return nullcontext()
        circuits: tuple[bytes, ...] = getattr(task, "circuits", ())
        return self._turns.turn(user, sum(map(len, circuits)))


async def _start(pool: ProcessPool) -> None:
    """Give it a first task: Pebble starts a pool's process with it."""
    try:
        await _call(pool, _nothing, None, START_LIMIT_S)
    except (WorkerLostError, TimeLimitError) as error:  # who takes it finds out, and takes another
        log.warning("a worker process did not start", reason=str(error))


def _nothing(_task: None) -> None:
    """A first task."""


def _end(*pools: ProcessPool) -> None:
    for pool in pools:
        pool.stop()  # type: ignore[no-untyped-call]
    for pool in pools:
        pool.join()


async def _call(pool: ProcessPool, function: Callable[[Task], T], task: Task, time_limit_s: float) -> T:
    try:
        future = pool.schedule(function, args=(task,), timeout=time_limit_s)
        # Pebble stops the task at its limit; the second one is for a pool that broke as it took the task
        value: T = await asyncio.wait_for(asyncio.wrap_future(future), time_limit_s + START_LIMIT_S)
    except TimeoutError as error:
        raise TimeLimitError(f"stopped after its time limit of {time_limit_s:g} s") from error
    except ProcessExpired as error:
        raise WorkerLostError(f"the worker process died (exit code {error.exitcode})") from error
    except CancelledError as error:
        raise WorkerLostError("the worker pool was stopped") from error
    except RuntimeError as error:  # Pebble's word for a pool that cannot be repaired
        raise WorkerLostError(f"the worker pool broke: {error}") from error
    return value
