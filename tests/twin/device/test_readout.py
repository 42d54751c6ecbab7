"""Readout physics against a direct simulation of the measurement record."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from twin.device.readout import Integration, _fit, assignment_errors

T1_NS, CALIBRATED_NS = 112_677.0, 5518.2
ERROR0, ERROR1 = 0.0114, 0.0392


CALIBRATED = Integration(T1_NS, CALIBRATED_NS, 0.5)


def _errors(integration_ns: float = CALIBRATED_NS, threshold: float = 0.5, t1_ns: float = T1_NS) -> tuple[float, float]:
    return assignment_errors(ERROR0, ERROR1, CALIBRATED, Integration(t1_ns, integration_ns, threshold))


def test_calibrated_settings_give_the_calibrated_errors() -> None:
    assert _errors() == (ERROR0, ERROR1)
    assert _errors(CALIBRATED_NS * (1 + 1e-9)) == pytest.approx((ERROR0, ERROR1), rel=1e-4)


@pytest.mark.parametrize(
    ("integration_ns", "threshold", "t1_ns"),
    [
        (3000.0, 0.5, T1_NS),
        (12_000.0, 0.45, T1_NS),
        (CALIBRATED_NS, 0.6, T1_NS),
        (CALIBRATED_NS, 0.5, T1_NS / 5),
        (CALIBRATED_NS, 0.5, 3 * T1_NS),
        (4000.0, 0.55, 2000.0),
        (CALIBRATED_NS, 0.5, 30.0),
        (CALIBRATED_NS, 0.5, 0.01),
    ],
)
def test_errors_are_those_of_simulated_records(integration_ns: float, threshold: float, t1_ns: float) -> None:
    """400,000 integrated signals per state; bound 5 sigma of the binomial (false alarm 1e-6)."""
    rng = np.random.default_rng(11)
    shots = 400_000
    width, level = _fit(ERROR0, ERROR1, CALIBRATED)
    noise = rng.normal(0.0, width * np.sqrt(CALIBRATED_NS / integration_ns), (2, shots))
    decay_ns = rng.exponential(t1_ns, shots)
    signal1 = np.minimum(decay_ns / integration_ns, 1.0) + noise[1]
    cut = level + threshold - 0.5
    simulated = np.mean(noise[0] > cut), np.mean(signal1 < cut)
    for ours, theirs in zip(_errors(integration_ns, threshold, t1_ns), simulated, strict=True):
        assert abs(ours - theirs) < 5 * np.sqrt(ours * (1 - ours) / shots)


def test_shorter_t1_makes_readout_worse_and_no_better_state_of_zero() -> None:
    """A window of 500 ns and p(0|1) = 1%, calibrated at 68 us; at 0.5 us a third decays before its middle."""
    calibrated = Integration(68_000.0, 500.0, 0.5)
    found = [assignment_errors(0.005, 0.01, calibrated, Integration(t1_ns, 500.0, 0.5)) for t1_ns in (13_600.0, 500.0)]
    assert [error0 for error0, _ in found] == [pytest.approx(0.005, rel=1e-6)] * 2
    assert 0.02 < found[0][1] < 0.03
    assert 0.35 < found[1][1] < 0.45


@pytest.mark.parametrize("error1", [0.0, 0.001])
def test_an_error_below_what_decay_allows_still_follows_t1(error1: float) -> None:
    """T1 = 10 us and 5 us of integration: no threshold reaches these, but ten times shorter T1 costs what it costs."""
    calibrated = Integration(10_000.0, 5000.0, 0.5)
    assert assignment_errors(0.001, error1, calibrated, calibrated) == (0.001, error1)
    worse = [assignment_errors(0.001, error1, calibrated, Integration(t1, 5000.0, 0.5))[1] for t1 in (8e3, 4e3, 1e3)]
    assert error1 < worse[0] < worse[1] < worse[2] < 1


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
