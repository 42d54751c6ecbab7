"""Detection rates of one memory from each of its descriptions: its session, its error model, the exact engine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

from qds1.bits import unpack_bits, words_for_bits
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot
from twin.engines import execute, prepare
from twin.qec.memory import Memory
from twin.qec.session import LiveSession
from twin.qec.spec import SessionSpec

Rates = NDArray[np.float64]


def session_of(device: Device, snapshot: NoiseSnapshot, shots: int, rounds: int, **body: Any) -> LiveSession:
    """A session of distance 3 under this noise."""
    spec = SessionSpec.from_body(
        {"backend_id": device.backend_id, "code_distance": 3, "seed": 11, "shots": shots, "rounds": rounds} | body
    )
    return LiveSession(spec, device, lambda: snapshot)


def session_rates(session: LiveSession) -> Rates:
    """Rate of each detector over all shots of a session."""
    return _event_rates(session, outcomes_of(session))


def model_rates(model: stim.DetectorErrorModel) -> Rates:
    """Exact rate of each detector: mechanisms are independent, so signs multiply."""
    signs = np.ones(model.num_detectors)
    for error in model.flattened():
        if error.type == "error":
            for target in {target.val for target in error.targets_copy() if target.is_relative_detector_id()}:
                odd = sum(each.is_relative_detector_id() and each.val == target for each in error.targets_copy()) % 2
                signs[target] *= 1 - 2 * error.args_copy()[0] * odd
    return np.asarray((1 - signs) / 2)


def exact_rates(
    session: LiveSession, device: Device, snapshot: NoiseSnapshot, shots: int, flipped: Collection[int]
) -> Rates:
    """Rate of each detector of the same memory in the exact engine, with amplitude damping.

    flipped: indices of the data qubits that start in |1>: their only reset misses, so no pulse is needed.
    """
    rounds, memory = session.spec.rounds or 0, session.memory
    in_one = {memory.placement.qubits[memory.code.data[index]] for index in flipped}
    qubits = tuple(
        replace(noise, reset_error=1.0) if qubit in in_one else noise for qubit, noise in enumerate(snapshot.qubits)
    )
    started = replace(snapshot, snapshot_id=f"{snapshot.snapshot_id}, {sorted(in_one)} in one", qubits=qubits)
    result = execute(prepare(_as_qasm(memory, rounds), device), started, shots, seed=len(flipped), memory=True)
    assert result.engine == "density_matrix"
    record = np.array([[bit == "1" for bit in shot[::-1]] for shot in result.memory or []])
    return _event_rates(session, record ^ _without_errors(session.memory, rounds, flipped))


def _without_errors(memory: Memory, rounds: int, flipped: Collection[int]) -> NDArray[np.bool_]:
    """The record of a memory in the Z basis that starts with these data qubits in |1>."""
    data = np.isin(np.arange(memory.code.num_data_qubits), list(flipped))
    checks = memory.code.stabilizers
    parities = np.array([each.type == "Z" and data[list(each.data_qubits)].sum() % 2 == 1 for each in checks])
    return np.concatenate([*[parities] * rounds, data])


def outcomes_of(session: LiveSession) -> NDArray[np.bool_]:
    """All outcomes as a record of the memory's circuit: stabilizers round by round, then data qubits."""
    code, shots, rounds = session.memory.code, session.spec.shots, session.spec.rounds or 0
    words = session.next_shots(shots).reshape(shots, -1)
    length = 1 + words_for_bits(code.num_stabilizers)
    syndromes = [unpack_bits(words[:, 1 + r * length : (r + 1) * length], code.num_stabilizers) for r in range(rounds)]
    data = unpack_bits(words[:, rounds * length + 1 :], code.num_data_qubits)
    record: NDArray[np.bool_] = np.concatenate([*syndromes, data], axis=1).astype(bool)
    return record


def _event_rates(session: LiveSession, record: NDArray[np.bool_]) -> Rates:
    converter = session.memory.native_circuit(session.spec.rounds or 0).compile_m2d_converter()
    events, _ = converter.convert(measurements=record, separate_observables=True)
    return np.asarray(events.mean(axis=0), dtype=np.float64)


def _as_qasm(memory: Memory, rounds: int) -> str:
    """The session's native circuit on its device qubits, rounds apart."""
    parts, tick = memory.native_parts, stim.Circuit("TICK")
    circuit = parts.first + tick + (parts.body + tick) * (rounds - 1) + parts.final
    where = memory.placement.qubits
    everywhere = ",".join(f"q[{where[qubit]}]" for qubit in sorted(where))
    lines = [
        'OPENQASM 2.0; include "qelib1.inc";',
        f"qreg q[{memory.device.n_qubits}]; creg c[{circuit.num_measurements}];",
    ]
    num_measured = 0
    for instruction in circuit.flattened():
        qubits = [f"q[{where[target.value]}]" for target in instruction.targets_copy() if target.is_qubit_target]
        match instruction.name:
            case "TICK":
                lines.append(f"barrier {everywhere};")
            case "R":
                lines += [f"reset {qubit};" for qubit in qubits]
            case "M" | "MR":
                for qubit in qubits:
                    again = f" reset {qubit};" if instruction.name == "MR" else ""
                    lines.append(f"measure {qubit} -> c[{num_measured}];{again}")
                    num_measured += 1
            case "CX" | "CZ":
                lines += [
                    f"{instruction.name.lower()} {a},{b};" for a, b in zip(qubits[::2], qubits[1::2], strict=True)
                ]
            case "H":
                lines += [f"rz(pi/2) {qubit}; sx {qubit}; rz(pi/2) {qubit};" for qubit in qubits]
            case other:
                assert other in ("DETECTOR", "OBSERVABLE_INCLUDE", "QUBIT_COORDS", "SHIFT_COORDS")
    return "\n".join(lines)
