"""Which pages of other origins may call (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from twin.api.problems import problem_body, problem_response

ALLOWED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ALLOWED_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Cache-Control", "X-Request-Id")
EXPOSED_HEADERS = ("X-Request-Id", "X-Twin-Replica", "Retry-After", "Allow", "WWW-Authenticate")
MAX_AGE_S = 600


class Cors(CORSMiddleware):
    """Starlette's, with refusals as problems. Callers show a token, never a cookie: credentials are not allowed."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=ALLOWED_METHODS,
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
            max_age=MAX_AGE_S,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        detail = f"{bytes(response.body).decode()}: serve with --cors-origin for each origin whose pages may call"
        return problem_response(problem_body(403, detail), {"Vary": response.headers["vary"]})
