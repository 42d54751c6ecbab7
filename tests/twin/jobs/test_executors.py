"""Worker processes: killed, out of time and out of memory, with a reason, and replaced."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from tests.twin.conftest import BELL, ServedTwin, wait_until
from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.snapshot import compose
from twin.jobs.executor import TimeLimitError, WorkerLostError
from twin.jobs.local import LocalExecutor
from twin.jobs.model import CheckTask, RunTask
from twin.settings import Limits, default_config_dir

SLOW = {"qec_memory": {"code_family": "surface", "code_distance": 5, "rounds": 2000}}


@pytest.fixture
async def executor() -> AsyncIterator[LocalExecutor]:
    executor = LocalExecutor(1, Limits(job_time_limit_s=30, check_time_limit_s=30))
    yield executor
    await executor.close()


def task_of(circuit: object, shots: int = 100) -> RunTask:
    catalog = DeviceCatalog.load(default_config_dir())
    device = catalog.devices["ibm_jakarta_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    circuits = (orjson.dumps(circuit),)
    return RunTask("job", pickle.dumps(device), pickle.dumps(snapshot), circuits, shots, 1, False)


def workers() -> list[int]:
    """Children of this process that are Python workers."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and b"spawn_main" in command:
            found.append(int(status.parent.name))
    return found


async def test_a_killed_worker_is_told_and_replaced(executor: LocalExecutor) -> None:
    before = set(workers())
    await executor.run(task_of(BELL))
    running = asyncio.create_task(executor.run(task_of(SLOW, 3000)))
    await asyncio.sleep(0.5)
    for pid in set(workers()) - before:  # the spare one too
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerLostError, match="died"):
        await asyncio.wait_for(running, 20)
    assert (await executor.run(task_of(BELL))).document is not None


async def test_jobs_give_way_to_checks_and_these_to_the_service(executor: LocalExecutor) -> None:
    ours, before = os.getpriority(os.PRIO_PROCESS, 0), set(workers())
    await executor.run(task_of(BELL))
    await executor.run(task_of(BELL))
    await executor.check(CheckTask(task_of(BELL).device, (orjson.dumps(BELL),)), "user")

    def niceness() -> list[int]:
        return sorted(os.getpriority(os.PRIO_PROCESS, pid) for pid in set(workers()) - before)

    short, job = min(ours + 5, 19), min(ours + 10, 19)
    await asyncio.to_thread(wait_until, lambda: niceness() == [short, short, job], "a checker, a spare one and a job's")


async def test_who_has_a_worker_stopped_holds_the_place_until_another_has_started(executor: LocalExecutor) -> None:
    ours, before = os.getpriority(os.PRIO_PROCESS, 0), set(workers())
    running = asyncio.create_task(executor.run(task_of(SLOW, 3000)))
    await asyncio.sleep(1.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 30)
    niceness = {os.getpriority(os.PRIO_PROCESS, pid) for pid in set(workers()) - before}
    assert min(ours + 5, 19) in niceness, "one that has started is nicer than this process"


async def test_an_idle_worker_that_is_killed_is_replaced(executor: LocalExecutor) -> None:
    before = set(workers())
    await executor.run(task_of(BELL))
    for pid in set(workers()) - before:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 90
    while True:
        assert time.monotonic() < deadline
        try:
            assert (await asyncio.wait_for(executor.run(task_of(BELL)), 80)).document is not None
            break
        except WorkerLostError:
            continue


async def test_a_task_over_its_time_is_stopped() -> None:
    executor = LocalExecutor(1, Limits(job_time_limit_s=1.0))
    try:
        with pytest.raises(TimeLimitError, match="1 s"):
            await asyncio.wait_for(executor.run(task_of(SLOW, 4000)), 100)
    finally:
        await executor.close()


async def test_a_check_does_not_wait_for_a_job(executor: LocalExecutor) -> None:
    task = task_of(BELL)
    assert (await executor.check(CheckTask(task.device, task.circuits), "a")).faults == ()
    running = asyncio.create_task(executor.run(task_of(SLOW, 3000)))
    await asyncio.sleep(0.2)
    outcome = await asyncio.wait_for(executor.check(CheckTask(task.device, (orjson.dumps("nonsense"),)), "a"), 10)
    assert len(outcome.faults) == 1
    assert not running.done()
    running.cancel()


def test_a_job_whose_worker_is_killed_runs_again(served: ServedTwin) -> None:
    with served.client() as client:
        before = set(workers())
        job_id = client.submit_job("willow_like", [SLOW], shots=1000, seed=1)["job_id"]
        wait_until(lambda: client.job(job_id)["status"] == "RUNNING", "running")
        time.sleep(0.3)
        for pid in set(workers()) | before:
            os.kill(pid, signal.SIGKILL)
        client.wait_for_job(job_id, 100)
        started = [event for event in client.telemetry_events(limit=1000)["events"] if event["job_id"] == job_id]
        assert [event["type"] for event in started].count("job.started") >= 2


@pytest.fixture
async def executor_of_two() -> AsyncIterator[LocalExecutor]:
    executor = LocalExecutor(1, Limits(job_time_limit_s=60, check_time_limit_s=60))
    yield executor
    await executor.close()


async def test_one_users_readouts_leave_a_process_to_others(executor_of_two: LocalExecutor) -> None:
    executor = executor_of_two
    heavy = [asyncio.create_task(executor.run_short(task_of(SLOW, 4000), "a")) for _ in range(3)]
    outcome = await asyncio.wait_for(executor.run_short(task_of(BELL), "b"), 60)
    assert outcome.document is not None
    assert not any(each.done() for each in heavy)
    for each in heavy:
        each.cancel()


async def test_a_call_that_is_given_up_stops_its_process_and_a_warm_one_takes_its_place(
    executor_of_two: LocalExecutor,
) -> None:
    executor, before = executor_of_two, set(workers())
    assert (await executor.run(task_of(BELL))).document is not None
    await asyncio.to_thread(wait_until, lambda: len(set(workers()) - before) == 2, "a spare process")
    first = set(workers()) - before
    running = asyncio.create_task(executor.run(task_of(SLOW, 3000)))
    await asyncio.sleep(0.5)
    running.cancel()
    await asyncio.wait([running])
    assert (await executor.run(task_of(BELL))).document is not None
    await asyncio.to_thread(wait_until, lambda: len(first & set(workers())) == 1, "the end of what was given up")
