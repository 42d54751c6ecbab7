"""What the twin answers, as far as clients rely on it. More fields may be there."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Json = dict[str, Any]
Circuit = str | Json
Bits = list[int] | list[list[int]]


class JobStatus(TypedDict):
    job_id: str
    status: Literal["QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
    backend_id: str
    shots: int
    queue_position: int | None
    created_at: str
    timeline: dict[str, str | None]
    error: str | None
    metadata: Json


class ListedJob(TypedDict):
    job_id: str
    user: str
    status: Literal["QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
    backend_id: str
    shots: int
    num_circuits: int
    queue_position: int | None
    created_at: str
    timeline: dict[str, str | None]
    attempts: int
    error: str | None


class JobPage(TypedDict):
    jobs: list[ListedJob]
    next_cursor: str | None


class CircuitResult(TypedDict, total=False):
    circuit_index: int
    shots: int
    counts: dict[str, int]
    memory: list[str]
    engine: str
    approximations: list[str]
    approximation_sizes: dict[str, float]


class JobResult(TypedDict):
    job_id: str
    backend_id: str
    status: str
    shots: int
    seed: int
    snapshot_id: str
    results: list[CircuitResult]


class Stabilizer(TypedDict):
    index: int
    type: Literal["X", "Z"]
    coordinates: list[float]
    data_qubits: list[int]


class Observable(TypedDict):
    index: int
    data_qubits: list[int]


class SessionInfo(TypedDict):
    session_id: str
    backend_id: str
    code_family: str
    code_distance: int
    basis: str
    rounds: int | None
    shots: int
    seed: int
    job_id: str | None
    status: str
    current_round: int
    initial_state: Literal["random", "zeros", "ones"]
    approximations: list[str]
    approximation_sizes: dict[str, float]
    layout: Literal["native", "virtual"]
    num_stabilizers: int
    num_data_qubits: int
    num_observables: int
    round_time_ns: float
    snapshot_id: str
    noise: Json | None
    stabilizers: list[Stabilizer]
    observables: list[Observable]


class Syndrome(TypedDict, total=False):
    round_index: int
    final: bool
    syndrome_bits: Bits
    detection_events: Bits
    meas_data_packed: int | list[int]
    meas_data_words: list[int] | list[list[int]]
    snapshot_id: str


class SessionEnd(TypedDict):
    session_id: str
    status: str
    total_rounds: int
    shots: int
    logical_errors: int
    raw_logical_errors: int
    stats: Json
    meas_data_packed: int | list[int]
    meas_data_words: list[int] | list[list[int]]


class Tokens(TypedDict):
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: float
