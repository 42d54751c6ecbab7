"""What a session says of itself: what it is, where it stands, how it ended."""

from __future__ import annotations

from typing import Any

import numpy as np

import qds1
from twin.device.snapshot import NoiseSnapshot
from twin.qec.lockstep import Lockstep
from twin.qec.memory import Memory
from twin.qec.spec import SessionSpec
from twin.qec.whole_shots import WholeShots

MAX_LISTED_SHOTS = 4096


def facts(spec: SessionSpec, *, ended: bool, current_round: int) -> dict[str, Any]:
    """What every answer has."""
    return {
        "backend_id": spec.backend_id,
        "code_family": spec.code_family,
        "code_distance": spec.code_distance,
        "basis": spec.basis,
        "rounds": spec.rounds,
        "shots": spec.shots,
        "seed": spec.seed,
        "job_id": spec.job_id,
        "status": "ended" if ended else "active",
        "current_round": current_round,
    }


def description(spec: SessionSpec, memory: Memory, snapshot: NoiseSnapshot) -> dict[str, Any]:
    """The code, its patch, and the noise at this moment."""
    code = memory.code
    return {
        "noise": {"uniform_prob": spec.uniform_prob} if spec.noise else {"source": "device"},
        "initial_state": spec.prepared,
        "approximations": list(memory.approximations(snapshot)),
        "approximation_sizes": memory.approximations(snapshot),
        "layout": memory.layout,
        "num_stabilizers": code.num_stabilizers,
        "num_data_qubits": code.num_data_qubits,
        "num_observables": 1,
        "round_time_ns": memory.noisy(snapshot).round_ns,
        "snapshot_id": snapshot.snapshot_id,
        "stabilizers": [
            {
                "index": each.index,
                "type": each.type,
                "coordinates": list(each.coordinates),
                "data_qubits": list(each.data_qubits),
            }
            for each in code.stabilizers
        ],
        "observables": [{"index": 0, "data_qubits": list(code.observable)}],
    }


def verdict(
    spec: SessionSpec, memory: Memory, run: Lockstep | WholeShots | None, corrections_received: int
) -> dict[str, Any]:
    """Every shot judged. The final readout of each is listed for up to `MAX_LISTED_SHOTS` shots."""
    judged = run.judge() if run else None
    data_bits = judged.data_bits if judged else np.zeros((0, memory.code.num_data_qubits), np.uint8)
    listed = data_bits if len(data_bits) <= MAX_LISTED_SHOTS else data_bits[:0]
    words = qds1.pack_bits(listed)
    single = spec.shots == 1 and len(words) == 1
    return {
        "status": "ended",
        "total_rounds": run.rounds_done if run else 0,
        "shots": spec.shots,
        "judged_shots": len(judged.raw_parity) if judged else 0,
        "logical_errors": int(judged.errors.sum()) if judged else 0,
        "raw_logical_errors": int(judged.raw_parity.sum()) if judged else 0,
        "stats": {"corrections_received": corrections_received},
        "meas_data_packed": int(words[0, 0]) if single else words[:, 0].tolist(),
        "meas_data_words": words[0].tolist() if single else words.tolist(),
    }
