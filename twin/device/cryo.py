"""The cryostat: temperature -> coherence multipliers and thermal population."""

from __future__ import annotations

import itertools
import math

BASE_TEMPERATURE_MK = 15.0

# Temperature in mK and multiplier on T1 and T2: the API reference, "Temperature model".
REFERENCE_POINTS = ((15.0, 1.0), (30.0, 0.85), (50.0, 0.60), (100.0, 0.20))

# h / k_B in mK per GHz (CODATA 2018: 6.62607015e-34 J s / 1.380649e-23 J/K).
_MK_PER_GHZ = 6.62607015e-34 / 1.380649e-23 * 1e9 * 1e3


def coherence_multiplier(temperature_mk: float) -> float:
    """Multiplier on T1 and T2 at a mixing-chamber temperature.

    Monotone cubic (PCHIP) through the four reference points; 1 below the first, and an exponential tail with the
    curve's own last slope above the last.

    Source: F. N. Fritsch and J. Butland, SIAM J. Sci. Stat. Comput. 5, 300 (1984), for the slopes.
    """
    xs, ys = zip(*REFERENCE_POINTS, strict=True)
    slopes = _monotone_slopes(xs, ys)
    if temperature_mk <= xs[0]:
        return 1.0
    if temperature_mk >= xs[-1]:
        return float(ys[-1] * math.exp(slopes[-1] / ys[-1] * (temperature_mk - xs[-1])))
    index = next(i for i in range(len(xs) - 1) if temperature_mk <= xs[i + 1])
    width = xs[index + 1] - xs[index]
    u = (temperature_mk - xs[index]) / width
    return float(
        (1 + 2 * u) * (1 - u) ** 2 * ys[index]
        + u * (1 - u) ** 2 * width * slopes[index]
        + u * u * (3 - 2 * u) * ys[index + 1]
        + u * u * (u - 1) * width * slopes[index + 1]
    )


def _monotone_slopes(xs: tuple[float, ...], ys: tuple[float, ...]) -> list[float]:
    """Weighted harmonic means inside; three-point one-sided formula, limited, at the ends."""
    widths = [b - a for a, b in itertools.pairwise(xs)]
    secants = [(b - a) / w for (a, b), w in zip(itertools.pairwise(ys), widths, strict=True)]
    slopes = [_end_slope(widths[0], widths[1], secants[0], secants[1])]
    for (w0, w1), (s0, s1) in zip(itertools.pairwise(widths), itertools.pairwise(secants), strict=True):
        a, b = 2 * w1 + w0, w1 + 2 * w0
        slopes.append((a + b) / (a / s0 + b / s1) if s0 * s1 > 0 else 0.0)
    slopes.append(_end_slope(widths[-1], widths[-2], secants[-1], secants[-2]))
    return slopes


def _end_slope(width: float, next_width: float, secant: float, next_secant: float) -> float:
    slope = ((2 * width + next_width) * secant - width * next_secant) / (width + next_width)
    if slope * secant <= 0:
        return 0.0
    if secant * next_secant < 0 and abs(slope) > 3 * abs(secant):
        return 3 * secant
    return slope


def excited_population(frequency_ghz: float, temperature_mk: float) -> float:
    """Thermal population of |1> of a two-level system: 1 / (1 + exp(h f / k T))."""
    if temperature_mk <= 0:
        return 0.0
    exponent = frequency_ghz * _MK_PER_GHZ / temperature_mk
    return math.exp(-exponent) / (1 + math.exp(-exponent))
