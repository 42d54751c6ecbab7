"""Readout physics: what T1, integration time and threshold do to the two assignment errors.

A qubit in |0> gives a mean signal of 0, in |1> of 1, until it decays in mid-measurement. The integrated signal has
Gaussian noise whose width falls with the square root of the integration time, and a threshold decides. Width and
threshold are fitted so that the calibrated errors come out exactly at the calibrated integration time (the standard
model of dispersive readout: Gambetta et al., Phys. Rev. A 76, 012325 (2007)).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

_NORMAL = NormalDist()
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)  # type: ignore[no-untyped-call]
_ERROR_FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class Integration:
    """How a signal is integrated: the qubit's T1 and the time, both in ns, and the decision level.

    A threshold of 0.5 is the calibrated level, +0.1 is a tenth of the signal distance towards |1>.
    """

    t1_ns: float
    time_ns: float
    threshold: float


def assignment_errors(
    prob_meas1_prep0: float, prob_meas0_prep1: float, calibrated: Integration, now: Integration
) -> tuple[float, float]:
    """Assignment errors (p(1|0), p(0|1)) at another T1, integration time or threshold than the calibration's.

    The signal's width and level are the calibration's; what the model says of the change is added to the calibrated
    errors. (Where the fit reaches them, this is what it says of now; it does not where decay alone exceeds p(0|1).)
    """
    if now == calibrated:
        return prob_meas1_prep0, prob_meas0_prep1
    width, level = _fit(prob_meas1_prep0, prob_meas0_prep1, calibrated)
    before, after = (_modelled(width, level, calibrated.time_ns, each) for each in (calibrated, now))
    error0, error1 = (
        min(max(error + new - old, 0.0), 1.0)
        for error, old, new in zip((prob_meas1_prep0, prob_meas0_prep1), before, after, strict=True)
    )
    return error0, error1


def _modelled(width: float, level: float, calibrated_ns: float, used: Integration) -> tuple[float, float]:
    """The errors of a signal that has this width after the calibrated time."""
    scaled_width = width * math.sqrt(calibrated_ns / used.time_ns)
    shifted = level + used.threshold - 0.5
    error0 = _NORMAL.cdf(-shifted / scaled_width)
    return error0, _decaying_error(shifted, scaled_width, used.time_ns / used.t1_ns)


def _decaying_error(level: float, width: float, decay: float) -> float:
    """P(signal < level) of a qubit prepared in |1>; `decay` is integration time over T1."""
    survive = math.exp(-decay) * _NORMAL.cdf((level - 1) / width)
    # Steep is the integrand where the mean signal crosses the level, and near 0 where T1 is short: integrate by parts.
    steep = [*(level + k * width for k in (-4, 0, 4)), *(k / max(decay, 1.0) for k in (1, 4, 16, 40))]
    edges = sorted({0.0, 1.0, *(min(max(each, 0.0), 1.0) for each in steep)})
    total = 0.0
    for low, high in itertools.pairwise(edges):
        share = low + (high - low) * (_NODES + 1) / 2
        below = np.array([_NORMAL.cdf((level - each) / width) for each in share])
        total += float(np.sum(_WEIGHTS * decay * np.exp(-decay * share) * below)) * (high - low) / 2
    return survive + total


@lru_cache(maxsize=4096)
def _fit(error0: float, error1: float, calibrated: Integration) -> tuple[float, float]:
    """Width and level with which the model has the calibrated errors."""
    error0 = min(max(error0, _ERROR_FLOOR), 0.5 - _ERROR_FLOOR)
    error1 = max(error1, _ERROR_FLOOR)
    quantile = -_NORMAL.inv_cdf(error0)
    low, high = 1e-4, 2.0
    for _ in range(60):
        level = (low + high) / 2
        if _decaying_error(level, level / quantile, calibrated.time_ns / calibrated.t1_ns) < error1:
            low = level
        else:
            high = level
    return level / quantile, level
