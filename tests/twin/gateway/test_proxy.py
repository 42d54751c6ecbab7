"""A gateway in its own process-like server, in front of two twins over one database."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import websockets.exceptions
from websockets.sync.client import connect

from tests.twin.conftest import BELL, ServedTwin, settings_of
from twin.client import TwinApiError
from twin.serve import serve_in_thread


@pytest.fixture(scope="module")
def behind_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServedTwin, list[str]]]:
    """(the gateway, the twins' addresses)."""
    with contextlib.ExitStack() as stack:
        twins = []
        for name in ("left", "right"):
            settings = settings_of(tmp_path_factory.mktemp(name), replica=name, api_key="key")
            twins.append(stack.enter_context(serve_in_thread(settings, kind="twin")))
        folder = tmp_path_factory.mktemp("gateway")
        settings = settings_of(
            folder,
            api_key="key",
            upstreams=(twins[0], twins[1], "http://127.0.0.1:9"),
        )
        url = stack.enter_context(serve_in_thread(settings, kind="gateway"))
        yield ServedTwin(url, folder), twins


def test_sessions_stay_with_their_twin(behind_gateway: tuple[ServedTwin, list[str]]) -> None:
    gateway, _ = behind_gateway
    with gateway.client() as client:
        sessions = [
            client.create_session("surface17_like", code_family="surface", code_distance=3)["session_id"]
            for _ in range(6)
        ]
        assert {session.partition("-")[0] for session in sessions} == {"left", "right"}
        for index in range(3):
            for session in sessions:
                assert client.syndrome(session, index)["round_index"] == index


def test_the_stream_passes_the_gateway(behind_gateway: tuple[ServedTwin, list[str]]) -> None:
    gateway, _ = behind_gateway
    with gateway.client() as client:
        session = client.create_session(
            "surface17_like", code_family="surface", code_distance=3, rounds=3, shots=300_000
        )["session_id"]
        with client.open_stream(session) as stream:
            assert stream.next_shots(300_000).size == 300_000 * 8
            assert stream.flush() == 0
        with pytest.raises(TwinApiError, match="404"):
            client.open_stream("nothing")
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        connect(gateway.base.replace("http", "ws") + f"/qec_session/v1/{session}/stream", proxy=None)
    assert refused.value.response.status_code == 401


def test_events_are_streamed_and_not_buffered(behind_gateway: tuple[ServedTwin, list[str]]) -> None:
    gateway, twins = behind_gateway
    with gateway.http() as http, http.stream("GET", "/telemetry/events/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        command = {"command_type": "set_adc_gain", "payload": {"readout_error_multiplier": 1.0}}
        for twin in twins:
            url = f"{twin}/api/v1/digital-twin/controller/willow_like/commands"
            assert httpx.post(url, json=command, headers={"X-API-Key": "key"}).status_code == 200
        assert any(line.startswith("event: controller.set_adc_gain") for line in answer.iter_lines())


def test_large_bodies_and_problems_pass(behind_gateway: tuple[ServedTwin, list[str]]) -> None:
    gateway, _ = behind_gateway
    with gateway.http() as http:
        padded = BELL + "\n//" + "x" * 900_000
        answers = [http.post("/jobs", json={"backend_id": "ibm_jakarta_like", "circuits": [padded]}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202] * 3
        assert http.post("/jobs", content=b" " * (17 * 2**20)).status_code == 413
        missing = http.get("/jobs/nothing")
        assert missing.headers["content-type"] == "application/problem+json"
        assert len(missing.headers.get_list("date")) == 1
        assert http.get("/openapi.json").status_code == 200


def test_no_token_is_refused_at_the_gateway(behind_gateway: tuple[ServedTwin, list[str]]) -> None:
    gateway, _ = behind_gateway
    assert httpx.get(f"{gateway.base}/health").status_code == 401
    assert httpx.get(f"{gateway.base}/openapi.json").status_code == 200


@pytest.mark.parametrize("path", ["/openapi.json/../backends", "/%2e%2e/digital-twin/backends", "/./backends"])
def test_dots_in_a_path_lead_nowhere(behind_gateway: tuple[ServedTwin, list[str]], path: str) -> None:
    """httpx, on the way to the twin, would make another path of them than the gateway has looked at."""
    gateway, _ = behind_gateway
    where = urlsplit(gateway.base)
    with contextlib.closing(http.client.HTTPConnection(where.netloc, timeout=30)) as connection:
        connection.request("GET", where.path + path, headers={"Authorization": f"Bearer {gateway.token()}"})
        assert connection.getresponse().status == 404


def test_the_description_names_the_gateways_address(behind_gateway: tuple[ServedTwin, list[str]]) -> None:
    gateway, _ = behind_gateway
    described = httpx.get(f"{gateway.base}/openapi.json").json()
    assert described["servers"][0]["url"] == gateway.url


def test_no_twin_is_502(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, api_key="k", upstreams=("http://127.0.0.1:9",))
    with serve_in_thread(settings, kind="gateway") as url, ServedTwin(url, tmp_path).http() as http:
        assert http.get("/health").status_code == 502
