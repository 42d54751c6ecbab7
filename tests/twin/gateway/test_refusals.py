"""Every route refuses everything but a good access token; roles; the twin's own key."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest
import websockets.exceptions
from websockets.sync.client import connect

from tests.twin.conftest import EMAIL, PASSWORD, ServedTwin, settings_of
from twin.serve import serve_in_thread
from twin.settings import URL_PREFIX

GOOD_CLAIMS: dict[str, Any] = {
    "iss": "qtwin-gateway",
    "aud": "digital-twin",
    "typ": "access",
    "jti": "0123456789abcdef",
}


def secret_of(served: ServedTwin) -> str:
    return (served.data_dir / "token_secret").read_text()


def signed(served: ServedTwin, secret: str | None = None, **changes: Any) -> str:
    """A token like the gateway's own, for the admin, with some claims changed."""
    own = jwt.decode(served.token(), options={"verify_signature": False})
    now = int(time.time())
    claims = {**GOOD_CLAIMS, "sub": own["sub"], "iat": now, "exp": now + 60, **changes}
    return jwt.encode(claims, secret or secret_of(served), algorithm="HS256")


def unsigned(served: ServedTwin) -> str:
    """`alg: none`, with the claims of a good token."""
    _, payload, _ = served.token().split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{head}.{payload}."


def refresh_token(served: ServedTwin) -> str:
    with served.client() as client:
        return client.login()["refresh_token"]


BAD_TOKENS: dict[str, Callable[[ServedTwin], str]] = {
    "garbage": lambda _served: "garbage",
    "expired": lambda served: signed(served, exp=int(time.time()) - 1),
    "alg none": unsigned,
    "a refresh token": refresh_token,
    "for another service": lambda served: signed(served, aud="billing"),
    "from another issuer": lambda served: signed(served, iss="somebody"),
    "signed by another": lambda served: signed(served, secret="another secret that is long enough"),
    "of another kind": lambda served: signed(served, typ="refresh"),
    "of nobody": lambda served: signed(served, sub="nobody"),
}


@pytest.fixture(scope="module")
def routes(served: ServedTwin) -> list[tuple[str, str]]:
    described = httpx.get(f"{served.base}/openapi.json").json()
    return [
        (method.upper(), re.sub(r"\{[^}]+\}", "1", path))
        for path, operations in described["paths"].items()
        for method in operations
        if path.startswith(URL_PREFIX)
    ]


def test_a_good_token_is_taken(served: ServedTwin) -> None:
    with served.http(signed(served)) as http:
        assert http.get("/health").status_code == 200


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_every_route_refuses_a_bad_token(served: ServedTwin, routes: list[tuple[str, str]], kind: str) -> None:
    assert len(routes) >= 34
    with httpx.Client(headers={"Authorization": f"Bearer {BAD_TOKENS[kind](served)}"}) as http:
        for method, path in routes:
            answer = http.request(method, served.url + path)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "guess"}, {"Authorization": "Basic YTpi"}])
def test_every_route_refuses_no_token(
    served: ServedTwin, routes: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    with httpx.Client(headers=headers) as http:
        for method, path in routes:
            assert http.request(method, served.url + path).status_code == 401, (method, path)


def test_the_right_api_key_from_a_client_opens_nothing(served: ServedTwin) -> None:
    key = (served.data_dir / "api_key").read_text()
    assert httpx.get(f"{served.base}/health", headers={"X-API-Key": key}).status_code == 401


def test_a_clients_own_api_key_and_role_are_dropped(served: ServedTwin) -> None:
    headers = {"X-API-Key": "guess", "X-Twin-Role": "viewer", "X-Twin-User": "nobody"}
    with served.http() as http:
        answer = http.post(
            "/controller/willow_like/commands", json={"command_type": "reset", "payload": {}}, headers=headers
        )
    assert answer.status_code == 200


def test_the_stream_refuses_a_handshake_without_token(served: ServedTwin) -> None:
    url = served.base.replace("http", "ws") + "/qec_session/v1/any/stream"
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        connect(url, proxy=None)
    assert refused.value.response.status_code == 401


@pytest.fixture(scope="module")
def bare_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = settings_of(tmp_path_factory.mktemp("bare"), api_key="the key")
    with serve_in_thread(settings, kind="twin") as url:
        yield url


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer x"}])
def test_a_twin_alone_refuses_without_its_key(bare_twin: str, headers: dict[str, str]) -> None:
    assert httpx.get(f"{bare_twin}{URL_PREFIX}/health", headers=headers).status_code == 401


def test_a_twin_alone_answers_with_its_key(bare_twin: str) -> None:
    answer = httpx.get(f"{bare_twin}{URL_PREFIX}/health", headers={"X-API-Key": "the key"})
    assert answer.json()["status"] == "healthy"


def test_viewer_reads_operator_commands_admin_manages(served: ServedTwin) -> None:
    auth = f"{served.url}/api/v1/auth"
    admin = {"Authorization": f"Bearer {served.token()}"}
    tokens = {}
    for role in ("viewer", "operator"):
        body = {"email": f"{role}@example.org", "password": "long enough", "role": role}
        assert httpx.post(f"{auth}/users", json=body, headers=admin).status_code == 201
        login = httpx.post(f"{auth}/login", json={"email": body["email"], "password": body["password"]})
        tokens[role] = {"Authorization": f"Bearer {login.json()['access_token']}"}
    command = f"{served.base}/controller/willow_like/commands"
    reset = {"command_type": "reset", "payload": {}}
    assert httpx.get(f"{served.base}/backends", headers=tokens["viewer"]).status_code == 200
    assert httpx.post(command, json=reset, headers=tokens["viewer"]).status_code == 403
    assert httpx.post(command, json=reset, headers=tokens["operator"]).status_code == 200
    assert httpx.get(f"{auth}/users", headers=tokens["operator"]).status_code == 403
    listed = httpx.get(f"{auth}/users", headers=admin).json()["users"]
    roles = {EMAIL: "admin", "viewer@example.org": "viewer", "operator@example.org": "operator"}
    assert {user["email"]: user["role"] for user in listed}.items() >= roles.items()
    disabled = httpx.patch(f"{auth}/users/viewer@example.org", json={"disabled": True}, headers=admin)
    assert disabled.json()["disabled"] is True
    assert httpx.get(f"{served.base}/backends", headers=tokens["viewer"]).status_code == 401
    assert httpx.patch(f"{auth}/users/{EMAIL}", json={"disabled": True}, headers=admin).status_code == 409


def test_refresh_rotates_and_reuse_revokes_the_login(served: ServedTwin) -> None:
    auth = f"{served.url}/api/v1/auth"
    first = httpx.post(f"{auth}/login", json={"email": EMAIL, "password": PASSWORD}).json()
    second = httpx.post(f"{auth}/refresh", json={"refresh_token": first["refresh_token"]}).json()
    assert second["refresh_token"] != first["refresh_token"]
    with served.http(second["access_token"]) as http:
        assert http.get("/health").status_code == 200
    assert httpx.post(f"{auth}/refresh", json={"refresh_token": first["refresh_token"]}).status_code == 401
    assert httpx.post(f"{auth}/refresh", json={"refresh_token": second["refresh_token"]}).status_code == 401
    assert httpx.post(f"{auth}/refresh", json={"refresh_token": first["access_token"]}).status_code == 401


def test_logout_ends_a_login_and_no_other_one(served: ServedTwin) -> None:
    auth = f"{served.url}/api/v1/auth"
    first, other = (httpx.post(f"{auth}/login", json={"email": EMAIL, "password": PASSWORD}).json() for _ in range(2))
    second = httpx.post(f"{auth}/refresh", json={"refresh_token": first["refresh_token"]}).json()

    def works(tokens: dict[str, str]) -> bool:
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        answers = {httpx.get(url, headers=bearer).status_code for url in (f"{served.base}/health", f"{auth}/me")}
        assert answers in ({200}, {401})
        return answers == {200}

    assert works(first)
    assert works(second)
    assert httpx.post(f"{auth}/logout", json={"refresh_token": second["refresh_token"]}).status_code == 204
    assert not works(first)
    assert not works(second)
    assert httpx.post(f"{auth}/refresh", json={"refresh_token": second["refresh_token"]}).status_code == 401
    assert works(other)


def test_a_refresh_token_used_twice_ends_the_logins_access_tokens(served: ServedTwin) -> None:
    auth = f"{served.url}/api/v1/auth"
    first = httpx.post(f"{auth}/login", json={"email": EMAIL, "password": PASSWORD}).json()
    second = httpx.post(f"{auth}/refresh", json={"refresh_token": first["refresh_token"]}).json()
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    assert httpx.get(f"{served.base}/health", headers=bearer).status_code == 200
    assert httpx.post(f"{auth}/refresh", json={"refresh_token": first["refresh_token"]}).status_code == 401
    assert httpx.get(f"{served.base}/health", headers=bearer).status_code == 401


def test_failed_logins_are_limited_and_good_ones_are_not(bare_login: str) -> None:
    def login(password: str) -> httpx.Response:
        return httpx.post(f"{bare_login}/api/v1/auth/login", json={"email": EMAIL, "password": password})

    assert [login(PASSWORD).status_code for _ in range(4)] == [200] * 4
    assert [login("wrong").status_code for _ in range(3)] == [401] * 3
    limited = login("wrong")
    assert limited.status_code == 429
    assert 1 <= int(limited.headers["retry-after"]) <= 60
    assert login(PASSWORD).status_code == 429


@pytest.fixture
def bare_login(tmp_path: Any) -> Iterator[str]:
    settings = settings_of(tmp_path, limits={"login_attempts_per_minute": 3})
    with serve_in_thread(settings) as url:
        yield url
