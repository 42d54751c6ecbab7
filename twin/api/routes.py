"""All routers of the twin, in the order of the API reference."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from twin.api import config, controller, controller_v1, core, events, jobs, qec_session, qec_stream, telemetry
from twin.settings import URL_PREFIX

SECTIONS = (core, jobs, events, telemetry, controller, controller_v1, qec_session, qec_stream, config)


def add_twin_routes(app: FastAPI) -> None:
    """Put everything below `/api/v1/digital-twin` into an application whose state has `parts`."""
    root = APIRouter(prefix=URL_PREFIX)
    for section in SECTIONS:
        root.include_router(section.router)
    app.include_router(root)
