"""Batches on the workers of a Dask scheduler that is there already."""

import importlib
import logging
import time
from concurrent.futures import CancelledError, Future
from typing import Any

from bridge.errors import BridgeError, LoopError, WorkersError
from bridge.sweep.batch import BatchResult, BatchTask, run_batch

BATCHES_PER_WORKER = 2
CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 120
WORKERS_TIMEOUT_S = 60
RECOUNT_S = 5.0


class DaskExecutor:
    """Workers of a scheduler that is there already; Dask runs a dead worker's batches again elsewhere."""

    def __init__(self, address: str) -> None:
        """Raises LoopError: no client library, no scheduler, or no worker."""
        try:
            self._distributed: Any = importlib.import_module("distributed")  # optional, and without types
        except ImportError as error:
            raise LoopError("--scheduler needs Dask's client: pip install 'qtwin[dask]'") from error
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it is raised here, in one message
        self._address = address
        try:
            self._client: Any = self._distributed.Client(address, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise LoopError(f"no Dask scheduler answers at {address}: {error}") from error
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_TIMEOUT_S)
        except OSError as error:
            self._client.close(timeout=CONNECT_TIMEOUT_S)
            no_worker = isinstance(error, TimeoutError)  # else the scheduler is gone again
            raise LoopError(self._no_worker() if no_worker else self._lost(error)) from error
        self._counted_at = self._seen_at = float("-inf")
        self._num_threads = 1

    def num_slots(self) -> int:
        """See `Executor.num_slots`. Workers come and go: they are counted again every few seconds."""
        now = time.monotonic()
        if now - self._counted_at > RECOUNT_S:
            num_threads = self._count_threads()
            self._counted_at = time.monotonic()
            if num_threads or self._seen_at == float("-inf"):
                self._num_threads, self._seen_at = max(1, num_threads), now
            elif now - self._seen_at > WORKERS_TIMEOUT_S:
                raise WorkersError(self._no_worker())
        return BATCHES_PER_WORKER * self._num_threads

    def submit(self, task: BatchTask) -> Future[BatchResult]:
        """See `Executor.submit`."""
        outcome: Future[BatchResult] = Future()
        try:
            found = self._client.submit(run_batch, task, pure=False)
        except Exception as error:  # Dask has no one word for a client that was closed under way
            raise WorkersError(self._lost(error)) from error
        # Not Client.get_executor: its futures stay open when fetching a result fails.
        self._client.loop.add_callback(self._settle, task.index, found, outcome)
        return outcome

    def close(self) -> None:
        """See `Executor.close`."""
        self._client.close(timeout=CONNECT_TIMEOUT_S)

    async def _settle(self, index: int, found: Any, outcome: Future[BatchResult]) -> None:
        """Wait for Dask's future and give its end to ours, whatever that end is; in the thread of Dask's client."""
        try:
            (result,) = await self._client.gather([found], asynchronous=True)
        except BridgeError as error:
            outcome.set_exception(error)
        except self._distributed.KilledWorker as error:
            times = error.allowed_failures + 1
            outcome.set_exception(LoopError(f"batch {index} killed {times} workers of the Dask cluster, one by one"))
        except ImportError as error:
            outcome.set_exception(
                WorkersError(f"a Dask worker has another Python environment ({error}); install the same qtwin there")
            )
        except (OSError, CancelledError, self._distributed.CancelledError) as error:
            # the same errors may be the batch's own, such as a full disk on the worker
            outcome.set_exception(error if found.status == "error" else WorkersError(self._lost(error)))
        except BaseException as error:
            outcome.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            outcome.set_result(result)

    def _count_threads(self) -> int:
        try:
            found = self._client.sync(self._client.scheduler.ncores, callback_timeout=ANSWER_TIMEOUT_S)
        except Exception as error:  # as in `submit`
            raise WorkersError(self._lost(error)) from error
        return sum(found.values())

    def _lost(self, error: BaseException) -> str:
        # a cancelled future says nothing more than that
        reason = f" ({type(error).__name__}: {error})" if isinstance(error, OSError) else ""
        return f"the Dask scheduler at {self._address} went away{reason}"

    def _no_worker(self) -> str:
        return (
            f"the Dask scheduler at {self._address} has had no worker for {WORKERS_TIMEOUT_S:g} s; "
            f"start one with `dask worker {self._address} --nthreads 1`"
        )
