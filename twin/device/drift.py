"""Drift: calibrated quantities wander as a pure function of (seed, time); the reported calibration lags behind.

Each quantity's logarithm is an Ornstein-Uhlenbeck process on a grid of `step_s`. Its value at step k is the
exponentially weighted sum of the noise of the steps before it, and the noise of step j comes from a counter-based
generator keyed by (seed, j), so that any time can be asked for, in any order, in any process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twin.device.device import Device, DriftSettings

_MEMORY_LOG = 14.0  # steps whose weight is below exp(-14) are left out
_MAX_STEPS = 4096


@dataclass(frozen=True, slots=True)
class DriftFactors:
    """Factors on the file's calibration at one time; `pair_gate` goes by undirected pair (low, high)."""

    t1: tuple[float, ...]
    t2: tuple[float, ...]
    readout: tuple[float, ...]
    gate: tuple[float, ...]
    pair_gate: dict[tuple[int, int], float]


def drift_at(device: Device, time_s: float) -> DriftFactors | None:
    """The true drift of a device at a time (seconds since the epoch); None where drift is off."""
    settings = device.drift
    if not settings.enabled:
        return None
    pairs = sorted({(min(pair), max(pair)) for pair in device.coupling_map})
    count = 4 * device.n_qubits + len(pairs)
    values = _process(settings, math.floor(time_s / settings.step_s), count)
    t1, t2, readout, gate = (values[i * device.n_qubits : (i + 1) * device.n_qubits] for i in range(4))
    pair_gate = np.exp(settings.sigma_gate * values[4 * device.n_qubits :])
    return DriftFactors(
        t1=tuple(np.exp(settings.sigma_t1 * t1).tolist()),
        t2=tuple(np.exp(settings.sigma_t2 * t2).tolist()),
        readout=tuple(np.exp(settings.sigma_readout * readout).tolist()),
        gate=tuple(np.exp(settings.sigma_gate * gate).tolist()),
        pair_gate=dict(zip(pairs, pair_gate.tolist(), strict=True)),
    )


def reported_drift(device: Device, time_s: float, recalibrated_at_s: float | None = None) -> DriftFactors | None:
    """The drift as the device knows it: that of the last recalibration.

    A recalibration happens every `recalibration_interval_s` (counted from the epoch), and at `recalibrated_at_s`.
    Before any, the device reports its file: None.
    """
    interval = device.drift.recalibration_interval_s
    times = [] if interval is None else [math.floor(time_s / interval) * interval]
    if recalibrated_at_s is not None:
        times.append(min(recalibrated_at_s, time_s))
    return drift_at(device, max(times)) if times else None


@lru_cache(maxsize=256)
def _process(settings: DriftSettings, step: int, count: int) -> NDArray[np.float64]:
    """`count` independent stationary processes of unit variance at one step of the grid."""
    decay = math.exp(-settings.step_s / settings.correlation_time_s)
    num_steps = min(_MAX_STEPS, max(1, math.ceil(_MEMORY_LOG * settings.correlation_time_s / settings.step_s)))
    weights = decay ** np.arange(num_steps)
    weights /= math.sqrt(float(np.sum(weights**2)))
    total = np.zeros(count)
    for age, weight in enumerate(weights):
        total += weight * _noise(settings.seed, step - age, count)
    return total


@lru_cache(maxsize=8192)
def _noise(seed: int, step: int, count: int) -> NDArray[np.float64]:
    counter = [0, 0, step % 2**64, 0]
    return np.random.Generator(np.random.Philox(key=seed, counter=counter)).standard_normal(count)
