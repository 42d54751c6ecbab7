"""Runs sweeps, comparisons and replays for the command line: finds the twin, shows progress, prints tables."""

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from bridge.errors import BridgeError, LoopError, WorkersError
from bridge.links.base import Deadlines
from bridge.report import write_json
from bridge.sweep.compare import Comparison, compare_runs
from bridge.sweep.folder import RunFolder
from bridge.sweep.page import PAGE_FILE
from bridge.sweep.plan import PLAN_FILE, SweepPlan
from bridge.sweep.plots import memory_of, name_of
from bridge.sweep.points import Point
from bridge.sweep.replay import Replayed, replay_shot
from bridge.sweep.sweep import SweepOutcome, Workers, run_sweep
from bridge.sweep.totals import Totals
from qtwin.console import Figures, print_error, show_stage
from qtwin.interrupts import Interrupted
from qtwin.loops import TwinChoice, default_backend, gone_if_useless, new_folder, one_message, reach_twin
from qtwin.options import backend_faults, judge
from qtwin.terminal import Console
from twin.client import TwinClient

NOTHING_TO_COMPARE = 2


@dataclass(frozen=True)
class BenchOptions:
    """What the command line asks for. run: None for a new folder in runs_dir."""

    plan: SweepPlan
    run: Path | None
    runs_dir: Path
    num_workers: int | None
    scheduler: str | None
    with_area: bool
    deadlines: Deadlines


class SweepProgress:
    """A bar over all points' shots, and a line for every point that is done, on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID = self._progress.add_task("starting", total=None, detail="")
        self._finished: set[str] = set()
        self._seen: dict[str, float] = {}

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

    def progress(self, point: Point, totals: Totals, finished: bool) -> None:
        """A point has counted one more batch, or is finished."""
        shots, errors = totals.counts["shots"], totals.counts["errors"]
        share = shots / point.max_shots
        if point.max_errors is not None:
            share = max(share, errors / point.max_errors)
        self._seen[point.point_id] = 1.0 if finished else min(1.0, share)
        detail = f"{point.label} d={point.memory.spec.distance} {point.memory.spec.noise}: {errors:,} of {shots:,}"
        self._progress.update(self._task, completed=sum(self._seen.values()), total=len(self._seen), detail=detail)

    def skipped(self, reason: str) -> None:
        """A decoder was left out for a memory."""
        self._console.print(f"left out: {reason}", markup=False, highlight=False, soft_wrap=True)

    def failed(self, point: Point, error: BridgeError) -> None:
        """A point cannot go on."""
        spec = point.memory.spec
        print_error(self._console, f"{point.label} over {point.link}, d={spec.distance}, {spec.noise}: {error}")


def bench_once(options: BenchOptions, twin_choice: TwinChoice) -> bool:
    """Run a sweep; returns whether every point went through."""
    console, errors = Console(), Console(stderr=True)
    with one_message(errors), ExitStack() as stack:
        _check_backends(options, twin_choice)
        made = gone_if_useless(lambda: new_folder(options.runs_dir, "bench"))
        folder = RunFolder(stack.enter_context(made) if options.run is None else options.run)

        @contextmanager
        def open_twin() -> Iterator[TwinClient]:
            with reach_twin(twin_choice, folder.path) as twin:
                yield twin

        workers = Workers(options.num_workers or os.cpu_count() or 1, options.scheduler)
        try:
            with SweepProgress(errors) as progress:
                outcome = run_sweep(
                    options.plan,
                    folder,
                    open_twin,
                    default_backend,
                    workers,
                    progress,
                    options.deadlines,
                    options.with_area,
                )
        except KeyboardInterrupt as interrupt:
            raise Interrupted(
                f"interrupted; {_how_to_go_on(folder)}" if folder.has_plan else "interrupted"
            ) from interrupt
        except WorkersError as error:
            raise WorkersError(f"{error}; {_how_to_go_on(folder)}") from error
    _print_outcome(console, outcome)
    return not outcome.errors


def _how_to_go_on(folder: RunFolder) -> str:
    return f"what was counted is kept: `qtwin bench --run {shlex.quote(str(folder.path))}` goes on"


def _check_backends(options: BenchOptions, twin_choice: TwinChoice) -> None:
    """Ask a twin elsewhere for its backends before a folder is made; one of our own has those that were judged."""
    if twin_choice.url is None or (options.run is not None and options.run.exists()):
        return
    with reach_twin(twin_choice, Path()) as twin:
        known = [str(each["backend_id"]) for each in twin.backends()["backends"]]
    asked = {spec.backend or default_backend(spec.code, spec.distance) for spec in options.plan.memories()}
    judge(fault for backend in sorted(asked) for fault in backend_faults(backend, known))


def _finished(path: Path) -> RunFolder:
    """The folder of a run that is there; raises LoopError."""
    if not path.is_dir():
        raise LoopError(f"there is no folder {path}; name one that `qtwin bench` wrote, such as runs/...-bench")
    folder = RunFolder(path)
    if not folder.has_plan:
        raise LoopError(f"{path} is not the folder of a `qtwin bench` (it has no {PLAN_FILE})")
    return folder


def _print_outcome(console: Console, outcome: SweepOutcome) -> None:
    """A table a memory, within 80 columns; the page has the rest."""
    for memory, found in groupby(outcome.summaries, key=memory_of):
        console.print(f"[bold]{memory}[/]", highlight=False)
        table = Figures(
            "decoder", "errors", "a shot", "PyMatching", "cycles", "shots/s", box=SIMPLE_HEAD, align="right"
        )
        for each in found:
            counts, cycles = each["counts"], each["latency_cycles"]
            table.add_row(
                name_of(each),
                f"{counts['errors']:,}/{counts['shots']:,}",
                f"{each['logical_error_rate']:.2e}",
                f"{each['reference_error_rate']:.2e}",
                f"{cycles['p50']:.0f}/{cycles['p99']:.0f}/{cycles['max']:.0f}" if cycles else "",
                f"{each['shots_per_s']:,.0f}",
            )
        table.print(console)
    console.print("PyMatching: a shot, on the same shots; cycles: latency p50/p99/max", style="dim")
    console.print(f"report: {outcome.folder / PAGE_FILE}", highlight=False, soft_wrap=True)


def compare_once(
    first: Path, second: Path, alpha: float, latency_tolerance: float | None, json_file: Path | None
) -> int:
    """Compare two runs; returns the exit code."""
    console, errors = Console(), Console(stderr=True)
    try:
        comparison = compare_runs(_finished(first), _finished(second), alpha, latency_tolerance)
    except LoopError as error:
        print_error(errors, error)
        return NOTHING_TO_COMPARE
    if json_file is not None:
        write_json(json_file, comparison.to_dict())
    _print_comparison(console, comparison)
    return int(comparison.is_regression)


def _print_comparison(console: Console, comparison: Comparison) -> None:
    """A heading and a line a pair, whole within 80 columns: this is read in the logs of CI."""
    for pair in comparison.pairs:
        console.print(f"{pair.memory}: {pair.decoders}", markup=False, highlight=False, soft_wrap=True)
        table = Figures("same shots", "wrong", "only first / second", "p-value", "p99", "verdict", box=SIMPLE_HEAD)
        table.add_row(
            f"{pair.shots:,}",
            f"{pair.errors[0]:,} / {pair.errors[1]:,}",
            f"{pair.only_first:,} / {pair.only_second:,}",
            f"{pair.p_value:.2g}",
            " / ".join("-" if value is None else f"{value:.0f}" for value in pair.p99_cycles),
            pair.verdict,
        )
        table.print(console)
    for line in (*comparison.failed, *comparison.notes):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print("regression" if comparison.is_regression else "no regression")


def replay_once(run: Path, shot: int, point: str | None, link: str | None, trace_folder: Path | None) -> bool:
    """Replay one shot; returns whether the decoder answered as in the run."""
    console, errors = Console(), Console(stderr=True)
    with one_message(errors):
        replayed = replay_shot(_finished(run), shot, point, link, trace_folder)
    _print_replayed(console, replayed)
    return replayed.as_before is not False


def _print_replayed(console: Console, replayed: Replayed) -> None:
    table = Table()
    for header in ("", f"shot {replayed.shot} of {replayed.point_id}"):
        table.add_column(header, overflow="fold")  # many words in one cell: they go on in the next line
    table.add_row("memory", memory_of(replayed.point))
    table.add_row("decoder", f"{replayed.point['name']} over {replayed.link}")
    table.add_row("words", " ".join(f"{word:08x}" for word in replayed.words))
    table.add_row("detection events", " ".join(f"D{index}" for index in replayed.events) or "none")
    table.add_row("observables", str(replayed.observables))
    table.add_row("decoder's flips", f"{replayed.flips}, {'wrong' if replayed.is_wrong else 'right'}")
    table.add_row("PyMatching's flips", str(replayed.reference_flips))
    table.add_row("answer", " ".join(f"{word:08x}" for word in replayed.answer))
    if replayed.latency_cycles is not None:
        table.add_row("latency", f"{replayed.latency_cycles} cycles")
    table.add_row("in the run", {None: "not known", True: "the same", False: "ANOTHER answer"}[replayed.as_before])
    console.print(table)
    if replayed.trace_file is not None:
        console.print(f"waveform: {replayed.trace_file}", highlight=False, soft_wrap=True)
