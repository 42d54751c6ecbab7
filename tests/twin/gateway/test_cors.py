"""Pages of other origins: who may call, and what a preflight is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.twin.conftest import EMAIL, PASSWORD, ServedTwin, settings_of
from twin.errors import InvalidError, UnavailableError
from twin.serve import serve_in_thread
from twin.settings import URL_PREFIX, Settings

PAGE = "http://localhost:3000"
JOBS = f"{URL_PREFIX}/jobs"


@pytest.fixture(scope="module")
def open_to_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = settings_of(tmp_path_factory.mktemp("cors"), cors_origins=[PAGE, "https://Lab.Example.org"])
    with serve_in_thread(settings) as url:
        yield url


def preflight(
    url: str, origin: str, method: str = "POST", headers: str = "authorization,content-type"
) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return httpx.options(url, headers=asked)


@pytest.mark.parametrize("path", [JOBS, f"{JOBS}/1", "/api/v1/auth/login", f"{URL_PREFIX}/config/content"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("origin", [PAGE, "https://lab.example.org"])
def test_a_preflight_needs_no_token(open_to_page: str, path: str, method: str, origin: str) -> None:
    answer = preflight(open_to_page + path, origin, method, "authorization,content-type,idempotency-key,last-event-id")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    assert "origin" in answer.headers["vary"].lower()
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["http://localhost:3001", "https://localhost:3000", "http://localhost:3000.evil.org", "null"]
)
def test_other_origins_are_refused(open_to_page: str, origin: str) -> None:
    answer = preflight(open_to_page + JOBS, origin)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "--cors-origin" in answer.json()["detail"]
    assert "access-control-allow-origin" not in answer.headers
    plain = httpx.get(open_to_page + JOBS, headers={"Origin": origin})
    assert "access-control-allow-origin" not in plain.headers


def test_answers_and_refusals_can_be_read_by_the_page(open_to_page: str) -> None:
    origin = {"Origin": PAGE}
    login = f"{open_to_page}/api/v1/auth/login"
    good = httpx.post(login, json={"email": EMAIL, "password": PASSWORD}, headers=origin)
    token = {"Authorization": f"Bearer {good.json()['access_token']}"}
    answers = {
        200: good,
        401: httpx.get(open_to_page + JOBS, headers=origin),
        404: httpx.get(f"{open_to_page}{URL_PREFIX}/nothing", headers={**origin, **token}),
        405: httpx.put(open_to_page + JOBS, headers={**origin, **token}),
        413: httpx.post(login, content=b"x" * 20_000, headers=origin),
        422: httpx.post(login, json={}, headers=origin),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == PAGE, status
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]


def test_without_the_setting_no_page_is_let_in(served: ServedTwin) -> None:
    answer = preflight(served.base + "/jobs", PAGE)
    assert answer.status_code == 401
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "origin", ["localhost:3000", "http://localhost:3000/", "http://a.org/page", "ftp://a.org", "", "http://a b"]
)
def test_what_is_no_origin_is_told_at_the_door(tmp_path: Path, origin: str) -> None:
    with pytest.raises(InvalidError, match="SCHEME://HOST"):
        Settings.from_env({}, data_dir=tmp_path, cors_origins=(origin,))


@pytest.mark.parametrize("proxy", ["*", "10.0.0.1/8", "proxy.example.org", "", "127.0.0.1:80"])
def test_what_is_no_proxy_is_told_at_the_door(tmp_path: Path, proxy: str) -> None:
    with pytest.raises(InvalidError, match="IP address or network"):
        Settings.from_env({}, data_dir=tmp_path, trusted_proxies=(proxy,))


def test_faults_can_be_read_by_the_page(open_to_page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    login = httpx.post(f"{open_to_page}/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
    headers = {"Origin": PAGE, "Authorization": f"Bearer {login['access_token']}"}

    def fails(*_given: object, **_named: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("twin.api.core.prometheus_text", fails)
    fault = httpx.get(f"{open_to_page}{URL_PREFIX}/metrics/prometheus", headers=headers)
    assert (fault.status_code, fault.headers["access-control-allow-origin"]) == (500, PAGE)
    assert fault.headers["content-type"] == "application/problem+json"
    assert "a fault of ours" not in fault.text


def test_a_gateway_whose_store_is_away_says_so_to_the_page(open_to_page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_away(*_given: object, **_named: object) -> None:
        raise UnavailableError("the database does not answer")

    monkeypatch.setattr("twin.gateway.accounts.Accounts.admit", is_away)
    answer = httpx.get(open_to_page + JOBS, headers={"Origin": PAGE, "Authorization": "Bearer x"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (503, PAGE)
    assert answer.json()["detail"] == "the database does not answer"
