"""Controller routes: commands that take effect at once, and the state they have made."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from twin import clock
from twin.api.deps import Operator, TheParts
from twin.api.problems import responses
from twin.backends import Backend
from twin.bodies import AsGiven, Body
from twin.device import commands
from twin.device.effects import command_notes

router = APIRouter(prefix="/controller", tags=["Controller"])


Json = dict[str, Any]


class InjectNoiseOverrideCommand(Body):
    command_type: Literal["inject_noise_override"]
    payload: Annotated[Json, AsGiven(commands.InjectNoiseOverride)]


class SetQubitNoiseCommand(Body):
    command_type: Literal["set_qubit_noise"]
    payload: Annotated[Json, AsGiven(commands.SetQubitNoise)]


class ResetQubitNoiseCommand(Body):
    command_type: Literal["reset_qubit_noise"]
    payload: Annotated[Json, AsGiven(commands.ResetQubitNoise)] = Field(default_factory=dict)


class SetScenarioCommand(Body):
    command_type: Literal["set_scenario"]
    payload: Annotated[Json, AsGiven(commands.SetScenario)]


class PolicyUpdateCommand(Body):
    command_type: Literal["policy_update"]
    payload: Annotated[Json, AsGiven(commands.PolicyUpdate)]


class SetPulseScheduleCommand(Body):
    command_type: Literal["set_pulse_schedule"]
    payload: Annotated[Json, AsGiven(commands.SetPulseSchedule)]


class SetAdcGainCommand(Body):
    command_type: Literal["set_adc_gain"]
    payload: Annotated[Json, AsGiven(commands.SetAdcGain)]


class SetDacBiasCommand(Body):
    command_type: Literal["set_dac_bias"]
    payload: Annotated[Json, AsGiven(commands.SetDacBias)]


class ResetCommand(Body):
    command_type: Literal["reset"]
    payload: Annotated[Json, AsGiven(commands.Reset)] = Field(default_factory=dict)


class RecalibrateCommand(Body):
    command_type: Literal["recalibrate"]
    payload: Annotated[Json, AsGiven(commands.Recalibrate)] = Field(default_factory=dict)


Command = Annotated[
    InjectNoiseOverrideCommand
    | SetQubitNoiseCommand
    | ResetQubitNoiseCommand
    | SetScenarioCommand
    | PolicyUpdateCommand
    | SetPulseScheduleCommand
    | SetAdcGainCommand
    | SetDacBiasCommand
    | ResetCommand
    | RecalibrateCommand,
    Field(discriminator="command_type"),
]


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
    """`notes` say why a value that was taken does not do, here and now, what its name says."""

    command_type: str
    applied: bool = True
    notes: list[str] = Field(default_factory=list)


@router.post("/{backend_id}/commands", response_model=CommandResult, responses=responses(403, 404, 409, 422))
async def send_command(backend_id: str, body: Command, parts: TheParts, caller: Operator) -> dict[str, Any]:
    """Apply one command. It is checked as a whole before anything changes; the next job and round see it."""
    await parts.backends.command(backend_id, body.command_type, body.payload, caller.name)
    parts.metrics.commands.labels(backend_id, body.command_type).inc()
    backend = parts.backends.get(backend_id)
    notes = command_notes(body.payload, backend.device, backend.controlled.state, backend.snapshot())
    return _view(backend) | {"command_type": body.command_type, "notes": notes}


@router.get("/{backend_id}/state", response_model=ControllerView, responses=responses(404))
async def get_controller_state(backend_id: str, parts: TheParts) -> dict[str, Any]:
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
