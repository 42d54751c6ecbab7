"""What a circuit may be that is no OpenQASM text: its JSON forms, checked where they come in and where they run."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from twin.bodies import WHOLE, Body, QuickList, check_few_keys
from twin.device.schema import MAX_QUBITS
from twin.qec.spec import MemorySpec

MAX_ACTIONS = 100_000
Param = Annotated[float, Field(allow_inf_nan=False)]


class Action(BaseModel):
    """One gate of the pulse-schedule form: a standard gate of Qiskit by name, measure, reset, barrier or delay.

    Not a `Body`, whose checks are Python's: a request may have some 100,000 of these.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    gate: str = Field(max_length=32, examples=["h"])
    qubits: QuickList[Annotated[int, Field(ge=0)]] = Field(min_length=1, max_length=MAX_QUBITS)
    params: QuickList[Param] | None = Field(default=None, description="angles in radians; nanoseconds for delay")


class ActionCircuit(Body):
    """Gate-like actions in order; bit i of the result is qubit i. Without a measurement all qubits are measured."""

    n_qubits: Annotated[int, Field(ge=1, le=MAX_QUBITS), WHOLE]
    actions: QuickList[Action] = Field(max_length=MAX_ACTIONS, examples=[[{"gate": "h", "qubits": [0]}]])

    @field_validator("actions", mode="before")
    @classmethod
    def _check_keys(cls, actions: Any) -> Any:
        for action in actions if isinstance(actions, list) else ():
            if isinstance(action, dict):
                check_few_keys(action, Action.model_fields)
        return actions


class StimCircuit(Body):
    """A circuit in Stim's format, run as written under the device's noise."""

    stim: Annotated[str, Field(examples=["H 0\nCX 0 1\nM 0 1"])]


class MemoryExperiment(MemorySpec):
    """A memory experiment of a fixed number of rounds."""

    rounds: Annotated[int, Field(ge=1), WHOLE]


class MemoryCircuit(Body):
    """A memory experiment as one circuit of a job."""

    qec_memory: MemoryExperiment
