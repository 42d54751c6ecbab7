"""What HTTP asks of every route: HEAD, OPTIONS, Allow, slashes, empty values, content types, lengths."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.twin.conftest import BELL, ServedTwin, settings_of
from twin.serve import serve_in_thread
from twin.settings import URL_PREFIX

JOB = {"backend_id": "ibm_jakarta_like", "circuits": [BELL], "shots": 10}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def routes(served: ServedTwin) -> dict[str, set[str]]:
    """Path with its parameters filled in -> methods, as the description has them."""
    described = httpx.get(f"{served.base}/openapi.json").json()["paths"]
    found: dict[str, set[str]] = defaultdict(set)
    for path, operations in described.items():
        found[re.sub(r"\{[^}]+\}", "1", path)] |= {method.upper() for method in operations}
    return found


@pytest.fixture(scope="module")
def user(served: ServedTwin) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {served.token()}"}
    with httpx.Client(base_url=served.url, headers=headers, trust_env=False, timeout=30) as client:
        yield client


def methods_of(answer: httpx.Response) -> set[str]:
    return set(answer.headers["allow"].split(", "))


def expected_methods(described: set[str]) -> set[str]:
    return described | {"OPTIONS"} | ({"HEAD"} if "GET" in described else set())


def test_every_path_names_all_its_methods(user: httpx.Client, routes: dict[str, set[str]]) -> None:
    assert any(len(described) > 1 for described in routes.values())
    for path, described in routes.items():
        answer = user.options(path)
        assert answer.status_code == 204, path
        assert methods_of(answer) == expected_methods(described), path
        for method in set(METHODS) - described:
            refused = user.request(method, path)
            assert refused.status_code == 405, (method, path)
            assert methods_of(refused) == expected_methods(described), (method, path)
            assert refused.headers["content-type"] == "application/problem+json"


def test_head_is_get_without_its_body(user: httpx.Client, routes: dict[str, set[str]]) -> None:
    for path, described in routes.items():
        if path.endswith("/stream"):
            continue
        answer = user.head(path)
        if "GET" not in described:
            assert answer.status_code == 405, path
            continue
        asked = user.get(path)
        assert answer.status_code == asked.status_code, path
        assert answer.headers["content-type"] == asked.headers["content-type"], path
        assert answer.content == b""
    listed = user.get(f"{URL_PREFIX}/backends")
    assert user.head(f"{URL_PREFIX}/backends").headers["content-length"] == listed.headers["content-length"]


def test_head_of_the_event_stream_ends(user: httpx.Client) -> None:
    answer = user.head(f"{URL_PREFIX}/telemetry/events/stream")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert user.get(f"{URL_PREFIX}/metrics").json()["event_streams"] == 0


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_head_and_options_need_a_token_too(served: ServedTwin, method: str) -> None:
    assert httpx.request(method, f"{served.base}/backends").status_code == 401


def test_a_slash_more_or_less_is_tolerated(user: httpx.Client, routes: dict[str, set[str]]) -> None:
    for path in routes:
        other = path[:-1] if path.endswith("/") else path + "/"
        assert methods_of(user.options(other)) == methods_of(user.options(path)), path
    body = {"backend_id": "surface17_like", "code_family": "surface", "code_distance": 3}
    session = user.post(f"{URL_PREFIX}/qec_session/v1", json=body)
    assert session.status_code == 200
    job = user.post(f"{URL_PREFIX}/jobs/", json=JOB)
    assert job.status_code == 202
    assert user.get(f"{URL_PREFIX}/jobs/{job.json()['job_id']}/").json()["job_id"] == job.json()["job_id"]
    assert user.get(f"{URL_PREFIX}/backends/").json() == user.get(f"{URL_PREFIX}/backends").json()
    for path in ("/nothing/", "/nothing", "/jobs//", "/"):
        assert user.get(URL_PREFIX + path).status_code == 404, path


def test_empty_values_are_absent_ones(user: httpx.Client) -> None:
    events = f"{URL_PREFIX}/telemetry/events"
    for query in ("backend_id=&limit=&since_timestamp=", "limit", "cursor=&&"):
        assert user.get(f"{events}?{query}").status_code == 200, query
    assert len(user.get(f"{events}?limit=&limit=1").json()["events"]) <= 1
    readout = f"{URL_PREFIX}/controller_api/v1/ibm_jakarta_like/readout"
    assert user.get(f"{readout}?schedule_id=&round_index=").json()["synthetic"] is True
    missing = user.get(f"{URL_PREFIX}/telemetry/qubits?backend_id=")
    assert missing.status_code == 422
    assert missing.json()["errors"][0]["loc"] == ["query", "backend_id"]


@pytest.mark.parametrize(
    ("headers", "content", "status", "answered"),
    [
        ({"Content-Type": "application/json; charset=utf-8"}, json.dumps(JOB).encode(), 202, None),
        ({"Content-Type": "application/merge-patch+json"}, json.dumps(JOB).encode(), 202, None),
        ({}, json.dumps(JOB).encode(), 202, None),
        ({"Content-Type": "text/plain"}, json.dumps(JOB).encode(), 415, "accept"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=1", 415, "accept"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"", 415, "accept-encoding"),
        ({"Content-Type": "application/json"}, b"{", 422, None),
        ({"Content-Type": "application/json"}, b"", 422, None),
    ],
)
def test_a_body_is_json_as_it_is(
    user: httpx.Client, headers: dict[str, str], content: bytes, status: int, answered: str | None
) -> None:
    if "Content-Encoding" in headers:
        content = gzip.compress(json.dumps(JOB).encode())
    answer = user.post(f"{URL_PREFIX}/jobs", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    if answered is not None:
        assert answer.headers[answered] in ("application/json", "identity")
        assert answer.headers["content-type"] == "application/problem+json"
    assert user.post(f"{URL_PREFIX}/nothing", content=content, headers=headers).status_code == 404


def test_bad_json_is_told_with_its_place(user: httpx.Client) -> None:
    answer = user.post(f"{URL_PREFIX}/jobs", content=b'{"a": }', headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("body: not JSON at character 6")
    assert answer.json()["errors"][0]["loc"] == []


def raw(url: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer to bytes as they are."""
    parts = urlsplit(url)
    with contextlib.closing(socket.create_connection((parts.hostname or "", parts.port or 80), 20)) as connection:
        connection.settimeout(20)
        connection.sendall(request)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        ("POST {path} HTTP/1.0", "", 411),
        ("POST {path} HTTP/1.1", "Host: x\r\nConnection: close\r\n", 411),
        ("GET {path} HTTP/1.1", "", 400),
        ("GET {path} HTTP/1.1", "Host: x\r\nHost: y\r\n", 400),
        ("DELETE {path} HTTP/1.0", "", 405),
        ("nonsense", "", 400),
        ("GET {path} HTTP/1.1", "Host: x\r\nX: " + "x" * 70_000 + "\r\n", 431),
    ],
)
def test_what_is_not_valid_http_is_a_problem_too(
    served: ServedTwin, request_line: str, headers: str, status: int
) -> None:
    request = request_line.format(path=f"{URL_PREFIX}/jobs")
    token = f"Authorization: Bearer {served.token()}\r\n"
    got, answered, body = raw(served.url, f"{request}\r\n{headers}{token}\r\n".encode())
    assert got == status, body
    assert answered["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\r"])
def test_a_head_with_bare_line_feeds_is_answered_at_once(served: ServedTwin, end: str) -> None:
    request = f"GET {URL_PREFIX}/health HTTP/1.1\nHost: x\n".replace("\n", end) + "\n"
    got, answered, body = raw(served.url, request.encode())
    assert (got, answered["content-type"]) == (400, "application/problem+json"), body
    assert "CR LF" in json.loads(body)["detail"]


@pytest.mark.parametrize("path", ["/openapi.json/../backends", "/./health", "/%2e%2e/auth/me", "/jobs/..%2Fbackends"])
def test_a_path_means_what_it_says(served: ServedTwin, path: str) -> None:
    token = f"Authorization: Bearer {served.token()}\r\nConnection: close\r\n"
    got, _, body = raw(served.url, f"GET {URL_PREFIX}{path} HTTP/1.1\r\nHost: x\r\n{token}\r\n".encode())
    assert (got, json.loads(body)["status"]) == (404, 404)


def test_a_twin_behind_its_gateway_keeps_the_same_rules(tmp_path_factory: pytest.TempPathFactory) -> None:
    with contextlib.ExitStack() as stack:
        twin = stack.enter_context(serve_in_thread(settings_of(tmp_path_factory.mktemp("t"), api_key="k"), kind="twin"))
        settings = settings_of(tmp_path_factory.mktemp("g"), api_key="k", upstreams=[twin])
        gateway = ServedTwin(
            stack.enter_context(serve_in_thread(settings, kind="gateway")), tmp_path_factory.getbasetemp()
        )
        http = stack.enter_context(gateway.http())
        assert methods_of(http.options("/jobs/x")) == {"GET", "DELETE", "HEAD", "OPTIONS"}
        assert methods_of(http.patch("/jobs/x")) == {"GET", "DELETE", "HEAD", "OPTIONS"}
        listed = http.get("/backends/")
        assert listed.status_code == 200
        head = http.head("/backends")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == listed.headers["content-length"]
        assert http.head("/telemetry/events/stream").status_code == 200
        assert http.get("/telemetry/events?limit=").status_code == 200
        assert http.post("/jobs", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
        assert http.post("/qec_session/v1", json={}).status_code == 422
        me = httpx.head(f"{gateway.url}/api/v1/auth/me/", headers=http.headers)
        assert me.status_code == 200
