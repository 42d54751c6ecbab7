"""The service under load, and against inputs that nobody thought of."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.twin.conftest import BELL, ServedTwin, settings_of, wait_until
from twin.client import TwinClient
from twin.http_protocol import Http1Protocol
from twin.serve import serve_in_thread
from twin.settings import URL_PREFIX

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


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedTwin]:
    """A twin that waits 0.3 s for the rest of a request."""
    folder = tmp_path_factory.mktemp("impatient")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Http1Protocol, "head_deadline_s", 0.3)
        patch.setattr(Http1Protocol, "body_idle_s", 0.3)
        with serve_in_thread(settings_of(folder, lease_s=1)) as url:
            yield ServedTwin(url, folder)


def answer_to(served: ServedTwin, first: bytes, *rest: bytes, pause_s: float = 0.1) -> bytes:
    """What comes back until the twin closes, when the rest of a request comes in pieces, or not at all."""
    address = httpx.URL(served.url)
    pieces = list(rest)
    with socket.create_connection((address.host, address.port or 80), timeout=20) as connection:
        connection.sendall(first)
        answer = b""
        while True:
            if pieces and not select.select([connection], [], [], pause_s)[0]:
                connection.sendall(pieces.pop(0))
            elif received := connection.recv(4096):
                answer += received
            else:
                return answer


HEALTH = f"GET {URL_PREFIX}/health HTTP/1.1\r\nHost: twin\r\n".encode()
LOGIN = (
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: twin\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
)
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close"


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (b"", ()),
        (HEALTH, ()),
        (HEALTH, (b"X: y\r\n",) * 20),
        (LOGIN, ()),
        (LOGIN + b'{"email":', ()),
    ],
    ids=["nothing", "half a head", "a head in drops", "no body", "half a body"],
)
def test_request_that_never_comes_whole_is_given_up(
    impatient: ServedTwin, first: bytes, rest: tuple[bytes, ...]
) -> None:
    assert answer_to(impatient, first, *rest).startswith(TIMED_OUT)


def test_second_request_that_never_comes_whole_is_given_up(impatient: ServedTwin) -> None:
    whole = HEALTH + b"\r\n"
    for rest in (b"GET", HEALTH):
        answered, _, rest_of_answer = answer_to(impatient, whole + rest).partition(TIMED_OUT)
        assert answered.startswith(b"HTTP/1.1 401 ")
        assert rest_of_answer
    large = b"X-Header: " + b"x" * 20_000 + b"\r\n"
    assert b"HTTP/1.1 431 " in answer_to(impatient, whole + HEALTH, *[large] * 4, pause_s=0.01)


def test_slow_but_steady_body_and_a_quiet_websocket_are_waited_for(impatient: ServedTwin) -> None:
    body = [b" " * 5] * 10
    assert answer_to(impatient, LOGIN.replace(b"Host: twin", b"Host: twin\r\nConnection: close"), *body).startswith(
        b"HTTP/1.1 422 "
    )
    with impatient.client() as client:
        session = client.create_session("surface17_like", code_family="surface", code_distance=3, rounds=3, shots=10)
        with client.open_stream(session["session_id"]) as stream:
            assert stream.next_shots(5).size == 40
            time.sleep(1)
            assert stream.next_shots(5).size == 40


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
