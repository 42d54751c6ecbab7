"""The way from a gateway in its own process to the twins: HTTP, SSE and WebSocket, streamed and never buffered."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import httpx
import structlog
import websockets
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect

from twin.api.middleware import REPLICA_HEADER, refuse
from twin.settings import URL_PREFIX

log = structlog.get_logger(__name__)

SESSION_PREFIX = f"{URL_PREFIX}/qec_session/v1/"
CONNECT_TIMEOUT_S = 5.0
SAFE_METHODS = frozenset({"GET", "HEAD"})
# What this server says itself in every answer.
OWN_HEADERS = frozenset({b"date", b"server"})
# RFC 9110, section 7.6.1: for one connection only; the client libraries set their own. The last is the gateway's.
HOP_HEADERS = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
        b"x-forwarded-proto",
    }
)


class UpstreamProxy:
    """Takes turns among the twins; a session's requests go to the twin whose name its id starts with."""

    def __init__(self, upstreams: Sequence[str]) -> None:
        self._upstreams = [url.rstrip("/") for url in upstreams]
        self._turns = itertools.count()
        self._of_replica: dict[str, str] = {}
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        self._client = httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    def _candidates(self, path: str) -> list[str]:
        """Every twin, the one to ask first in front."""
        first = next(self._turns) % len(self._upstreams)
        order = self._upstreams[first:] + self._upstreams[:first]
        if path.startswith(SESSION_PREFIX):
            session_id = unquote(path[len(SESSION_PREFIX) :].partition("/")[0])
            home = self._of_replica.get(session_id.rpartition("-")[0])
            if home is not None:
                order = [home, *(url for url in order if url != home)]
        return order

    async def num_ready(self, timeout_s: float) -> int:
        """How many twins say that they are ready."""
        return sum(await asyncio.gather(*(self._is_ready(url, timeout_s) for url in self._upstreams)))

    async def _is_ready(self, upstream: str, timeout_s: float) -> bool:
        if self._client is None:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                return (await self._client.get(f"{upstream}/readyz")).status_code == 200
        except (httpx.HTTPError, TimeoutError):
            return False

    # -- HTTP

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._client is None:
            raise RuntimeError("the proxy is not open")
        target = _target(scope)
        body = _Body(receive)
        candidates = self._candidates(scope["path"])
        may_repeat = scope["method"] in SAFE_METHODS and not body.is_announced(scope)
        if may_repeat:
            candidates.append(candidates[0])
        for upstream in candidates:
            request = self._client.build_request(
                scope["method"], upstream + target, headers=_forwarded(scope), content=body.chunks(scope)
            )
            try:
                response = await self._client.send(request, stream=True)
            except httpx.ConnectError as error:  # nothing was sent: the next one may be asked
                log.warning("a twin is not there", upstream=upstream, error=str(error))
                continue
            except httpx.HTTPError as error:
                log.warning("a twin broke off", upstream=upstream, error=repr(error))
                if may_repeat:  # perhaps a kept connection that was just being closed
                    continue
                await refuse(scope, receive, send, 502, "the twin broke off")
                return
            self._of_replica[response.headers.get(REPLICA_HEADER, "")] = upstream
            await _pass_on(response, body, send)
            return
        await refuse(scope, receive, send, 502, "no twin answers", {"Retry-After": "1"})

    # -- WebSocket

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in _forwarded(scope)
            if name != b"host" and not name.startswith(b"sec-websocket-")
        ]
        for upstream in self._candidates(scope["path"]):
            url = "ws" + upstream.removeprefix("http") + _target(scope)
            try:
                connection = await connect(
                    url,
                    additional_headers=headers,
                    max_size=None,
                    compression=None,
                    open_timeout=CONNECT_TIMEOUT_S,
                    proxy=None,
                )
            except websockets.InvalidStatus as error:
                await _deny(scope, send, error.response)
                return
            except (OSError, TimeoutError, websockets.InvalidHandshake) as error:
                log.warning("a twin is not there", upstream=upstream, error=str(error))
                continue
            async with connection:
                await send({"type": "websocket.accept"})
                await _pump(connection, receive, send)
            return
        await refuse(scope, receive, send, 502, "no twin answers")


class _Body:
    """A request's body, passed on as it comes; after it only the client's leaving is of interest."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read = False

    def is_announced(self, scope: Scope) -> bool:
        return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])

    def chunks(self, scope: Scope) -> AsyncIterator[bytes] | None:
        return self._stream() if self.is_announced(scope) else None

    async def _stream(self) -> AsyncIterator[bytes]:
        more = not self._read
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise httpx.ReadError("the client left")
            more = message.get("more_body", False)
            yield message.get("body", b"")
        self._read = True

    async def until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _pass_on(response: httpx.Response, body: _Body, send: Send) -> None:
    """The answer as it comes, until it ends or the client leaves."""
    dropped = HOP_HEADERS | OWN_HEADERS
    headers = [(name.lower(), value) for name, value in response.headers.raw if name.lower() not in dropped]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})

    async def copy() -> None:
        async for chunk in response.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    try:
        await _first_of(copy(), body.until_gone())
    finally:
        await response.aclose()


async def _pump(connection: ClientConnection, receive: Receive, send: Send) -> None:
    async def upstream() -> None:
        while (message := await receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            await connection.send(message["bytes"] if text is None else text)

    async def downstream() -> None:
        async for message in connection:
            key = "text" if isinstance(message, str) else "bytes"
            await send({"type": "websocket.send", key: message})
        await send(
            {
                "type": "websocket.close",
                "code": connection.close_code or 1000,
                "reason": connection.close_reason or "",
            }
        )

    await _first_of(upstream(), downstream())


async def _first_of(*coroutines: Any) -> None:
    """Run until one ends; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        with contextlib.suppress(httpx.HTTPError, websockets.ConnectionClosed):
            task.result()


async def _deny(scope: Scope, send: Send, response: Any) -> None:
    """Hand a refused handshake on as it is."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        return
    media_type = response.headers.get("Content-Type", "application/problem+json").encode()
    await send(
        {
            "type": "websocket.http.response.start",
            "status": response.status_code,
            "headers": [(b"content-type", media_type)],
        }
    )
    await send({"type": "websocket.http.response.body", "body": bytes(response.body or b"")})


def _target(scope: Scope) -> str:
    """Path and query, as they came."""
    path, query = scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii")
    return f"{path}?{query}" if query else path


def _forwarded(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Headers for the twin: its descriptions name the host and scheme that the client knows."""
    passed = [pair for pair in scope["headers"] if pair[0] not in HOP_HEADERS]
    return [*passed, (b"x-forwarded-proto", scope["scheme"].encode())]
