"""The clients against a served twin: both alike, tokens renewed, faults told in one line."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.twin.conftest import BELL, EMAIL, PASSWORD, ServedTwin, settings_of
from twin.client import AsyncTwinClient, DeadlineError, TwinApiError, TwinClient, TwinError, TwinUnreachableError
from twin.jobs.local import LocalExecutor
from twin.jobs.model import RunOutcome, RunTask
from twin.serve import serve_in_thread

BACKEND = "ibm_jakarta_like"


def test_both_clients_have_the_same_calls() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(TwinClient) - {"close", "open_stream"} == public(AsyncTwinClient) - {"aclose"}


async def test_the_asynchronous_client_runs_a_job(served: ServedTwin) -> None:
    async with AsyncTwinClient(served.url, EMAIL, PASSWORD) as client:
        job = await client.submit_job(BACKEND, [BELL], shots=100)
        result = await client.wait_for_job(job["job_id"])
        assert sum(result["results"][0]["counts"].values()) == 100
        session = await client.create_session(BACKEND, code_family="repetition", code_distance=3)
        syndrome = await client.syndrome(session["session_id"], 0)
        assert len(syndrome["syndrome_bits"]) == 2
        with pytest.raises(TwinApiError, match="404"):
            await client.job("nothing")


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[str]:
    """Tokens of a second or so."""
    settings = settings_of(tmp_path, access_token_ttl_s=1.0)
    with serve_in_thread(settings) as url:
        yield url


def test_tokens_are_renewed(short_lived: str) -> None:
    with TwinClient(short_lived, EMAIL, PASSWORD) as client:
        tokens = client.login()
        for _ in range(2):
            client.health()
            time.sleep(1.1)
        client.health()
    stale = TwinClient(short_lived, access_token=tokens["access_token"])
    with stale, pytest.raises(TwinError, match="no email and password"):
        stale.health()


def test_a_wrong_password_is_told(served: ServedTwin) -> None:
    with TwinClient(served.url, "somebody@example.org", "wrong") as client:
        with pytest.raises(TwinApiError, match="email or password is wrong") as refused:
            client.health()
        assert refused.value.status == 401


def test_a_twin_that_is_not_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with TwinClient(url, EMAIL, PASSWORD) as client, pytest.raises(TwinUnreachableError, match=url):
            client.health()


def test_a_twin_that_is_silent_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with TwinClient(url, access_token="x", timeout_s=0.3) as client, pytest.raises(TwinUnreachableError):
            client.health()


def test_waiting_for_a_job_has_a_deadline(client: TwinClient) -> None:
    slow = {"qec_memory": {"code_family": "surface", "code_distance": 5, "rounds": 2000}}
    job_id = client.submit_job("willow_like", [slow], shots=1000)["job_id"]
    with pytest.raises(DeadlineError, match="still"):
        client.wait_for_job(job_id, timeout_s=0.05)


def test_a_failed_job_is_told_with_its_reason(client: TwinClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_executor: LocalExecutor, _task: RunTask) -> RunOutcome:
        return RunOutcome(error="the engine gave up")

    monkeypatch.setattr(LocalExecutor, "run", fail)
    job_id = client.submit_job("ibm_jakarta_like", [BELL])["job_id"]
    with pytest.raises(TwinError, match="FAILED: the engine gave up"):
        client.wait_for_job(job_id)
    with pytest.raises(TwinApiError, match="409"):
        client.job_result(job_id)


def test_a_stream_whose_twin_goes_away_is_told(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with serve_in_thread(settings) as url:
        client = TwinClient(url, EMAIL, PASSWORD, retry_s=0.1)
        session = client.create_session("surface17_like", code_family="surface", code_distance=3, rounds=3, shots=10)
        stream = client.open_stream(session["session_id"])
        assert stream.next_shots(5).size
    with pytest.raises(TwinUnreachableError, match="closed the stream"):
        stream.next_shots(5)
    with pytest.raises(TwinUnreachableError):
        client.health()
    stream.close()
    client.close()
