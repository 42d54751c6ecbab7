"""Failed logins: the limit holds for those that come at once, and locks nobody else out; what they send is bounded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.twin.conftest import EMAIL, PASSWORD, ServedTwin, settings_of
from twin.errors import BusyError
from twin.gateway.attempts import MAX_WAITING_PER_ADDRESS, Attempts, site_of
from twin.serve import serve_in_thread

LOGIN = "/api/v1/auth/login"
LIMIT = 3
PROXY = {"trusted_proxies": ["127.0.0.1"], "limits": {"login_attempts_per_minute": LIMIT}}


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[str]:
    with serve_in_thread(settings_of(tmp_path, **PROXY)) as url:
        yield url


def login(url: str, email: str = EMAIL, password: str = PASSWORD, address: str | None = None) -> httpx.Response:
    headers = {} if address is None else {"X-Forwarded-For": address}
    return httpx.post(f"{url}{LOGIN}", json={"email": email, "password": password}, headers=headers, timeout=60)


def test_of_many_wrong_logins_at_once_only_the_limit_is_tried(proxied: str) -> None:
    url = proxied

    async def burst() -> Counter[int]:
        async with httpx.AsyncClient(timeout=60) as http:
            body = {"email": EMAIL, "password": "wrong"}
            headers = {"X-Forwarded-For": "192.0.2.1"}
            answers = await asyncio.gather(*(http.post(f"{url}{LOGIN}", json=body, headers=headers) for _ in range(60)))
            assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
            return Counter(answer.status_code for answer in answers)

    assert asyncio.run(burst()) == {401: LIMIT, 429: 60 - LIMIT}
    assert login(url, address="192.0.2.1").status_code == 429
    assert login(url, address="192.0.2.2").status_code == 200  # the same account, from elsewhere


def test_right_logins_at_once_are_all_let_in(proxied: str) -> None:
    url = proxied

    async def burst() -> list[int]:
        async with httpx.AsyncClient(timeout=60) as http:
            body = {"email": EMAIL, "password": PASSWORD}
            answers = await asyncio.gather(*(http.post(f"{url}{LOGIN}", json=body) for _ in range(4 * LIMIT)))
            return [answer.status_code for answer in answers]

    assert set(asyncio.run(burst())) == {200}


def test_failures_for_other_accounts_from_there_lock_nobody_out(proxied: str) -> None:
    url = proxied
    emails = [f"somebody{index}@example.org" for index in range(10 * LIMIT)]
    assert {login(url, email, "wrong").status_code for email in emails} == {401}
    assert login(url, emails[0], "wrong").status_code == 429  # the address has used up its failures
    assert login(url).status_code == 200


def test_who_has_logged_in_from_there_is_not_held_up() -> None:
    async def attempt() -> None:
        attempts = Attempts(LIMIT)
        (await attempts.begin("known@x", "192.0.2.1")).succeed()
        for index in range(10 * LIMIT):
            (await attempts.begin(f"other{index}@x", "192.0.2.1")).fail()
        await attempts.begin("new@x", "192.0.2.1")
        with pytest.raises(BusyError):  # one new email a second
            await attempts.begin("newer@x", "192.0.2.1")
        for _ in range(5):
            await attempts.begin("known@x", "192.0.2.1")

    asyncio.run(attempt())


def test_who_has_left_is_not_tried_and_few_may_wait() -> None:
    async def attempt() -> None:
        attempts = Attempts(LIMIT)
        tried, entered, leave = [], asyncio.Event(), asyncio.Event()

        async def first() -> None:
            async with attempts.line("192.0.2.1"):
                entered.set()
                await leave.wait()

        async def gone() -> bool:
            return True

        async def later(email: str) -> None:
            async with attempts.line("192.0.2.1"):
                await attempts.begin(email, "192.0.2.1", gone)
                tried.append(email)

        holder = asyncio.create_task(first())
        await entered.wait()
        waiting = [asyncio.create_task(later(f"{index}@x")) for index in range(MAX_WAITING_PER_ADDRESS - 1)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="at once"):
            await later("one too many")
        async with attempts.line("198.51.100.7"):  # elsewhere nobody waits
            pass
        leave.set()
        await holder
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, BusyError) for outcome in outcomes)
        assert not tried

    asyncio.run(attempt())


def test_without_a_trusted_proxy_nobody_chooses_an_address(tmp_path: Path) -> None:
    with serve_in_thread(settings_of(tmp_path, limits=PROXY["limits"])) as url:
        answers = [login(url, password="wrong", address=f"192.0.2.{index}").status_code for index in range(LIMIT + 1)]
    assert answers == [401] * LIMIT + [429]


def test_only_what_the_proxy_itself_added_counts(proxied: str) -> None:
    """X-Forwarded-For grows on the right; what stands on the left the client may have written."""
    url = proxied
    answers = [login(url, password="wrong", address=f"10.0.0.{i}, 192.0.2.1").status_code for i in range(LIMIT + 1)]
    assert answers == [401] * LIMIT + [429]


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_one_client_is_one_site(address: str, site: str) -> None:
    assert site_of(address) == site


@pytest.mark.parametrize("path", ["login", "refresh", "logout"])
def test_what_anybody_may_send_is_small(served: ServedTwin, path: str) -> None:
    url = served.url
    body = b'{"email":"a@b.c","password":"x"' + b"".join(b',"k%d":1' % index for index in range(2000)) + b"}"
    assert len(body) > 16 * 2**10
    for content in (body, iter([body])):  # with its length, and in chunks
        answer = httpx.post(f"{url}/api/v1/auth/{path}", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert "16384" in answer.json()["detail"]
    within = body[:16_000].rpartition(b",")[0] + b"}"
    answer = httpx.post(f"{url}/api/v1/auth/{path}", content=within, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert "keys, expected at most" in fault["message"]
    few = httpx.post(f"{url}/api/v1/auth/{path}", json={"email": "a@b.c", "k1": 1, "k2": 2})
    assert {"k1", "k2"} <= {fault["loc"][0] for fault in few.json()["errors"]}  # few are told by name
    assert len(answer.content) < 16_384


def test_long_names_are_not_sent_back(served: ServedTwin) -> None:
    url = served.url
    headers = {"Authorization": f"Bearer {login(url).json()['access_token']}"}
    base = f"{url}/api/v1/digital-twin"
    long = "x" * 2_000_000
    bodies = [
        {"backend_id": long, "circuits": ["OPENQASM 2.0;"]},
        {"backend_id": "ibm_jakarta_like", "circuits": ["OPENQASM 2.0;"], long: 1},
        {"backend_id": "ibm_jakarta_like", "circuits": [f"OPENQASM 2.0; {long} q;"]},
    ]
    for body in bodies:
        answer = httpx.post(f"{base}/jobs", json=body, headers=headers, timeout=60)
        assert answer.status_code in (404, 413, 422)
        assert len(answer.content) < 20_000


MANY = 100_000
SESSION = {"backend_id": "ibm_jakarta_like", "code_family": "repetition", "code_distance": 3}
SCHEDULE = "/controller_api/v1/ibm_jakarta_like/pulse_schedule"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/jobs", {"backend_id": "x", "circuits": ["x"]} | {f"k{index}": 1 for index in range(MANY)}),
        ("/jobs", {"backend_id": "x", "circuits": [1] * MANY}),
        (SCHEDULE, {"n_qubits": 1, "actions": [1] * MANY}),
        ("/qec_session/v1/x/round/0/correction", {"correction_bits": ["x"] * MANY}),
        ("/qec_session/v1/x/round/0/correction", {"correction_bits": [["x"] * MANY]}),
        ("/qec_session/v1/", SESSION | {"noise": {f"k{index}": "x" for index in range(MANY)}}),
        ("/controller/ibm_jakarta_like/commands", {f"k{index}": 1 for index in range(MANY)}),
    ],
)
def test_many_faults_are_told_briefly(http: httpx.Client, path: str, body: object) -> None:
    answer = http.post(path, json=body, timeout=60)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) <= 20
    assert len(answer.content) < 8192
