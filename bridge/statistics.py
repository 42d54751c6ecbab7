"""Error rates with honest intervals, and latencies as percentiles."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binom, binomtest, hypergeom

CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054
"""Of the standard normal distribution, for a two-sided interval of `CONFIDENCE`."""
NOTHING_TO_CORRECT = 10_000
"""Errors from which on the bias of stopping, one in as many, is far below the interval."""
PROB_TOLERANCE = 1e-14
LARGEST_FALL = 50.0
"""Of ln epsilon over a step of the distance: e^-50 is less than one error in any number of shots."""
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


def stopped_rate(count: int, total: int, last: int, max_errors: int | None) -> Rate:
    """Proportion of a count that ended with the batch that reached `max_errors`, without the bias of stopping there.

    Stopping at the m-th error favours runs in which errors came early: count / total is too high, by 1/m of itself for
    batches of one shot, and its interval holds too rarely. Given where the run ended, the shots before the last batch
    are as likely as any to have been each of those with fewer than m errors. Their mean rate is the unbiased estimate
    (Girshick, Mosteller and Savage, Ann. Math. Stat. 17, 13 (1946)); for batches of one shot it is
    (count - 1) / (total - 1). The interval has at least 95%: its ends are the rates at which to end this early or
    earlier, or this late or later, has a chance of 2.5% (Siegmund, Biometrika 65, 341 (1978)).

    Args:
        count, total: errors and shots, those of the last batch included.
        last: shots of the last batch.
        max_errors: where it was to end; None: it did not look at the errors.

    Returns:
        `binomial_rate` for a run that ended for another reason, or with so many errors that nothing is left to correct.
        With `max_errors` 1 the unbiased estimate after the first batch is 0; the rate is count / total then.
    """
    if max_errors is None or count < max_errors or max_errors > NOTHING_TO_CORRECT:
        return binomial_rate(count, total)
    before = total - last
    going_on = np.arange(min(max_errors - 1, before) + 1)  # errors with which the run went on to its last batch
    rate = count / total
    if before and max_errors > 1:
        log_ways = hypergeom.logpmf(going_on, total, before, count)  # of the errors to lie so, given all of them
        ways = np.exp(log_ways - log_ways.max())
        rate = float((ways * going_on).sum() / ways.sum() / before)

    def ends_later(prob: float) -> float:
        return float((binom.pmf(going_on, before, prob) * binom.cdf(count - going_on, last, prob)).sum())

    def ends_earlier(prob: float) -> float:
        in_last = (binom.pmf(going_on, before, prob) * binom.sf(count - 1 - going_on, last, prob)).sum()
        return float(binom.sf(max_errors - 1, before, prob) + in_last)

    tail = (1 - CONFIDENCE) / 2
    low = brentq(lambda prob: ends_earlier(prob) - tail, 0.0, 1.0, xtol=PROB_TOLERANCE)
    high = (
        1.0 if ends_later(1.0) > tail else brentq(lambda prob: ends_later(prob) - tail, 0.0, 1.0, xtol=PROB_TOLERANCE)
    )
    return Rate(count=count, total=total, rate=rate, low=float(low), high=float(high))


def rate_beside(ours: Rate, both: int, only_theirs: int) -> Rate:
    """Rate of another decoder on the shots of `ours`, without the bias of where ours stopped.

    Stopping looked at our errors alone, so how often the other one errs where we do, and where we do not, is unbiased:
    P(theirs) = P(theirs | ours) P(ours) + P(theirs | not ours) P(not ours), with the rate of `ours` for P(ours).

    Args:
        ours: from `stopped_rate`.
        both: shots that both had wrong.
        only_theirs: shots that only the other one had wrong.

    Returns:
        The rate, and its Wilson interval moved by as much.
    """
    plain = binomial_rate(both + only_theirs, ours.total)
    rights = ours.total - ours.count
    if plain.count == 0 or ours.count == 0 or rights == 0:
        return plain
    rate = ours.rate * both / ours.count + (1 - ours.rate) * only_theirs / rights
    moved = rate / plain.rate
    return Rate(plain.count, plain.total, rate, plain.low * moved, min(1.0, plain.high * moved))


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

    epsilon_d = A Lambda^(-(d+1)/2) (Google Quantum AI, Nature 614, 676 (2023), equation 2). A and Lambda are those of
    the greatest likelihood of the errors counted, each a binomial number with the rate of a shot of so many rounds. The
    interval is the likelihood's: every Lambda whose likelihood, with the A that suits it best, is at least
    exp(-q^2 / 2) of the greatest (Venzon and Moolgavkar, Appl. Stat. 37, 87 (1988)), q = `NORMAL_QUANTILE`. Unlike
    one from the logarithm's variance it holds with few errors, and takes a distance without any for what it says.

    Args:
        rates: of a shot, by distance; those of 1/2 or more say nothing and are left out.
        rounds: of a shot, by distance.

    Returns:
        None with errors at fewer than two distances left.
    """
    used = sorted(d for d, rate in rates.items() if rate.total and 2 * rate.count < rate.total)
    if sum(rates[d].count > 0 for d in used) < 2:
        return None
    likelihood = _SuppressionLikelihood(
        steps=(np.array(used, dtype=np.float64) + 1.0) / 2.0,
        rounds=np.array([max(1, rounds[d]) for d in used], dtype=np.float64),
        errors=np.array([rates[d].count for d in used], dtype=np.float64),
        shots=np.array([rates[d].total for d in used], dtype=np.float64),
    )
    fit = minimize_scalar(lambda fall: -likelihood.best(fall), bracket=(0.0, 1.0), tol=1e-10)
    fall, greatest = float(fit.x), -float(fit.fun)

    def below(other: float) -> float:
        return 2 * (greatest - likelihood.best(other)) - NORMAL_QUANTILE**2

    ends = []
    for sign in (-1.0, 1.0):
        step = sign * 0.1
        while below(fall + step) < 0 and abs(step) < LARGEST_FALL:
            step *= 2
        ends.append(brentq(below, *sorted((fall, fall + step))) if below(fall + step) > 0 else sign * np.inf)
    return Suppression(float(np.exp(fall)), float(np.exp(ends[0])), float(np.exp(ends[1])), tuple(used))


@dataclass(frozen=True)
class _SuppressionLikelihood:
    """Log-likelihood of errors at several distances; arrays of shape (distances,), steps are (d + 1) / 2."""

    steps: NDArray[np.float64]
    rounds: NDArray[np.float64]
    errors: NDArray[np.float64]
    shots: NDArray[np.float64]

    def best(self, fall: float) -> float:
        """At this ln Lambda, with the A that suits it best."""
        slope = fall * (self.steps - self.steps[0])
        highest = np.log(0.5) + slope.min()  # no rate of a round above 1/2
        fit = minimize_scalar(
            lambda level: -self._at(level - slope), bounds=(highest - LARGEST_FALL, highest), method="bounded",
            options={"xatol": 1e-9},
        )  # fmt: skip
        return -float(fit.fun)

    def _at(self, log_per_round: NDArray[np.float64]) -> float:
        contrast = self.rounds * np.log1p(-2 * np.minimum(np.exp(log_per_round), 0.5 - 1e-12))
        wrong = -np.expm1(contrast) / 2
        return float((self.errors * np.log(wrong) + (self.shots - self.errors) * np.log1p(-wrong)).sum())


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
