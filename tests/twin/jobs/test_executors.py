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
    own = set(workers()) - before
    assert len(own) == 1
    running = asyncio.create_task(executor.run(task_of(SLOW, 3000)))
    await asyncio.sleep(0.5)
    os.kill(own.pop(), signal.SIGKILL)
    with pytest.raises(WorkerLostError, match="died"):
        await asyncio.wait_for(running, 20)
    assert (await executor.run(task_of(BELL))).document is not None


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
            await asyncio.wait_for(executor.run(task_of(SLOW, 4000)), 30)
    finally:
        await executor.close()


async def test_a_check_does_not_wait_for_a_job(executor: LocalExecutor) -> None:
    task = task_of(BELL)
    assert (await executor.check(CheckTask(task.device, task.circuits))).faults == ()
    running = asyncio.create_task(executor.run(task_of(SLOW, 3000)))
    await asyncio.sleep(0.2)
    outcome = await asyncio.wait_for(executor.check(CheckTask(task.device, (orjson.dumps("nonsense"),))), 10)
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
