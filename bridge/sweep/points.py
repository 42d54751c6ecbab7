"""A point of a sweep: one memory, one decoder, one link; its id, its seeds, and when it is done."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bridge.errors import BridgeError, DecoderMismatchError, LinkOpenError
from bridge.links import check_link, default_link
from bridge.links.base import Deadlines
from bridge.sweep.batch import BatchTask, PointWork, pack_work
from bridge.sweep.memories import Memory, text_hash
from bridge.sweep.package import DecoderPackage, pack
from bridge.sweep.plan import LINK_OF_DECODER, SweepPlan

SEED_BYTES = 8
FACTS = frozenset({
    "point_id", "memory_id", "circuit_id", "decoder_id", "asked", "name", "version", "clock_mhz", "seed",
    "batch_shots", "max_shots", "max_errors", "deadline_ns", "round_time_ns",
    "code", "d", "r", "basis", "noise", "backend", "decoder", "link",
})  # fmt: skip
"""What `Point.describe` says of every point."""


@dataclass(frozen=True)
class Point:
    """One point.

    Attributes:
        label: name of the decoder in tables and plots, the same for every memory.
        max_shots, max_errors: it is done at the first batch, in order, that reaches either.
    """

    memory: Memory
    package: DecoderPackage
    link: str
    label: str
    seed: int
    batch_shots: int
    max_shots: int
    max_errors: int | None
    archive_shots: int
    deadline_ns: float
    deadlines: Deadlines

    @cached_property
    def point_id(self) -> str:
        """Hash of everything that decides what a batch of it counts (how many batches there are does not)."""
        facts = {
            "memory": self.memory.memory_id,
            "decoder": self.package.content_id,
            "link": self.link,
            "seed": self.seed,
            "batch_shots": self.batch_shots,
            "deadline_ns": self.deadline_ns,
        }
        return text_hash(json.dumps(facts, sort_keys=True))

    @cached_property
    def circuit_id(self) -> str:
        """Hash of what is sampled: decoders and links of one circuit get the same shots."""
        return text_hash(self.memory.circuit)

    @cached_property
    def work(self) -> bytes:
        """See `BatchTask.work`."""
        return pack_work(PointWork(self.memory, self.package, self.link, self.deadlines, self.deadline_ns))

    @property
    def num_batches(self) -> int:
        """Batches at the most: shots come in whole batches."""
        return -(-self.max_shots // self.batch_shots)

    def task(self, index: int) -> BatchTask:
        """The batch with this index."""
        seed = batch_seed(self.seed, self.circuit_id, index)
        return BatchTask(self.point_id, index, seed, self.batch_shots, self.archive_shots, self.work)

    def is_done(self, shots: int, errors: int) -> bool:
        """Whether so many shots and errors are enough."""
        return shots >= self.max_shots or (self.max_errors is not None and errors >= self.max_errors)

    def metadata(self) -> dict[str, Any]:
        """What the point is, as plain values, for results and for sinter."""
        spec = self.memory.spec
        kind, _, value = spec.noise.partition(":")
        return {
            "code": spec.code,
            "d": spec.distance,
            "r": spec.rounds,
            "basis": spec.basis,
            "noise": spec.noise,
            **({"p": float(value)} if kind == "uniform" else {}),
            "backend": self.memory.session["backend_id"],
            "decoder": self.label,
            "link": self.link,
        }

    def describe(self) -> dict[str, Any]:
        """JSON form for the run folder; the memory and the package are kept beside it."""
        return {
            "point_id": self.point_id,
            "memory_id": self.memory.memory_id,
            "circuit_id": self.circuit_id,
            "decoder_id": self.package.content_id,
            "asked": self.package.asked,
            "name": self.package.name,
            "version": self.package.version,
            "clock_mhz": self.clock_mhz,
            "seed": self.seed,
            "batch_shots": self.batch_shots,
            "max_shots": self.max_shots,
            "max_errors": self.max_errors,
            "deadline_ns": self.deadline_ns,
            "round_time_ns": float(self.memory.session["round_time_ns"]),
            **self.metadata(),
        }

    @cached_property
    def clock_mhz(self) -> float | None:
        """Clock of the decoder's RTL; None where the link has no clock."""
        decoder = self.package.open(self.memory.problem)
        return None if self.link == "software" else decoder.clock_mhz


def batch_seed(seed: int, circuit_id: str, index: int) -> int:
    """Seed of a batch: the first 64 bits of SHA-256 over the sweep's seed, the circuit and the batch's index."""
    digest = hashlib.sha256(f"{seed} {circuit_id} {index}".encode()).digest()
    return int.from_bytes(digest[:SEED_BYTES], "big")


def make_points(
    plan: SweepPlan, memories: list[Memory], deadlines: Deadlines, skipped: Callable[[str], None]
) -> list[Point]:
    """Every point of a plan.

    A decoder that was made for another memory, or cannot be compiled for one, is left out there; `skipped` is told.

    Raises:
        LinkOpenError: no such link, or a decoder that fits no memory of the plan.
    """
    for link in plan.links:
        if link != LINK_OF_DECODER:
            check_link(link)
    points: list[Point] = []
    for asked in plan.decoders:
        reasons: list[str] = []
        first_error: BridgeError | None = None
        found: list[Point] = []
        for memory in memories:
            try:
                package = pack(asked, memory.problem)
            except (DecoderMismatchError, LinkOpenError) as error:
                first_error = first_error or error
                spec = memory.spec
                reasons.append(f"{asked} for {spec.code} d={spec.distance}, {spec.rounds} rounds: {error}")
                continue
            found += [_point(plan, memory, package, link, deadlines) for link in _links(plan, package, memory)]
        if first_error is not None and not found:
            raise first_error
        for reason in dict.fromkeys(reasons):
            skipped(reason)
        points += found
    order = {memory.memory_id: index for index, memory in enumerate(memories)}
    return sorted(points, key=lambda point: order[point.memory.memory_id])


def _links(plan: SweepPlan, package: DecoderPackage, memory: Memory) -> list[str]:
    if package.files is None:
        return ["software"]
    default = default_link(package.open(memory.problem))
    return list(dict.fromkeys(default if link == LINK_OF_DECODER else link for link in plan.links))


def _point(plan: SweepPlan, memory: Memory, package: DecoderPackage, link: str, deadlines: Deadlines) -> Point:
    deadline_ns = plan.deadline_ns or float(memory.session["round_time_ns"])
    return Point(
        memory=memory,
        package=package,
        link=link,
        label=package.name if Path(package.asked).exists() else package.asked,
        seed=plan.seed,
        batch_shots=min(plan.batch_shots, plan.max_shots),
        max_shots=plan.shots_of(link),
        max_errors=plan.max_errors,
        archive_shots=plan.archive_shots,
        deadline_ns=deadline_ns,
        deadlines=deadlines,
    )


def batch_of(point: Mapping[str, Any], shot: int) -> tuple[int, int, int]:
    """(batch index, shot within the batch, seed of the batch) of a shot of a described point."""
    index, within = divmod(shot, int(point["batch_shots"]))
    return index, within, batch_seed(int(point["seed"]), str(point["circuit_id"]), index)
