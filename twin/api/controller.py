"""Controller routes: commands that take effect at once, and the state they have made."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from twin import clock
from twin.api.deps import Operator, TheParts
from twin.api.json_values import JsonObject
from twin.api.problems import responses
from twin.backends import Backend

router = APIRouter(prefix="/controller", tags=["Controller"])


class Command(BaseModel):
    model_config = ConfigDict(extra="forbid")

    command_type: str = Field(examples=["inject_noise_override"])
    payload: JsonObject = Field(default_factory=dict)


class ControllerView(BaseModel):
    """`state` holds every override; `effective` the products that the noise is composed with."""

    backend_id: str
    status: str
    version: int
    last_heartbeat: str | None
    recalibrated_at: str | None
    scenario: str | None
    snapshot_id: str
    overrides: dict[str, Any]
    effective: dict[str, Any]


class CommandResult(ControllerView):
    command_type: str
    applied: bool = True


@router.post("/{backend_id}/commands", response_model=CommandResult, responses=responses(403, 404, 409, 422))
async def command(backend_id: str, body: Command, parts: TheParts, caller: Operator) -> dict[str, Any]:
    """Apply one command. It is checked as a whole before anything changes; the next job and round see it."""
    await parts.backends.command(backend_id, body.command_type, body.payload, caller.name)
    parts.metrics.commands.labels(backend_id, body.command_type).inc()
    return _view(parts.backends.get(backend_id)) | {"command_type": body.command_type}


@router.get("/{backend_id}/state", response_model=ControllerView, responses=responses(404))
async def state(backend_id: str, parts: TheParts) -> dict[str, Any]:
    """All overrides in force, and when a controller was last heard."""
    return _view(await parts.backends.current(backend_id))


def _view(backend: Backend) -> dict[str, Any]:
    controlled = backend.controlled
    overrides = controlled.state.to_dict()
    effective = overrides.pop("effective")
    return {
        "backend_id": backend.device.backend_id,
        "status": "active" if backend.device.operational else "offline",
        "version": controlled.version,
        "last_heartbeat": clock.to_text_or_none(controlled.heartbeat_at),
        "recalibrated_at": clock.to_text_or_none(controlled.recalibrated_at),
        "scenario": controlled.state.scenario,
        "snapshot_id": backend.snapshot().snapshot_id,
        "overrides": overrides,
        "effective": effective,
    }
