"""Rates and percentiles against values worked out elsewhere."""

import numpy as np
import pytest

from bridge.statistics import backlog, binomial_rate, percentiles, rate_per_round


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
