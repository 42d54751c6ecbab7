"""What the command line prints: progress, tables, and errors in one clear message."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from bridge.loop import LoopRun, metadata


class ProgressWatcher:
    """Shows the stages of a run and a bar over its shots, on standard error."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
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
        self._progress.update(self._task, description=text)

    def shots(self, done: int, total: int) -> None:
        """So many shots are done."""
        self._progress.update(self._task, completed=done, total=total)


def print_run(console: Console, run: LoopRun) -> None:
    """The table of a run, as far as it came."""
    if run.setup is None or run.link is None or not run.setup.tally.num_shots:
        return
    session = run.setup.session
    found = metadata(run)
    console.print(
        f"[bold]{session['code_family']} d={session['code_distance']}[/], {session['rounds']} rounds, memory "
        f"{session['basis']}, on {session['backend_id']} ({session['layout']} layout, noise {run.settings.noise})"
    )
    console.print(_rates_table(run, found))
    console.print(_timing_table(found["decoder_metrics"]))


def _rates_table(run: LoopRun, found: dict[str, Any]) -> Table:
    assert run.setup is not None
    qec, reference = found["qec_metrics"], run.setup.tally.reference_metrics()
    table = Table("decoder", "logical errors", "per shot", "95% interval", "per round")
    for name, metrics in ((run.setup.decoder.name, qec), ("pymatching", reference)):
        low, high = metrics["logical_error_rate_95"]
        table.add_row(
            name,
            f"{metrics['logical_errors']:,} of {metrics['shots']:,}",
            f"{metrics['logical_error_rate']:.3e}",
            f"{low:.3e} to {high:.3e}",
            f"{metrics['logical_error_rate_per_round']:.3e}",
        )
    return table


def _timing_table(decoder: dict[str, Any]) -> Table:
    table = Table("link", "simulator", "latency, cycles (p50 / p99 / max)", "latency, ns", "ns per round", "shots/s")
    cycles, nanoseconds = decoder["latency_cycles"], decoder["latency_ns"]
    table.add_row(
        decoder["link"],
        decoder["simulator"] or "-",
        f"{cycles['p50']:.0f} / {cycles['p99']:.0f} / {cycles['max']:.0f}" if cycles else "-",
        f"{nanoseconds['p50']:.0f} at {decoder['clock_mhz']:g} MHz" if nanoseconds else "-",
        f"{decoder['ns_per_round']:.1f}" if nanoseconds else "-",
        f"{decoder['shots_per_s']:,.0f}",
    )
    return table


def print_error(console: Console, message: str) -> None:
    """One clear message; what it quotes is never taken for markup."""
    console.print("qtwin:", style="bold red", end=" ")
    console.print(message, markup=False, highlight=False, soft_wrap=True)
