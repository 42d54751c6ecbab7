"""The service under load, and against inputs that nobody thought of."""

from __future__ import annotations

import select
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.twin.conftest import BELL, ServedTwin, wait_until
from twin.client import TwinClient

BACKEND = "ibm_jakarta_like"
BUSY = {"qec_memory": {"code_family": "surface", "code_distance": 5, "rounds": 1000}}
ODD_BODIES = [
    b"",
    b"\xff\xfe\x00",
    b"[",
    b"null",
    b'"text"',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"backend_id": "\\ud800", "circuits": ["x"]}',
    b'{"backend_id": "ibm_jakarta_like", "circuits": [{"stim": "H 0", "n": 1e999}]}',
    b'{"backend_id": "ibm_jakarta_like", "circuits": [{"n_qubits": 99999999999999999999999, "actions": []}]}',
    b'{"command_type": "policy_update", "payload": {"\\udfff": NaN}}',
    b'{"temperature_mk": 1e400}',
]


@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_odd_bodies_are_refused_as_problems(http: httpx.Client, body: bytes) -> None:
    routes = [
        "/jobs",
        "/jobs/nothing/metadata",
        f"/controller/{BACKEND}/commands",
        f"/controller_api/v1/{BACKEND}/cryo",
        f"/controller_api/v1/{BACKEND}/readout_config",
        f"/controller_api/v1/{BACKEND}/pulse_schedule",
        "/qec_session/v1/",
        "/config/restore",
    ]
    for route in routes:
        answer = http.post(route, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, (route, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Traceback" not in answer.text


def test_a_head_without_end_is_refused(served: ServedTwin) -> None:
    address = httpx.URL(served.url)
    with socket.create_connection((address.host, address.port or 80), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        refused = b""
        for _ in range(100):
            if not select.select([connection], [], [], 0.01)[0]:
                connection.sendall(b"X-Header: " + b"x" * 2000 + b"\r\n")
            elif received := connection.recv(4096):
                refused += received
            else:
                break
    assert refused.startswith(b"HTTP/1.1 431 ")


def test_event_streams_that_come_and_go_leave_nothing(served: ServedTwin, client: TwinClient) -> None:
    _come_and_go(served, client, 50)


@pytest.mark.slow
def test_a_thousand_event_streams_leave_nothing(served: ServedTwin, client: TwinClient) -> None:
    _come_and_go(served, client, 1000)


def _come_and_go(served: ServedTwin, client: TwinClient, count: int) -> None:
    token = served.token()

    def connect(_index: int) -> int:
        with served.http(token) as http, http.stream("GET", "/telemetry/events/stream") as answer:
            return answer.status_code

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(connect, range(count))) == [200] * count
    wait_until(lambda: client.metrics()["event_streams"] == 0, "every stream is gone")


@pytest.mark.slow
def test_five_hundred_requests_at_once_lose_nothing(client: TwinClient) -> None:
    client.login()
    with ThreadPoolExecutor(100) as pool:
        jobs = list(pool.map(lambda seed: client.submit_job(BACKEND, [BELL], shots=16, seed=seed), range(500)))
    ids = {job["job_id"] for job in jobs}
    assert len(ids) == 500
    wait_until(lambda: all(client.job(job_id)["status"] == "COMPLETED" for job_id in ids), "500 jobs", 120)


@pytest.mark.slow
def test_schemathesis_finds_no_server_error_and_no_answer_outside_its_schema(
    served: ServedTwin, tmp_path: Path
) -> None:
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("schemathesis is not installed")
    checks = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"
    command = [program, "run", f"{served.base}/openapi.json", "--url", served.url, "--checks", checks]
    limits = ["--max-examples", "25", "--seed", "1", "--request-timeout", "20"]
    skipped = ["--exclude-path-regex", "events/stream|/auth/"]
    header = ["-H", f"Authorization: Bearer {served.token()}"]
    done = subprocess.run(
        [*command, *limits, *skipped, *header], capture_output=True, text=True, timeout=280, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:]
