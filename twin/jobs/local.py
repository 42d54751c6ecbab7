"""The default executor: worker processes on this machine, kept by Pebble, which replaces one that dies."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import CancelledError, TimeoutError
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

from twin.jobs import worker
from twin.jobs.executor import TimeLimitError, WorkerLostError
from twin.jobs.model import CheckOutcome, CheckTask, RunOutcome, RunTask
from twin.settings import Limits

T = TypeVar("T")
Task = TypeVar("Task")
START_LIMIT_S = 120.0
"""For a process to start and to load the engines."""


class LocalExecutor:
    """`num_workers` processes for jobs, and one more for what must not wait for a job: checks and readouts."""

    def __init__(self, num_workers: int, limits: Limits) -> None:
        self._limits = limits
        self._num_workers = num_workers
        self._runners = _Crew(num_workers, limits.worker_memory_bytes)
        self._checker = _Crew(1, limits.worker_memory_bytes)

    @property
    def num_slots(self) -> int:
        return self._num_workers

    async def check(self, task: CheckTask) -> CheckOutcome:
        return await self._checker.call(worker.check, task, self._limits.check_time_limit_s)

    async def run_short(self, task: RunTask) -> RunOutcome:
        return await self._checker.call(worker.run, task, self._limits.check_time_limit_s)

    async def run(self, task: RunTask) -> RunOutcome:
        return await self._runners.call(worker.run, task, self._limits.job_time_limit_s)

    async def close(self) -> None:
        pools = self._runners.pools | self._checker.pools
        await asyncio.to_thread(_end, *pools)


class _Crew:
    """Worker processes with one task at a time, each in a pool of its own.

    What the processes of one pool share, locks and a pipe, one that is killed may leave locked for the others.
    """

    def __init__(self, size: int, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self.pools: set[ProcessPool] = set()
        self._idle: asyncio.Queue[ProcessPool] = asyncio.Queue()
        for _ in range(size):
            self._idle.put_nowait(self._new_pool())

    async def call(self, function: Callable[[Task], T], task: Task, time_limit_s: float) -> T:
        """Run in the next process that is free; see `Executor` for what it raises."""
        pool = await self._idle.get()
        try:
            if not pool.active:  # its process died between two tasks
                pool = self._replace(pool)
            return await _call(pool, function, task, time_limit_s)
        except WorkerLostError:
            pool = self._replace(pool)
            raise
        finally:
            self._idle.put_nowait(pool)

    def _replace(self, pool: ProcessPool) -> ProcessPool:
        self.pools.discard(pool)
        asyncio.get_running_loop().run_in_executor(None, _end, pool)
        return self._new_pool()

    def _new_pool(self) -> ProcessPool:
        pool = ProcessPool(
            max_workers=1,
            initializer=worker.start,
            initargs=[self._memory_bytes],
            context=multiprocessing.get_context("spawn"),
        )
        self.pools.add(pool)
        return pool


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
