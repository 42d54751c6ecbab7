"""Where batches run: a thread, worker processes on this machine, or others that give plain futures."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import wait as wait_for
from typing import Protocol

from pebble import ProcessExpired, ProcessFuture, ProcessPool

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
        self._thread.shutdown(wait=False, cancel_futures=True)  # a batch may take minutes, and cannot be broken off


@dataclass(frozen=True)
class _Attempt:
    """A batch on its way through the pool; `left` counts the attempts that it still has, this one included."""

    task: BatchTask
    outcome: BatchFuture
    left: int = MAX_ATTEMPTS


class PoolExecutor:
    """Processes on this machine. One that dies is replaced, and its batch runs again.

    Each process is a pool of one and has one batch at a time: of what processes share, a lock or a pipe, one that is
    killed may leave the others a lock that is never released, or half a message.
    """

    def __init__(self, num_workers: int) -> None:
        for name in ONE_THREAD:  # inherited by the workers, before they import numpy
            os.environ.setdefault(name, "1")
        self._num_workers = num_workers
        self._lock = threading.Lock()
        self._waiting: deque[_Attempt] = deque()
        self._idle = [_pool_of_one() for _ in range(num_workers)]
        self._busy: dict[ProcessPool, tuple[_Attempt, Future[BatchResult]]] = {}
        self._closed = False

    def num_slots(self) -> int:
        """See `Executor.num_slots`."""
        with self._lock:
            # a pool can break in the moment in which it takes a batch, and then says nothing of it
            broken = [worker for worker, (_, future) in self._busy.items() if not (worker.active or future.done())]
        for worker in broken:
            self._settle(worker, BrokenProcessPool("the pool broke"))
        return BATCHES_PER_WORKER * self._num_workers

    def submit(self, task: BatchTask) -> BatchFuture:
        """See `Executor.submit`."""
        attempt = _Attempt(task, Future())
        self._waiting.append(attempt)
        self._begin()
        return attempt.outcome

    def close(self) -> None:
        """See `Executor.close`."""
        with self._lock:
            self._closed = True
            workers = [*self._idle, *self._busy]
            given_up = [*self._waiting, *(attempt for attempt, _ in self._busy.values())]
            self._waiting.clear()
            self._busy.clear()
        for worker in workers:
            worker.stop()  # type: ignore[no-untyped-call]
        for worker in workers:
            worker.join()
        for attempt in given_up:
            attempt.outcome.set_exception(WorkersError("the worker processes were stopped"))

    def _begin(self) -> None:
        """Give what waits to the workers that are idle."""
        while True:
            with self._lock:
                if self._closed or not (self._waiting and self._idle):
                    return
                attempt, worker = self._waiting.popleft(), self._idle.pop()
                try:
                    with _interrupts_held():
                        future = worker.schedule(run_batch, args=(attempt.task,), timeout=BATCH_LIMIT_S)
                except RuntimeError as error:  # it died while it was idle, or could not be started
                    future = ProcessFuture()
                    future.set_exception(BrokenProcessPool(str(error)))
                self._busy[worker] = attempt, future
            future.add_done_callback(partial(self._take, worker))

    def _take(self, worker: ProcessPool, done: Future[BatchResult]) -> None:
        self._settle(worker, CancelledError() if done.cancelled() else done.exception() or done.result())

    def _settle(self, worker: ProcessPool, outcome: BatchResult | BaseException) -> None:
        with self._lock:
            attempt, _ = self._busy.pop(worker, (None, None))
            if attempt is None:  # settled already, or given up
                return
            lost = isinstance(outcome, ProcessExpired | BrokenProcessPool)
            self._idle.append(_pool_of_one() if lost else worker)
            if lost and attempt.left > 1:
                self._waiting.appendleft(replace(attempt, left=attempt.left - 1))
        if lost:
            worker.stop()  # type: ignore[no-untyped-call]
            threading.Thread(target=worker.join, daemon=True).start()  # this may be one of the threads that it joins
        if not isinstance(outcome, BaseException):
            attempt.outcome.set_result(outcome)
        elif not lost:
            attempt.outcome.set_exception(outcome)
        elif attempt.left == 1:
            attempt.outcome.set_exception(
                LoopError(f"batch {attempt.task.index} lost its worker process {MAX_ATTEMPTS} times ({outcome})")
            )
        self._begin()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """No signal stops this process here, and those that begin in this block never see Ctrl-C, not even at first."""
    resource_tracker.ensure_running()  # which would let signals through again when it is started later
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _termination_held():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _termination_held() -> Iterator[None]:
    """As for Ctrl-C, but not by a mask: what begins would inherit it, and SIGTERM is what that is stopped with."""
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        if came:
            signal.raise_signal(signal.SIGTERM)


def _pool_of_one() -> ProcessPool:
    return ProcessPool(max_workers=1, initializer=_start_worker, context=multiprocessing.get_context("spawn"))


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
