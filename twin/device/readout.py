"""Readout physics: what integration time and threshold do to the two assignment errors.

A qubit in |0> gives a mean signal of 0, in |1> of 1, until it decays in mid-measurement. The integrated signal has
Gaussian noise whose width falls with the square root of the integration time, and a threshold decides. Width and
threshold are fitted so that the calibrated errors come out exactly at the calibrated integration time (the standard
model of dispersive readout: Gambetta et al., Phys. Rev. A 76, 012325 (2007)).
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

_NORMAL = NormalDist()
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)  # type: ignore[no-untyped-call]
_ERROR_FLOOR = 1e-9


def assignment_errors(
    prob_meas1_prep0: float,
    prob_meas0_prep1: float,
    t1_ns: float,
    calibrated_ns: float,
    integration_ns: float,
    threshold: float,
) -> tuple[float, float]:
    """Assignment errors (p(1|0), p(0|1)) at another integration time and threshold.

    Args:
        prob_meas1_prep0: calibrated p(1|0).
        prob_meas0_prep1: calibrated p(0|1).
        t1_ns: relaxation time of the qubit.
        calibrated_ns: integration time of the calibration.
        integration_ns: integration time asked for.
        threshold: decision level; 0.5 is the calibrated one, +0.1 is a tenth of the signal distance towards |1>.
    """
    if integration_ns == calibrated_ns and threshold == 0.5:
        return prob_meas1_prep0, prob_meas0_prep1
    width, level = _fit(prob_meas1_prep0, prob_meas0_prep1, t1_ns, calibrated_ns)
    scaled_width = width * math.sqrt(calibrated_ns / integration_ns)
    shifted = level + threshold - 0.5
    error0 = _NORMAL.cdf(-shifted / scaled_width)
    error1 = _decaying_error(shifted, scaled_width, integration_ns / t1_ns)
    return error0, error1


def _decaying_error(level: float, width: float, decay: float) -> float:
    """P(signal < level) of a qubit prepared in |1>; `decay` is integration time over T1."""
    survive = math.exp(-decay) * _NORMAL.cdf((level - 1) / width)
    # Where the mean signal crosses the level the integrand is steep: integrate on both sides of it.
    edges = sorted({0.0, 1.0, *(min(max(level + k * width, 0.0), 1.0) for k in (-4, 0, 4))})
    total = 0.0
    for low, high in itertools.pairwise(edges):
        share = low + (high - low) * (_NODES + 1) / 2
        below = np.array([_NORMAL.cdf((level - each) / width) for each in share])
        total += float(np.sum(_WEIGHTS * decay * np.exp(-decay * share) * below)) * (high - low) / 2
    return survive + total


@lru_cache(maxsize=4096)
def _fit(error0: float, error1: float, t1_ns: float, calibrated_ns: float) -> tuple[float, float]:
    """Width and level with which the model has the calibrated errors."""
    error0 = min(max(error0, _ERROR_FLOOR), 0.5 - _ERROR_FLOOR)
    error1 = max(error1, _ERROR_FLOOR)
    quantile = -_NORMAL.inv_cdf(error0)
    low, high = 1e-4, 2.0
    for _ in range(60):
        level = (low + high) / 2
        if _decaying_error(level, level / quantile, calibrated_ns / t1_ns) < error1:
            low = level
        else:
            high = level
    return level / quantile, level
