"""Drift: calibrated quantities wander as a pure function of (seed, time); the reported calibration lags behind.

Each quantity's logarithm is an Ornstein-Uhlenbeck process on a grid of `step_s`. Steps far enough apart are
independent; between two of them the process is an Ornstein-Uhlenbeck bridge, which is halved until the step asked for
is reached. The noise of a step comes from a counter-based generator keyed by (seed, step), so that any time can be
asked for, in any order, in any process, for the price of a few dozen draws whatever the correlation time is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twin.device.device import Device, DriftSettings

_MEMORY = 16.0
"""Correlation times after which two values count as independent: exp(-16) = 1e-7."""


@dataclass(frozen=True, slots=True)
class DriftFactors:
    """Factors on the file's calibration at one time; `pair_gate` goes by undirected pair (low, high).

    t_phi: on the time of pure dephasing, 1 / T_phi = 1 / T2 - 1 / (2 T1).
    """

    t1: tuple[float, ...]
    t_phi: tuple[float, ...]
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
    t1, t_phi, readout, gate = (values[i * device.n_qubits : (i + 1) * device.n_qubits] for i in range(4))
    pair_gate = np.exp(settings.sigma_gate * values[4 * device.n_qubits :])
    return DriftFactors(
        t1=tuple(np.exp(settings.sigma_t1 * t1).tolist()),
        t_phi=tuple(np.exp(settings.sigma_t2 * t_phi).tolist()),
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
    """`count` independent stationary processes of unit variance at one step of the grid.

    In the middle of two values x and y that are 2 h apart an Ornstein-Uhlenbeck process of unit variance is normal with
    mean r (x + y) / (1 + r^2) and variance (1 - r^2) / (1 + r^2), r = exp(-h / correlation time): from the covariance
    exp(-|t|) of the three.
    """
    spacing = 2 ** max(0, math.ceil(math.log2(_MEMORY * settings.correlation_time_s / settings.step_s)))
    low = step // spacing * spacing
    at_low = _noise(settings.seed, low, count)
    if low == step:
        return at_low
    at_high = _noise(settings.seed, low + spacing, count)
    while True:
        spacing //= 2
        log_r = -spacing * settings.step_s / settings.correlation_time_s
        r, spread = math.exp(log_r), math.sqrt(-math.expm1(2 * log_r))
        middle = low + spacing
        share = 1 + r**2
        value = r / share * (at_low + at_high) + spread / math.sqrt(share) * _noise(settings.seed, middle, count)
        if middle == step:
            return value
        if step < middle:
            at_high = value
        else:
            low, at_low = middle, value


@lru_cache(maxsize=8192)
def _noise(seed: int, step: int, count: int) -> NDArray[np.float64]:
    counter = [0, 0, step % 2**64, 0]
    return np.random.Generator(np.random.Philox(key=seed, counter=counter)).standard_normal(count)
