"""Every call of the API once, as data; the two clients send them. Names and arguments here are the clients' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from twin.client.types import (
    Circuit,
    JobPage,
    JobResult,
    JobStatus,
    Json,
    SessionEnd,
    SessionInfo,
    Syndrome,
)

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request below `/api/v1/digital-twin`.

    is_text: its answer is text, not JSON. is_done_once: the twin does it once, however often it is sent.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_text: bool = False
    is_done_once: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again when its answer was lost, and does no more than once."""
        return self.method == "GET" or self.is_done_once or "Idempotency-Key" in self.headers


def _get(route: str, /, **params: Any) -> Call[Any]:
    return Call("GET", route, {name: value for name, value in params.items() if value is not None})


def _post(path: str, json: Any = None) -> Call[Any]:
    return Call("POST", path, json=json)


def _session(session_id: str, rest: str) -> str:
    return f"/qec_session/v1/{quote(session_id, safe='')}/{rest}"


def health() -> Call[Json]:
    return _get("/health")


def backends() -> Call[Json]:
    return _get("/backends")


def backend(backend_id: str) -> Call[Json]:
    return _get(f"/backends/{quote(backend_id, safe='')}")


def metrics() -> Call[Json]:
    return _get("/metrics")


def submit_job(
    backend_id: str,
    circuits: Sequence[Circuit],
    *,
    shots: int = 1024,
    seed: int | None = None,
    memory: bool = False,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[JobStatus]:
    """Submit circuits. A call is one job, however often it is sent; `idempotency_key` makes several calls one job."""
    body = {
        "backend_id": backend_id,
        "circuits": list(circuits),
        "shots": shots,
        "seed": seed,
        "memory": memory,
        "metadata": dict(metadata or {}),
    }
    headers = {"Idempotency-Key": uuid4().hex if idempotency_key is None else idempotency_key}
    return Call("POST", "/jobs", json=body, headers=headers)


def jobs(
    *,
    state: str | Sequence[str] | None = None,
    backend_id: str | None = None,
    user: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[JobPage]:
    """One page of your jobs, newest first; its `next_cursor` asks for the next. `user`: admins may ask for `all`."""
    states = [state] if isinstance(state, str) else state
    return _get("/jobs", state=states, backend_id=backend_id, user=user, limit=limit, cursor=cursor)


def job(job_id: str) -> Call[JobStatus]:
    return _get(f"/jobs/{quote(job_id, safe='')}")


def job_result(job_id: str) -> Call[JobResult]:
    """The result; while there is none, only `job_id` and `status` are there."""
    return _get(f"/jobs/{quote(job_id, safe='')}/result")


def cancel_job(job_id: str) -> Call[JobStatus]:
    """Cancel a job that waits or runs; TwinApiError with status 409 for one that is over."""
    return Call("DELETE", f"/jobs/{quote(job_id, safe='')}")


def attach_metadata(job_id: str, metadata: Mapping[str, Any]) -> Call[Json]:
    """Merge keys such as `decoder_metrics` and `qec_metrics` into a job's metadata."""
    return _post(f"/jobs/{quote(job_id, safe='')}/metadata", dict(metadata))


def telemetry_qubits(backend_id: str) -> Call[Json]:
    return _get("/telemetry/qubits", backend_id=backend_id)


def telemetry_qec(backend_id: str, job_id: str | None = None, circuit_index: int | None = None) -> Call[Json]:
    return _get("/telemetry/qec", backend_id=backend_id, job_id=job_id, circuit_index=circuit_index)


def telemetry_qec_summary(backend_id: str | None = None, job_id: str | None = None) -> Call[Json]:
    return _get("/telemetry/qec/summary", backend_id=backend_id, job_id=job_id)


def telemetry_qec_history(
    backend_id: str | None = None, job_id: str | None = None, limit: int | None = None
) -> Call[Json]:
    return _get("/telemetry/qec/history", backend_id=backend_id, job_id=job_id, limit=limit)


def telemetry_events(
    backend_id: str | None = None,
    *,
    limit: int | None = None,
    since_timestamp: str | float | None = None,
    cursor: str | None = None,
) -> Call[Json]:
    return _get("/telemetry/events", backend_id=backend_id, limit=limit, since_timestamp=since_timestamp, cursor=cursor)


def telemetry_loop(backend_id: str) -> Call[Json]:
    return _get("/telemetry/loop", backend_id=backend_id)


def telemetry_trace(backend_id: str, job_id: str) -> Call[Json]:
    return _get("/telemetry/trace/export", backend_id=backend_id, job_id=job_id)


def scenario_compatibility(backend_id: str) -> Call[Json]:
    return _get("/telemetry/scenario/compatibility", backend_id=backend_id)


def command(backend_id: str, command_type: str, payload: Mapping[str, Any] | None = None) -> Call[Json]:
    """Apply a controller command; see the API reference for the types and their payloads."""
    body = {"command_type": command_type, "payload": dict(payload or {})}
    return _post(f"/controller/{quote(backend_id, safe='')}/commands", body)


def controller_state(backend_id: str) -> Call[Json]:
    return _get(f"/controller/{quote(backend_id, safe='')}/state")


def submit_pulse_schedule(backend_id: str, actions: Sequence[Json], n_qubits: int) -> Call[Json]:
    body = {"actions": list(actions), "n_qubits": n_qubits}
    return _post(f"/controller_api/v1/{quote(backend_id, safe='')}/pulse_schedule", body)


def readout(backend_id: str, schedule_id: str | None = None, round_index: int | None = None) -> Call[Json]:
    path = f"/controller_api/v1/{quote(backend_id, safe='')}/readout"
    return _get(path, schedule_id=schedule_id, round_index=round_index)


def set_readout_config(backend_id: str, config: Mapping[str, Any]) -> Call[Json]:
    return _post(f"/controller_api/v1/{quote(backend_id, safe='')}/readout_config", dict(config))


def cryo(backend_id: str) -> Call[Json]:
    return _get(f"/controller_api/v1/{quote(backend_id, safe='')}/cryo")


def set_cryo(backend_id: str, parameters: Mapping[str, Any]) -> Call[Json]:
    return _post(f"/controller_api/v1/{quote(backend_id, safe='')}/cryo", dict(parameters))


def create_session(
    backend_id: str,
    *,
    code_family: str,
    code_distance: int,
    basis: str = "Z",
    rounds: int | None = None,
    shots: int = 1,
    seed: int | None = None,
    noise: Mapping[str, float] | None = None,
    job_id: str | None = None,
    layout: str | None = None,
    initial_state: str | None = None,
) -> Call[SessionInfo]:
    """Open a QEC session of `shots` independent memories; `rounds` None leaves its length open."""
    body: Json = {
        "backend_id": backend_id,
        "code_family": code_family,
        "code_distance": code_distance,
        "basis": basis,
        "rounds": rounds,
        "shots": shots,
        "seed": seed,
        "noise": None if noise is None else dict(noise),
        "job_id": job_id,
        "layout": layout,
        "initial_state": initial_state,
    }
    return _post("/qec_session/v1/", {name: value for name, value in body.items() if value is not None})


def syndrome(session_id: str, round_index: int) -> Call[Syndrome]:
    return _get(_session(session_id, f"round/{round_index}/syndrome"))


def correct(
    session_id: str, round_index: int, correction_bits: Sequence[int] | Sequence[Sequence[int]], kind: str | None = None
) -> Call[Json]:
    body: Json = {"correction_bits": [list(row) if isinstance(row, Sequence) else row for row in correction_bits]}
    if kind is not None:
        body["kind"] = kind
    return Call("POST", _session(session_id, f"round/{round_index}/correction"), json=body, is_done_once=True)


def session_status(session_id: str) -> Call[SessionInfo]:
    return _get(_session(session_id, "status"))


def end_session(session_id: str) -> Call[SessionEnd]:
    return Call("POST", _session(session_id, "end"), is_done_once=True)


def session_circuit(session_id: str, rounds: int | None = None) -> Call[str]:
    """The session's memory circuit as Stim text, with the noise that the device reports."""
    params = {} if rounds is None else {"rounds": rounds}
    return Call("GET", _session(session_id, "circuit"), params, is_text=True)


def session_error_model(session_id: str, rounds: int | None = None) -> Call[str]:
    """The session's detector error model as Stim text."""
    params = {} if rounds is None else {"rounds": rounds}
    return Call("GET", _session(session_id, "detector_error_model"), params, is_text=True)


def config_files() -> Call[Json]:
    return _get("/config")


def config_content(path: str) -> Call[Json]:
    return _get("/config/content", path=path)


def update_config(path: str, content: str, version: str | None = None) -> Call[Json]:
    return Call("PUT", "/config/content", json={"path": path, "content": content, "version": version})


def config_versions(path: str) -> Call[Json]:
    return _get("/config/versions", path=path)


def restore_config(path: str, version: str) -> Call[Json]:
    return _post("/config/restore", {"path": path, "version": version})
