"""Asks the twin for a memory, once: its circuit to sample, its error model to decode with, its session."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bridge.errors import LoopError
from bridge.problem import DecodingProblem, decoding_problem
from bridge.sweep.plan import MemorySpec, noise_request
from twin.client import TwinClient

ID_LENGTH = 16
SESSION_FACTS = (
    "backend_id",
    "code_family",
    "code_distance",
    "basis",
    "rounds",
    "layout",
    "num_stabilizers",
    "num_data_qubits",
    "num_observables",
    "round_time_ns",
    "snapshot_id",
    "noise",
    "stabilizers",
    "observables",
)


@dataclass(frozen=True)
class Memory:
    """A memory experiment, as the twin described it.

    Attributes:
        spec: what was asked for.
        session: facts of the twin's session.
        circuit: Stim text that is sampled.
        error_model: Stim text that decoders are compiled for.
    """

    spec: MemorySpec
    session: Mapping[str, Any]
    circuit: str
    error_model: str

    @cached_property
    def memory_id(self) -> str:
        """Hash of everything that its shots and their decoding depend on."""
        facts = [self.circuit, self.error_model, self.session["stabilizers"], self.session["observables"]]
        return text_hash(json.dumps(facts, sort_keys=True))

    @cached_property
    def problem(self) -> DecodingProblem:
        """What a decoder has to solve."""
        return decoding_problem(self.session, self.error_model)

    def to_dict(self) -> dict[str, Any]:
        """JSON form; `memory_from` undoes it."""
        return {
            "spec": self.spec.to_dict(),
            "session": dict(self.session),
            "circuit": self.circuit,
            "error_model": self.error_model,
        }


def memory_from(content: Mapping[str, Any]) -> Memory:
    """Undo `Memory.to_dict`."""
    return Memory(
        MemorySpec(**content["spec"]), content["session"], str(content["circuit"]), str(content["error_model"])
    )


def text_hash(text: str) -> str:
    """64 bits of SHA-256, as hexadecimal text."""
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def fetch_memory(twin: TwinClient, spec: MemorySpec, backend_id: str) -> Memory:
    """Open a session, read its circuit and error model, end it.

    A drifted memory has the error model of the device as it is and the circuit of the device with all its errors
    multiplied; the device is left as it was found.
    """
    request = noise_request(spec.noise)
    session = twin.create_session(
        backend_id=backend_id,
        code_family=spec.code,
        code_distance=spec.distance,
        basis=spec.basis,
        rounds=spec.rounds,
        shots=1,
        seed=1,
        noise=request.body,
    )
    session_id = session["session_id"]
    try:
        error_model = twin.session_error_model(session_id)
        if request.drift_multiplier == 1.0:
            circuit = twin.session_circuit(session_id)
        else:
            circuit = _drifted_circuit(twin, session_id, backend_id, request.drift_multiplier)
    finally:
        twin.end_session(session_id)
    facts = {name: session[name] for name in SESSION_FACTS if name in session}  # type: ignore[literal-required]
    return Memory(spec, facts, circuit, error_model)


def _drifted_circuit(twin: TwinClient, session_id: str, backend_id: str, factor: float) -> str:
    before = twin.controller_state(backend_id)["overrides"]["injected"]["drift"]
    if not isinstance(before, int | float):
        raise LoopError(f"the twin's controller reports a drift multiplier of {before!r}; expected a number")
    try:
        twin.command(backend_id, "inject_noise_override", {"drift_multiplier": float(before) * factor})
        return twin.session_circuit(session_id)
    finally:
        twin.command(backend_id, "inject_noise_override", {"drift_multiplier": float(before)})
