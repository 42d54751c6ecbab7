"""A run's folder: plan, memories, decoders, points, journal: all that a resumed run or a replay needs."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from bridge.errors import LoopError
from bridge.report import write_json, write_text
from bridge.sweep.batch import BatchResult
from bridge.sweep.journal import Journal, read_journal
from bridge.sweep.memories import Memory, memory_from
from bridge.sweep.package import DecoderPackage
from bridge.sweep.plan import PLAN_FILE, MemorySpec, SweepPlan
from bridge.sweep.points import FACTS, Point

POINTS_FILE = "points.json"
JOURNAL_FILE = "batches.journal"
SUMMARY_FILE = "summary.json"
LOCK_FILE = ".lock"
MEMORIES, DECODERS = "memories", "decoders"
_OTHER_VERSION = "read it with that version, or go on with the run to write it anew (qtwin bench --run)"


class RunFolder:
    """The folder of one sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def has_plan(self) -> bool:
        """Whether a sweep was started here."""
        return (self.path / PLAN_FILE).is_file()

    def locked(self) -> FileLock:
        """A lock that one sweep holds; raises LoopError when another one does."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / LOCK_FILE)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise LoopError(f"another sweep is running in {self.path}; wait for it, or name another folder") from error
        return lock

    def journal(self) -> Journal:
        """The journal, open for more."""
        return Journal(self.path / JOURNAL_FILE)

    def batches(self) -> list[BatchResult]:
        """What the journal holds."""
        return read_journal(self.path / JOURNAL_FILE)[0]

    def save_plan(self, plan: SweepPlan) -> None:
        """Keep the plan."""
        write_text(self.path / PLAN_FILE, yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False))

    def memory(self, spec: MemorySpec) -> Memory | None:
        """A memory that was fetched before: a run goes on with the device as it was when it began."""
        for file in sorted((self.path / MEMORIES).glob("*.json")):
            content = json.loads(file.read_text(encoding="utf-8"))
            if content["spec"] == spec.to_dict():
                return memory_from(content)
        return None

    def memory_by_id(self, memory_id: str) -> Memory:
        """A memory of this run; raises LoopError."""
        for file in (self.path / MEMORIES).glob(f"{memory_id}*.json"):
            try:
                return memory_from(json.loads(file.read_text(encoding="utf-8")))
            except (KeyError, TypeError, ValueError) as error:
                raise LoopError(f"{file} is damaged or of another version of qtwin; {_OTHER_VERSION}") from error
        raise LoopError(f"{self.path} has no memory {memory_id}: the folder is not whole")

    def save_memory(self, memory: Memory) -> None:
        """Keep a memory. Two noises can give one circuit: the file's name has both the memory's hash and its noise."""
        noise = memory.spec.noise.replace(":", "-")
        write_json(self.path / MEMORIES / f"{memory.memory_id}-{noise}.json", memory.to_dict())

    def save_points(self, points: Sequence[Point]) -> None:
        """Keep what the points are, and their decoders' files."""
        described = [point.describe() for point in points]
        for package in {point.package.content_id: point.package for point in points}.values():
            self._save_decoder(package)
        write_json(self.path / POINTS_FILE, {"points": described})

    def points(self) -> list[dict[str, Any]]:
        """What the points are; raises LoopError when this is no run of `qtwin bench`, or one of another version."""
        try:
            content = json.loads((self.path / POINTS_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LoopError(f"{self.path} is not the folder of a sweep (no {POINTS_FILE}): {error}") from error
        points: Any = content.get("points") if isinstance(content, dict) else None
        if not isinstance(points, list) or not all(isinstance(each, dict) and each.keys() >= FACTS for each in points):
            raise LoopError(f"{self.path / POINTS_FILE} was written by another version of qtwin; {_OTHER_VERSION}")
        return points

    def errors(self) -> dict[str, str]:
        """Why points of the last run could not go on, by point id; empty where it wrote no report."""
        try:
            content = json.loads((self.path / SUMMARY_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise LoopError(f"{self.path / SUMMARY_FILE} cannot be read: {error}; {_OTHER_VERSION}") from error
        found: dict[str, str] = content.get("errors", {})
        return found

    def decoder(self, point: Mapping[str, Any]) -> str:
        """What `find_decoder` opens the point's decoder by: its kept folder, or the software's name."""
        kept = self.path / DECODERS / str(point["decoder_id"])
        return str(kept) if kept.is_dir() else str(point["asked"])

    def _save_decoder(self, package: DecoderPackage) -> None:
        target = self.path / DECODERS / package.content_id
        if package.files is None or target.is_dir():
            return
        scratch = target.with_name(f".{target.name}")
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(package.unpacked(), scratch, ignore=shutil.ignore_patterns(".done"))
        scratch.rename(target)
