"""The execution-time model: how long the modelled device would take for a job, and how long a job is made to wait."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot
from twin.engines.execution import CircuitResult


@dataclass(frozen=True, slots=True)
class ModelledTime:
    """`execution_s`: on the device. `hold_s`: how long the twin keeps the job running beyond its simulation."""

    execution_s: float
    hold_s: float


def modelled_time(
    results: Iterable[CircuitResult], snapshot: NoiseSnapshot, device: Device, simulated_s: float = 0.0
) -> ModelledTime:
    """Time of a job: overhead, and per shot the circuit, a reset and the pause between shots.

    The controller's exec_time_scale stretches all of it; the scheduler's says how much of it is really waited for
    (0: nothing), less what the simulation took.
    """
    scheduler = device.scheduler
    between_ns = snapshot.reset_ns + scheduler.shot_overhead_us * 1e3
    shots_s = sum(result.shots * (result.duration_ns + between_ns) for result in results) * 1e-9
    execution_s = (scheduler.job_overhead_s + shots_s) * snapshot.exec_time_scale
    return ModelledTime(execution_s, max(0.0, execution_s * scheduler.exec_time_scale - simulated_s))
