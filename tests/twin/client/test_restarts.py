"""The clients and the Qiskit provider through kill -9 and restarts of the twin that they talk to."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from qiskit import QuantumCircuit

from tests.twin.conftest import EMAIL, PASSWORD, TwinProcess, wait_until
from twin.client import TwinClient
from twin.qiskit_provider import TwinProvider

BACKEND = "repetition29_like"
BELL = {"stim": "H 0\nCX 0 1\nM 0 1"}
SLOW = "scheduler:\n  exec_time_scale: 1.0\n  job_overhead_s: 4\n"
SCHEDULER = "scheduler/default.yaml"
ROUNDS = 12


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinProcess]:
    """Always at one address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    limits = 'limits={"check_time_limit_s": 120}'  # after each start the first check imports Qiskit
    process = TwinProcess(tmp_path_factory.mktemp("restarts"), f"port={port}", limits)
    process.start()
    yield process
    process.kill()


@contextlib.contextmanager
def slow_jobs(client: TwinClient) -> Iterator[None]:
    """Jobs take four seconds."""
    before = client.config_content(SCHEDULER)["content"]
    client.update_config(SCHEDULER, SLOW)
    yield
    client.update_config(SCHEDULER, before)


def killed_during(process: TwinProcess, work: Callable[[], Any], when: Callable[[], bool] = lambda: True) -> Any:
    """What some work comes to, the twin being killed and started again as soon as `when` holds."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        wait_until(lambda: future.done() or when(), "the moment to kill the twin", 60)
        assert not future.done()
        process.kill()
        process.start()
        return future.result(120)


def test_waiting_for_a_job_outlasts_a_kill(twin: TwinProcess) -> None:
    with twin.served.client() as client, slow_jobs(client):
        job_id = client.submit_job(BACKEND, [BELL], shots=64)["job_id"]
        wait_until(lambda: client.job(job_id)["status"] == "RUNNING", "the job runs", 60)
        result = killed_during(twin, lambda: client.wait_for_job(job_id, 120))
        assert sum(result["results"][0]["counts"].values()) == 64
        assert dict(client.job(job_id))["attempts"] == 2


def test_submissions_are_one_job_each_whatever_the_kill_met(twin: TwinProcess) -> None:
    """Submitted one after the other while the twin is killed: every answer is a job of its own, and nothing doubled."""
    ids: list[str] = []

    def submit(client: TwinClient) -> None:
        for seed in range(40):
            ids.append(client.submit_job(BACKEND, [BELL], shots=16, seed=seed)["job_id"])

    with twin.served.client() as client:
        before = set(queued(client))
        killed_during(twin, lambda: submit(client), lambda: len(ids) >= 5)
        assert {client.wait_for_job(job_id)["shots"] for job_id in ids} == {16}
        made = [job_id for job_id in queued(client) if job_id not in before]
    assert len(set(ids)) == 40
    assert sorted(made) == sorted(ids)


def queued(client: TwinClient) -> list[str]:
    events = client.telemetry_events(BACKEND, limit=10_000)["events"]
    return [event["job_id"] for event in events if event["type"] == "job.queued"]


def test_a_sessions_rounds_go_on_after_a_kill(twin: TwinProcess) -> None:
    """The same syndromes and verdict as of the same session on a twin that nobody kills."""

    def run(client: TwinClient, seen: list[object]) -> tuple[list[object], int, int]:
        session = client.create_session(BACKEND, code_family="repetition", code_distance=3, seed=11)["session_id"]
        for index in range(ROUNDS):
            bits = client.syndrome(session, index)["syndrome_bits"]
            client.correct(session, index, [0] * len(bits))
            seen.append(bits)
        end = client.end_session(session)
        return seen, end["logical_errors"], end["stats"]["corrections_received"]

    with twin.served.client() as client:
        expected = run(client, [])
        seen: list[object] = []
        assert killed_during(twin, lambda: run(client, seen), lambda: len(seen) >= 2) == expected
        assert expected[2] == ROUNDS


def test_the_providers_result_outlasts_a_kill(twin: TwinProcess) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    with twin.served.client() as client, TwinProvider(twin.served.url, EMAIL, PASSWORD) as provider, slow_jobs(client):
        job = provider.get_backend(BACKEND).run(circuit, shots=32)
        wait_until(lambda: job.details()["status"] == "RUNNING", "the job runs", 60)
        result = killed_during(twin, lambda: job.result(timeout=120))
        assert sum(result.get_counts().values()) == 32
