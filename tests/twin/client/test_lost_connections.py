"""The clients over a connection that loses requests and answers: reads go on, submissions are made once."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError

from tests.twin.conftest import BELL, EMAIL, PASSWORD, ServedTwin
from twin.client import AsyncTwinClient, DeadlineError, TwinApiError, TwinClient, TwinUnreachableError

BACKEND = "ibm_jakarta_like"
Losses = Callable[[int], httpx.TransportError | int | None]
"""What happens to the n-th attempt at a request: an answer that is lost, a status in its place, or nothing."""


class Lossy(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Requests reach the twin, and `losses` says what the client sees; a ConnectError does not reach the twin."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self.attempts: dict[str, int] = {}
        self.bodies: dict[str, list[bytes]] = {}
        self._transport = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/api/v1/auth"):
            return self._transport.handle_request(request)
        what = f"{request.method} {request.url.path.rpartition('/digital-twin/')[2]}"
        self.attempts[what] = self.attempts.get(what, 0) + 1
        seen = self.losses(self.attempts[what])
        if isinstance(seen, httpx.ConnectError):
            raise seen
        response = self._transport.handle_request(request)
        self.bodies.setdefault(what, []).append(response.read())
        if isinstance(seen, httpx.TransportError):
            raise seen
        return response if seen is None else httpx.Response(seen, json={"title": "away", "detail": "away"})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        answer = self.handle_request(
            httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.read())

    def close(self) -> None:
        self._transport.close()


def first_lost(*errors: httpx.TransportError | int) -> Losses:
    return lambda attempt: errors[attempt - 1] if attempt <= len(errors) else None


RESET, REFUSED = httpx.ReadError("reset"), httpx.ConnectError("refused")
LOST = {
    "answers": first_lost(RESET, RESET),
    "connections": first_lost(REFUSED, REFUSED, REFUSED),
    "in the middle": first_lost(httpx.RemoteProtocolError("peer closed"), REFUSED, httpx.ReadTimeout("late")),
}


@pytest.mark.parametrize("name", LOST)
def test_a_submission_whose_answer_is_lost_is_one_job(name: str, served: ServedTwin) -> None:
    transport = Lossy(LOST[name])
    with TwinClient(served.url, EMAIL, PASSWORD, transport=transport) as client:
        job_id = client.submit_job(BACKEND, [BELL], shots=50)["job_id"]
        assert {json.loads(body)["job_id"] for body in transport.bodies["POST jobs"]} == {job_id}
        assert transport.attempts["POST jobs"] > 2
        result = client.wait_for_job(job_id)
        assert sum(result["results"][0]["counts"].values()) == 50
        assert client.submit_job(BACKEND, [BELL], shots=50)["job_id"] != job_id


@pytest.mark.parametrize("name", LOST)
async def test_the_asynchronous_client_does_as_well(name: str, served: ServedTwin) -> None:
    transport = Lossy(LOST[name])
    async with AsyncTwinClient(served.url, EMAIL, PASSWORD, transport=transport) as client:
        job_id = (await client.submit_job(BACKEND, [BELL], shots=50))["job_id"]
        assert {json.loads(body)["job_id"] for body in transport.bodies["POST jobs"]} == {job_id}
        result = await client.wait_for_job(job_id)
        assert sum(result["results"][0]["counts"].values()) == 50


def test_waiting_goes_on_while_the_twin_or_its_database_is_away(served: ServedTwin) -> None:
    transport = Lossy(first_lost(503, 502, REFUSED, 503))
    with TwinClient(served.url, EMAIL, PASSWORD, transport=transport, retry_s=0) as client:
        client.login()
        with served.client() as other:
            job_id = other.submit_job(BACKEND, [BELL], shots=50)["job_id"]
        assert sum(client.wait_for_job(job_id)["results"][0]["counts"].values()) == 50
        assert transport.attempts[f"GET jobs/{job_id}"] >= 5


@pytest.mark.parametrize(("lost", "error"), [(RESET, TwinUnreachableError), (503, TwinApiError)])
def test_waiting_ends_with_its_deadline(lost: httpx.TransportError | int, error: type, served: ServedTwin) -> None:
    transport = Lossy(lambda _attempt: lost)
    with TwinClient(served.url, EMAIL, PASSWORD, transport=transport) as client:
        client.login()
        with pytest.raises(error):
            client.wait_for_job("any", timeout_s=0.2)
        assert transport.attempts["GET jobs/any"] > 1


def test_a_job_that_is_not_there_is_told_at_once(served: ServedTwin) -> None:
    transport = Lossy(lambda _attempt: None)
    with TwinClient(served.url, EMAIL, PASSWORD, transport=transport) as client:
        with pytest.raises(TwinApiError, match="404"):
            client.wait_for_job("nothing")
        assert transport.attempts == {"GET jobs/nothing": 1}


def test_what_may_not_be_repeated_is_sent_once(served: ServedTwin) -> None:
    transport = Lossy(lambda _attempt: RESET)
    with TwinClient(served.url, EMAIL, PASSWORD, transport=transport) as client:
        client.login()
        with pytest.raises(TwinUnreachableError):
            client.command(BACKEND, "heartbeat")
        with pytest.raises(TwinUnreachableError):
            client.cancel_job("any")
    assert transport.attempts == {f"POST controller/{BACKEND}/commands": 1, "DELETE jobs/any": 1}


@pytest.mark.parametrize(("retry_s", "repeated"), [(0.0, False), (0.2, True)])
def test_reads_are_repeated_as_long_as_was_asked(retry_s: float, repeated: bool, served: ServedTwin) -> None:
    transport = Lossy(lambda _attempt: RESET)
    with TwinClient(served.url, EMAIL, PASSWORD, transport=transport, retry_s=retry_s) as client:
        client.login()
        with pytest.raises(TwinUnreachableError):
            client.health()
    assert (transport.attempts["GET health"] > 1) == repeated


def test_an_address_that_never_answered_is_told_at_once() -> None:
    transport = Lossy(lambda _attempt: REFUSED)
    with TwinClient("http://twin.invalid", access_token="x", transport=transport) as client:
        with pytest.raises(TwinUnreachableError):
            client.health()
        with pytest.raises(TwinUnreachableError):
            client.wait_for_job("any")
    assert transport.attempts == {"GET health": 1, "GET jobs/any": 1}


def test_a_job_that_is_not_over_in_time_is_told(served: ServedTwin) -> None:
    slow = {"qec_memory": {"code_family": "surface", "code_distance": 5, "rounds": 2000}}
    with TwinClient(served.url, EMAIL, PASSWORD, transport=Lossy(first_lost(RESET))) as client:
        job_id = client.submit_job("willow_like", [slow], shots=1000)["job_id"]
        with pytest.raises(DeadlineError, match="still"):
            client.wait_for_job(job_id, timeout_s=0.2)


def test_a_stream_that_is_lost_before_its_handshake_has_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a server that is killed between connection and handshake; websockets has a kind of its own for it."""

    def lost(*_: object, **__: object) -> None:
        raise ConnectionClosedError(None, None)

    monkeypatch.setattr("twin.client.stream.connect", lost)
    with (
        TwinClient("http://127.0.0.1:9", access_token="token") as client,
        pytest.raises(TwinUnreachableError, match="no stream at"),
    ):
        client.open_stream("twin-session")
