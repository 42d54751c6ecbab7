"""Error rates with honest intervals, and latencies as percentiles."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

CONFIDENCE = 0.95
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
    """Feed shots to a decoder every `period_ns`: the waiting times of Lindley's recursion, in closed form.

    wait_(i+1) = max(0, wait_i + service_i - period) (Lindley, Math. Proc. Camb. Phil. Soc. 48, 277 (1952)).

    Args:
        service_ns: shape (shots,): time that the decoder spends on each shot.
        period_ns: time between the ends of two shots on the device.
    """
    if service_ns.size == 0 or period_ns <= 0:
        return Backlog(max_wait_ns=0.0, growth_ns_per_shot=0.0, busy_fraction=0.0)
    walk = np.concatenate([[0.0], np.cumsum(service_ns - period_ns)])
    waits = walk - np.minimum.accumulate(walk)
    growth = max(0.0, float(service_ns.mean() - period_ns))
    return Backlog(
        max_wait_ns=float(waits.max()),
        growth_ns_per_shot=growth,
        busy_fraction=min(1.0, float(service_ns.mean() / period_ns)),
    )
