"""One sweep from plan to report. `run_sweep` is the whole story on one screen."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stim

from bridge.errors import BridgeError, NothingToDecodeError
from bridge.links.base import Deadlines
from bridge.report import write_json
from bridge.sweep.area import areas
from bridge.sweep.coordinator import SweepWatcher, run_points
from bridge.sweep.dask_executor import DaskExecutor
from bridge.sweep.executors import Executor, PoolExecutor, ThreadExecutor
from bridge.sweep.folder import SUMMARY_FILE, RunFolder
from bridge.sweep.memories import Memory, fetch_memory
from bridge.sweep.page import write_page
from bridge.sweep.plan import MemorySpec, SweepPlan
from bridge.sweep.points import make_points
from bridge.sweep.results import FAILING_FILE, PARQUET_FILE, Recorder, write_failing, write_parquet
from bridge.sweep.totals import Totals, summary, totals_of
from twin.client import TwinClient

AREA_FILE = "area.json"
OpenTwin = Callable[[], AbstractContextManager[TwinClient]]
BackendFor = Callable[[str, int], str]


@dataclass(frozen=True, slots=True)
class Workers:
    """Where batches run. scheduler: address of a Dask scheduler; None for this machine: processes, or one thread."""

    num_workers: int
    scheduler: str | None = None

    def open(self) -> Executor:
        """Start or reach them; raises LoopError."""
        if self.scheduler is not None:
            return DaskExecutor(self.scheduler)
        return PoolExecutor(self.num_workers) if self.num_workers > 1 else ThreadExecutor()


@dataclass(frozen=True)
class SweepOutcome:
    """What a sweep found. summaries: one a point, from `bridge.sweep.totals.summary`; errors: by point id."""

    folder: Path
    summaries: Sequence[Mapping[str, Any]]
    errors: Mapping[str, BridgeError]


def run_sweep(
    plan: SweepPlan,
    folder: RunFolder,
    open_twin: OpenTwin,
    backend_for: BackendFor,
    workers: Workers,
    watcher: SweepWatcher,
    deadlines: Deadlines,
    with_area: bool = False,
) -> SweepOutcome:
    """Run a sweep, or what is left of it, and write its report.

    Args:
        plan: what to run.
        folder: where everything goes; what it holds of this plan is not run again.
        open_twin: a context with a client that is logged in; not called when every memory is known already.
        backend_for: code and distance -> a backend, where the plan names none.
        workers: where batches run.
        watcher: told of progress.
        deadlines: for every wait of a link.
        with_area: also synthesise each decoder, for its LUTs.

    Raises:
        BridgeError: nothing can be run. A point that fails is in the outcome instead.
        WorkersError: the workers are gone; what was counted is kept, and in the report.
        TwinError: of the twin.
    """
    with folder.locked():
        folder.save_plan(plan)
        watcher.stage("asking the twin for its memories")
        memories = _decodable(_memories(plan.memories(), folder, open_twin, backend_for), watcher)
        watcher.stage("compiling decoders")
        points = make_points(plan, memories, deadlines, watcher.skipped)
        folder.save_points(points)
        if with_area:
            watcher.stage("counting LUTs")
            write_json(folder.path / AREA_FILE, areas(folder, watcher.skipped))
        executor = workers.open()
        errors: Mapping[str, BridgeError] = {}
        try:
            with Recorder(folder, folder.points()) as recorder:
                watcher.stage("running")
                states = run_points(points, executor, recorder, watcher)
                errors = {name: state.error for name, state in states.items() if state.error is not None}
        finally:
            executor.close()
            watcher.stage("writing the report")
            summaries = write_results(folder, errors)
    return SweepOutcome(folder.path, summaries, errors)


def _memories(
    specs: Sequence[MemorySpec], folder: RunFolder, open_twin: OpenTwin, backend_for: BackendFor
) -> list[Memory]:
    known = {spec: folder.memory(spec) for spec in specs}
    if any(memory is None for memory in known.values()):
        with open_twin() as twin:
            for spec in specs:
                if known[spec] is None:
                    backend_id = spec.backend or backend_for(spec.code, spec.distance)
                    memory = known[spec] = fetch_memory(twin, spec, backend_id)
                    folder.save_memory(memory)
    return [memory for memory in known.values() if memory is not None]


def _decodable(memories: Sequence[Memory], watcher: SweepWatcher) -> list[Memory]:
    """Without those that have nothing to decode, such as a memory without noise; raises the first's error for all."""
    found = []
    errors: list[NothingToDecodeError] = []
    for memory in memories:
        try:
            _ = memory.problem  # made here, and kept
        except NothingToDecodeError as error:
            errors.append(error)
            spec = memory.spec
            watcher.skipped(f"{spec.code} d={spec.distance}, {spec.rounds} rounds, {spec.noise}: {error}")
        else:
            found.append(memory)
    if errors and not found:
        raise errors[0]
    return found


def write_results(folder: RunFolder, errors: Mapping[str, BridgeError]) -> list[dict[str, Any]]:
    """Write everything that follows from the journal; returns the points' summaries."""
    points, batches = folder.points(), folder.batches()
    totals = totals_of(batches)
    summaries = [_summary(folder, point, totals) for point in points if str(point["point_id"]) in totals]
    failed = {name: str(error) for name, error in errors.items()}
    write_json(folder.path / SUMMARY_FILE, {"points": summaries, "errors": failed})
    write_parquet(folder.path / PARQUET_FILE, summaries, totals)
    write_failing(folder.path / FAILING_FILE, points, batches)
    write_page(folder.path, points, summaries, totals, failed)
    return summaries


def _summary(folder: RunFolder, point: Mapping[str, Any], totals: Mapping[str, Totals]) -> dict[str, Any]:
    memory = folder.memory_by_id(str(point["memory_id"]))
    num_detectors = stim.DetectorErrorModel(memory.error_model).num_detectors
    area_file = folder.path / AREA_FILE
    known = json.loads(area_file.read_text(encoding="utf-8")) if area_file.is_file() else {}
    found = summary(point, totals[str(point["point_id"])], num_detectors)
    return {**found, "area": known.get(str(point["decoder_id"]))}
