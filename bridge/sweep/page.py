"""The report of a sweep: PNG plots, and one HTML page that holds everything."""

import base64
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from bridge.files import write_whole
from bridge.heading import ALPHA, Duel, date_in_words, host_in_words, verdicts
from bridge.report import write_text
from bridge.statistics import Suppression
from bridge.sweep.plan import PLAN_FILE
from bridge.sweep.plots import (
    Summary,
    across_distances,
    draw_all,
    memory_of,
    name_of,
    rate_of,
    reference_of,
    suppression_of,
)
from bridge.sweep.totals import COUNTS, Totals

PAGE_FILE = "report.html"
TEMPLATE = Path(__file__).with_name("page.html.j2")
CAPTIONS = {
    "error_rate_against_p": "Logical error rate against the physical one. Bars: 95% intervals; an open triangle "
    "is the upper limit where no error was seen.",
    "error_rate_against_d": "Logical error rate of a round against the distance, with the suppression factor "
    "Λ = ε(d) / ε(d+2) of each line.",
    "latency": "Latency of every correction; the widths are square roots, so that rare late ones can be seen. The line "
    "is the deadline; late are those that miss it when shots come at the device's pace.",
    "throughput": "Speed of the sweep itself, sampling and reference included; not a property of the hardware.",
    "error_rate_against_luts": "What an error rate costs in area.",
}
MOST_NAMES = 4
VERSIONS = ("qtwin", "stim", "pymatching", "sinter", "numpy")


def write_page(
    folder: Path,
    points: Sequence[Mapping[str, Any]],
    summaries: Sequence[Summary],
    totals: Mapping[str, Totals],
    errors: Mapping[str, str],
) -> None:
    """Write the plots and the page.

    Args:
        folder: of the run.
        points: all points, those without a result too.
        summaries: of the points with a result.
        totals, errors: by point id.
    """
    pictures = draw_all(summaries, totals)
    for name, picture in pictures.items():
        write_whole(folder / f"{name}.png", picture)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        title=_title(points, _times(totals)),
        name=folder.resolve().name,
        facts=_facts(points, totals),
        verdicts=verdicts([_duel(each) for each in summaries]),
        alpha=ALPHA,
        summaries=summaries,
        name_of=name_of,
        memory_of=memory_of,
        suppression=suppression_rows(summaries),
        pictures=[
            {"name": name, "data": base64.b64encode(picture).decode(), "caption": CAPTIONS[name]}
            for name, picture in pictures.items()
        ],
        failed=[(point, errors[point["point_id"]]) for point in points if point["point_id"] in errors],
        counts=COUNTS,
        plan=(folder / PLAN_FILE).read_text(encoding="utf-8"),
        command=f"qtwin bench {shlex.quote(str((folder / PLAN_FILE).resolve()))}",
        versions=[(name, version(name)) for name in VERSIONS],
        machine=f"{platform.machine()}, Python {platform.python_version()}",
    )
    write_text(folder / PAGE_FILE, page)


def _title(points: Sequence[Mapping[str, Any]], times: Sequence[float]) -> str:
    """The decoders and the memories, as far as they go into one line, and the day."""
    decoders = _listed("decoders", (str(each["decoder"]) for each in points))
    day = f", {date_in_words(times[0]).partition(',')[0]}" if times else ""
    return f"{decoders} on {_listed('memories', (_code_of(each) for each in points))}{day}"


def _code_of(point: Mapping[str, Any]) -> str:
    return f"{point['code']} d={point['d']}"


def _spoken(point: Mapping[str, Any]) -> str:
    return str(point["decoder"]) if point["link"] == "software" else f"{point['decoder']} over {point['link']}"


def _listed(kind: str, names: Iterable[str]) -> str:
    """The names, or how many there are where they could not be read at a glance."""
    found = list(dict.fromkeys(names))
    if len(found) > MOST_NAMES:
        return f"{len(found)} {kind}"
    return " and ".join(filter(None, (", ".join(found[:-1]), found[-1])))


def _times(totals: Mapping[str, Totals]) -> list[float]:
    """First and last moment of the run, in seconds since the epoch; empty where nothing was run."""
    times = [moment for each in totals.values() for pair in each.times for moment in pair]
    return [min(times), max(times)] if times else []


def _period(times: Sequence[float]) -> str:
    """`26 November 2026, 16:34 UTC to 16:39 UTC`."""
    first, last = (date_in_words(moment).partition(", ") for moment in times)
    return f"{''.join(first)} to {last[2] if first[0] == last[0] else ''.join(last)}"


def _facts(points: Sequence[Mapping[str, Any]], totals: Mapping[str, Totals]) -> list[tuple[str, str]]:
    """What was run, when and where."""
    times = _times(totals)
    found = {
        "date": _period(times) if times else "",
        "decoders": "; ".join(dict.fromkeys(_spoken(each) for each in points)),
        "codes": "; ".join(dict.fromkeys(f"{_code_of(each)}, {each['r']} rounds" for each in points)),
        "memory": ", ".join(dict.fromkeys(str(each["basis"]) for each in points)),
        "noise": ", ".join(dict.fromkeys(str(each["noise"]) for each in points)),
        "backends": ", ".join(dict.fromkeys(str(each["backend"]) for each in points)),
        "seed": ", ".join(dict.fromkeys(str(each["seed"]) for each in points)),
        "host": host_in_words(),
    }
    return [(name, text) for name, text in found.items() if text]


def _duel(summary: Summary) -> Duel:
    counts = summary["counts"]
    return Duel(
        decoder=_spoken(summary),
        memory=memory_of(summary),
        shots=counts["shots"],
        errors=counts["errors"],
        reference_errors=counts["reference_errors"],
        only_decoder=counts["only_decoder_wrong"],
        only_reference=counts["only_reference_wrong"],
    )


def suppression_rows(summaries: Sequence[Summary]) -> list[tuple[str, str, Suppression, Suppression | None]]:
    """(points, decoder, its suppression factor, PyMatching's on the same shots) where there are two distances."""
    rows = []
    for found in across_distances(summaries):
        factor = suppression_of(found, rate_of)
        if factor is not None:
            memory = f"{found[0]['code']}, {found[0]['noise']}, memory {found[0]['basis']}"
            lengths = "/".join(str(each["r"]) for each in found)
            rows.append((f"{memory}, {lengths} rounds", name_of(found[0]), factor, suppression_of(found, reference_of)))
    return rows
