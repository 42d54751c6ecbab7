"""What the command line prints: progress, tables, and errors in one clear message."""

import errno
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from rich.box import HEAVY_HEAD, Box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:  # an error is printed by commands that need nothing as large
    from bridge.run import LoopRun

REMEDIES = {
    errno.ENOSPC: "make room, or name a folder on another disk",
    errno.EDQUOT: "make room, or name a folder on another disk",
    errno.EROFS: "name a folder that can be written",
}


def show_stage(progress: Progress, task: TaskID, text: str) -> None:
    """Name the step beside the bar; where no bar can move, in a log say, it is a line of its own."""
    progress.update(task, description=text)
    if not progress.console.is_terminal:
        progress.console.print(f"{text} ...", markup=False, highlight=False, soft_wrap=True)


FOLDED = 14
"""Characters of a row's name that stand in one line at the least; what is longer may be folded."""


class ProgressWatcher:
    """Shows the stages of a run and a bar over its shots, on standard error."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, text: str) -> None:
        """A new step began."""
        show_stage(self._progress, self._task, text)

    def shots(self, done: int, total: int) -> None:
        """So many shots are done."""
        self._progress.update(self._task, completed=done, total=total)


def print_run(console: Console, run: "LoopRun") -> None:
    """The table of a run, as far as it came."""
    from bridge.run import metadata

    if run.setup is None or run.link is None or not run.setup.tally.num_shots:
        return
    session = run.setup.session
    found = metadata(run)
    console.print(
        f"[bold]{session['code_family']} d={session['code_distance']}[/], {session['rounds']} rounds, memory "
        f"{session['basis']}, on {session['backend_id']} ({session['layout']} layout, noise {run.settings.noise})"
    )
    _figures(run, found).print(console)


class Figures:
    """A table that is written as a list where the terminal is too narrow for it: no figure is ever cut."""

    def __init__(self, *headers: str, box: Box = HEAVY_HEAD, align: Literal["left", "right"] = "left") -> None:
        """align: of all columns but the first."""
        self._headers = headers
        self._rows: list[tuple[str, ...]] = []
        self._table = Table(box=box)
        for index, header in enumerate(headers):
            justify: Literal["left", "right"] = align if index else "left"
            self._table.add_column(escape(header), no_wrap=index > 0, overflow="fold", justify=justify)

    def add_row(self, *cells: str, end_section: bool = False) -> None:
        """A row; what is in it is never taken for markup."""
        self._rows.append(cells)
        self._table.add_row(*(escape(cell) for cell in cells), end_section=end_section)

    def print(self, console: Console) -> None:
        """As a table, else a line for each row and, below it, for each figure in it."""
        first, *others = self._headers
        whole = Measurement.get(console, console.options.update(max_width=10_000), self._table).maximum
        longest = max((len(label) for label, *_ in self._rows), default=0)
        if whole - max(0, longest - FOLDED) <= console.width:
            console.print(self._table)
            return
        for label, *cells in self._rows:
            console.print(
                f"{first}: {label}" if first else label.strip(), markup=False, highlight=False, soft_wrap=True
            )
            for header, cell in zip(others, cells, strict=False):
                if cell:
                    text = f"  {header}: {cell}" if header else f"  {cell}"
                    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _figures(run: "LoopRun", found: dict[str, Any]) -> Figures:
    """This decoder beside the reference, a row a figure, within 80 columns."""
    assert run.setup is not None
    reference = run.setup.tally.reference_metrics()
    table = Figures("", run.setup.decoder.name, "pymatching")
    pairs = (found["qec_metrics"], reference)
    table.add_row("logical errors", *(f"{m['logical_errors']:,} of {m['shots']:,}" for m in pairs))
    table.add_row("a shot", *(f"{m['logical_error_rate']:.3e}" for m in pairs))
    table.add_row("  95% interval", *("{:.3e} to {:.3e}".format(*m["logical_error_rate_95"]) for m in pairs))
    table.add_row("a round", *(f"{m['logical_error_rate_per_round']:.3e}" for m in pairs), end_section=True)
    decoder = found["decoder_metrics"]
    table.add_row("link", " on ".join(filter(None, (decoder["link"], decoder["simulator"]))), "software")
    cycles, nanoseconds = decoder["latency_cycles"], decoder["latency_ns"]
    if cycles and nanoseconds:
        table.add_row(
            "latency, cycles", f"{cycles['p50']:.0f} p50, {cycles['p99']:.0f} p99, {cycles['max']:.0f} max", ""
        )
        table.add_row("latency, ns", f"{nanoseconds['p50']:.0f} p50 at {decoder['clock_mhz']:g} MHz", "")
        table.add_row("  a round", f"{decoder['ns_per_round']:.1f}", "")
    frames = decoder["frame_latency_cycles"]
    if decoder["frames"]:
        latency = f", {frames['p50']:.0f} p50, {frames['p99']:.0f} p99 cycles" if frames else ""
        table.add_row("Pauli frames", f"{decoder['frames']:,}{latency}", "")
    table.add_row("shots/s over the link", f"{decoder['shots_per_s']:,.0f}", "")
    for count, label in (
        (found["qec_metrics"]["impossible_shots"], "impossible shots"),
        (decoder["budget_exceeded"], "late"),
    ):
        if count:
            table.add_row(label, f"{count:,}", "")
    return table


def print_error(console: Console, error: str | Exception) -> None:
    """One clear message; what it quotes is never taken for markup."""
    console.print("qtwin:", style="bold red", end=" ")
    console.print(message_of(error), markup=False, highlight=False, soft_wrap=True)


def print_warning(console: Console, warning: str) -> None:
    """Something that is done as asked and may not be what is wanted."""
    console.print("qtwin: warning:", style="bold yellow", end=" ")
    console.print(warning, markup=False, highlight=False, soft_wrap=True)


def message_of(error: str | Exception) -> str:
    """For a person: the system's own errors name the file, what is wrong and what to do, in place of their number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    files = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    remedy = REMEDIES.get(error.errno or 0)
    return (f"{files}: " if files else "") + error.strerror + (f"; {remedy}" if remedy else "")
