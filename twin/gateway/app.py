"""The gateway as ASGI middleware: tells who asks, and hands the request on with the twin's key."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from twin.api.middleware import refuse
from twin.errors import UnauthenticatedError
from twin.gateway.accounts import Accounts
from twin.gateway.routes import AUTH_PREFIX, bearer_token
from twin.settings import URL_PREFIX

OPEN_PATHS = frozenset({f"{URL_PREFIX}/openapi.json", f"{URL_PREFIX}/docs"})
# What only the gateway may say; a client's own are dropped.
RESERVED_HEADERS = frozenset({b"x-api-key", b"x-twin-user", b"x-twin-role"})


class Gateway:
    """In front of `app`, which has the login routes; the twin's routes are there too, or behind `twin`, a proxy."""

    def __init__(self, app: ASGIApp, api_key: str, twin: ASGIApp | None = None) -> None:
        self._app = app
        self._twin = twin or app
        self._key_header = (b"x-api-key", api_key.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        headers = [pair for pair in scope["headers"] if pair[0] not in RESERVED_HEADERS]
        headers.append(self._key_header)
        scope["headers"] = headers  # in place: the router notes its route in this scope, for metrics and log
        if path.startswith(f"{AUTH_PREFIX}/"):
            await self._app(scope, receive, send)
        elif path in OPEN_PATHS:
            await self._twin(scope, receive, send)
        elif path.startswith(f"{URL_PREFIX}/"):
            accounts: Accounts = scope["state"]["accounts"]
            try:
                user = await accounts.identify(bearer_token(_authorization(scope)))
            except UnauthenticatedError as error:
                await refuse(scope, receive, send, 401, str(error), {"WWW-Authenticate": "Bearer"})
                return
            headers += [(b"x-twin-user", user.email.encode()), (b"x-twin-role", user.role.encode())]
            await self._twin(scope, receive, send)
        else:
            await refuse(scope, receive, send, 404, f"there is nothing at {path}; the API is below {URL_PREFIX}")


def _authorization(scope: Scope) -> str | None:
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    return found[0].decode("latin-1") if len(found) == 1 else None
