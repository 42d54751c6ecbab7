"""Where a client's tokens come from and when they are renewed; shared by both clients."""

from __future__ import annotations

import re
import ssl
import time
from dataclasses import dataclass

import httpx

from twin.client.calls import Call
from twin.client.errors import TwinUnreachableError, error_of
from twin.client.types import Tokens
from twin.errors import TwinError
from twin.settings import URL_PREFIX

API_PATH = "/api/v1"
AUTH_PATH = f"{API_PATH}/auth"
RENEW_BEFORE_S = 30.0
ERROR_NUMBER = re.compile(r"\[Errno -?\d+\] ")


FIRST_PAUSE_S, LAST_PAUSE_S = 0.05, 1.0
SHORTEST_TIMEOUT_S = 1.0
AWAY = (502, 503)
"""What a gateway whose twin is away, or a twin whose database is away, answers."""


class Attempts:
    """How often, and for how long, something is tried: pauses that grow, until a deadline.

    Args:
        seconds: from now; 0 for one attempt.
    """

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._pause_s = FIRST_PAUSE_S

    def pause_s(self, error: TwinError) -> float:
        """How long to wait before the next attempt; raises the error when there is none."""
        if time.monotonic() + self._pause_s > self._deadline:
            raise error
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, LAST_PAUSE_S)
        return pause_s

    def request_timeout_s(self, usual_s: float) -> float:
        """A request's own deadline: the usual one, or what is left if that is less (but time for an answer)."""
        return min(usual_s, max(self._deadline - time.monotonic(), SHORTEST_TIMEOUT_S))


@dataclass(slots=True)
class Credentials:
    """An email and password, or tokens that were got elsewhere; renewed tokens replace the old ones."""

    email: str | None = None
    password: str | None = None
    access_token: str | None = None
    refresh_token: str | None = None
    expires_at: float = float("inf")

    def take(self, tokens: Tokens) -> None:
        self.access_token = tokens["access_token"]
        self.refresh_token = tokens["refresh_token"]
        self.expires_at = time.monotonic() + tokens["expires_in"]

    @property
    def is_stale(self) -> bool:
        return self.access_token is None or time.monotonic() > self.expires_at - RENEW_BEFORE_S

    def refresh_request(self) -> tuple[str, dict[str, str]] | None:
        """(path, body) of a renewal by refresh token, when there is one."""
        if self.refresh_token is None:
            return None
        return f"{AUTH_PATH}/refresh", {"refresh_token": self.refresh_token}

    def login_request(self) -> tuple[str, dict[str, str]]:
        """Raises TwinError when there is no password to log in with."""
        if self.email is None or self.password is None:
            raise TwinError("the token is no longer valid, and there is no email and password to log in with")
        return f"{AUTH_PATH}/login", {"email": self.email, "password": self.password}


def gateway_url(url: str) -> str:
    """The gateway's address from it, or from one of the API's below it."""
    url = url.rstrip("/")
    for prefix in (URL_PREFIX, AUTH_PATH, API_PATH):
        if url.endswith(prefix):
            return url.removesuffix(prefix)
    return url


def request_arguments(call: Call[object], token: str | None) -> dict[str, object]:
    """What httpx is given for a call."""
    return {
        "method": call.method,
        "url": URL_PREFIX + call.path,
        "params": call.params,
        "json": call.json,
        "headers": {**call.headers, "Authorization": f"Bearer {token}"},
    }


def value_of(response: httpx.Response, is_text: bool = False) -> object:
    """The answer's value; raises TwinApiError for a problem."""
    if response.is_error:
        raise error_of(response.status_code, response.content, response.headers.get("Retry-After"))
    if is_text:
        return response.text
    return response.json() if response.content else None


def unreachable(base_url: str, error: httpx.HTTPError) -> TwinUnreachableError:
    reason = ERROR_NUMBER.sub("", str(error)) or type(error).__name__
    return TwinUnreachableError(
        f"no answer from the twin at {base_url}: {reason}; is that its address, and does it run?"
    )


def tls_context(url: str, verify: bool | str) -> ssl.SSLContext | None:
    """What an https (or wss) address is checked with: the system's CAs, those of a file, or nothing."""
    if not url.startswith(("https://", "wss://")):
        return None
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def stream_url(base_url: str, session_id: str) -> str:
    scheme, _, rest = base_url.rstrip("/").partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}{URL_PREFIX}/qec_session/v1/{session_id}/stream"
