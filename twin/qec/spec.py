"""What a memory experiment and a session are asked to be: checked, frozen, and the same after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from twin.bodies import WHOLE, Body
from twin.device.errors import described, faults_of
from twin.integers import INTEGER_LIMIT, new_seed
from twin.qec.codes import Basis, CodeFamily
from twin.qec.errors import RoundOrderError, SessionSpecError

MAX_DISTANCE: Mapping[str, int] = {"surface": 25, "repetition": 201}
MAX_ROUNDS = 10_000_000


class UniformNoise(Body):
    """All four arguments of Stim's generated memory circuits, in place of the device's noise."""

    uniform_prob: Annotated[float, Field(ge=0.0, le=0.5, allow_inf_nan=False)]


InitialState = Literal["random", "zeros", "ones"]


class MemorySpec(Body):
    """A memory experiment: code, basis, layout, noise and the state that the data qubits are prepared in.

    initial_state: of the data qubits, in the memory's basis: a random bit string a shot, with every outcome read in a
    random frame (what a Pauli error model describes); or all 0, or all 1. Outcomes are told relative to it.
    """

    code_family: CodeFamily
    code_distance: Annotated[int, Field(ge=2), WHOLE]
    basis: Basis = "Z"
    layout: Literal["native", "virtual"] | None = None
    noise: UniformNoise | None = Field(default=None, examples=[{"uniform_prob": 0.005}])
    initial_state: InitialState | None = Field(
        default=None, description="of the data qubits; null: random under device noise. Outcomes are relative to it"
    )

    @property
    def prepared(self) -> InitialState:
        """The initial state: where it was not said, random under a device's noise, which is not symmetric."""
        return self.initial_state or ("random" if self.noise is None else "zeros")

    @property
    def uniform_prob(self) -> float | None:
        return None if self.noise is None else self.noise.uniform_prob

    @field_validator("code_distance")
    @classmethod
    def _check_distance(cls, value: int, found: ValidationInfo) -> int:
        family = found.data.get("code_family")  # absent where it is at fault itself
        if family is not None and value > MAX_DISTANCE[family]:
            raise ValueError(f"expected at most {MAX_DISTANCE[family]} for a {family} code, got {value}")
        return value

    @field_validator("basis")
    @classmethod
    def _check_basis(cls, value: Basis, found: ValidationInfo) -> Basis:
        if found.data.get("code_family") == "repetition" and value != "Z":
            raise ValueError(f"expected Z, the only basis of a repetition code, got {value}")
        return value


class SessionSpec(MemorySpec):
    """The body of POST /qec_session/v1/."""

    backend_id: str
    seed: Annotated[int, Field(ge=0, lt=INTEGER_LIMIT), WHOLE] = Field(
        default_factory=new_seed, description="chosen for you, and reported, where it is not given"
    )
    shots: Annotated[int, Field(ge=1, description="independent shots, run in lockstep"), WHOLE] = 1
    rounds: Annotated[int, Field(ge=1, le=MAX_ROUNDS), WHOLE] | None = Field(
        default=None, description="fixed length; null leaves it open"
    )
    job_id: str | None = None

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> SessionSpec:
        """Check what a request's body holds.

        Raises:
            SessionSpecError: with the fields at fault.
        """
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            faults = faults_of(error)
            raise SessionSpecError(described(faults), faults) from error

    def fixed_rounds(self, rounds: int | None) -> int:
        """The rounds that are asked for, else the session's. Raises RoundOrderError where neither says."""
        fixed = rounds if rounds is not None else self.rounds
        if fixed is None:
            raise RoundOrderError(
                "this session is open-ended: an error model needs a number of rounds; "
                "ask for ?rounds=N, or create the session with rounds"
            )
        return fixed

    def to_dict(self) -> dict[str, Any]:
        """JSON form, with the seed that was drawn; `from_body` reads it."""
        return self.model_dump(mode="json")
