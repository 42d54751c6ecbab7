"""Controller API v1 for FPGA integration: pulse schedules and their readout, readout configuration, cryostat."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from twin import clock
from twin.api.deps import Operator, TheParts
from twin.api.json_values import JsonObject
from twin.api.problems import responses
from twin.backends import Backend
from twin.device.controller import cryo_view
from twin.errors import NotFoundError
from twin.readouts import bernoulli_readout, schedule_readout
from twin.store import backends as statements

router = APIRouter(prefix="/controller_api/v1", tags=["Controller API v1"])


class PulseSchedule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    actions: list[JsonObject] = Field(max_length=100_000, examples=[[{"gate": "h", "qubits": [0]}]])
    n_qubits: int = Field(ge=1, le=4096)
    seed: int | None = Field(default=None, ge=0, lt=2**63)


class ScheduleTaken(BaseModel):
    schedule_id: str
    backend_id: str
    n_qubits: int
    num_actions: int
    created_at: str


class Readout(BaseModel):
    backend_id: str
    schedule_id: str | None
    round_index: int
    synthetic: bool
    channels: list[int] = Field(description="the qubit of each outcome")
    outcomes: list[int]
    meas_data_packed: int = Field(description="bit i = qubit i, the first 32 qubits")
    meas_data_words: list[int]
    snapshot_id: str
    timestamp: str


class ReadoutConfigView(BaseModel):
    backend_id: str
    channels: list[int] | None
    integration_time_ns: float | None
    thresholds: dict[str, float]
    snapshot_id: str


class Cryo(BaseModel):
    model_config = ConfigDict(extra="allow")

    backend_id: str
    temperature_mk: float
    stage: str
    t1_multiplier: float
    t2_multiplier: float
    mixing_chamber_mk: float
    still_mk: float
    excited_population: float


@router.post("/{backend_id}/pulse_schedule", response_model=ScheduleTaken, responses=responses(403, 404, 413, 422, 429))
async def pulse_schedule(backend_id: str, body: PulseSchedule, parts: TheParts, _caller: Operator) -> dict[str, Any]:
    """Check and store a list of gate-like actions; `readout` runs it."""
    backend = parts.backends.get(backend_id)
    circuit = {"n_qubits": body.n_qubits, "actions": body.actions}
    await parts.checker.check(backend.pickled_device, [circuit], shots=1)
    schedule_id, now = secrets.token_hex(12), clock.now()
    stored = {"circuit": circuit, "seed": secrets.randbits(63) if body.seed is None else body.seed}
    await parts.database.write(
        partial(
            statements.add_schedule,
            schedule_id=schedule_id,
            backend_id=backend_id,
            body=stored,
            created_at=now,
        )
    )
    return {
        "schedule_id": schedule_id,
        "backend_id": backend_id,
        "n_qubits": body.n_qubits,
        "num_actions": len(body.actions),
        "created_at": clock.to_text(now),
    }


@router.get("/{backend_id}/readout", response_model=Readout, responses=responses(403, 404, 409, 422, 429, 504))
async def readout(
    backend_id: str,
    parts: TheParts,
    _caller: Operator,
    schedule_id: str | None = None,
    round_index: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> dict[str, Any]:
    """One shot of a stored schedule; the same round gives the same outcomes while the noise is the same.

    Without `schedule_id`: synthetic outcomes of qubits in |0>, each 1 with the qubit's p(1|0).
    """
    backend = await parts.backends.current(backend_id)
    if schedule_id is None:
        snapshot = backend.snapshot()
        return _readout_view(backend, None, round_index, bernoulli_readout(snapshot), snapshot.snapshot_id)
    read = partial(statements.schedule, backend_id=backend_id, schedule_id=schedule_id)
    stored = await parts.database.read(read)
    if stored is None:
        raise NotFoundError(f"backend {backend_id!r} has no schedule {schedule_id!r}")
    outcomes, snapshot_id = await schedule_readout(parts.executor, parts.backends, backend_id, stored, round_index)
    return _readout_view(backend, schedule_id, round_index, outcomes, snapshot_id)


@router.post("/{backend_id}/readout_config", response_model=ReadoutConfigView, responses=responses(403, 404, 409, 422))
async def readout_config(backend_id: str, body: JsonObject, parts: TheParts, caller: Operator) -> dict[str, Any]:
    """Set channels, integration time and thresholds of the readouts that follow; -1 reverts one."""
    await parts.backends.set_readout_config(backend_id, body, caller.name)
    backend = parts.backends.get(backend_id)
    config = backend.controlled.state.to_dict()["readout_config"]
    return {"backend_id": backend_id, **config, "snapshot_id": backend.snapshot().snapshot_id}


@router.get("/{backend_id}/cryo", response_model=Cryo, responses=responses(404))
async def cryo(backend_id: str, parts: TheParts) -> dict[str, Any]:
    return _cryo(await parts.backends.current(backend_id))


@router.post("/{backend_id}/cryo", response_model=Cryo, responses=responses(403, 404, 409, 422))
async def set_cryo(backend_id: str, body: JsonObject, parts: TheParts, caller: Operator) -> dict[str, Any]:
    """Set cryostat parameters. A temperature sets T1/T2 by physics, unless the multipliers are given."""
    await parts.backends.set_cryo(backend_id, body, caller.name)
    return _cryo(parts.backends.get(backend_id))


def _cryo(backend: Backend) -> dict[str, Any]:
    return {"backend_id": backend.device.backend_id, **cryo_view(backend.controlled.state, backend.device)}


def _readout_view(
    backend: Backend, schedule_id: str | None, round_index: int, outcomes: list[int], snapshot_id: str
) -> dict[str, Any]:
    """Channels select what is returned; the packed words keep bit i = qubit i."""
    chosen = backend.controlled.state.readout_config.channels
    channels = [qubit for qubit in (range(len(outcomes)) if chosen is None else chosen) if qubit < len(outcomes)]
    packed = sum(outcomes[qubit] << qubit for qubit in channels)
    num_words = max(1, -(-len(outcomes) // 32))
    words = [(packed >> (32 * index)) & 0xFFFFFFFF for index in range(num_words)]
    return {
        "backend_id": backend.device.backend_id,
        "schedule_id": schedule_id,
        "round_index": round_index,
        "synthetic": schedule_id is None,
        "channels": channels,
        "outcomes": [outcomes[qubit] for qubit in channels],
        "meas_data_packed": words[0],
        "meas_data_words": words,
        "snapshot_id": snapshot_id,
        "timestamp": clock.to_text(clock.now()),
    }
