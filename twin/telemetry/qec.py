"""QEC metrics of a backend or job: what a decoder has pushed, else an estimate from the calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from twin import clock
from twin.device.snapshot import NoiseSnapshot
from twin.errors import Fault, InvalidError
from twin.store.jobs import JobRow

# Fowler et al., Phys. Rev. A 86, 032324 (2012), eq. 11: p_L ~ 0.03 (p / p_th)^((d+1)/2), with p_th = 0.57% for
# the rotated surface code's cycle. A rule of thumb, for want of a decoder.
LEADING_FACTOR = 0.03
THRESHOLD_PROB = 0.0057
DEFAULT_DISTANCE = 3


def qec_point(
    snapshot: NoiseSnapshot, job: JobRow | None, circuit_index: int, request: Mapping[str, Any] | None
) -> dict[str, Any]:
    """One point of the series. `request` is the job's circuit, when it is known, for the code distance.

    Raises InvalidError when the job has no such circuit.
    """
    if job is not None and circuit_index >= job.num_circuits:
        message = f"job {job.job_id} has {job.num_circuits} circuits, there is no index {circuit_index}"
        raise InvalidError(message, [Fault(("circuit_index",), message)])
    metadata = job.metadata if job is not None else {}
    qec = _of_circuit(metadata.get("qec_metrics"), circuit_index)
    decoder = _of_circuit(metadata.get("decoder_metrics"), circuit_index)
    point = {
        "timestamp": clock.to_text(clock.now()),
        "backend_id": snapshot.backend_id,
        "job_id": job.job_id if job is not None else None,
        "circuit_index": circuit_index,
        "snapshot_id": snapshot.snapshot_id,
    }
    estimate = _estimate(snapshot, _distance(request))
    if qec is None and decoder is None:
        return point | estimate | {"metric_source": "heuristic", "qec_metrics": None, "decoder_metrics": None}
    pushed = {**(decoder or {}), **(qec or {})}
    return point | {
        "metric_source": "decoder",
        "logical_error_rate": _rate(pushed, "logical_error_rate", "logical_errors"),
        "physical_error_rate": _number(pushed.get("physical_error_rate"), estimate["physical_error_rate"]),
        "code_distance": pushed.get("code_distance", estimate["code_distance"]),
        "qec_metrics": qec,
        "decoder_metrics": decoder,
    }


def _of_circuit(metrics: object, circuit_index: int) -> dict[str, Any] | None:
    """Metrics may be one object for the job, or a list with one a circuit."""
    if isinstance(metrics, list):
        metrics = metrics[circuit_index] if circuit_index < len(metrics) else None
    return metrics if isinstance(metrics, dict) and metrics else None


def _estimate(snapshot: NoiseSnapshot, distance: int) -> dict[str, Any]:
    pairs = [edge.error for edge in snapshot.edges.values()]
    singles = [qubit.gate_error for qubit in snapshot.qubits]
    physical = sum(pairs) / len(pairs) if pairs else sum(singles) / len(singles)
    logical = LEADING_FACTOR * (physical / THRESHOLD_PROB) ** ((distance + 1) / 2)
    return {
        "logical_error_rate": min(0.5, logical),
        "physical_error_rate": physical,
        "code_distance": distance,
    }


def _distance(request: Mapping[str, Any] | None) -> int:
    memory = (request or {}).get("qec_memory")
    distance = memory.get("code_distance") if isinstance(memory, dict) else None
    return distance if isinstance(distance, int) else DEFAULT_DISTANCE


def _rate(metrics: Mapping[str, Any], name: str, count_name: str) -> float | None:
    rate = _number(metrics.get(name), None)
    if rate is not None:
        return rate
    errors, shots = _number(metrics.get(count_name), None), _number(metrics.get("shots"), None)
    return errors / shots if errors is not None and shots else None


def _number(value: object, default: float | None) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return default
    return float(value)
