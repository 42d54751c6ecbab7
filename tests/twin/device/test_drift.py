"""Drift: a stationary Ornstein-Uhlenbeck process that depends on (seed, time) alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.device import Device, DriftSettings
from twin.device.drift import drift_at, reported_drift
from twin.device.snapshot import compose

SETTINGS = DriftSettings(enabled=True, seed=7, correlation_time_s=600.0, step_s=60.0, sigma_t1=0.2)


@pytest.fixture
def drifting(jakarta: Device) -> Device:
    return replace(jakarta, drift=SETTINGS)


def test_drift_is_off_by_default(jakarta: Device) -> None:
    assert drift_at(jakarta, 1e9) is None


def test_drift_is_a_function_of_seed_and_time(drifting: Device) -> None:
    assert drift_at(drifting, 1e9) == drift_at(drifting, 1e9)
    assert drift_at(drifting, 1e9) != drift_at(drifting, 1e9 + 60)
    other = replace(drifting, drift=replace(SETTINGS, seed=8))
    assert drift_at(other, 1e9) != drift_at(drifting, 1e9)


def test_drift_has_the_stationary_moments(drifting: Device) -> None:
    """Log T1 of 7 qubits at 500 times, 10 correlation times apart: 3,500 nearly independent normals.

    Mean, variance and the correlation one correlation time later within 5 standard errors (false alarm 2e-6).
    """
    times = 1e6 + np.arange(500) * 6000.0
    logs = np.log([_t1(drifting, each) for each in times]) / SETTINGS.sigma_t1
    later = np.log([_t1(drifting, each + 600.0) for each in times]) / SETTINGS.sigma_t1
    count = logs.size
    assert abs(logs.mean()) < 5 / math.sqrt(count)
    assert abs(logs.var() - 1) < 5 * math.sqrt(2 / count)
    assert abs((logs * later).mean() - math.exp(-1)) < 5 * math.sqrt((1 + math.exp(-2)) / count)


def _t1(device: Device, time_s: float) -> tuple[float, ...]:
    drift = drift_at(device, time_s)
    assert drift is not None
    return drift.t1


def test_compose_applies_drift_and_telemetry_sees_it(catalog: DeviceCatalog, drifting: Device) -> None:
    drift = drift_at(drifting, 1e9)
    assert drift is not None
    snapshot = compose(drifting, catalog.scenarios, ControllerState(), drift)
    assert snapshot.qubits[2].t1_us == pytest.approx(drifting.qubits[2].t1_us * drift.t1[2])
    assert snapshot.edges[1, 0].error == pytest.approx(drifting.edges[1, 0].error * drift.pair_gate[0, 1])
    assert snapshot.qubits[2].drift_multiplier != 1.0


def test_reported_calibration_lags_until_recalibration(drifting: Device) -> None:
    assert reported_drift(drifting, 1e9) is None
    assert reported_drift(drifting, 1e9, recalibrated_at_s=5e8) == drift_at(drifting, 5e8)
    daily = replace(drifting, drift=replace(SETTINGS, recalibration_interval_s=86_400.0))
    assert reported_drift(daily, 86_400.0 * 100 + 5000) == drift_at(daily, 86_400.0 * 100)
