"""Open streams (Server-Sent Events, WebSocket) and what they were opened with: they end together.

A token is checked when a request comes; a stream is one request that may last for days. So it is watched: it ends when
its token has expired (plus a grace), and at once when its account is disabled or has another password or role. Over a
WebSocket a client may renew: {"op": "renew", "access_token": TOKEN} is answered with {"renewed_until": TIME}, or not at
all with "quiet": true.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin import clock
from twin.api.problems import problem_body
from twin.errors import UnauthenticatedError
from twin.gateway.accounts import Accounts, Admission

POLICY_VIOLATION = 1008
"""RFC 6455, section 7.4.1."""
MAX_RENEWAL_CHARS = 8192
LAST_SEND_S = 5.0


class AdmittedStream:
    """One stream, from its opening to its end.

    The application is never cancelled, for it may be in the middle of a round: it is told that the client has left.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, accounts: Accounts, admission: Admission, grace_s: float
    ) -> None:
        self._scope = scope
        self._given_receive = receive
        self._given_send = send
        self._accounts = accounts
        self._admission = admission
        self._grace_s = grace_s
        self._incoming: asyncio.Future[Message] | None = None
        self._has_started = False
        self._is_over = False

    async def serve(self, app: ASGIApp) -> None:
        self._watch = self._watched()
        try:
            await app(self._scope, self._receive, self._send)
        finally:
            for task in (self._watch, self._incoming):
                if task is not None:
                    task.cancel()

    def _watched(self) -> asyncio.Task[str]:
        return asyncio.create_task(self._accounts.until_over(self._admission, self._grace_s))

    async def _receive(self) -> Message:
        while not self._is_over:
            if self._incoming is None:
                self._incoming = asyncio.ensure_future(self._given_receive())
            either: list[asyncio.Future[Any]] = [self._incoming, self._watch]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._watch.done():
                await self._end(self._watch.result())
                break
            message, self._incoming = self._incoming.result(), None
            renewal = _renewal(message)
            if renewal is None:
                return message
            await self._renew(renewal)
        if self._scope["type"] == "websocket":
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION, "reason": ""}
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if not self._is_over:
            self._has_started = True
            await self._given_send(message)

    async def _renew(self, renewal: dict[str, Any]) -> None:
        """A token of the same user takes the old one's place; another one changes nothing."""
        try:
            admission = await self._accounts.admit(str(renewal.get("access_token")), max_age_s=0.0)
            if admission.user.user_id != self._admission.user.user_id:
                raise UnauthenticatedError("a stream is renewed with a token of the user who opened it")
        except UnauthenticatedError as error:
            request_id = self._scope.get("state", {}).get("request_id")
            answer: dict[str, Any] = {"error": problem_body(401, str(error), request_id=request_id)}
        else:
            self._watch.cancel()
            self._admission = admission
            self._watch = self._watched()
            if renewal.get("quiet") is True:
                return
            answer = {"renewed_until": clock.to_text(min(admission.expires_at, clock.LAST_S))}
        await self._send({"type": "websocket.send", "text": orjson.dumps(answer).decode()})

    async def _end(self, reason: str) -> None:
        """Say why, and close; a client that does not read its messages does not hold this up."""
        self._is_over = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._say_why(reason), LAST_SEND_S)

    async def _say_why(self, reason: str) -> None:
        if self._scope["type"] == "websocket":
            await self._given_send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})
        elif self._has_started:
            event = b"event: stream.ended\ndata: " + orjson.dumps({"type": "stream.ended", "reason": reason}) + b"\n\n"
            await self._given_send({"type": "http.response.body", "body": event, "more_body": False})


def _renewal(message: Message) -> dict[str, Any] | None:
    text = message.get("text")
    if text is None or len(text) > MAX_RENEWAL_CHARS or '"renew"' not in text:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None  # the application says what is wrong with it
    return value if isinstance(value, dict) and value.get("op") == "renew" else None


def take_ticket(scope: Scope) -> str | None:
    """The query's `ticket`, which goes no further: neither the twin nor a log needs it."""
    query: bytes = scope["query_string"]
    if b"ticket=" not in query:
        return None
    found = [part for part in query.split(b"&") if part.startswith(b"ticket=")]
    scope["query_string"] = b"&".join(part for part in query.split(b"&") if part not in found)
    values = parse_qs(b"&".join(found).decode("latin-1")).get("ticket", [])
    if not values:
        return None
    return values[0] if len(values) == 1 else ""
