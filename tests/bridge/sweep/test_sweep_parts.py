"""Plans, seeds, batches, the journal and the coordinator, without a twin and without processes."""

import json
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pymatching
import pytest
import sinter
import stim
from pydantic import ValidationError

from bridge.errors import BridgeError, LoopError
from bridge.sweep.batch import BatchResult, run_batch
from bridge.sweep.compare import compare_runs
from bridge.sweep.coordinator import run_points
from bridge.sweep.folder import RunFolder
from bridge.sweep.journal import read_journal
from bridge.sweep.plan import SweepPlan, rounds_of
from bridge.sweep.points import FACTS, Point
from bridge.sweep.results import CSV_FILE, Recorder
from bridge.sweep.sampling import ShotSampler
from bridge.sweep.sweep import write_results
from bridge.sweep.totals import Totals
from tests.bridge.sweep.points import ShuffledExecutor, repetition_memory, repetition_point, without_times


class Quiet:
    """A watcher that keeps what failed."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, BridgeError]] = []

    def stage(self, text: str) -> None:
        """See `SweepWatcher.stage`."""

    def progress(self, point: Point, totals: Totals, finished: bool) -> None:
        """See `SweepWatcher.progress`."""

    def skipped(self, reason: str) -> None:
        """See `SweepWatcher.skipped`."""

    def failed(self, point: Point, error: BridgeError) -> None:
        """See `SweepWatcher.failed`."""
        self.errors.append((point.label, error))


def counted(folder: Path, points: list[Point], seed: int = 0, slots: int = 4) -> list[BatchResult]:
    run = RunFolder(folder)
    run.save_points(points)
    with closing(ShuffledExecutor(seed, slots)) as executor, Recorder(run, run.points()) as recorder:
        run_points(points, executor, recorder, Quiet())
        return recorder.batches


def plain(batches: list[BatchResult]) -> list[dict[str, Any]]:
    return [without_times(batch) for batch in batches]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"decoders": []}, "decoders"),
        ({"distance": [3]}, "distance"),
        ({"noise": ["uniform:0.6"]}, "uniform:P"),
        ({"noise": ["drifted:0"]}, "drifted:X"),
        ({"rounds": ["d3"]}, "d3"),
        ({"max_shots": 0}, "max_shots"),
        ({"codes": ["colour"]}, "codes"),
    ],
)
def test_plan_says_which_key_is_wrong(content: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        SweepPlan.model_validate(content)


def test_rounds_are_a_number_or_a_multiple_of_the_distance() -> None:
    assert [rounds_of(text, 5) for text in ("7", "d", "3d")] == [7, 5, 15]


def test_batch_counts_what_stim_and_pymatching_say() -> None:
    point = repetition_point()
    task = point.task(3)
    batch = run_batch(task)
    circuit = stim.Circuit(point.memory.circuit)
    outcomes = circuit.compile_sampler(seed=task.seed).sample(task.num_shots)
    events, observables = circuit.compile_m2d_converter().convert(measurements=outcomes, separate_observables=True)
    matching = pymatching.Matching.from_detector_error_model(circuit.detector_error_model(decompose_errors=True))
    wrong = np.flatnonzero((matching.decode_batch(events) != observables).any(axis=1))
    assert list(batch.failing) == wrong.tolist()
    assert batch.counts["errors"] == batch.counts["reference_errors"] == len(wrong) > 0
    assert batch.counts["detection_events"] == events.sum()
    assert batch.counts["agreements"] == task.num_shots
    assert batch.counts["undecoded_errors"] == observables.any(axis=1).sum()


def test_decoders_of_one_circuit_get_the_same_shots_and_other_seeds_others() -> None:
    ours, theirs = repetition_point(), repetition_point("sinter:vacuous")
    assert ours.point_id != theirs.point_id
    assert run_batch(ours.task(0)).shots_sha256 == run_batch(theirs.task(0)).shots_sha256
    others = [run_batch(ours.task(1)), run_batch(repetition_point(seed=6).task(0))]
    assert all(other.shots_sha256 != run_batch(ours.task(0)).shots_sha256 for other in others)


def test_vacuous_decoder_is_wrong_where_the_observable_flipped() -> None:
    counts = run_batch(repetition_point("sinter:vacuous").task(0)).counts
    assert counts["errors"] == counts["undecoded_errors"]
    assert counts["only_decoder_wrong"] > counts["only_reference_wrong"]


def test_decoder_in_windows_is_swept_as_any_other() -> None:
    windows = "union-find:window=2,commit=1"
    rtl, model = (run_batch(repetition_point(windows, link).task(0)) for link in ("verilated", "software"))
    assert rtl.failing == model.failing
    assert 0 < rtl.counts["errors"] <= 2 * rtl.counts["reference_errors"]
    assert rtl.counts["latency_disagreements"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_counts_do_not_depend_on_the_order_in_which_batches_end(tmp_path: Path, seed: int) -> None:
    points = [repetition_point(), repetition_point("sinter:vacuous")]
    expected = counted(tmp_path / "in_order", points, slots=1)
    shuffled = counted(tmp_path / "shuffled", points, seed=seed, slots=5)
    for point in points:
        ours, theirs = ([b for b in run if b.point_id == point.point_id] for run in (expected, shuffled))
        assert plain(ours) == plain(theirs)
        errors = [batch.counts["errors"] for batch in ours]
        # done at the first batch that reaches 100 errors, not before and not after
        assert sum(errors[:-1]) < 100 <= sum(errors)


def test_run_cut_within_a_line_goes_on_to_the_same_counts(tmp_path: Path) -> None:
    points = [repetition_point(max_errors=None, max_shots=3000)]
    expected = counted(tmp_path / "whole", points)
    whole = (tmp_path / "whole" / "batches.journal").read_bytes()
    lines = whole.splitlines(keepends=True)
    for kept in (len(lines[0]) + 30, len(b"".join(lines[:4])) + 100, len(b"".join(lines[:4])), 7):
        folder = tmp_path / f"cut_{kept}"
        folder.mkdir()
        (folder / "batches.journal").write_bytes(whole[:kept])
        assert plain(counted(folder, points)) == plain(expected)
        rows = sinter.read_stats_from_csv_files(folder / CSV_FILE)
        assert sum(row.shots for row in rows) == 3000


def test_more_shots_go_on_from_those_that_are_there(tmp_path: Path) -> None:
    first = counted(tmp_path / "run", [repetition_point(max_errors=None, max_shots=1000)])
    more = counted(tmp_path / "run", [repetition_point(max_errors=None, max_shots=2000)])
    assert more[:2] == first
    assert [batch.index for batch in more] == [0, 1, 2, 3]


def test_journal_damaged_in_the_middle_is_refused(tmp_path: Path) -> None:
    counted(tmp_path, [repetition_point()])
    file = tmp_path / "batches.journal"
    lines = file.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"errors", b"terrors")
    file.write_bytes(b"".join(lines))
    with pytest.raises(LoopError, match="line 2"):
        read_journal(file)


def journal_line(content: dict[str, Any]) -> bytes:
    text = json.dumps(content).encode()
    return f"{zlib.crc32(text):08x} ".encode() + text + b"\n"


@pytest.mark.parametrize("changed", ["field more", "field less", "format"])
def test_journal_of_another_version_is_refused(tmp_path: Path, changed: str) -> None:
    counted(tmp_path, [repetition_point()])
    file = tmp_path / "batches.journal"
    lines = file.read_bytes().splitlines(keepends=True)
    content = json.loads(lines[1][9:])
    if changed == "format":
        lines[0] = journal_line({"format": "qtwin sweep journal 99"})
    elif changed == "field more":
        lines[1] = journal_line({**content, "mood": "good"})
    else:
        lines[1] = journal_line({name: value for name, value in content.items() if name != "cycles"})
    file.write_bytes(b"".join(lines))
    with pytest.raises(LoopError, match="another version of qtwin"):
        read_journal(file)


def test_points_and_memories_of_another_version_are_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    point = repetition_point()
    run.save_points([point])
    run.save_memory(point.memory)
    assert point.describe().keys() >= FACTS
    assert run.memory_by_id(point.memory.memory_id) == point.memory
    (memory_file,) = (tmp_path / "memories").iterdir()
    memory_file.write_text('{"spec": {}}')
    with pytest.raises(LoopError, match="another version of qtwin"):
        run.memory_by_id(point.memory.memory_id)
    for content in ("[]", '{"dots": []}', '{"points": [{"point_id": "0"}]}'):
        (tmp_path / "points.json").write_text(content)
        with pytest.raises(LoopError, match="another version of qtwin"):
            run.points()


def test_one_run_folder_takes_one_sweep_at_a_time(tmp_path: Path) -> None:
    with RunFolder(tmp_path).locked(), pytest.raises(LoopError, match="another sweep"):
        RunFolder(tmp_path).locked()


def test_point_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    run, watcher = RunFolder(tmp_path), Quiet()
    good, bad = repetition_point(), repetition_point("sinter:tests.bridge.sweep.strange:decoders:short")
    run.save_points([bad, good])
    with closing(ShuffledExecutor(0, 2)) as executor, Recorder(run, run.points()) as recorder:
        states = run_points([bad, good], executor, recorder, watcher)
    assert "expected uint8 of shape (500, 1)" in str(states[bad.point_id].error)
    assert states[good.point_id].error is None
    assert states[good.point_id].totals.counts["errors"] >= 100
    assert len(watcher.errors) == 1


def test_point_that_failed_is_a_regression_and_what_is_missing_is_said(tmp_path: Path) -> None:
    good, other = repetition_point(), repetition_point("sinter:vacuous")
    bad = repetition_point("sinter:tests.bridge.sweep.strange:decoders:short")
    runs = {name: RunFolder(tmp_path / name) for name in ("before", "after")}
    counted(runs["before"].path, [good, other])
    counted(runs["after"].path, [good, bad])
    runs["after"].save_memory(good.memory)
    runs["after"].save_plan(SweepPlan())
    write_results(runs["after"], {bad.point_id: LoopError("died")})
    found = compare_runs(runs["before"], runs["after"], alpha=0.01)
    assert [pair.verdict for pair in found.pairs] == ["no difference"]
    assert found.is_regression
    assert len(found.failed) == 1
    assert found.failed[0].endswith("died")
    assert sum("only in" in note and "before" in note and "vacuous" in note for note in found.notes) == 1
    write_results(runs["after"], {})
    assert not compare_runs(runs["before"], runs["after"], alpha=0.01).is_regression


def test_csv_is_what_sinter_reads_and_adds_up(tmp_path: Path) -> None:
    batches = counted(tmp_path, [repetition_point()])
    (row,) = sinter.read_stats_from_csv_files(tmp_path / CSV_FILE)
    assert row.shots == sum(batch.counts["shots"] for batch in batches)
    assert row.errors == sum(len(batch.failing) for batch in batches)
    assert row.json_metadata["d"] == 3
    assert row.custom_counts["agreements"] == sum(batch.counts["agreements"] for batch in batches)


def test_circuit_of_another_memory_is_refused() -> None:
    memory = repetition_memory()
    other = stim.Circuit.generated("repetition_code:memory", distance=3, rounds=4)
    with pytest.raises(LoopError, match="does not fit"):
        ShotSampler(other, memory.problem)


def test_failing_shots_are_kept_up_to_the_limit_with_their_words(tmp_path: Path) -> None:
    batches = counted(tmp_path, [repetition_point()])
    archived = [(batch.index, shot) for batch in batches for shot in batch.archive]
    assert len(archived) == 20
    index, shot = archived[0]
    assert shot["shot"] == batches[index].failing[0]
    assert shot["decoder_flips"] != shot["observables"]
    assert json.loads(json.dumps(shot)) == shot
