"""Streams end with what they were opened with: the token, the account, its password and role; tickets open one."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets.exceptions
from websockets.sync.client import ClientConnection, connect

from tests.twin.conftest import EMAIL, PASSWORD, settings_of, wait_until
from twin.client import TwinClient
from twin.serve import serve_in_thread
from twin.settings import URL_PREFIX

BRIEF_TTL_S = 2.0
LONG_TTL_S = 86400.0
DEPLOYMENTS = ("one process", "gateway apart")
AUTH = "/api/v1/auth"
DEADLINE_S = 30.0
ROUND = json.dumps({"op": "round"})


@dataclass(frozen=True)
class Gateway:
    url: str

    @property
    def base(self) -> str:
        return self.url + URL_PREFIX

    def login(self, email: str = EMAIL, password: str = PASSWORD) -> dict[str, str]:
        """Headers with a new token."""
        answer = httpx.post(f"{self.url}{AUTH}/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def ticket(self, headers: dict[str, str]) -> str:
        answer = httpx.post(f"{self.url}{AUTH}/ticket", headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ticket"])

    def session(self) -> str:
        body = {"backend_id": "surface17_like", "code_family": "surface", "code_distance": 3}
        answer = httpx.post(f"{self.base}/qec_session/v1/", json=body, headers=self.login())
        return str(answer.json()["session_id"])

    def websocket(self, session: str, headers: dict[str, str] | None = None, query: str = "") -> ClientConnection:
        url = f"{self.base.replace('http', 'ws')}/qec_session/v1/{session}/stream{query}"
        return connect(url, additional_headers=headers or {}, proxy=None)

    def works(self, headers: dict[str, str]) -> bool:
        return httpx.get(f"{self.base}/health", headers=headers).status_code == 200


@contextlib.contextmanager
def serving(deployment: str, folder: Path, access_token_ttl_s: float) -> Iterator[Gateway]:
    given: dict[str, Any] = {"access_token_ttl_s": access_token_ttl_s, "stream_grace_s": 0.5, "api_key": "key"}
    with contextlib.ExitStack() as stack:
        if deployment == "one process":
            url = stack.enter_context(serve_in_thread(settings_of(folder / "both", **given)))
        else:
            twin = stack.enter_context(serve_in_thread(settings_of(folder / "twin", **given), kind="twin"))
            settings = settings_of(folder / "gateway", upstreams=[twin], **given)
            url = stack.enter_context(serve_in_thread(settings, kind="gateway"))
        yield Gateway(url)


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with serving(request.param, tmp_path_factory.mktemp("long"), LONG_TTL_S) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def brief(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Its tokens live for two seconds."""
    with serving(request.param, tmp_path_factory.mktemp("brief"), BRIEF_TTL_S) as gateway:
        yield gateway


def end_of(websocket: ClientConnection) -> str:
    """The reason that a stream is closed with, which must come before the deadline."""
    with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
        websocket.recv(timeout=DEADLINE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    return closed.value.rcvd.reason


def last_event(answer: httpx.Response) -> tuple[str, dict[str, Any]]:
    """Type and data of the last event before the stream ends, whole."""
    lines = [line for line in answer.iter_lines() if line and not line.startswith(":")]
    kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return kinds[-1], json.loads(data[-1])


def test_a_websocket_ends_with_its_token(brief: Gateway) -> None:
    session = brief.session()
    with brief.websocket(session, brief.login()) as websocket:
        websocket.send(ROUND)
        assert isinstance(websocket.recv(timeout=DEADLINE_S), bytes)
        assert end_of(websocket) == "the access token has expired"
    with brief.websocket(session, brief.login()) as websocket:  # the session goes on
        websocket.send(ROUND)
        assert isinstance(websocket.recv(timeout=DEADLINE_S), bytes)


def test_an_event_stream_ends_with_its_token(brief: Gateway) -> None:
    url = f"{brief.base}/telemetry/events/stream"
    with httpx.stream("GET", url, headers={**brief.login(), "Last-Event-ID": "0"}, timeout=DEADLINE_S) as answer:
        assert answer.status_code == 200
        assert last_event(answer) == (
            "stream.ended",
            {"type": "stream.ended", "reason": "the access token has expired"},
        )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"disabled": True}, "disabled"),
        ({"password": "another long one"}, "password"),
        ({"role": "viewer"}, "role"),
    ],
)
def test_streams_end_at_once_with_what_their_account_was(
    gateway: Gateway, change: dict[str, Any], reason: str, request: pytest.FixtureRequest
) -> None:
    admin = gateway.login()
    email = f"{reason}-{id(request)}@example.org"
    body = {"email": email, "password": "long enough", "role": "operator"}
    assert httpx.post(f"{gateway.url}{AUTH}/users", json=body, headers=admin).status_code == 201
    headers = gateway.login(email, "long enough")
    url = f"{gateway.base}/telemetry/events/stream"
    with (
        gateway.websocket(gateway.session(), headers) as websocket,
        gateway.websocket(gateway.session(), gateway.login()) as other,
        httpx.stream("GET", url, headers=headers, timeout=DEADLINE_S) as answer,
    ):
        changed = httpx.patch(f"{gateway.url}{AUTH}/users/{email}", json=change, headers=gateway.login())
        assert changed.status_code == 200
        assert reason in end_of(websocket)
        assert reason in last_event(answer)[1]["reason"]
        other.send(ROUND)  # the others' streams stay
        assert isinstance(other.recv(timeout=DEADLINE_S), bytes)
    assert gateway.works(headers) is (reason == "role")


@pytest.mark.parametrize("brief", ["gateway apart"], indirect=True)
def test_a_websocket_is_renewed(brief: Gateway) -> None:
    old = brief.login()
    with brief.websocket(brief.session(), old) as websocket:
        for answer in (True, False):
            token = brief.login()["Authorization"].partition(" ")[2]
            websocket.send(json.dumps({"op": "renew", "access_token": token} | ({} if answer else {"quiet": True})))
            if answer:
                assert "renewed_until" in json.loads(websocket.recv(timeout=DEADLINE_S))
            while brief.works(old):
                time.sleep(0.1)
            old = {"Authorization": f"Bearer {token}"}
            websocket.send(ROUND)
            assert isinstance(websocket.recv(timeout=DEADLINE_S), bytes)
        assert end_of(websocket) == "the access token has expired"


@pytest.mark.parametrize("brief", ["gateway apart"], indirect=True)
def test_a_stream_is_not_renewed_with_another_users_token_or_none(brief: Gateway) -> None:
    body = {"email": "renewer@example.org", "password": "long enough", "role": "operator"}
    httpx.post(f"{brief.url}{AUTH}/users", json=body, headers=brief.login())
    other = brief.login("renewer@example.org", "long enough")["Authorization"].partition(" ")[2]
    with brief.websocket(brief.session(), brief.login()) as websocket:
        for token in (other, "garbage", None):
            websocket.send(json.dumps({"op": "renew", "access_token": token, "quiet": True}))
            assert json.loads(websocket.recv(timeout=DEADLINE_S))["error"]["status"] == 401
        assert end_of(websocket) == "the access token has expired"


@pytest.mark.parametrize("brief", ["gateway apart"], indirect=True)
def test_a_clients_stream_outlives_many_tokens(brief: Gateway) -> None:
    """Also while it waits: nothing is asked for between the first round and the last."""
    with TwinClient(brief.url, EMAIL, PASSWORD) as client:
        session = client.create_session("surface17_like", code_family="surface", code_distance=3)["session_id"]
        with client.open_stream(session) as stream:
            assert stream.next_round().size
            first = brief.login()
            wait_until(lambda: not brief.works(first), "the first token's end")
            second = brief.login()
            wait_until(lambda: not brief.works(second), "the second token's end")
            assert stream.next_round().size


def test_a_ticket_opens_one_stream(gateway: Gateway) -> None:
    headers = gateway.login()
    session = gateway.session()
    ticket = gateway.ticket(headers)
    with gateway.websocket(session, query=f"?ticket={ticket}") as websocket:
        websocket.send(ROUND)
        assert isinstance(websocket.recv(timeout=DEADLINE_S), bytes)
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            gateway.websocket(session, query=f"?ticket={ticket}")
        assert refused.value.response.status_code == 401
    url = f"{gateway.base}/telemetry/events/stream"
    ticket = gateway.ticket(gateway.login())
    with httpx.stream("GET", url, params={"ticket": ticket, "last_event_id": "0"}, timeout=DEADLINE_S) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_lines()) == "id: 1"  # what the header Last-Event-ID does
    assert httpx.get(url, params={"ticket": ticket}).status_code == 401


def test_a_stream_of_a_ticket_ends_with_the_token_that_got_it(brief: Gateway) -> None:
    with brief.websocket(brief.session(), query=f"?ticket={brief.ticket(brief.login())}") as websocket:
        assert end_of(websocket) == "the access token has expired"


def test_a_ticket_opens_nothing_else(gateway: Gateway) -> None:
    headers = gateway.login()
    for path in ("/health", "/jobs/1", "/telemetry/events"):
        assert httpx.get(gateway.base + path, params={"ticket": gateway.ticket(headers)}).status_code == 401
    bearer = {"Authorization": f"Bearer {gateway.ticket(headers)}"}
    assert httpx.get(f"{gateway.base}/health", headers=bearer).status_code == 401
    refresh = httpx.post(f"{gateway.url}{AUTH}/refresh", json={"refresh_token": gateway.ticket(headers)})
    assert refresh.status_code == 401
    url = f"{gateway.base}/telemetry/events/stream"
    access = headers["Authorization"].partition(" ")[2]
    for text in (access, "garbage", f"{gateway.ticket(headers)}&ticket={gateway.ticket(headers)}"):
        assert httpx.get(f"{url}?ticket={text}").status_code == 401
    assert httpx.post(f"{gateway.url}{AUTH}/ticket").status_code == 401


def test_a_ticket_ends_with_the_password(gateway: Gateway) -> None:
    body = {"email": "ticket@example.org", "password": "long enough"}
    httpx.post(f"{gateway.url}{AUTH}/users", json=body, headers=gateway.login())
    ticket = gateway.ticket(gateway.login("ticket@example.org", "long enough"))
    change = {"password": "another long one"}
    httpx.patch(f"{gateway.url}{AUTH}/users/ticket@example.org", json=change, headers=gateway.login())
    assert httpx.get(f"{gateway.base}/telemetry/events/stream", params={"ticket": ticket}).status_code == 401


def test_logout_ends_streams_and_tickets_of_its_login(gateway: Gateway) -> None:
    login = httpx.post(f"{gateway.url}{AUTH}/login", json={"email": EMAIL, "password": PASSWORD}).json()
    headers = {"Authorization": f"Bearer {login['access_token']}"}
    session, ticket = gateway.session(), gateway.ticket(headers)
    by_ticket = gateway.websocket(session, query=f"?ticket={gateway.ticket(headers)}")
    with gateway.websocket(session, headers) as ours, by_ticket, gateway.websocket(session, gateway.login()) as other:
        ours.send(ROUND)
        assert ours.recv(DEADLINE_S)
        assert httpx.post(f"{gateway.url}{AUTH}/logout", json={"refresh_token": login["refresh_token"]}).is_success
        for websocket in (ours, by_ticket):
            with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
                websocket.recv(DEADLINE_S)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "this login has ended; log in again")
        other.send(ROUND)
        assert other.recv(DEADLINE_S)
    with pytest.raises(websockets.exceptions.InvalidStatus):
        gateway.websocket(session, query=f"?ticket={ticket}")
