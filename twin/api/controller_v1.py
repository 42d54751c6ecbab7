"""Controller API v1 for FPGA integration: pulse schedules and their readout, readout configuration, cryostat."""

from __future__ import annotations

import re
import secrets
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from twin import clock
from twin.api.clients import while_asked
from twin.api.deps import AnyCaller, Operator, TheParts, check_operator
from twin.api.problems import responses
from twin.backends import Backend
from twin.bodies import WHOLE, AsGiven
from twin.device.commands import SetCryo, SetReadoutConfig
from twin.device.controller import cryo_view
from twin.device.effects import (
    READOUTS,
    ReadoutChange,
    limit_notes,
    readout_changes,
    readout_notes,
    without_readout_config,
)
from twin.device.errors import described
from twin.engines.forms import ActionCircuit
from twin.errors import Fault, InvalidError, NotFoundError
from twin.integers import INTEGER_LIMIT, new_seed
from twin.readouts import bernoulli_readout, schedule_readout
from twin.store import backends as statements

router = APIRouter(prefix="/controller_api/v1", tags=["Controller API v1"])


class PulseSchedule(ActionCircuit):
    """A circuit of gate-like actions, and the seed of its readouts."""

    seed: Annotated[int, Field(ge=0, lt=INTEGER_LIMIT), WHOLE] | None = None


CryoSettings = Annotated[dict[str, Any], AsGiven(SetCryo)]
ReadoutSettings = Annotated[dict[str, Any], AsGiven(SetReadoutConfig)]


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
    """The settings, and what they do: `changes` has every qubit whose assignment errors they change."""

    backend_id: str
    channels: list[int] | None
    integration_time_ns: float | None
    thresholds: dict[str, float]
    snapshot_id: str
    measure_ns: float = Field(description="how long a measurement takes now")
    applies_to: list[str]
    changes: list[ReadoutChange]
    notes: list[str]


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
    notes: list[str] = Field(description="where what was set asks for more than there can be")


@router.post("/{backend_id}/pulse_schedule", response_model=ScheduleTaken, responses=responses(403, 404, 413, 422, 429))
async def submit_pulse_schedule(
    backend_id: str, body: PulseSchedule, request: Request, parts: TheParts, caller: Operator
) -> dict[str, Any]:
    """Check and store a list of gate-like actions; `readout` runs it."""
    backend = parts.backends.get(backend_id)
    circuit = {"n_qubits": body.n_qubits, "actions": body.model_dump(exclude_unset=True)["actions"]}
    check = parts.checker.check(backend.pickled_device, [circuit], shots=1, user=caller.name)
    try:
        await while_asked(request, check)
    except InvalidError as error:
        raise _of_schedule(error) from error
    schedule_id, now = secrets.token_hex(12), clock.now()
    stored = {"circuit": circuit, "seed": new_seed() if body.seed is None else body.seed}
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
async def get_readout(
    backend_id: str,
    request: Request,
    parts: TheParts,
    caller: AnyCaller,
    schedule_id: str | None = None,
    round_index: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
) -> dict[str, Any]:
    """One shot of a stored schedule; the same round gives the same outcomes while the noise is the same.

    Without `round_index` the schedule's next round, counted from 0: a host that polls gets a fresh shot each time, and
    the answer says which; that is not for viewers. With one that round, and the count stays.

    Without `schedule_id`: synthetic outcomes of qubits in |0>, each 1 with the qubit's p(1|0), fresh each time.
    """
    backend = await parts.backends.current(backend_id)
    if schedule_id is None:
        snapshot = backend.snapshot()
        return _readout_view(backend, None, round_index or 0, bernoulli_readout(snapshot), snapshot.snapshot_id)
    read = partial(statements.schedule, backend_id=backend_id, schedule_id=schedule_id)
    stored = await parts.database.read(read)
    if stored is None:
        raise NotFoundError(f"backend {backend_id!r} has no schedule {schedule_id!r}")
    if round_index is None:
        check_operator(caller)
        advance = partial(statements.next_round, backend_id=backend_id, schedule_id=schedule_id)
        round_index = await parts.database.write(advance) or 0
    shot = schedule_readout(parts.executor, parts.backends, backend_id, stored, round_index, caller.name)
    outcomes, snapshot_id = await while_asked(request, shot)
    return _readout_view(backend, schedule_id, round_index, outcomes, snapshot_id)


@router.post("/{backend_id}/readout_config", response_model=ReadoutConfigView, responses=responses(403, 404, 409, 422))
async def set_readout_config(
    backend_id: str, body: ReadoutSettings, parts: TheParts, caller: Operator
) -> dict[str, Any]:
    """Set channels, integration time and thresholds of the readouts that follow; -1 reverts one.

    The integration time holds for the channels alone (without any for all qubits), a threshold for its qubit. They hold
    for every later readout of the backend, in jobs and sessions too; `changes` has what they do to whom.
    """
    await parts.backends.set_readout_config(backend_id, body, caller.name)
    backend = parts.backends.get(backend_id)
    state = backend.controlled.state
    snapshot = backend.snapshot()
    return {
        "backend_id": backend_id,
        **state.to_dict()["readout_config"],
        "snapshot_id": snapshot.snapshot_id,
        "measure_ns": snapshot.measure_ns,
        "applies_to": READOUTS,
        "changes": readout_changes(snapshot, backend.snapshot_of(without_readout_config(state))),
        "notes": readout_notes(state, backend.device),
    }


@router.get("/{backend_id}/cryo", response_model=Cryo, responses=responses(404))
async def get_cryo(backend_id: str, parts: TheParts) -> dict[str, Any]:
    return _cryo(await parts.backends.current(backend_id))


@router.post("/{backend_id}/cryo", response_model=Cryo, responses=responses(403, 404, 409, 422))
async def set_cryo(backend_id: str, body: CryoSettings, parts: TheParts, caller: Operator) -> dict[str, Any]:
    """Set cryostat parameters. A temperature sets T1/T2 by physics, unless the multipliers are given."""
    await parts.backends.set_cryo(backend_id, body, caller.name)
    return _cryo(parts.backends.get(backend_id))


def _of_schedule(error: InvalidError) -> InvalidError:
    """A circuit's faults as those of the schedule that it was made from."""
    faults = []
    for fault in error.faults:
        match = re.fullmatch(r"actions\.(\d+): (.*)", fault.message, re.DOTALL)
        faults.append(Fault(("actions", int(match[1])), match[2]) if match else Fault(("actions",), fault.message))
    return InvalidError(described(faults), faults)


def _cryo(backend: Backend) -> dict[str, Any]:
    state = backend.controlled.state
    return {
        "backend_id": backend.device.backend_id,
        **cryo_view(state, backend.device),
        "notes": limit_notes(state, backend.snapshot()),
    }


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
