"""Is it alive, is it ready: for load balancers, containers and service managers. Open to all, and cheap.

Each process answers for itself, also the twin behind a gateway, whose key these need not.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from twin.api.problems import responses
from twin.errors import UnavailableError
from twin.settings import URL_PREFIX

ROUTES = ("/livez", "/readyz")
PATHS = frozenset({*ROUTES, *(URL_PREFIX + route for route in ROUTES)})
"""At the root, where probes look; and below the API, for a proxy that hands on nothing else."""

router = APIRouter(tags=["Probes"])


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    status: Literal["ready"] = "ready"


def add_probes(app: FastAPI) -> None:
    app.include_router(router)
    app.include_router(router, prefix=URL_PREFIX, include_in_schema=False)


def is_probe(path: str) -> bool:
    return path.removesuffix("/") in PATHS


@router.get("/livez", response_model=Alive)
async def livez() -> Alive:
    """The process answers. When it does not, start it again; a database that is away is no reason to."""
    return Alive()


@router.get("/readyz", response_model=Ready, responses=responses(503))
async def readyz(connection: HTTPConnection) -> Ready:
    """The process can do its work: its database takes writes, its disk has room, a twin is ready. Else 503."""
    if faults := await connection.state.readiness.faults():
        raise UnavailableError("; ".join(faults))
    return Ready()
