"""Readout physics against a direct simulation of the measurement record."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from twin.device.readout import _fit, assignment_errors

T1_NS, CALIBRATED_NS = 112_677.0, 5518.2
ERROR0, ERROR1 = 0.0114, 0.0392


def _errors(integration_ns: float = CALIBRATED_NS, threshold: float = 0.5) -> tuple[float, float]:
    return assignment_errors(ERROR0, ERROR1, T1_NS, CALIBRATED_NS, integration_ns, threshold)


def test_calibrated_settings_give_the_calibrated_errors() -> None:
    assert _errors() == (ERROR0, ERROR1)
    assert _errors(CALIBRATED_NS * (1 + 1e-9)) == pytest.approx((ERROR0, ERROR1), rel=1e-4)


@pytest.mark.parametrize(("integration_ns", "threshold"), [(3000.0, 0.5), (12_000.0, 0.45), (CALIBRATED_NS, 0.6)])
def test_errors_are_those_of_simulated_records(integration_ns: float, threshold: float) -> None:
    """400,000 integrated signals per state; bound 5 sigma of the binomial (false alarm 1e-6)."""
    rng = np.random.default_rng(11)
    shots = 400_000
    width, level = _fit(ERROR0, ERROR1, T1_NS, CALIBRATED_NS)
    noise = rng.normal(0.0, width * np.sqrt(CALIBRATED_NS / integration_ns), (2, shots))
    decay_ns = rng.exponential(T1_NS, shots)
    signal1 = np.minimum(decay_ns / integration_ns, 1.0) + noise[1]
    cut = level + threshold - 0.5
    simulated = np.mean(noise[0] > cut), np.mean(signal1 < cut)
    for ours, theirs in zip(_errors(integration_ns, threshold), simulated, strict=True):
        assert abs(ours - theirs) < 5 * np.sqrt(ours * (1 - ours) / shots)


def test_longer_integration_helps_until_decay_wins() -> None:
    times = CALIBRATED_NS * np.geomspace(0.25, 16, 40)
    means = [sum(_errors(each)) / 2 for each in times]
    best = int(np.argmin(means))
    assert 0 < best < len(times) - 1
    assert means[0] > means[best] < means[-1]
    assert all(a > b for a, b in itertools.pairwise(means[: best + 1]))


def test_threshold_trades_the_two_errors() -> None:
    low, high = _errors(threshold=0.4), _errors(threshold=0.6)
    assert low[0] > ERROR0 > high[0]
    assert low[1] < ERROR1 < high[1]
