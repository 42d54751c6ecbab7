"""The plots of a sweep, each a PNG: error rates, latencies, throughput, area."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bridge.statistics import Rate, Suppression, rate_per_round, suppression_factor
from bridge.sweep.batch import Histogram
from bridge.sweep.totals import Totals

Summary = Mapping[str, Any]
COLOURS = ("#1f6f8b", "#d1495b", "#edae49", "#66a182", "#7a5195", "#2e4057", "#8d96a3", "#b56576")
REFERENCE = "#99a8b2"
MARKERS = "osD^vP*X"
KERNEL_DECADES = 0.03
VIOLIN_POINTS = 240
BESIDE, ASIDE = 1.01, 0.03
"""Points of decoders stand a little to the right of their place, by this factor on p or this much on the distance."""
MARKED = {"p50": ("o", 0.24), "p99": ("x", 0.08), "p99_9": ("P", -0.08), "max": ("^", -0.24)}
"""Marker of each figure, and how far from the middle of the row: equal ones stand below one another."""
WIDE = 20
NARROW = 100
"""An axis over a smaller factor than this gets more ticks than the powers of ten."""
LARGEST_ROWS = 40
"""More rows than this do not fit into one picture; the tables have them all."""


def draw_all(summaries: Sequence[Summary], totals: Mapping[str, Totals]) -> dict[str, bytes]:
    """Name -> PNG of every plot that these points have something for."""
    drawn: dict[str, bytes | None] = {
        "error_rate_against_p": _rate_against_p([each for each in summaries if "p" in each and each["p"] > 0]),
        "error_rate_against_d": _rate_against_d(summaries),
        "latency": _latency(summaries, totals),
        "throughput": _throughput(summaries),
        "error_rate_against_luts": _rate_against_luts([each for each in summaries if each.get("area")]),
    }
    return {name: picture for name, picture in drawn.items() if picture is not None}


def name_of(summary: Summary) -> str:
    """Decoder and link."""
    return str(summary["decoder"]) if summary["link"] == "software" else f"{summary['decoder']}, {summary['link']}"


def memory_of(summary: Summary) -> str:
    """Code, distance, rounds and noise."""
    return f"{summary['code']} d={summary['d']}, {summary['r']} rounds, {summary['noise']}"


def rate_of(summary: Summary, per_round: bool = False) -> Rate:
    """The decoder's logical error rate of a shot, or of a round."""
    name = "logical_error_rate_per_round" if per_round else "logical_error_rate"
    low, high = summary[f"{name}_95"]
    return Rate(summary["counts"]["errors"], summary["counts"]["shots"], summary[name], low, high)


def reference_of(summary: Summary) -> Rate:
    """PyMatching's, on the same shots."""
    low, high = summary["reference_error_rate_95"]
    counts = summary["counts"]
    return Rate(counts["reference_errors"], counts["shots"], summary["reference_error_rate"], low, high)


def suppression_of(summaries: Sequence[Summary], rate: Callable[[Summary], Rate]) -> Suppression | None:
    """Suppression factor over points that differ in their distance only."""
    return suppression_factor(
        {each["d"]: rate(each) for each in summaries}, {each["d"]: each["r"] for each in summaries}
    )


def families(summaries: Iterable[Summary], apart: Sequence[str]) -> dict[tuple[Any, ...], list[Summary]]:
    """Points by what they have in common."""
    found: dict[tuple[Any, ...], list[Summary]] = {}
    for summary in summaries:
        found.setdefault(tuple(summary[name] for name in apart), []).append(summary)
    return found


def across_distances(summaries: Sequence[Summary]) -> list[list[Summary]]:
    """Points that differ in their distance only, ascending; rounds in proportion to it, else the same for all."""
    kind = ("code", "decoder", "link", "noise", "basis", "backend")
    proportional: dict[tuple[Any, ...], list[Summary]] = {}
    for each in summaries:
        proportional.setdefault((*(each[name] for name in kind), Fraction(each["r"], each["d"])), []).append(each)
    found = [group for group in proportional.values() if _num_distances(group) > 1]
    alone = [each for group in proportional.values() if _num_distances(group) == 1 for each in group]
    found += [group for group in families(alone, (*kind, "r")).values() if _num_distances(group) > 1]
    return [sorted(group, key=lambda each: each["d"]) for group in found]


def _rate_against_p(summaries: Sequence[Summary]) -> bytes | None:
    if not summaries:
        return None
    figure, axes = _figure(6.4, 4.6)
    groups = families(summaries, ("code", "decoder", "link", "d", "r", "basis"))
    memories = list(dict.fromkeys((each["code"], each["d"], each["r"]) for each in summaries))
    names = list(dict.fromkeys(name_of(each) for each in summaries))
    referenced = set()
    for (code, _, _, distance, rounds, _), found in groups.items():
        ordered = sorted(found, key=lambda each: each["p"])
        first, memory = names.index(name_of(ordered[0])), (code, distance, rounds)
        shade = memories.index(memory) if len(memories) > 1 else first
        colour, marker = COLOURS[shade % len(COLOURS)], MARKERS[first % len(MARKERS)]
        where = [each["p"] for each in ordered]
        beside = [p * BESIDE ** (first + 1) for p in where]  # bars of one p would hide one another
        label = f"{code} d={distance}{_rounds(rounds, distance)}, {names[first]}"
        _rates(axes, beside, [rate_of(each) for each in ordered], colour, marker, label)
        if memory not in referenced:
            referenced.add(memory)
            theirs = [reference_of(each) for each in ordered]
            axes.plot(where, [rate.rate or np.nan for rate in theirs], ":x", color=colour, linewidth=1.2, markersize=4)
    axes.plot([], [], ":x", markersize=4, color="grey", label="PyMatching, same shots")
    axes.set(xscale="log", yscale="log", xlabel="physical error probability p", ylabel="logical errors a shot (95%)")
    return _finish(figure, axes)


def _rounds(rounds: int, distance: int) -> str:
    return "" if rounds == distance else f" {rounds} rounds"


def _rate_against_d(summaries: Sequence[Summary]) -> bytes | None:
    groups = across_distances(summaries)
    if not groups:
        return None
    figure, axes = _figure(6.4, 4.6)
    noises = list(dict.fromkeys(found[0]["noise"] for found in groups))
    names = list(dict.fromkeys(name_of(found[0]) for found in groups))
    referenced = set()
    for found in groups:
        first, where = found[0], [each["d"] for each in found]
        place = names.index(name_of(first))
        shade = noises.index(first["noise"]) if len(noises) > 1 else place
        colour, marker = COLOURS[shade % len(COLOURS)], MARKERS[place % len(MARKERS)]
        memory = f"{first['code']} {first['noise']}{_rounds(first['r'], first['d'])}"
        label = f"{memory}, {name_of(first)}{_lambda(suppression_of(found, rate_of))}"
        beside = [distance + ASIDE * (place + 1) for distance in where]
        _rates(axes, beside, [rate_of(each, True) for each in found], colour, marker, label)
        if memory not in referenced:
            referenced.add(memory)
            theirs = [_per_round(each) for each in found]
            axes.plot(where, theirs, ":x", color=colour, linewidth=1.2, markersize=4)
    axes.plot([], [], ":x", markersize=4, color="grey", label="PyMatching, same shots")
    axes.set(yscale="log", xlabel="distance", ylabel="logical errors a round (95%)")
    axes.set_xticks(sorted({each["d"] for found in groups for each in found}))
    return _finish(figure, axes)


def _num_distances(summaries: Sequence[Summary]) -> int:
    return len({each["d"] for each in summaries})


def _per_round(summary: Summary) -> float:
    return rate_per_round(summary["reference_error_rate"], summary["r"]) or float("nan")


def _lambda(found: Suppression | None) -> str:
    return f", Λ = {found.factor:.2f} ({found.low:.2f} to {found.high:.2f})" if found else ""


def _latency(summaries: Sequence[Summary], totals: Mapping[str, Totals]) -> bytes | None:
    """A violin a point, with the deadline of each as a line."""
    clocked = [each for each in summaries if each["latency_ns"]][:LARGEST_ROWS]
    if not clocked:
        return None
    figure, axes = _figure(8.2, 1.6 + 0.62 * len(clocked))
    for place, summary in enumerate(reversed(clocked)):
        period_ns = 1e3 / summary["clock_mhz"]
        _violin(axes, totals[summary["point_id"]].cycles["decode"], period_ns, place)
        for name, (marker, aside) in MARKED.items():
            axes.plot(summary["latency_ns"][name], place + aside, marker, color="#222222", markersize=4.5)
        axes.annotate(
            latencies_in_words(summary["latency_ns"]),
            (0.01, place - 0.5),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
        )
        deadline_ns = summary["deadline_ns"]
        axes.plot([deadline_ns] * 2, [place - 0.42, place + 0.42], color=COLOURS[1], linewidth=2)
        misses = summary["counts"].get("deadline_misses", 0)
        axes.annotate(
            f"{misses:,} late", (deadline_ns, place + 0.2), xytext=(4, 0), textcoords="offset points", fontsize=7
        )
    for name, (marker, _) in MARKED.items():
        axes.plot([], [], marker, color="#222222", linestyle="none", label=name.replace("_", "."))
    axes.plot([], [], color=COLOURS[1], linewidth=2, label="deadline")
    axes.set_yticks(
        range(len(clocked)), [f"{name_of(each)}\n{memory_of(each)}" for each in reversed(clocked)], fontsize=7.5
    )
    axes.set(xscale="log", xlabel="latency in ns, from a shot's last word to its correction")
    axes.set_xlim(right=1.8 * max(max(each["latency_ns"]["max"], each["deadline_ns"]) for each in clocked))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=8, frameon=False)
    return _finish(figure, axes, legend=False)


def latencies_in_words(latency_ns: Mapping[str, float]) -> str:
    """`p50 90, p99 = p99.9 = max 500 ns`."""
    named: dict[float, list[str]] = {}
    for name in MARKED:
        named.setdefault(latency_ns[name], []).append(name.replace("_", "."))
    return ", ".join(f"{' = '.join(names)} {value:,.0f}" for value, names in named.items()) + " ns"


def _violin(axes: Axes, histogram: Histogram, period_ns: float, place: float) -> None:
    """The histogram, smoothed a little on the logarithm of the latency."""
    values = np.array(sorted(histogram), dtype=np.float64)
    counts = np.array([histogram[int(value)] for value in values], dtype=np.float64)
    logs = np.log10(np.maximum(values, 0.5) * period_ns)
    grid = np.linspace(logs.min() - KERNEL_DECADES / 2, logs.max() + KERNEL_DECADES / 2, VIOLIN_POINTS)
    kernels = np.exp(-(((grid[:, None] - logs) / KERNEL_DECADES) ** 2) / 2)
    # the square root lets the tail be seen: it is what misses deadlines
    width = np.sqrt(kernels @ counts)
    width *= 0.42 / width.max()
    axes.fill_between(10**grid, place - width, place + width, color=COLOURS[0], alpha=0.45, linewidth=0)


def _throughput(summaries: Sequence[Summary]) -> bytes | None:
    shown = [each for each in summaries if each["shots_per_s"] > 0][:LARGEST_ROWS]
    if not shown:
        return None
    figure, axes = _figure(8.2, 1.4 + 0.42 * len(shown))
    speeds = [each["shots_per_s"] for each in reversed(shown)]
    is_wide = max(speeds) > WIDE * min(speeds)
    if is_wide:  # bars would have no beginning
        axes.plot(speeds, range(len(shown)), "o", color=COLOURS[0])
        axes.set_xscale("log")
    else:
        axes.barh(range(len(shown)), speeds, color=COLOURS[0], height=0.6)
    for place, speed in enumerate(speeds):
        axes.annotate(f"{speed:,.0f}", (speed, place), xytext=(6, -3), textcoords="offset points", fontsize=8)
    axes.set_yticks(range(len(shown)), [f"{name_of(each)}\n{memory_of(each)}" for each in reversed(shown)], fontsize=7)
    axes.set_xlabel("shots a second through the whole loop of the point, all workers")
    axes.set_xlim(min(speeds) / 3 if is_wide else 0, max(speeds) * (4 if is_wide else 1.2))
    axes.set_ylim(-0.7, len(shown) - 0.3)
    if not is_wide:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda speed, _: f"{speed:,.0f}"))
    return _finish(figure, axes, legend=False)


def _rate_against_luts(summaries: Sequence[Summary]) -> bytes | None:
    if not summaries:
        return None
    figure, axes = _figure(6.4, 4.6)
    for index, ((code, decoder, noise), found) in enumerate(families(summaries, ("code", "decoder", "noise")).items()):
        ordered = sorted(found, key=lambda each: each["area"]["luts"])
        luts = [each["area"]["luts"] for each in ordered]
        rates = [rate_of(each, True) for each in ordered]
        _rates(axes, luts, rates, COLOURS[index % len(COLOURS)], MARKERS[index % 8], f"{code} {decoder}, {noise}")
        for place, rate, each in zip(luts, rates, ordered, strict=True):
            axes.annotate(f"d={each['d']}", (place, rate.rate), xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="7-series LUTs of the whole decoder (Yosys)")
    axes.set_ylabel("logical errors a round (95%)")
    return _finish(figure, axes)


def _rates(axes: Axes, where: Sequence[float], rates: Sequence[Rate], colour: str, marker: str, label: str) -> None:
    """Rates with their intervals; one that is 0 is an arrow down from its upper limit."""
    seen = [(x, rate) for x, rate in zip(where, rates, strict=True) if rate.count]
    if seen:
        values = np.array([rate.rate for _, rate in seen])
        bars = [values - [rate.low for _, rate in seen], [rate.high for _, rate in seen] - values]
        axes.errorbar([x for x, _ in seen], values, yerr=np.abs(bars), color=colour, marker=marker, ms=5, capsize=3,
                      linewidth=1.2, label=label)  # fmt: skip
    for x, rate in zip(where, rates, strict=True):
        if not rate.count:
            axes.plot(x, rate.high, "v", color=colour, fillstyle="none", label=None if seen else f"{label} (no error)")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def mark_narrow(axis: Axis) -> None:
    """Ticks for a logarithmic axis of few decades: powers of ten alone would be one or none."""
    low, high = axis.get_view_interval()
    if axis.get_scale() != "log" or low <= 0 or high > NARROW * low:
        return
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8) if high < 5 * low else (1, 2, 5)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float) -> str:
    """0.001 to 99,999 as they are, other numbers with a power of ten."""
    if 1e-3 <= value < 1e5:
        return f"{value:,g}"
    power = math.floor(math.log10(value) + 1e-9)
    factor = f"{value / 10**power:.3g}"
    return f"$10^{{{power}}}$" if factor == "1" else rf"${factor}\times10^{{{power}}}$"


def _finish(figure: Figure, axes: Axes, legend: bool = True) -> bytes:
    for axis in (axes.xaxis, axes.yaxis):
        mark_narrow(axis)
    axes.set_axisbelow(True)
    axes.grid(alpha=0.25, which="both")
    if legend:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", fontsize=8, frameon=False)
    picture = BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
