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
from twin.jobs.model import CheckTask, CircuitFault, RunOutcome, RunTask
from twin.settings import Limits

T = TypeVar("T")
Task = TypeVar("Task")


class LocalExecutor:
    """`num_workers` processes for jobs, and one more for what must not wait for a job: checks and readouts."""

    def __init__(self, num_workers: int, limits: Limits) -> None:
        self._limits = limits
        self._num_workers = num_workers
        self._runners = self._new_pool(num_workers)
        self._checkers = self._new_pool(1)

    @property
    def num_slots(self) -> int:
        return self._num_workers

    async def check(self, task: CheckTask) -> list[CircuitFault]:
        return await self._at_once(worker.check, task)

    async def run_short(self, task: RunTask) -> RunOutcome:
        return await self._at_once(worker.run, task)

    async def run(self, task: RunTask) -> RunOutcome:
        if not self._runners.active:
            self._runners = self._new_pool(self._num_workers)
        return await _call(self._runners, worker.run, task, self._limits.job_time_limit_s)

    async def close(self) -> None:
        def stop() -> None:
            for pool in (self._runners, self._checkers):
                pool.stop()  # type: ignore[no-untyped-call]
                pool.join()

        await asyncio.to_thread(stop)

    async def _at_once(self, function: Callable[[Task], T], task: Task) -> T:
        if not self._checkers.active:
            self._checkers = self._new_pool(1)
        return await _call(self._checkers, function, task, self._limits.check_time_limit_s)

    def _new_pool(self, num_workers: int) -> ProcessPool:
        return ProcessPool(
            max_workers=num_workers,
            initializer=worker.start,
            initargs=[self._limits.worker_memory_bytes],
            context=multiprocessing.get_context("spawn"),
        )


async def _call(pool: ProcessPool, function: Callable[[Task], T], task: Task, time_limit_s: float) -> T:
    try:
        future = pool.schedule(function, args=(task,), timeout=time_limit_s)
        value: T = await asyncio.wrap_future(future)
    except TimeoutError as error:
        raise TimeLimitError(f"stopped after its time limit of {time_limit_s:g} s") from error
    except ProcessExpired as error:
        raise WorkerLostError(f"the worker process died (exit code {error.exitcode})") from error
    except CancelledError as error:
        raise WorkerLostError("the worker pool was stopped") from error
    except RuntimeError as error:  # Pebble's word for a pool that cannot be repaired; the next call makes a new one
        raise WorkerLostError(f"the worker pool broke: {error}") from error
    return value
