"""What every request passes: a request id, the access log and latency, a body limit, and the key check.

Pure ASGI, a few microseconds each; nothing here reads or buffers a body.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin.api.matching import ALL_METHODS
from twin.api.probes import is_probe
from twin.api.problems import answer_error, problem_body, problem_response
from twin.settings import AUTH_PREFIX, URL_PREFIX
from twin.telemetry.metrics import ServiceMetrics

log = structlog.get_logger("twin.access")

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
KEY_HEADER = b"x-api-key"
REPLICA_HEADER = "X-Twin-Replica"


class RequestContext:
    """Gives a request its id (the caller's `X-Request-Id` when it has a sane one), logs and times it."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics, replica: str | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._replica = replica

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                if self._replica is not None:
                    headers[REPLICA_HEADER] = self._replica
            await send(message)

        begun = time.perf_counter()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            structlog.contextvars.unbind_contextvars("request_id")
            self._report(scope, status, time.perf_counter() - begun, request_id)

    def _report(self, scope: Scope, status: int, duration_s: float, request_id: str) -> None:
        if scope["type"] != "http":
            return
        route = getattr(scope.get("route"), "path", "unknown").removeprefix(URL_PREFIX)
        status = status or 500  # an exception on its way to the server's own handler
        method = scope["method"] if scope["method"] in ALL_METHODS else "OTHER"  # a label for each text would stay
        self._metrics.observe_request(method, route, status, duration_s)
        write = log.info if status >= 400 else log.debug
        write(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            duration_ms=round(duration_s * 1e3, 2),
            request_id=request_id,
        )


class BodyLimit:
    """Answers 413 to a body that says, or turns out, to be over the limit: a lower one where anybody may ask."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_auth_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_auth_bytes = min(max_auth_bytes, max_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._max_auth_bytes if scope["path"].startswith(AUTH_PREFIX) else self._max_bytes
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not length.isdigit() or int(length) > max_bytes:
            await self._refuse(max_bytes, scope, receive, send)
            return
        received, started = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > max_bytes:
                raise _TooLarge
            return message

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, send_noting)
        except _TooLarge:
            if not started:
                await self._refuse(max_bytes, scope, receive, send)

    async def _refuse(self, max_bytes: int, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"the body is over the limit of {max_bytes} bytes"
        await refuse(scope, receive, send, 413, detail, {"Connection": "close"})


class _TooLarge(BaseException):
    """Passes the routes' own error handlers, which catch Exception."""


class LastResort:
    """Answers what went wrong outside of the routes' own handlers: in other middleware, or by a fault of ours.

    Inside of what adds CORS headers, so that a page of another origin can read these answers, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = scope["type"] != "http"

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception as error:
            if started:
                raise
            await answer_error(Request(scope), error)(scope, receive, send)


class KeyCheck:
    """Refuses what does not carry the gateway's key, but probes."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._api_key = api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"} and not is_probe(scope["path"]):
            keys = [value for name, value in scope["headers"] if name == KEY_HEADER]
            if len(keys) != 1 or not hmac.compare_digest(keys[0], self._api_key):
                await refuse(scope, receive, send, 401, "this twin answers its gateway only: no valid X-API-Key")
                return
        await self._app(scope, receive, send)


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    detail: str,
    headers: dict[str, str] | None = None,
) -> None:
    """Answer with a problem; a WebSocket's handshake gets it too, where the server can."""
    request_id = scope.get("state", {}).get("request_id")
    response = problem_response(problem_body(status, detail, request_id=request_id), headers)
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": detail[:120]})
        return
    await response(scope, receive, send)


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return bytes(value).decode()
    return None
