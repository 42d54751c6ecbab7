"""Errors as RFC 9457 problem details: one place that turns an exception into a status and a body."""

from __future__ import annotations

import http
import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from twin.errors import (
    BusyError,
    ConflictError,
    DeadlineError,
    DeniedError,
    GoneError,
    InvalidError,
    NotFoundError,
    ReadOnlyError,
    TooLargeError,
    TwinError,
    UnauthenticatedError,
    UnavailableError,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUS_OF: Mapping[type[TwinError], int] = {
    InvalidError: 422,
    NotFoundError: 404,
    ConflictError: 409,
    GoneError: 410,
    TooLargeError: 413,
    BusyError: 429,
    DeniedError: 403,
    UnauthenticatedError: 401,
    ReadOnlyError: 501,
    UnavailableError: 503,
    DeadlineError: 504,
}


class FieldFault(BaseModel):
    """Where in the request a fault is, and what it is."""

    loc: list[str | int]
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldFault] = Field(default_factory=list, description="field-level faults")
    request_id: str | None = None


def problem_body(
    status: int, detail: str, errors: Sequence[Mapping[str, Any]] = (), request_id: str | None = None
) -> dict[str, Any]:
    """The fields of a problem, with the status's own phrase as title."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = list(errors)
    if request_id is not None:
        body["request_id"] = request_id
    return body


def problem_of(error: TwinError, request_id: str | None = None) -> dict[str, Any]:
    """The problem that an error of the twin is."""
    status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 500)
    faults = [fault.to_dict() for fault in error.faults] if isinstance(error, InvalidError) else []
    return problem_body(status, str(error), faults, request_id)


def problem_response(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    try:
        content = orjson.dumps(body)
    except TypeError:  # a message that quotes what is not text
        content = json.dumps(body, default=repr).encode()
    return Response(content, status_code=body["status"], headers=dict(headers or {}), media_type=MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the problems that a route may answer with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": http.HTTPStatus(status).phrase, "content": content} for status in statuses}


def install(app: FastAPI) -> None:
    """Let every error that leaves a route become a problem."""
    app.add_exception_handler(TwinError, _on_twin_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ResponseValidationError, on_unexpected)
    app.add_exception_handler(Exception, on_unexpected)


def request_id_of(request: Request) -> str | None:
    value = request.scope.get("state", {}).get("request_id")
    return value if isinstance(value, str) else None


async def _on_twin_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, TwinError):
        raise error
    if isinstance(error, UnavailableError):
        log.error("unavailable", path=request.url.path, reason=str(error))
    headers = {}
    if isinstance(error, BusyError):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    return problem_response(problem_of(error, request_id_of(request)), headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [
        {"loc": _path(item["loc"]), "message": item["msg"].removeprefix("Value error, ")} for item in error.errors()
    ]
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if faults[0]["loc"] == [] and media_type and not media_type.endswith("json"):
        faults[0]["message"] = f"the Content-Type is {media_type!r}, expected 'application/json'"
    detail = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['message']}" for fault in faults)
    return problem_response(problem_body(422, detail, faults, request_id_of(request)))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = error.detail
    if error.status_code == 400:  # FastAPI's for a body that is not even text; our contract has 422 for it
        return problem_response(problem_body(422, detail, request_id=request_id_of(request)))
    if error.status_code == 404 and detail == "Not Found":
        detail = f"there is nothing at {request.url.path}"
    body = problem_body(error.status_code, detail, request_id=request_id_of(request))
    return problem_response(body, error.headers)


async def on_unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours: logged with its traceback, answered without."""
    request_id = request_id_of(request)
    log.error("unexpected error", path=request.url.path, request_id=request_id, exc_info=error)
    detail = "internal error; the server's log has the details"
    return problem_response(problem_body(500, detail, request_id=request_id))


def _path(loc: Sequence[str | int]) -> list[str | int]:
    """Without the leading `body`, which the client did not write."""
    return list(loc[1:] if loc and loc[0] == "body" else loc)
