"""Drift: a stationary Ornstein-Uhlenbeck process that depends on (seed, time) alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.device import Device, DriftSettings
from twin.device.drift import _process, drift_at, reported_drift
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


@pytest.mark.parametrize(
    ("step_s", "correlation_time_s"),
    [(60.0, 3600.0), (1.0, 3600.0), (1.0, 1800.0), (1e-3, 1e6), (600.0, 100.0), (7.0, 7.0), (1e4, 1.0)],
)
def test_process_is_correlated_as_its_settings_say(step_s: float, correlation_time_s: float) -> None:
    """exp(-lag / correlation time) at any lag, of 40,000 independent processes; within 5 standard errors."""
    count = 40_000
    settings = DriftSettings(enabled=True, seed=3, correlation_time_s=correlation_time_s, step_s=step_s)
    start = round(1.8e9 / step_s)
    first = _process(settings, start, count)
    assert abs(first.var() - 1) < 5 * math.sqrt(2 / count)
    for lag_s in (step_s, correlation_time_s / 10, correlation_time_s, 2 * correlation_time_s, 5 * correlation_time_s):
        steps = max(1, round(lag_s / step_s))
        expected = math.exp(-steps * step_s / correlation_time_s)
        found = float((first * _process(settings, start + steps, count)).mean())
        assert abs(found - expected) < 5 * math.sqrt((1 + expected**2) / count)


def test_t1_and_pure_dephasing_wander_and_t2_follows(catalog: DeviceCatalog, jakarta: Device) -> None:
    """No T2 above 2 T1, however far they wander; and 1 / T2 - 1 / (2 T1) is the file's times a factor of its own."""
    wild = replace(jakarta, drift=replace(SETTINGS, sigma_t1=1.0, sigma_t2=1.0))
    ratios, dephasing = [], []
    for time_s in 1e9 + 6000.0 * np.arange(200):
        drift = drift_at(wild, time_s)
        snapshot = compose(wild, catalog.scenarios, ControllerState(), drift)
        ratios += [qubit.t2_us / qubit.t1_us for qubit in snapshot.qubits]
        qubit, file = snapshot.qubits[2], wild.qubits[2]
        before, after = (1 / each.t2_us - 1 / (2 * each.t1_us) for each in (file, qubit))
        assert drift is not None
        dephasing.append(after / before * drift.t_phi[2])
    assert max(ratios) < 2
    assert dephasing == pytest.approx([1.0] * 200)


def test_compose_applies_drift_and_telemetry_sees_it(catalog: DeviceCatalog, drifting: Device) -> None:
    drift = drift_at(drifting, 1e9)
    assert drift is not None
    snapshot = compose(drifting, catalog.scenarios, ControllerState(), drift)
    assert snapshot.qubits[2].t1_us == pytest.approx(drifting.qubits[2].t1_us * drift.t1[2])
    expected = drifting.edges[1, 0].error * drift.pair_gate[0, 1]
    assert snapshot.edges[1, 0].calibrated_error == pytest.approx(expected)
    assert snapshot.qubits[2].drift_multiplier != 1.0


def test_reported_calibration_lags_until_recalibration(drifting: Device) -> None:
    assert reported_drift(drifting, 1e9) is None
    assert reported_drift(drifting, 1e9, recalibrated_at_s=5e8) == drift_at(drifting, 5e8)
    daily = replace(drifting, drift=replace(SETTINGS, recalibration_interval_s=86_400.0))
    assert reported_drift(daily, 86_400.0 * 100 + 5000) == drift_at(daily, 86_400.0 * 100)
