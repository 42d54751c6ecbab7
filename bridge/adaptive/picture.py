"""Picture of an adaptive run: logical error rate over the shots, with and without it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bridge.statistics import binomial_rate

OURS, STALE, FRESH = "#1f6f8b", "#c0553b", "#99a8b2"


def draw_adaptation(adaptive: Mapping[str, Any], decoder: str, file: Path) -> None:
    """Rates of each stretch between renewals with their 95% intervals, and below them the estimated drift.

    Args:
        adaptive: see `Adaptation.result`.
        decoder: its name, for the title.
        file: the picture, PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    stretches = adaptive["stretches"]
    middle = np.array([stretch["first_shot"] + stretch["num_shots"] / 2 for stretch in stretches])
    figure = Figure(figsize=(9.6, 5.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    rates, drift = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    lines = [("stale_errors", STALE, "weights of the session's error model"), ("logical_errors", OURS, "adaptive")]
    if "fresh_errors" in adaptive:
        lines.append(("fresh_errors", FRESH, "weights of the device as recalibrated at the end"))
    for name, colour, label in lines:
        found = [binomial_rate(stretch[name], stretch["num_shots"]) for stretch in stretches]
        rates.plot(middle, [rate.rate for rate in found], "o-", color=colour, label=label, markersize=4)
        rates.fill_between(
            middle, [rate.low for rate in found], [rate.high for rate in found], color=colour, alpha=0.15, linewidth=0
        )
    rates.set_ylabel("logical errors per shot")
    rates.set_ylim(bottom=0)
    rates.legend(fontsize=9)
    won = adaptive["won_back"]
    rates.set_title(
        f"{decoder}: {adaptive['stale_errors']:,} errors without, {adaptive['logical_errors']:,} with adaptation"
        + (f"; {won:.0%} of the loss won back" if won is not None else ""),
        fontsize=10,
    )
    drift.plot(middle, [stretch["probability_factor"] for stretch in stretches], "s-", color=OURS, markersize=4)
    drift.set_ylabel("estimated over\nmodel probability", fontsize=9)
    drift.set_xlabel("shots")
    for axes in (rates, drift):
        axes.grid(axis="y", alpha=0.3)
    figure.savefig(file)
