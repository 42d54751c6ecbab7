"""All routers of the twin."""

from __future__ import annotations

from fastapi import FastAPI

from twin.api import config, controller, controller_v1, core, events, jobs, qec_session, qec_stream, telemetry
from twin.settings import URL_PREFIX

# Matched in this order: what is asked for most often comes first.
SECTIONS = (qec_session, jobs, core, events, telemetry, controller, controller_v1, config, qec_stream)


def add_twin_routes(app: FastAPI) -> None:
    """Put everything below `/api/v1/digital-twin` into an application whose state has `parts`."""
    for section in SECTIONS:
        app.include_router(section.router, prefix=URL_PREFIX)
