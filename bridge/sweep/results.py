"""The results of a sweep in formats that others read: sinter's CSV, Parquet, and failing shots as JSON lines."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet
import sinter

from bridge.files import write_whole
from bridge.report import write_text
from bridge.sweep.batch import BatchResult
from bridge.sweep.folder import RunFolder
from bridge.sweep.totals import Totals, histogram_rows

CSV_FILE = "results.csv"
PARQUET_FILE = "results.parquet"
FAILING_FILE = "failing_shots.jsonl"
METADATA = ("code", "d", "r", "basis", "noise", "p", "backend", "link", "seed")
IN_COLUMNS = ("shots", "errors")
"""Counts that have a column of their own in sinter's format."""


class Recorder:
    """Writes every batch that is counted: to the journal, which decides, and to the CSV, which others read."""

    def __init__(self, folder: RunFolder, points: Sequence[Mapping[str, Any]]) -> None:
        """What the journal holds is written to the CSV anew: it may have been cut short, or edited."""
        self._points = {str(point["point_id"]): point for point in points}
        self._journal = folder.journal()
        known = [batch for batch in self._journal.batches if batch.point_id in self._points]
        lines = [sinter.CSV_HEADER, *(self._line(batch) for batch in known)]
        write_text(folder.path / CSV_FILE, "".join(f"{line}\n" for line in lines))
        self._csv = (folder.path / CSV_FILE).open("a", encoding="utf-8")
        self.batches: list[BatchResult] = known

    def append(self, batch: BatchResult) -> None:
        """Record a batch."""
        self._journal.append(batch)
        self._csv.write(f"{self._line(batch)}\n")
        self._csv.flush()
        self.batches.append(batch)

    def close(self) -> None:
        """Bring everything to the disk."""
        self._journal.close()
        self._csv.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _line(self, batch: BatchResult) -> str:
        point = self._points[batch.point_id]
        stats = sinter.TaskStats(
            strong_id=batch.point_id,
            decoder=str(point["decoder"]),
            json_metadata={name: point[name] for name in METADATA if name in point},
            shots=batch.counts["shots"],
            errors=batch.counts["errors"],
            discards=0,
            seconds=batch.ended_s - batch.started_s,
            custom_counts=Counter(
                {name: count for name, count in batch.counts.items() if count and name not in IN_COLUMNS}
            ),
        )
        return str(stats.to_csv_line())


def write_parquet(file: Path, summaries: Sequence[Mapping[str, Any]], totals: Mapping[str, Totals]) -> None:
    """One row a point: everything in its summary, nested values as JSON text, and its histograms as lists.

    `load_histogram`, `decode_histogram` and `readout_histogram` are lists of {cycles, shots}.
    """
    rows = []
    for summary in summaries:
        plain = {name: _plain(value) for name, value in summary.items() if name != "counts"}
        histograms = {
            f"{part}_histogram": [
                {"cycles": cycles, "shots": shots}
                for cycles, shots in histogram_rows(totals[summary["point_id"]].cycles.get(part, {}))
            ]
            for part in ("load", "decode", "readout")
        }
        rows.append({**plain, **summary["counts"], **histograms})
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    write_whole(file, sink.getvalue().to_pybytes())


def _plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value


def write_failing(file: Path, points: Sequence[Mapping[str, Any]], batches: Sequence[BatchResult]) -> None:
    """Every archived failing shot, one JSON object a line, by point and shot number."""
    lines = [json.dumps(shot, separators=(",", ":")) for shot in failing_shots(points, batches)]
    write_text(file, "".join(f"{line}\n" for line in lines))


def failing_shots(points: Sequence[Mapping[str, Any]], batches: Sequence[BatchResult]) -> Iterator[dict[str, Any]]:
    """Archived shots with their number within the point: batch index * batch_shots + number within the batch."""
    batch_shots = {str(point["point_id"]): int(point["batch_shots"]) for point in points}
    for batch in batches:
        if batch.point_id not in batch_shots:
            continue
        first = batch.index * batch_shots[batch.point_id]
        for shot in batch.archive:
            yield {"point_id": batch.point_id, **shot, "shot": first + int(shot["shot"])}
