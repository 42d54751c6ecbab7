"""Databases that stop and replicas that sleep: what was accepted ends, once, and who has lost something is told."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.twin.conftest import BELL, EMAIL, PASSWORD, TwinProcess, settings_of, wait_until
from tests.twin.postgres import PostgresServer
from twin.client import TwinApiError, TwinClient
from twin.serve import serve_in_thread

BACKEND = "ibm_jakarta_like"
SECRET = "shared secret, long enough for all"
SURFACE: dict[str, Any] = {"code_family": "surface", "code_distance": 3, "seed": 3, "noise": {"uniform_prob": 0.02}}


def slow_down(client: TwinClient, job_overhead_s: float) -> None:
    """Let every job take this long."""
    path = "scheduler/default.yaml"
    content = client.config_content(path)["content"].replace("exec_time_scale: 0.0", "exec_time_scale: 1.0")
    client.update_config(path, content.replace("job_overhead_s: 0.5", f"job_overhead_s: {job_overhead_s}"))


def told(client: TwinClient, job_id: str) -> Counter[str]:
    """How often each change of a job's state was told."""
    found = client.telemetry_events(cursor="0", limit=10_000)["events"]
    return Counter(event["type"] for event in found if event["job_id"] == job_id)


def test_jobs_outlast_a_database_that_stops(postgres: PostgresServer, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, database_url=postgres.url, lease_s=1.5, log_level="error")
    with serve_in_thread(settings) as url, TwinClient(url, EMAIL, PASSWORD) as client:
        slow_down(client, 1.0)
        session = client.create_session("surface17_like", rounds=4, **SURFACE)["session_id"]
        first = client.syndrome(session, 0)
        ids = [client.submit_job(BACKEND, [BELL], shots=100, seed=seed)["job_id"] for seed in range(4)]
        wait_until(lambda: client.job(ids[0])["status"] == "RUNNING", "the first job runs")
        postgres.stop()
        time.sleep(2.5)  # longer than the job and the lease
        with pytest.raises((TwinApiError, httpx.HTTPError)):
            client.command(BACKEND, "set_qubit_noise", {"qubit": 3, "t1_us": 70.0})
        postgres.start()
        for job_id in ids:
            assert sum(client.wait_for_job(job_id, 60)["results"][0]["counts"].values()) == 100
        client.command(BACKEND, "set_qubit_noise", {"qubit": 3, "t1_us": 80.0})
        assert client.telemetry_qubits(BACKEND)["qubits"][3]["t1_us"] == 80.0
        assert client.syndrome(session, 0) == first
        assert client.syndrome(session, 1)["round_index"] == 1
        once = {"job.queued": 1, "job.started": 1, "job.completed": 1}
        assert [told(client, job_id) for job_id in ids] == [once] * 4


@pytest.mark.slow
def test_a_replica_that_slept_finds_out(twin_process: Callable[..., TwinProcess], postgres_url: str) -> None:
    common = [f'database_url="{postgres_url}"', "lease_s=1.5", "num_workers=1", f'token_secret="{SECRET}"']
    left = twin_process('replica="left"', *common, name="left")
    right = twin_process('replica="right"', *common, name="right")
    with left.start().client() as here, right.start().client() as there:
        slow_down(here, 6.0)
        there.config_files()  # follows
        session = here.create_session("surface17_like", rounds=4, **SURFACE)["session_id"]
        rounds = [here.syndrome(session, index) for index in (0, 1)]
        job_id = here.submit_job(BACKEND, [BELL], shots=2000, seed=3)["job_id"]
        wait_until(lambda: here.job(job_id)["status"] == "RUNNING", "the job runs")
        assert left.process is not None
        left.process.send_signal(signal.SIGSTOP)
        there.command(BACKEND, "inject_noise_override", {"gate_error_multiplier": 50.0})
        snapshot_id = there.telemetry_qubits(BACKEND)["snapshot_id"]
        wait_until(lambda: told(there, job_id)["job.started"] == 2, "the job was taken over")
        assert there.syndrome(session, 1) == rounds[1]
        rounds.append(there.syndrome(session, 2))
        left.process.send_signal(signal.SIGCONT)
        for index in (2, 3):
            with pytest.raises(TwinApiError) as refused:
                here.syndrome(session, index)
            assert refused.value.status == 409
        results = [each.wait_for_job(job_id, 60) for each in (there, here)]
        time.sleep(1.0)
        results += [each.job_result(job_id) for each in (there, here)]
        assert results == [results[0]] * 4
        assert results[0]["snapshot_id"] == snapshot_id
        assert told(there, job_id) == {"job.queued": 1, "job.started": 2, "job.completed": 1}
        assert there.syndrome(session, 2) == rounds[2]
        assert there.syndrome(session, 3)["round_index"] == 3
