"""Runs a sweep: gives batches to the workers, takes each one once and in order, and knows when a point is done.

Batches may end in any order, twice, or never because their worker died. Counted is always the same sequence: batches
0, 1, 2, ... of a point up to the first that reaches its limits. That is why a resumed sweep, and one whose workers were
killed, ends with the counts of an undisturbed one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bridge.errors import BridgeError, LoopError, WorkersError
from bridge.sweep.batch import BatchResult
from bridge.sweep.executors import BatchFuture, Executor, first_done
from bridge.sweep.points import Point
from bridge.sweep.results import Recorder
from bridge.sweep.totals import Totals, totals_of


class SweepWatcher(Protocol):
    """Told of progress."""

    def stage(self, text: str) -> None:
        """A new step began."""

    def progress(self, point: Point, totals: Totals, finished: bool) -> None:
        """A point has counted one more batch, or is finished."""

    def skipped(self, reason: str) -> None:
        """A decoder was left out for a memory."""

    def failed(self, point: Point, error: BridgeError) -> None:
        """A point cannot go on."""


@dataclass
class PointState:
    """How far a point has come."""

    point: Point
    totals: Totals
    next_submitted: int
    early: dict[int, BatchResult | BridgeError] = field(default_factory=dict)
    error: BridgeError | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will be counted."""
        counts = self.totals.counts
        return self.error is not None or self.point.is_done(counts["shots"], counts["errors"])

    @property
    def wants_more(self) -> bool:
        """Whether one more batch may be needed."""
        return not self.is_finished and self.next_submitted < self.point.num_batches


def run_points(
    points: Sequence[Point], executor: Executor, recorder: Recorder, watcher: SweepWatcher
) -> Mapping[str, PointState]:
    """Run every point to its end.

    A point that fails does not stop the others; its state carries the error.

    Args:
        points: in the order in which they are begun.
        executor: where batches run.
        recorder: what it holds counts already; what is counted now is appended.
        watcher: told of progress.

    Raises:
        WorkersError: the workers are gone.
    """
    before = totals_of(recorder.batches)
    states = {}
    for point in points:
        totals = before.get(point.point_id, Totals())
        states[point.point_id] = PointState(point, totals, totals.num_batches)
        watcher.progress(point, totals, states[point.point_id].is_finished)
    under_way: dict[BatchFuture, tuple[PointState, int]] = {}
    while True:
        _submit(states, executor, under_way)
        if all(state.is_finished for state in states.values()):
            return states
        if not under_way:
            raise LoopError("the sweep has nothing under way, but is not finished")
        for future in first_done(list(under_way), executor):
            state, index = under_way.pop(future)
            _take(future, state, index, recorder, watcher)


def _submit(
    states: Mapping[str, PointState], executor: Executor, under_way: dict[BatchFuture, tuple[PointState, int]]
) -> None:
    """Keep the workers busy with the first points that may want more."""
    free = executor.num_slots() - len(under_way)
    for state in states.values():
        while free > 0 and state.wants_more:
            index = state.next_submitted
            under_way[executor.submit(state.point.task(index))] = (state, index)
            state.next_submitted += 1
            free -= 1


def _take(future: BatchFuture, state: PointState, index: int, recorder: Recorder, watcher: SweepWatcher) -> None:
    """Count a batch as soon as all before it are counted; what comes after the point's end is dropped."""
    if state.is_finished:
        return
    state.early[index] = _outcome(future, index)
    while not state.is_finished and state.totals.num_batches in state.early:
        outcome = state.early.pop(state.totals.num_batches)
        if isinstance(outcome, BridgeError):
            state.error = outcome
            watcher.failed(state.point, outcome)
            return
        kept = max(0, state.point.archive_shots - state.totals.archived)
        batch = replace(outcome, archive=outcome.archive[:kept])
        recorder.append(batch)
        state.totals.add(batch)
        watcher.progress(state.point, state.totals, state.is_finished)


def _outcome(future: BatchFuture, index: int) -> BatchResult | BridgeError:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, WorkersError):
        raise error
    return error if isinstance(error, BridgeError) else LoopError(f"batch {index}: {type(error).__name__}: {error}")
