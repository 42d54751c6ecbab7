"""The gateway as ASGI middleware: tells who asks, and hands the request on with the twin's key."""

from __future__ import annotations

import re

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin.api import docs
from twin.api.middleware import refuse
from twin.api.probes import is_probe
from twin.errors import BusyError, UnauthenticatedError, UnavailableError
from twin.gateway.accounts import STATUS_TTL_S, Accounts, normalized
from twin.gateway.routes import bearer_token
from twin.gateway.streams import AdmittedStream, take_ticket
from twin.settings import AUTH_PREFIX, URL_PREFIX

OPEN_PATHS = frozenset({docs.OPENAPI_PATH, *docs.PATHS})
STREAM_PATHS = frozenset({f"{URL_PREFIX}/telemetry/events/stream", f"{URL_PREFIX}/telemetry/events/stream/"})
LOGIN_PATH = f"{AUTH_PREFIX}/login"
DOTS = re.compile(r"(^|/)\.\.?(/|$)")
# What only the gateway may say; a client's own are dropped.
RESERVED_HEADERS = frozenset({b"x-api-key", b"x-twin-user", b"x-twin-role"})


class Gateway:
    """In front of `app`, which has the login routes; the twin's routes are there too, or behind `twin`, a proxy."""

    def __init__(self, app: ASGIApp, api_key: str, stream_grace_s: float, twin: ASGIApp | None = None) -> None:
        self._app = app
        self._twin = twin or app
        self._stream_grace_s = stream_grace_s
        self._key_header = (b"x-api-key", api_key.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if DOTS.search(path):  # what goes on to a twin would be another path than the one looked at here
            await refuse(scope, receive, send, 404, f"there is nothing at {path}: a path has no '.' or '..' parts here")
            return
        headers = [pair for pair in scope["headers"] if pair[0] not in RESERVED_HEADERS]
        headers.append(self._key_header)
        scope["headers"] = headers  # in place: the router notes its route in this scope, for metrics and log
        if path.removesuffix("/") == LOGIN_PATH and scope["type"] == "http" and scope["method"] == "POST":
            await self._log_in(scope, receive, send)
        elif path.startswith(f"{AUTH_PREFIX}/") or is_probe(path):
            await self._app(scope, receive, send)
        elif path.removesuffix("/") in OPEN_PATHS:
            await self._twin(scope, receive, send)
        elif path.startswith(f"{URL_PREFIX}/"):
            await self._admit(scope, receive, send)
        else:
            await refuse(scope, receive, send, 404, f"there is nothing at {path}; the API is below {URL_PREFIX}")

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Logins of one address one after another. A body that is slow to come holds nobody up: it is read before."""
        accounts: Accounts = scope["state"]["accounts"]
        address = scope["client"][0] if scope["client"] else ""
        read = [await receive()]
        while read[-1].get("more_body"):  # `BodyLimit` bounds it
            read.append(await receive())
        email = _email_in(b"".join(message.get("body", b"") for message in read))
        read.reverse()

        async def receive_again() -> Message:
            return read.pop() if read else await receive()

        try:
            async with accounts.attempts.line(address, email):
                await self._app(scope, receive_again, send)
        except BusyError as error:
            await refuse(
                scope, receive, send, 429, str(error), {"Retry-After": str(max(1, round(error.retry_after_s)))}
            )

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what comes with a good token, or with a ticket for a stream; a stream ends when these do."""
        accounts: Accounts = scope["state"]["accounts"]
        is_stream = scope["type"] == "websocket" or scope["path"] in STREAM_PATHS
        ticket = take_ticket(scope)
        try:
            if ticket is None:
                token = bearer_token(_authorization(scope))
                admission = await accounts.admit(token, max_age_s=0.0 if is_stream else STATUS_TTL_S)
            elif is_stream:
                admission = await accounts.redeem(ticket)
            else:
                raise UnauthenticatedError("a ticket opens streams only; send `Authorization: Bearer <access_token>`")
        except UnauthenticatedError as error:
            await refuse(scope, receive, send, 401, str(error), {"WWW-Authenticate": "Bearer"})
            return
        except UnavailableError as error:  # the accounts are in the database, too
            await refuse(scope, receive, send, 503, error.public, {"Retry-After": "1"})
            return
        user = admission.user
        scope["headers"] += [(b"x-twin-user", user.email.encode()), (b"x-twin-role", user.role.encode())]
        if is_stream:
            await AdmittedStream(scope, receive, send, accounts, admission, self._stream_grace_s).serve(self._twin)
        else:
            await self._twin(scope, receive, send)


def _email_in(body: bytes) -> str:
    """Whose login a body is; empty where it does not say. The route checks the body, and refuses it."""
    try:
        found = orjson.loads(body)["email"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return ""
    return normalized(found) if isinstance(found, str) else ""


def _authorization(scope: Scope) -> str | None:
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    return found[0].decode("latin-1") if len(found) == 1 else None
