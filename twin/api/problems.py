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

from twin.api.matching import allowed_methods
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
MAX_FAULTS = 20
MAX_DETAIL_CHARS, MAX_MESSAGE_CHARS, MAX_LOC_CHARS, MAX_LOC_PARTS = 4000, 1000, 100, 20
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
    """The fields of a problem, with the status's own phrase as title. Its size is bounded, whatever was sent."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": shortened(detail, MAX_DETAIL_CHARS),
    }
    if errors:
        body["errors"] = [_bounded(fault) for fault in errors[:MAX_FAULTS]]
    if request_id is not None:
        body["request_id"] = request_id
    return body


def shortened(text: str, max_chars: int) -> str:
    """A text without its middle when it is too long; its end often says what to do."""
    if len(text) <= max_chars:
        return text
    half = (max_chars - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def _bounded(fault: Mapping[str, Any]) -> dict[str, Any]:
    loc = [shortened(part, MAX_LOC_CHARS) if isinstance(part, str) else part for part in fault["loc"][:MAX_LOC_PARTS]]
    return {"loc": loc, "message": shortened(fault["message"], MAX_MESSAGE_CHARS)}


def problem_of(error: TwinError, request_id: str | None = None) -> dict[str, Any]:
    """The problem that an error of the twin is."""
    status = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 500)
    faults = [fault.to_dict() for fault in error.faults] if isinstance(error, InvalidError) else []
    detail = error.public if isinstance(error, UnavailableError) else str(error)
    return problem_body(status, detail, faults, request_id)


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
    app.add_exception_handler(TwinError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ResponseValidationError, _on_error)
    app.add_exception_handler(Exception, _on_error)


def request_id_of(request: Request) -> str | None:
    value = request.scope.get("state", {}).get("request_id")
    return value if isinstance(value, str) else None


async def _on_error(request: Request, error: Exception) -> Response:
    return answer_error(request, error)


def answer_error(request: Request, error: Exception) -> Response:
    """The twin's own by its kind; any other is a fault of ours: logged with its traceback, answered without."""
    if not isinstance(error, TwinError):
        request_id = request_id_of(request)
        log.error("unexpected error", path=request.url.path, request_id=request_id, exc_info=error)
        detail = "internal error; the server's log has the details"
        return problem_response(problem_body(500, detail, request_id=request_id))
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
    found = error.errors()
    faults = [_fault(item, error.body) for item in found[:MAX_FAULTS]]
    if found[0]["type"] == "json_invalid":
        place, reason = found[0]["loc"][-1], found[0].get("ctx", {}).get("error", "")
        faults = [{"loc": [], "message": f"not JSON at character {place}: {reason}"}]
    elif faults[0]["loc"] == [] and found[0]["type"] == "missing" and not _announces_body(request):
        detail = "a body is missing: send JSON with its Content-Length"  # RFC 9110, section 15.5.12
        return problem_response(problem_body(411, detail, request_id=request_id_of(request)))
    detail = "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['message']}" for fault in map(_bounded, faults)
    )
    if len(found) > len(faults):
        detail += f"; and {len(found) - len(faults)} more"
    return problem_response(problem_body(422, detail, faults, request_id_of(request)))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = error.detail
    if error.status_code == 400:  # FastAPI's for a body that is not even text; our contract has 422 for it
        return problem_response(problem_body(422, detail, request_id=request_id_of(request)))
    headers = dict(error.headers or {})
    if error.status_code == 404 and detail == "Not Found":
        detail = f"there is nothing at {request.url.path}"
    if error.status_code == 405:
        headers["Allow"] = allowed_methods(request.app.router, request.scope)
        detail = f"{request.method} is not for {request.url.path}: expected {headers['Allow']}"
    body = problem_body(error.status_code, detail, request_id=request_id_of(request))
    return problem_response(body, headers)


def _announces_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def _fault(item: Mapping[str, Any], body: object) -> dict[str, Any]:
    """One of pydantic's findings, where the client can see it."""
    loc, message = list(item["loc"]), item["msg"].removeprefix("Value error, ")
    if loc and loc[0] == "body":
        loc = _place_in(body, loc[1:], is_missing=item["type"] == "missing")
    if item["type"] == "union_tag_invalid":  # of a union that one of the keys tells apart
        context = item["ctx"]
        loc.append(context["discriminator"].strip("'"))
        message = f"got {context['tag']!r}, expected one of {context['expected_tags']}"
    elif item["type"] == "union_tag_not_found":
        loc.append(item["ctx"]["discriminator"].strip("'"))
        message = "Field required"
    return {"loc": loc, "message": message}


def _place_in(body: object, loc: Sequence[str | int], *, is_missing: bool) -> list[str | int]:
    """A path into the body as it was sent: pydantic's also names the members of unions that it has tried."""
    place: list[str | int] = []
    for part in loc:
        if isinstance(body, dict) and (found := [key for key in (part, str(part)) if key in body]):
            body = body[found[0]]
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            body = body[part]
        elif not (is_missing and part is loc[-1]):
            continue
        place.append(part)
    return place
