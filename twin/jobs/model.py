"""What a job is: the request as it was submitted, the task that a worker gets, and what comes back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

Circuit = str | dict[str, Any]

QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"
FINAL_STATES = frozenset({COMPLETED, FAILED, CANCELLED})


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A submitted job. `seed` is fixed at submission, so that a job that is run again gives the same result."""

    backend_id: str
    circuits: tuple[Circuit, ...]
    shots: int
    seed: int
    memory: bool

    def to_json(self) -> bytes:
        return orjson.dumps(
            {
                "backend_id": self.backend_id,
                "circuits": self.circuits,
                "shots": self.shots,
                "seed": self.seed,
                "memory": self.memory,
            },
            option=orjson.OPT_SORT_KEYS,
        )

    @classmethod
    def from_json(cls, text: bytes) -> JobRequest:
        fields = orjson.loads(text)
        return cls(**{**fields, "circuits": tuple(fields["circuits"])})


def body_hash(body: object) -> str:
    """Tells whether two bodies under one idempotency key are the same."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class CheckTask:
    """Circuits to parse, check and transpile. `device` is a pickled Device: it travels often, and rarely changes."""

    device: bytes
    circuits: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CircuitFault:
    """Why a circuit was refused; the message names line and column where the circuit is a text."""

    circuit_index: int
    message: str


@dataclass(frozen=True, slots=True)
class RunTime:
    """What a circuit's run is estimated to take: in all, and for each shot."""

    fixed_s: float = 0.0
    shot_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Faults of the circuits that do not fit, empty when all do; `times` are those of the others, in their order."""

    faults: tuple[CircuitFault, ...]
    times: tuple[RunTime, ...]


@dataclass(frozen=True, slots=True)
class RunTask:
    """One job to run. `device` and `snapshot` are pickled, `circuits` are JSON."""

    job_id: str
    device: bytes
    snapshot: bytes
    circuits: tuple[bytes, ...]
    shots: int
    seed: int
    memory: bool


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of a run: `document`, the JSON that the API answers with, or the reason of its failure."""

    document: bytes | None = None
    error: str | None = None
    duration_s: float = 0.0
    device_time_s: float = 0.0
