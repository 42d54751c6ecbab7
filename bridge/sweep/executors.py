"""Where batches run: a thread, worker processes on this machine, or others that give plain futures."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from multiprocessing.connection import wait as wait_for
from typing import Protocol

from pebble import ProcessExpired, ProcessPool

from bridge.errors import LoopError, WorkersError
from bridge.sweep.batch import BatchResult, BatchTask, run_batch

BATCH_LIMIT_S = 3600.0
BATCHES_PER_WORKER = 2
MAX_ATTEMPTS = 3
LOOK_AROUND_S = 5.0
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

BatchFuture = Future[BatchResult]


class Executor(Protocol):
    """Runs batches somewhere."""

    def num_slots(self) -> int:
        """How many batches should be under way; raises WorkersError when the workers are gone."""

    def submit(self, task: BatchTask) -> BatchFuture:
        """Begin a batch, or put it in the queue. Its future raises BridgeError for the batch's own failure."""

    def close(self) -> None:
        """Stop; what is under way is given up."""


class ThreadExecutor:
    """One thread of this process: nothing to start, and nothing to replace if the decoder brings the process down."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)

    def num_slots(self) -> int:
        """See `Executor.num_slots`."""
        return BATCHES_PER_WORKER

    def submit(self, task: BatchTask) -> BatchFuture:
        """See `Executor.submit`."""
        return self._thread.submit(run_batch, task)

    def close(self) -> None:
        """See `Executor.close`."""
        self._thread.shutdown(cancel_futures=True)


class PoolExecutor:
    """Processes on this machine. One that dies is replaced, and its batch runs again elsewhere."""

    def __init__(self, num_workers: int) -> None:
        for name in ONE_THREAD:  # inherited by the workers, before they import numpy
            os.environ.setdefault(name, "1")
        self._num_workers = num_workers
        self._pool = ProcessPool(
            max_workers=num_workers, initializer=_start_worker, context=multiprocessing.get_context("spawn")
        )

    def num_slots(self) -> int:
        """See `Executor.num_slots`."""
        return BATCHES_PER_WORKER * self._num_workers

    def submit(self, task: BatchTask) -> BatchFuture:
        """See `Executor.submit`."""
        outcome: BatchFuture = Future()
        self._attempt(task, outcome, MAX_ATTEMPTS)
        return outcome

    def close(self) -> None:
        """See `Executor.close`."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _attempt(self, task: BatchTask, outcome: BatchFuture, attempts_left: int) -> None:
        try:
            future = self._pool.schedule(run_batch, args=(task,), timeout=BATCH_LIMIT_S)
        except RuntimeError as error:  # Pebble's word for a pool that was stopped or cannot be repaired
            outcome.set_exception(WorkersError(f"the worker processes are gone: {error}"))
            return

        def settle(done: Future[BatchResult]) -> None:
            if done.cancelled():
                outcome.set_exception(WorkersError("the worker processes were stopped"))
                return
            error = done.exception()
            if error is None:
                outcome.set_result(done.result())
            elif not isinstance(error, ProcessExpired):
                outcome.set_exception(error)
            elif attempts_left > 1:
                self._attempt(task, outcome, attempts_left - 1)
            else:
                outcome.set_exception(
                    LoopError(f"batch {task.index} killed its worker {MAX_ATTEMPTS} times (exit {error.exitcode})")
                )

        future.add_done_callback(settle)


def _start_worker() -> None:
    """Ctrl-C goes to the whole group, but the sweep stops its workers; a sweep that was killed cannot."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def first_done(futures: list[BatchFuture], executor: Executor) -> set[BatchFuture]:
    """Futures that are done, at least one.

    Raises:
        LoopError: none is within the limit. WorkersError: the workers went away meanwhile.
    """
    end = time.monotonic() + BATCH_LIMIT_S
    while time.monotonic() < end:
        done, _ = wait(futures, timeout=LOOK_AROUND_S, return_when="FIRST_COMPLETED")
        if done:
            return done
        executor.num_slots()  # looks whether the workers are still there
    raise LoopError(f"no batch ended within {BATCH_LIMIT_S:g} s; are the workers alive?")
