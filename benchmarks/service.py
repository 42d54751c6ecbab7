"""The served twin, in a process of its own, through its gateway and over HTTP: jobs, session rounds, stream, health."""

import http.client
import json
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from pydantic import SecretStr

from benchmarks.measure import Measurement, side_by_side
from qds1 import encode_corrections
from twin.client import TwinClient
from twin.serve import run as serve
from twin.settings import URL_PREFIX, Settings

EMAIL, PASSWORD = "admin@qcraft.local", "a benchmark's password"
BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'
BUSY = {"qec_memory": {"code_family": "surface", "code_distance": 5, "rounds": 1000}}
START_DEADLINE_S, JOB_DEADLINE_S, STOP_DEADLINE_S = 60.0, 60.0, 30.0
ROUNDS = 3
NUM_CLIENTS, JOBS_A_CLIENT, JOBS_AHEAD = 6, 100, 5
SESSION_ROUNDS = 300
STREAM_SHOTS, STREAM_ROUNDS, SHOTS_A_FRAME = 200_000, 3, 50_000
NUM_HEALTH, HEALTH_PAUSE_S = 300, 0.005


def _serve(data_dir: str, num_workers: int, told: Any) -> None:
    settings = Settings(
        data_dir=Path(data_dir),
        admin_email=EMAIL,
        admin_password=SecretStr(PASSWORD),
        num_workers=num_workers,
        log_level="error",
    )
    serve(settings, port=0, ready=lambda port, _first_admin: told.put(port))


@contextmanager
def served_twin(num_workers: int) -> Iterator[TwinClient]:
    """A twin in a process of its own."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    with tempfile.TemporaryDirectory() as data_dir:
        process = context.Process(target=_serve, args=(data_dir, num_workers, told))
        process.start()
        try:
            port = told.get(timeout=START_DEADLINE_S)
            with TwinClient(f"http://127.0.0.1:{port}", EMAIL, PASSWORD) as client:
                yield client
        finally:
            process.terminate()
            process.join(STOP_DEADLINE_S)
            process.kill()


class Caller:
    """One keep-alive connection, as thin as Python's own client is."""

    def __init__(self, base_url: str, token: str) -> None:
        address = urlsplit(base_url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=JOB_DEADLINE_S)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, URL_PREFIX + path, content, self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self) -> None:
        self._connection.close()


def run_jobs() -> list[Measurement]:
    """Bell jobs, submitted, run and fetched; the first row is one client that waits for each job."""
    with served_twin(num_workers=2) as client:
        token = client.login()["access_token"]
        for seed in range(8):  # both workers have parsed the circuit
            client.wait_for_job(client.submit_job("ibm_jakarta_like", [BELL], seed=seed)["job_id"])
        contenders = {
            "one client, one job at a time": lambda: _jobs_rate(client.base_url, token, 1, 1),
            f"{NUM_CLIENTS} clients": lambda: _jobs_rate(client.base_url, token, NUM_CLIENTS, JOBS_AHEAD),
        }
        return side_by_side(contenders, "jobs/s", ROUNDS)


def _jobs_rate(base_url: str, token: str, num_clients: int, num_ahead: int) -> float:
    threads = [
        threading.Thread(target=_submit_and_fetch, args=(base_url, token, num_ahead)) for _ in range(num_clients)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return num_clients * JOBS_A_CLIENT / (time.perf_counter() - started)


def _submit_and_fetch(base_url: str, token: str, num_ahead: int) -> None:
    caller = Caller(base_url, token)
    waiting: list[str] = []
    for _ in range(JOBS_A_CLIENT):
        body = {"backend_id": "ibm_jakarta_like", "circuits": [BELL], "shots": 1024}
        waiting.append(caller.call("POST", "/jobs", body)[1]["job_id"])
        if len(waiting) >= num_ahead:
            _fetch(caller, waiting.pop(0))
    for job_id in waiting:
        _fetch(caller, job_id)
    caller.close()


def _fetch(caller: Caller, job_id: str) -> None:
    deadline = time.monotonic() + JOB_DEADLINE_S
    while (answer := caller.call("GET", f"/jobs/{job_id}/result"))[0] == 202:
        if time.monotonic() > deadline:
            raise TimeoutError(f"job {job_id} has no result after {JOB_DEADLINE_S:g} s")
        time.sleep(0.005)
    if sum(answer[1]["results"][0]["counts"].values()) != 1024:
        raise ValueError(f"job {job_id} answered {answer}")


def run_rounds() -> list[Measurement]:
    """Session rounds of one keep-alive client, a GET and a POST each; the first row is the cheapest request."""
    with served_twin(num_workers=1) as client:
        caller = Caller(client.base_url, client.login()["access_token"])

        def health() -> float:
            started = time.perf_counter()
            for _ in range(SESSION_ROUNDS):
                caller.call("GET", "/health")
            return SESSION_ROUNDS / (time.perf_counter() - started)

        def rounds() -> float:
            session = client.create_session("surface17_like", code_family="surface", code_distance=3)["session_id"]
            started = time.perf_counter()
            for index in range(SESSION_ROUNDS):
                path = f"/qec_session/v1/{session}/round/{index}"
                bits = caller.call("GET", f"{path}/syndrome")[1]["syndrome_bits"]
                caller.call("POST", f"{path}/correction", {"correction_bits": [0] * len(bits)})
            rate = SESSION_ROUNDS / (time.perf_counter() - started)
            client.end_session(session)
            return rate

        return side_by_side({"GET /health": health, "session rounds, GET and POST": rounds}, "1/s", ROUNDS)


def run_stream() -> list[Measurement]:
    """Shots times rounds of a surface code d=3 over the stream, corrections back; first row: the device's noise."""
    no_flips = np.zeros((SHOTS_A_FRAME, 1), dtype=np.uint8)
    with served_twin(num_workers=1) as client:

        def pull(noise: dict[str, float] | None) -> float:
            session = client.create_session(
                "surface17_like",
                code_family="surface",
                code_distance=3,
                rounds=STREAM_ROUNDS,
                shots=STREAM_SHOTS,
                noise=noise,
            )["session_id"]
            started = time.perf_counter()
            with client.open_stream(session) as stream:
                for first in range(0, STREAM_SHOTS, SHOTS_A_FRAME):
                    stream.next_shots(SHOTS_A_FRAME)
                    stream.send_corrections(encode_corrections(no_flips, first))
                stream.flush()
            rate = STREAM_SHOTS * STREAM_ROUNDS / (time.perf_counter() - started)
            client.end_session(session)
            return rate

        contenders = {
            "noise of the device": lambda: pull(None),
            "uniform noise 0.5%": lambda: pull({"uniform_prob": 0.005}),
        }
        return side_by_side(contenders, "shot-rounds/s", ROUNDS)


def run_health() -> list[Measurement]:
    """99th percentile of /health; the first row is an idle twin, the second one both of whose workers simulate."""
    with served_twin(num_workers=2) as client:
        caller = Caller(client.base_url, client.login()["access_token"])
        idle = side_by_side({"idle": lambda: _p99_ms(caller)}, "ms", ROUNDS)
        for seed in range(200):
            client.submit_job("willow_like", [BUSY], shots=1000, seed=seed)
        deadline = time.monotonic() + START_DEADLINE_S
        while _num_running(client) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        busy = side_by_side({"two workers simulate": lambda: _p99_ms(caller)}, "ms", ROUNDS)
        if _num_running(client) < 2:
            raise ValueError("the workers ran out of jobs: the figure is not one of a busy twin")
        return idle + busy


def _p99_ms(caller: Caller) -> float:
    times_s = []
    for _ in range(NUM_HEALTH):
        started = time.perf_counter()
        caller.call("GET", "/health")
        times_s.append(time.perf_counter() - started)
        time.sleep(HEALTH_PAUSE_S)
    return sorted(times_s)[int(0.99 * NUM_HEALTH)] * 1e3


def _num_running(client: TwinClient) -> int:
    return sum(backend["running_jobs"] for backend in client.metrics()["backends"])
