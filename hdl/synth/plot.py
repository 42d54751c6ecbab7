"""The plot of the hardware report."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.ticker import ScalarFormatter

from hdl.synth.report import Whole

STYLES = {3: "o--", 4: "s-"}
COLOURS = {0.001: "C0", 0.003: "C2", 0.005: "C3"}


def plot(rows: Sequence[Whole], file: Path) -> None:
    """LUTs, clock, cycles per round and error ratio over the distance."""
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 6.4))
    area, clock, cycles, ratio = axes.ravel()
    for bits, style in STYLES.items():
        chosen = [row for row in rows if row.weight_bits == bits]
        distances = [row.distance for row in chosen]
        area.semilogy(distances, [row.cost.core.luts for row in chosen], style, label=f"{bits}-bit weights")
        placed = [(row.distance, row.cost.fmax_mhz) for row in chosen if row.cost.fmax_mhz]
        clock.plot([d for d, _ in placed], [mhz for _, mhz in placed], style, label=f"{bits}-bit weights")
        for prob, colour in COLOURS.items():
            label = f"{bits} bits, {prob:.1%}"
            cycles.plot(distances, [row.cycles[prob].mean for row in chosen], style, color=colour, label=label)
            solid = [(row.distance, row.errors[prob]) for row in chosen if row.says_something(prob)]
            values = [paired.ratio for _, paired in solid]
            spread = [[p.ratio - p.interval[0] for _, p in solid], [p.interval[1] - p.ratio for _, p in solid]]
            shift = 0.06 * (bits - 3.5)  # so that bars do not hide one another
            ratio.errorbar(
                [d + shift for d, _ in solid], values, spread, fmt=style, color=colour, label=label, capsize=2
            )
    titles = ("7-series LUTs of the core", "ECP5 clock, MHz", "mean cycles per round", "errors over PyMatching's")
    for axis, title in zip((area, clock, cycles, ratio), titles, strict=True):
        axis.set(title=title, xlabel="distance", xticks=sorted({row.distance for row in rows}))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    area.yaxis.set_major_formatter(ScalarFormatter())
    clock.set_ylim(bottom=0)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    with pyplot.rc_context({"svg.hashsalt": "qtwin"}):
        figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
