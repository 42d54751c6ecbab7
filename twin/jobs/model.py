"""What a job is: the request as it was submitted, the task that a worker gets, and what comes back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from twin.qec.spec import SessionSpec

PADDING_BITS = 24  # three rows of bits, each in whole bytes
KEY_EXTRA_CHARS, COUNT_EXTRA_CHARS = 3, 10  # quotes, comma; and colon and count
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
    """What a circuit's run is estimated to take: in all, and for each shot; and what its result may hold.

    key_chars: of one outcome. packed_bits: that are told of each shot beside it.
    recorded_bits: of a memory experiment's shot, which are all in the worker's memory at once.
    """

    fixed_s: float = 0.0
    shot_s: float = 0.0
    key_chars: int = 0
    packed_bits: int = 0
    recorded_bits: int = 0

    def result_bytes(self, shots: int, memory: bool) -> int:
        """Of the result as JSON, at most: a key and its count for each outcome, a key a shot, and bits as base64."""
        packed = shots * (self.packed_bits + PADDING_BITS) // 6 if self.packed_bits else 0
        num_keys = min(shots, 1 << min(self.key_chars, 62))
        listed = shots * (self.key_chars + KEY_EXTRA_CHARS) if memory else 0
        return num_keys * (self.key_chars + COUNT_EXTRA_CHARS) + listed + packed


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
    """What became of a run: `document`, its result as `twin.jobs.results` has it, or the reason of its failure."""

    document: bytes | None = None
    error: str | None = None
    duration_s: float = 0.0
    device_time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AnalysisTask:
    """A session's circuit or error model to make. `device` and `snapshot` are pickled."""

    kind: Literal["circuit", "detector_error_model"]
    device: bytes
    snapshot: bytes
    spec: SessionSpec
    rounds: int


@dataclass(frozen=True, slots=True)
class AnalysisOutcome:
    """The text in Stim's format, or why there is none."""

    text: str | None = None
    error: str | None = None
