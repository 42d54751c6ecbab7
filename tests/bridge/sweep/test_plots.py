"""Which points belong to one line of a plot, and to one suppression factor; what is written into the plots."""

from typing import Any

import pytest
from matplotlib.figure import Figure

from bridge.sweep.page import suppression_rows
from bridge.sweep.plots import across_distances, latencies_in_words, mark_narrow


def point(distance: int, rounds: int, decoder: str = "union-find", rate: float = 0.01) -> dict[str, Any]:
    errors = int(rate * 100_000)
    return {
        "code": "surface",
        "noise": "uniform:0.001",
        "basis": "Z",
        "backend": "by_hand",
        "link": "software",
        "decoder": decoder,
        "d": distance,
        "r": rounds,
        "logical_error_rate": rate,
        "reference_error_rate": rate,
        "logical_error_rate_95": [0.9 * rate, 1.1 * rate],
        "reference_error_rate_95": [0.9 * rate, 1.1 * rate],
        "counts": {"shots": 100_000, "errors": errors, "reference_errors": errors},
    }


def test_memories_of_other_lengths_are_other_lines() -> None:
    proportional = [point(d, d) for d in (5, 3, 7)], [point(d, 3 * d) for d in (3, 5)]
    fixed = [point(3, 10), point(5, 10)]
    found = across_distances([*proportional[0], *fixed, *proportional[1], point(9, 100), point(3, 3, "table")])
    lines = [[(each["d"], each["r"]) for each in line] for line in found]
    assert lines == [[(3, 3), (5, 5), (7, 7)], [(3, 9), (5, 15)], [(3, 10), (5, 10)]]


def test_suppression_factor_is_told_for_each_length() -> None:
    # Lambda = 2 a round in memories of d rounds, 4 in memories of 10: rates that are small add up over the rounds
    points = [point(3, 3, rate=0.006), point(5, 5, rate=0.005), point(3, 10, rate=0.02), point(5, 10, rate=0.005)]
    rows = suppression_rows(points)
    assert [memory for memory, *_ in rows] == [
        "surface, uniform:0.001, memory Z, 3/5 rounds",
        "surface, uniform:0.001, memory Z, 10/10 rounds",
    ]
    assert [round(factor.factor, 1) for _, _, factor, _ in rows] == [2.0, 4.1]


def test_latencies_that_are_equal_are_named_together() -> None:
    assert latencies_in_words({"p50": 90, "p99": 500, "p99_9": 500, "max": 1500}) == (
        "p50 90, p99 = p99.9 500, max 1,500 ns"
    )


@pytest.mark.parametrize(("low", "high"), [(6e-3, 9e-3), (5.5e-3, 6.5e-3), (2e-3, 3e-2), (40, 820), (1e-7, 3e-7)])
def test_a_logarithmic_axis_of_few_decades_has_ticks_to_read(low: float, high: float) -> None:
    axes = Figure().subplots()
    axes.set(yscale="log", ylim=(low, high))
    mark_narrow(axes.yaxis)
    axes.figure.canvas.draw()
    shown = [label.get_text() for label in axes.yaxis.get_ticklabels() if low <= label.get_position()[1] <= high]
    assert len([text for text in shown if text]) >= 2, shown
