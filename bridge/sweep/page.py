"""The report of a sweep: PNG plots, and one HTML page that holds everything."""

import base64
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from bridge.files import write_whole
from bridge.report import write_text
from bridge.statistics import Suppression
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
    "error_rate_against_p": "Logical error rate against the physical one. Bars: 95% Wilson intervals; an open triangle "
    "is the upper limit where no error was seen.",
    "error_rate_against_d": "Logical error rate of a round against the distance, with the suppression factor "
    "Λ = ε(d) / ε(d+2) of each line.",
    "latency": "Latency of every correction; the widths are square roots, so that rare late ones can be seen. The line "
    "is the deadline; late are those that miss it when shots come at the device's pace.",
    "throughput": "Speed of the sweep itself, sampling and reference included; not a property of the hardware.",
    "error_rate_against_luts": "What an error rate costs in area.",
}
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
        title=folder.resolve().name,
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
        plan=(folder / "sweep.yaml").read_text(encoding="utf-8"),
        versions=[(name, version(name)) for name in VERSIONS],
        machine=f"{platform.machine()}, Python {platform.python_version()}",
    )
    write_text(folder / PAGE_FILE, page)


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
