"""Rates and percentiles against values worked out elsewhere."""

import numpy as np
import pytest

from bridge.statistics import (
    Rate,
    backlog,
    binomial_rate,
    exact_mcnemar,
    histogram_percentiles,
    percentiles,
    rate_beside,
    rate_per_round,
    stopped_rate,
    suppression_factor,
)


def test_binomial_rate_gives_the_wilson_interval() -> None:
    # Newcombe, Statistics in Medicine 17, 857 (1998), table I: 81 of 263, Wilson score: 0.2553 to 0.3662.
    rate = binomial_rate(81, 263)
    assert rate.rate == pytest.approx(81 / 263)
    assert rate.low == pytest.approx(0.2553, abs=5e-5)
    assert rate.high == pytest.approx(0.3662, abs=5e-5)


def test_binomial_rate_without_errors_still_has_an_upper_bound() -> None:
    # The same table, 0 of 20: 0 to 0.1611.
    rate = binomial_rate(0, 20)
    assert rate.low == 0
    assert rate.high == pytest.approx(0.1611, abs=5e-5)
    assert binomial_rate(0, 0).high == 1


def test_rate_per_round_undoes_composition_of_independent_flips() -> None:
    per_round, total = 0.01, 0.0
    for _ in range(7):
        total = total * (1 - per_round) + (1 - total) * per_round
    assert rate_per_round(total, 7) == pytest.approx(per_round, rel=1e-12)
    assert rate_per_round(0.6, 3) == 0.5
    assert rate_per_round(0.1, 0) == 0.1


def test_percentiles_are_values_that_occurred() -> None:
    found = percentiles(list(range(1, 1001)))
    assert found is not None
    assert (found["min"], found["p50"], found["p99"], found["p99_9"], found["max"]) == (1, 500, 990, 999, 1000)
    assert found["mean"] == 500.5
    assert percentiles([]) is None


def test_backlog_equals_the_recursion_step_by_step() -> None:
    service = np.random.default_rng(3).exponential(90.0, 500)
    wait, waits = 0.0, [0.0]
    for time in service:
        wait = max(0.0, wait + time - 100.0)
        waits.append(wait)
    found = backlog(service, 100.0)
    assert found.max_wait_ns == pytest.approx(max(waits))
    assert found.growth_ns_per_shot == 0
    assert found.busy_fraction == pytest.approx(service.mean() / 100)


def test_backlog_of_a_slow_decoder_grows() -> None:
    found = backlog(np.full(1000, 130.0), 100.0)
    assert found.growth_ns_per_shot == pytest.approx(30)
    assert found.max_wait_ns == pytest.approx(30_000)
    assert found.busy_fraction == 1


def test_histogram_percentiles_are_those_of_the_values() -> None:
    values = np.random.default_rng(3).geometric(0.07, size=5000)
    found, counts = np.unique(values, return_counts=True)
    histogram = dict(zip(found.tolist(), counts.tolist(), strict=True))
    assert histogram_percentiles(histogram) == pytest.approx(percentiles(values))
    assert histogram_percentiles({}) is None


def test_exact_mcnemar_of_a_textbook_table() -> None:
    # 1 against 9: twice the binomial tail (1 + 10) / 2^10
    assert exact_mcnemar(1, 9) == exact_mcnemar(9, 1) == pytest.approx(22 / 1024)
    assert exact_mcnemar(0, 0) == exact_mcnemar(5, 5) == 1.0


def test_suppression_factor_is_found_where_it_is_exact() -> None:
    # epsilon_d = 0.1 * 2.5^(-(d+1)/2) a round, memories of d rounds
    totals = 10**9
    rates, rounds = {}, {}
    for distance in (3, 5, 7, 9):
        per_round = 0.1 * 2.5 ** (-(distance + 1) / 2)
        shot = 0.5 * (1 - (1 - 2 * per_round) ** distance)
        rates[distance], rounds[distance] = binomial_rate(round(shot * totals), totals), distance
    found = suppression_factor(rates, rounds)
    assert found is not None
    assert found.factor == pytest.approx(2.5, rel=1e-4)
    assert found.distances == (3, 5, 7, 9)


def test_suppression_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    shots, trials, covered = 200_000, 400, 0
    truth = {distance: 0.05 * 3.0 ** (-(distance + 1) / 2) for distance in (3, 5, 7)}
    for _ in range(trials):
        rates = {d: binomial_rate(int(generator.binomial(shots, rate)), shots) for d, rate in truth.items()}
        found = suppression_factor(rates, dict.fromkeys(truth, 1))
        assert found is not None
        covered += found.low <= 3.0 <= found.high
    # 95% of 400 = 380, standard deviation 4.4: five of them either way, a false alarm in 10^6
    assert abs(covered - 380) < 22


def test_suppression_factor_needs_two_distances_with_errors() -> None:
    rates = {3: binomial_rate(10, 1000), 5: binomial_rate(0, 1000)}
    assert suppression_factor(rates, {3: 3, 5: 5}) is None


def stopped_run(generator: np.random.Generator, prob: float, batch: int, max_errors: int) -> tuple[int, int]:
    """Errors and shots of a run that ends with the batch that reaches max_errors."""
    errors = shots = 0
    while errors < max_errors:
        errors += int(generator.binomial(batch, prob))
        shots += batch
    return errors, shots


def test_stopping_at_our_errors_leaves_no_bias_in_the_rate_beside() -> None:
    """Two decoders that err alike, nine of ten errors shared: the other one's rate is no other for our stopping."""
    generator = np.random.default_rng(5)
    prob, batch, max_errors, runs = 2e-3, 1000, 10, 4000
    naive, found = [], []
    for _ in range(runs):
        both = ours = theirs = shots = 0
        while both + ours < max_errors:
            shared, alone, alone_theirs = generator.multinomial(batch, [0.9 * prob, 0.1 * prob, 0.1 * prob, 0])[:3]
            both, ours, theirs, shots = both + int(shared), ours + int(alone), theirs + int(alone_theirs), shots + batch
        rate = stopped_rate(both + ours, shots, batch, max_errors)
        found.append(rate_beside(rate, both, theirs).rate)
        naive.append((both + theirs) / shots)
    error = np.std(found) / runs**0.5
    assert abs(np.mean(found) - prob) < 5 * error
    assert np.mean(naive) - prob > 10 * error


@pytest.mark.parametrize(("prob", "batch", "max_errors"), [(1e-3, 1000, 10), (1e-4, 5000, 5), (0.1, 1, 3)])
def test_stopping_at_few_errors_leaves_no_bias_and_the_interval_holds(prob: float, batch: int, max_errors: int) -> None:
    generator = np.random.default_rng(3)
    runs, naive, found = 3000, [], []
    known: dict[tuple[int, int], Rate] = {}
    for _ in range(runs):
        end = stopped_run(generator, prob, batch, max_errors)
        if end not in known:
            known[end] = stopped_rate(*end, batch, max_errors)
        naive.append(end[0] / end[1])
        found.append(known[end])
    rates = np.array([each.rate for each in found]) / prob
    bias, sigma = rates.mean() - 1, rates.std() / runs**0.5
    assert abs(bias) < 4 * sigma  # a false alarm in 16,000
    assert np.mean(naive) / prob - 1 > 6 * sigma  # what is corrected
    covered = sum(each.low <= prob <= each.high for each in found)
    # at least 95%: 2850 of 3000 less four standard deviations of 12
    assert covered >= 2850 - 48


def test_a_batch_of_one_shot_gives_the_known_estimate() -> None:
    # Girshick, Mosteller and Savage (1946): (m - 1) / (n - 1) for a run that ends with the m-th error
    rate = stopped_rate(5, 40, 1, 5)
    assert rate.rate == pytest.approx(4 / 39, rel=1e-12)
    assert rate.low < rate.rate < rate.high


def test_a_run_that_did_not_end_by_its_errors_is_a_plain_proportion() -> None:
    assert stopped_rate(3, 1000, 100, 10) == binomial_rate(3, 1000)
    assert stopped_rate(30, 1000, 100, None) == binomial_rate(30, 1000)
    assert stopped_rate(20, 1000, 1000, 10).rate == 20 / 1000  # the first batch is no choice


@pytest.mark.parametrize(("first", "factor", "distances"), [(20, 3.0, (3, 5, 7)), (10, 2.0, (3, 5))])
def test_suppression_interval_holds_at_few_errors(first: float, factor: float, distances: tuple[int, ...]) -> None:
    # about 20, 7 and 2 errors, and 10 and 5; some of the runs have none at the largest distance
    generator = np.random.default_rng(5)
    shots, runs, covered, told = 10**6, 250, 0, 0
    for _ in range(runs):
        counts = [int(generator.binomial(shots, first / shots / factor**i)) for i in range(len(distances))]
        rates = {d: binomial_rate(count, shots) for d, count in zip(distances, counts, strict=True)}
        found = suppression_factor(rates, dict.fromkeys(distances, 1))
        if found is not None:
            told += 1
            covered += found.low <= factor <= found.high
    assert told > 0.95 * runs
    # 95%, and four standard deviations of 1.4% below it
    assert covered >= (0.95 - 0.055) * told


def test_suppression_counts_a_distance_without_errors() -> None:
    with_errors = {3: binomial_rate(400, 10**5), 5: binomial_rate(40, 10**5)}
    without = suppression_factor({**with_errors, 7: binomial_rate(0, 10**6)}, dict.fromkeys((3, 5, 7), 1))
    plain = suppression_factor(with_errors, dict.fromkeys((3, 5), 1))
    assert without is not None
    assert plain is not None
    assert plain.factor == pytest.approx(10, rel=1e-6)  # 0.004 to 0.0004
    assert without.factor > plain.factor  # 4 a shot in 10^5 were expected, 40 in 10^6 shots
