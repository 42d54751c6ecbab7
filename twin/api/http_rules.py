"""What HTTP asks of every route beside what the route itself does.

HEAD is GET without the body, OPTIONS tells the methods, a 405 names them all (RFC 9110, sections 9.3.2, 9.3.7 and
15.5.6); a body is JSON as it is (415), and an empty value in a query is as good as none. A slash more or less at the
end of a path is tolerated, without a redirect, which would lose the body of a POST.
"""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin.api.matching import allowed_methods, is_there, other_slash
from twin.api.middleware import refuse

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def install(app: FastAPI) -> None:
    """Before any other middleware is added: this is the innermost."""
    app.router.default = _Nearly(app.router)
    app.add_middleware(HttpRules, router=app.router)


class HttpRules:
    """Around the routes of an application."""

    def __init__(self, app: ASGIApp, router: Router) -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"} and scope["query_string"]:
            scope["query_string"] = without_empty_values(scope["query_string"])
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        elif scope["method"] == "OPTIONS" and (allowed := allowed_methods(self._router, scope)):
            await Response(status_code=204, headers={"Allow": allowed})(scope, receive, send)
        elif scope["method"] in WITH_BODY and (reason := _unsupported(scope)) and self._takes(scope):
            detail, header = reason
            await refuse(scope, receive, send, 415, detail, {**header, "Connection": "close"})
        else:
            await self._app(scope, receive, send)

    def _takes(self, scope: Scope) -> bool:
        return scope["method"] in allowed_methods(self._router, scope).split(", ")

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer to a GET, up to its headers: what would stream for ever is told that the client has left."""
        is_endless = scope["path"].rstrip("/").endswith("/stream")
        answered = asyncio.Event()

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                answered.set()

        async def receive_until_answered() -> Message:
            if not is_endless:
                return await receive()
            await answered.wait()
            return {"type": "http.disconnect"}

        get = {**scope, "method": "GET"}
        await self._app(get, receive_until_answered, send_head)
        scope["route"] = get.get("route")  # for metrics and log


class _Nearly:
    """Where no route is: the same path with a slash more or less, or nothing."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = other_slash(scope["path"])
        near = {**scope, "path": path, "raw_path": path.encode()}
        if scope["type"] in {"http", "websocket"} and is_there(self._router, near):
            scope["path"], scope["raw_path"] = near["path"], near["raw_path"]
            await self._router.app(scope, receive, send)
        else:
            await self._router.not_found(scope, receive, send)


def without_empty_values(query: bytes) -> bytes:
    """`a=&b=1&c` is `b=1`: forms and Postman send what was not filled in."""
    return b"&".join(part for part in query.split(b"&") if part.partition(b"=")[2])


def _unsupported(scope: Scope) -> tuple[str, dict[str, str]] | None:
    """Why the body cannot be read, and the header that says what can (RFC 9110, section 15.5.16)."""
    headers = dict(scope["headers"])
    if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
        return None
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
    if encoding not in {"", "identity"}:
        return f"the Content-Encoding is {encoding!r}; send the body as it is", {"Accept-Encoding": "identity"}
    media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        message = f"the Content-Type is {media_type!r}, expected 'application/json'"
        return message, {"Accept": "application/json"}
    return None
