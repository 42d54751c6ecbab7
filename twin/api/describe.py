"""The OpenAPI description: title, the two ways of authentication, and the one error schema."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from twin.api import docs, probes
from twin.api.problems import Problem

TITLE = "Digital Twin QPU"
API_VERSION = "1.1"
OPEN_ROUTES = ("/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout", *probes.ROUTES)


def new_app(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]) -> FastAPI:
    """An empty application that describes itself below the twin's prefix.

    An operation is called what its function is called: generated clients and Postman show these names.
    """
    app = FastAPI(
        title=TITLE,
        version=API_VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        strict_content_type=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.include_router(docs.router)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """FastAPI's own description with `Problem` in place of its validation error, and bearer tokens."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        components = schema.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        schema["security"] = [{"bearer": []}]
        for path, operations in schema.get("paths", {}).items():
            for operation in operations.values():
                _complete(operation, is_open=path in OPEN_ROUTES)
        schema["servers"] = [{"url": "/"}]
        app.openapi_schema = schema
    return app.openapi_schema


def _complete(operation: dict[str, Any], *, is_open: bool) -> None:
    """Every route may answer 401 and 503 (unless it is open) and 422, always as a problem."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers = operation.setdefault("responses", {})
    if is_open:
        operation["security"] = []
    else:
        answers.setdefault("401", {"description": "Unauthorized", "content": problem})
        answers.setdefault("503", {"description": "Service Unavailable", "content": problem})
    if "requestBody" in operation:
        for status, phrase in (
            ("411", "Length Required"),
            ("413", "Content Too Large"),
            ("415", "Unsupported Media Type"),
        ):
            answers.setdefault(status, {"description": phrase, "content": problem})
    for status, answer in answers.items():
        if status == "422":
            answer["content"] = problem
