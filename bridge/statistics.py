"""Error rates with honest intervals, and latencies as percentiles."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054
"""Of the standard normal distribution, for a two-sided interval of `CONFIDENCE`."""
PERCENTILES_PER_MILLE = (500, 990, 999)


@dataclass(frozen=True, slots=True)
class Rate:
    """A proportion with its interval."""

    count: int
    total: int
    rate: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | int]:
        """As plain numbers."""
        return asdict(self)


def binomial_rate(count: int, total: int) -> Rate:
    """Proportion with its 95% Wilson score interval (Wilson, J. Am. Stat. Assoc. 22, 209 (1927)).

    With no shots at all the rate is 0 and the interval [0, 1].
    """
    if total == 0:
        return Rate(count=0, total=0, rate=0.0, low=0.0, high=1.0)
    interval = binomtest(count, total).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return Rate(count=count, total=total, rate=count / total, low=float(interval.low), high=float(interval.high))


def rate_per_round(rate: float, rounds: int) -> float:
    """Logical error probability of one round, from that of a memory of `rounds` rounds.

    A memory fails when an odd number of its rounds flips the observable: 1 - 2 P = (1 - 2 p)^rounds
    (O'Brien, Tarasinski, DiCarlo, npj Quantum Information 3, 39 (2017), equation 1). A rate of 1/2 or more gives 1/2.
    """
    if rounds < 1:
        return rate
    contrast = 1.0 - 2.0 * rate
    return 0.5 if contrast <= 0 else 0.5 * (1.0 - contrast ** (1.0 / rounds))


def percentiles(values: Sequence[float] | NDArray[Any]) -> dict[str, float] | None:
    """min, p50, p99, p99_9, max and mean; None without values.

    A percentile is a value that occurred (the smallest that at least that share of the values does not exceed).
    """
    array = np.sort(np.asarray(values, dtype=np.float64))
    if array.size == 0:
        return None
    named = {}
    for per_mille in PERCENTILES_PER_MILLE:
        rank = -(-per_mille * array.size // 1000)  # in whole numbers: 99.9% of 1000 is the 999th, not the 1000th
        named[f"p{per_mille / 10:g}".replace(".", "_")] = float(array[rank - 1])
    return {"min": float(array[0]), **named, "max": float(array[-1]), "mean": float(array.mean())}


def histogram_percentiles(histogram: Mapping[int, int]) -> dict[str, float] | None:
    """As `percentiles`, of a histogram: value -> how often it occurred."""
    values = np.array(sorted(histogram), dtype=np.int64)
    if values.size == 0:
        return None
    counts = np.array([histogram[int(value)] for value in values], dtype=np.int64)
    ranks = np.cumsum(counts)
    named = {}
    for per_mille in PERCENTILES_PER_MILLE:
        rank = -(-per_mille * int(ranks[-1]) // 1000)
        named[f"p{per_mille / 10:g}".replace(".", "_")] = float(values[np.searchsorted(ranks, rank)])
    mean = float((values * counts).sum() / ranks[-1])
    return {"min": float(values[0]), **named, "max": float(values[-1]), "mean": mean}


def exact_mcnemar(only_first: int, only_second: int) -> float:
    """p-value of the exact McNemar test: are two decoders wrong equally often on the same shots?

    Under the hypothesis each shot that only one of them got wrong is as likely the one's as the other's; two-sided
    binomial test (McNemar, Psychometrika 12, 153 (1947)). Shots that both got wrong, or right, say nothing.

    Args:
        only_first, only_second: shots that only the first, or only the second got wrong.
    """
    discordant = only_first + only_second
    return 1.0 if discordant == 0 else float(binomtest(only_first, discordant, 0.5).pvalue)


def holm_significant(p_values: Sequence[float], alpha: float) -> set[int]:
    """Indices of the tests that are significant, with a chance of at most `alpha` that any of them is a false alarm.

    Holm's step-down correction (Holm, Scand. J. Stat. 6, 65 (1979)).
    """
    significant: set[int] = set()
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        significant.add(index)
    return significant


@dataclass(frozen=True, slots=True)
class Suppression:
    """Error suppression factor with its 95% interval, from how many distances."""

    factor: float
    low: float
    high: float
    distances: tuple[int, ...]


def suppression_factor(rates: Mapping[int, Rate], rounds: Mapping[int, int]) -> Suppression | None:
    """Lambda: by what the logical error rate per round falls when the distance grows by two.

    epsilon_d ~ Lambda^(-(d+1)/2) (Google Quantum AI, Nature 614, 676 (2023), equation 2): least squares on
    ln epsilon_d, weighted by its variance, which follows from the binomial one of each rate by the delta method.

    Args:
        rates: of a shot, by distance; those of 0, and of 1/2 or more, say nothing and are left out.
        rounds: of a shot, by distance.

    Returns:
        None with fewer than two distances left.
    """
    used = sorted(d for d, rate in rates.items() if 0 < rate.rate < 0.5)
    if len(used) < 2:
        return None
    logs, variances = [], []
    for distance in used:
        rate, length = rates[distance], max(1, rounds[distance])
        per_round = rate_per_round(rate.rate, length)
        slope = (1.0 - 2.0 * rate.rate) ** (1.0 / length - 1.0) / length  # d(per round) / d(rate)
        logs.append(np.log(per_round))
        variances.append((slope / per_round) ** 2 * rate.rate * (1.0 - rate.rate) / rate.total)
    steps = (np.array(used, dtype=np.float64) + 1.0) / 2.0
    weights = 1.0 / np.array(variances)
    centred = steps - np.average(steps, weights=weights)
    spread = float((weights * centred**2).sum())
    fall = -float((weights * centred * np.array(logs)).sum()) / spread
    margin = NORMAL_QUANTILE / spread**0.5
    return Suppression(float(np.exp(fall)), float(np.exp(fall - margin)), float(np.exp(fall + margin)), tuple(used))


def lindley_waits(service_ns: NDArray[np.float64], period_ns: float) -> NDArray[np.float64]:
    """How long each shot waits for the decoder, and how long one after the last would: shape (shots + 1,).

    wait_(i+1) = max(0, wait_i + service_i - period) (Lindley, Math. Proc. Camb. Phil. Soc. 48, 277 (1952)), here in
    closed form. Arguments as in `backlog`.
    """
    walk = np.concatenate([[0.0], np.cumsum(service_ns - period_ns)])
    return np.asarray(walk - np.minimum.accumulate(walk))


@dataclass(frozen=True, slots=True)
class Backlog:
    """Queue in front of a decoder that is fed at the device's own pace.

    max_wait_ns: longest time a finished shot waited for the decoder. growth_ns_per_shot: by how much the wait
    grows from shot to shot, 0 for a decoder that keeps up. busy_fraction: share of the time that the decoder works.
    """

    max_wait_ns: float
    growth_ns_per_shot: float
    busy_fraction: float


def backlog(service_ns: NDArray[np.float64], period_ns: float) -> Backlog:
    """Feed shots to a decoder every `period_ns`; see `lindley_waits`.

    Args:
        service_ns: shape (shots,): time that the decoder spends on each shot.
        period_ns: time between the ends of two shots on the device.
    """
    if service_ns.size == 0 or period_ns <= 0:
        return Backlog(max_wait_ns=0.0, growth_ns_per_shot=0.0, busy_fraction=0.0)
    waits = lindley_waits(service_ns, period_ns)
    growth = max(0.0, float(service_ns.mean() - period_ns))
    return Backlog(
        max_wait_ns=float(waits.max()),
        growth_ns_per_shot=growth,
        busy_fraction=min(1.0, float(service_ns.mean() / period_ns)),
    )
