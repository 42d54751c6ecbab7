"""The executor on a Dask cluster that is there already: several twins over one database share its workers."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from twin.errors import TwinError
from twin.jobs import worker
from twin.jobs.executor import ExecutorError, TimeLimitError, WorkerLostError
from twin.jobs.model import AnalysisOutcome, AnalysisTask, CheckOutcome, CheckTask, RunOutcome, RunTask
from twin.jobs.turns import Turns
from twin.settings import Limits

T = TypeVar("T")
Task = TypeVar("Task")
CHECK_PRIORITY = 10
NUM_SHORT = 4
"""Checks, readouts and analyses at a time, together: one user has at most three of them."""
CONNECT_TIMEOUT_S = 5


class DaskExecutor:
    """Tasks on a scheduler's workers; checks go before jobs. Worker limits are the cluster's own."""

    def __init__(self, address: str, limits: Limits) -> None:
        try:
            self._distributed: Any = importlib.import_module("distributed")  # optional, and without types
        except ImportError as error:
            raise TwinError("executor: a Dask cluster needs its client: pip install 'qtwin[dask]'") from error
        self._limits = limits
        self._address = address
        self._client: Any = None
        self._opening = asyncio.Lock()
        self._num_slots = 2
        self._turns = Turns(NUM_SHORT, "circuit checks and readouts")

    @property
    def num_slots(self) -> int:
        return self._num_slots

    async def check(self, task: CheckTask, user: str) -> CheckOutcome:
        return await self._call_short(worker.check, task, user)

    async def run(self, task: RunTask) -> RunOutcome:
        return await self._call(worker.run, task, self._limits.job_time_limit_s, 0)

    async def run_short(self, task: RunTask, user: str) -> RunOutcome:
        return await self._call_short(worker.run, task, user)

    async def analyse(self, task: AnalysisTask, user: str) -> AnalysisOutcome:
        return await self._call_short(worker.analyse, task, user)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _opened(self) -> Any:
        async with self._opening:
            if self._client is None:
                try:
                    client = await self._distributed.Client(self._address, asynchronous=True, timeout=CONNECT_TIMEOUT_S)
                except OSError as error:
                    raise ExecutorError(
                        f"no Dask scheduler answers at {self._address}: {error.strerror or error}"
                    ) from error
                threads = await client.nthreads()
                self._num_slots = max(2, 2 * sum(threads.values()))  # a task waits at each worker while one runs
                self._client = client
        return self._client

    async def _call_short(self, function: Callable[[Task], T], task: Task, user: str) -> T:
        async with self._turns.turn(user):
            return await self._call(function, task, self._limits.check_time_limit_s, CHECK_PRIORITY)

    async def _call(self, function: Callable[[Task], T], task: Task, time_limit_s: float, priority: int) -> T:
        client = await self._opened()
        future = client.submit(function, task, priority=priority, pure=False, retries=0)
        try:
            value: T = await asyncio.wait_for(future.result(), time_limit_s)
        except TimeoutError as error:
            await future.cancel(force=True)
            raise TimeLimitError(f"stopped after its time limit of {time_limit_s:g} s") from error
        except asyncio.CancelledError:  # a thread of a cluster's worker runs on, but nobody takes what it gives
            future.release()
            raise
        except (self._distributed.KilledWorker, self._distributed.CancelledError) as error:
            raise WorkerLostError(f"a worker of the cluster died: {error}") from error
        return value
