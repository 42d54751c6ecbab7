"""Worker processes and Dask workers that are killed in the middle: no result is lost, none is counted twice."""

import gc
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge.errors import BridgeError, LoopError, WorkersError
from bridge.sweep.coordinator import run_points
from bridge.sweep.dask_executor import DaskExecutor
from bridge.sweep.executors import Executor, PoolExecutor, ThreadExecutor
from bridge.sweep.folder import RunFolder
from bridge.sweep.points import Point
from bridge.sweep.results import Recorder
from bridge.sweep.totals import Totals
from tests.bridge.sweep.cluster import START_S, dask_cluster
from tests.bridge.sweep.points import repetition_point, without_times

KILL_AFTER = 4


@pytest.fixture
def distributed() -> Iterator[Any]:
    """Dask's library. Its client leaves sockets to a scheduler that died to the garbage collector."""
    yield pytest.importorskip("distributed", reason="the dask extra is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


class KillsAWorker:
    """A watcher that kills one worker as soon as a few batches are counted."""

    def __init__(self, find_worker: Callable[[], int]) -> None:
        self._find_worker = find_worker
        self.killed: int | None = None
        self._counted = 0

    def stage(self, text: str) -> None:
        """See `SweepWatcher.stage`."""

    def skipped(self, reason: str) -> None:
        """See `SweepWatcher.skipped`."""

    def failed(self, point: Point, error: BridgeError) -> None:
        """See `SweepWatcher.failed`."""
        raise AssertionError(f"{point.label}: {error}")

    def progress(self, point: Point, totals: Totals, finished: bool) -> None:
        """See `SweepWatcher.progress`."""
        del point, finished
        self._counted += totals.num_batches > 0
        if self._counted == KILL_AFTER and self.killed is None:
            self.killed = self._find_worker()
            os.kill(self.killed, signal.SIGKILL)


class Undisturbed(KillsAWorker):
    """Kills nobody."""

    def __init__(self) -> None:
        super().__init__(lambda: 0)

    def progress(self, point: Point, totals: Totals, finished: bool) -> None:
        """See `SweepWatcher.progress`."""


def points() -> list[Point]:
    """RTL in Verilator and software, 40 batches in all."""
    return [
        repetition_point("table", "verilated", max_errors=None, max_shots=10_000),
        repetition_point("pymatching", max_errors=700, max_shots=10_000),
    ]


def run(folder: Path, executor: Executor, watcher: KillsAWorker) -> list[dict[str, Any]]:
    run_folder = RunFolder(folder)
    run_folder.save_points(points())
    with closing(executor), Recorder(run_folder, run_folder.points()) as recorder:
        run_points(points(), executor, recorder, watcher)
        found = [without_times(batch) for batch in recorder.batches]
    return sorted(found, key=lambda batch: (batch["point_id"], batch["index"]))


def undisturbed(folder: Path) -> list[dict[str, Any]]:
    return run(folder, ThreadExecutor(), Undisturbed())


def command_of(process: psutil.Process) -> str:
    """Its command line; empty when it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def newest_child() -> int:
    """A process of the pool: the youngest child that is a worker of multiprocessing."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        workers = [child for child in psutil.Process().children() if "spawn_main" in command_of(child)]
        if workers:
            return int(max(workers, key=lambda child: child.create_time()).pid)
        time.sleep(0.05)
    raise AssertionError("the pool has no worker")


def test_pool_with_a_worker_killed_counts_as_an_undisturbed_run(tmp_path: Path) -> None:
    watcher = KillsAWorker(newest_child)
    found = run(tmp_path / "killed", PoolExecutor(2), watcher)
    assert watcher.killed is not None
    assert not psutil.pid_exists(watcher.killed)
    assert found == undisturbed(tmp_path / "undisturbed")


def test_workers_that_are_killed_while_idle_are_replaced() -> None:
    with closing(PoolExecutor(1)) as executor:
        point = repetition_point()
        for index in range(3):
            assert executor.submit(point.task(index)).result(START_S).index == index
            os.kill(newest_child(), signal.SIGKILL)


def test_batch_that_always_brings_its_worker_down_fails_alone() -> None:
    fatal = repetition_point("sinter:tests.bridge.sweep.strange:decoders:fatal")
    with closing(PoolExecutor(2)) as executor:
        lost = executor.submit(fatal.task(0))
        others = [executor.submit(repetition_point().task(index)) for index in range(3)]
        assert [other.result(START_S).index for other in others] == [0, 1, 2]
        with pytest.raises(LoopError, match=r"batch 0 lost its worker process 3 times .*Abnormal termination"):
            lost.result(START_S)


def test_closing_gives_up_what_is_under_way() -> None:
    executor = PoolExecutor(1)
    outcomes = [executor.submit(repetition_point().task(index)) for index in range(4)]
    executor.close()
    for outcome in outcomes:
        with pytest.raises(WorkersError, match="were stopped"):
            outcome.result(START_S)


def test_four_dask_workers_with_one_killed_count_as_an_undisturbed_run(distributed: Any, tmp_path: Path) -> None:
    with dask_cluster(tmp_path, 4) as cluster:
        with distributed.Client(cluster.address, set_as_default=False) as client:
            client.wait_for_workers(4, timeout=START_S)
        watcher = KillsAWorker(lambda: cluster.workers[0].pid)
        found = run(tmp_path / "killed", DaskExecutor(cluster.address), watcher)
        assert cluster.workers[0].wait(START_S) == -signal.SIGKILL
    assert found == undisturbed(tmp_path / "undisturbed")


@pytest.mark.usefixtures("distributed")
def test_scheduler_that_dies_is_a_clear_error_and_the_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    with dask_cluster(tmp_path, 1) as cluster:
        watcher = KillsAWorker(lambda: cluster.scheduler.pid)
        with pytest.raises(WorkersError, match=f"the Dask scheduler at {cluster.address} went away"):
            run(tmp_path / "cut", DaskExecutor(cluster.address), watcher)
    assert KILL_AFTER <= len(RunFolder(tmp_path / "cut").batches()) < 40
    assert run(tmp_path / "cut", ThreadExecutor(), Undisturbed()) == undisturbed(tmp_path / "undisturbed")


@pytest.mark.usefixtures("distributed")
def test_scheduler_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(LoopError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        DaskExecutor("tcp://127.0.0.1:9")
