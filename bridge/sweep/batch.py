"""Runs one batch of one point: samples, streams, decodes with the reference, counts. Runs inside a worker."""

import hashlib
import pickle
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import finalize

import numpy as np
import pymatching
import stim

from bridge.answers import checked_corrections
from bridge.counters import read_counters
from bridge.errors import BridgeError
from bridge.identity import greet_decoder
from bridge.links import make_link
from bridge.links.base import Deadlines, Link, LinkInfo, ShotCycles, TimedLink, Words
from bridge.problem import DecodingProblem
from bridge.statistics import lindley_waits
from bridge.sweep.memories import Memory
from bridge.sweep.package import DecoderPackage
from bridge.sweep.sampling import Shots, ShotSampler, unpacked_events
from hdl.errors import HdlError
from hdl.registers.map import CONTROL_ENABLE, CONTROL_INPUT_MODE, Address
from qds1 import Corrections, Status, split_frames
from qds1.shots import Bits

OPEN_POINTS = 4
LOCK_STEP_LINKS = ("cocotb",)
PARTS = ("load", "decode", "readout")

Histogram = dict[int, int]


@dataclass(frozen=True, slots=True)
class PointWork:
    """What a worker needs to run any batch of a point."""

    memory: Memory
    package: DecoderPackage
    link: str
    deadlines: Deadlines
    deadline_ns: float


@dataclass(frozen=True)
class BatchTask:
    """One batch: which, of how many shots, from which seed. `work` is a packed `PointWork`, the same for its point."""

    point_id: str
    index: int
    seed: int
    num_shots: int
    archive_shots: int
    work: bytes


@dataclass(frozen=True)
class BatchResult:
    """What a batch found. Everything but the times depends on the task alone.

    Attributes:
        counts: see `COUNTS` in `bridge.sweep.results`.
        cycles: histogram of load, decode and readout, as far as the link can tell; empty without a clock.
        max_wait_ns: longest wait of a finished shot for the decoder, when shots come at the device's pace.
        failing: shots (within the batch) that the decoder got wrong, ascending.
        archive: the first of them with what it takes to send them again.
        shots_sha256: over the detection events and observables: the same where two batches had the same shots.
        started_s, ended_s: seconds since the epoch; exchange_s: time of streaming alone.
        link: where the decoder ran.
    """

    point_id: str
    index: int
    counts: Mapping[str, int]
    cycles: Mapping[str, Histogram]
    max_wait_ns: float
    failing: tuple[int, ...]
    archive: tuple[Mapping[str, Any], ...]
    shots_sha256: str
    started_s: float
    ended_s: float
    exchange_s: float
    link: Mapping[str, Any]


def pack_work(work: PointWork) -> bytes:
    """A point's work as bytes that travel well."""
    return zlib.compress(pickle.dumps(work))


def run_batch(task: BatchTask) -> BatchResult:
    """Run one batch.

    Raises:
        BridgeError: the decoder, its link or its answers; the point cannot go on.
    """
    try:
        return _opened(task.work, threading.get_ident()).run(task)
    except HdlError as error:
        _opened.cache_clear()
        raise BridgeError(str(error)) from error
    except BridgeError:
        _opened.cache_clear()  # the link may be in any state: the next batch opens its own
        raise


@lru_cache(maxsize=OPEN_POINTS)
def _opened(work: bytes, thread_id: int) -> "OpenPoint":
    """The point, opened in this thread; links are not shared between threads."""
    del thread_id
    return OpenPoint(pickle.loads(zlib.decompress(work)))


class OpenPoint:
    """A point with its sampler, its link and its reference, kept open from batch to batch."""

    def __init__(self, work: PointWork) -> None:
        problem = work.memory.problem
        self._work = work
        self._problem = problem
        self._sampler = ShotSampler(stim.Circuit(work.memory.circuit), problem)
        self._reference = pymatching.Matching.from_detector_error_model(problem.error_model)
        self._decoder = work.package.open(problem)
        self._link: Link = make_link(work.link, self._decoder, problem, work.deadlines)
        self._info: LinkInfo = self._link.open()
        finalize(self, self._link.abort)

    def run(self, task: BatchTask) -> BatchResult:
        """See `run_batch`."""
        started_s = time.time()
        shots = self._sampler.sample(task.seed, task.num_shots)
        self._make_ready()
        answers, cycles, exchange_s = self._exchange(shots.words)
        num_observables = self._problem.graph.num_observables
        last_words, _ = split_frames(answers, num_observables)
        corrections = checked_corrections(last_words, 0, task.num_shots, num_observables)
        if cycles is None and self._info.clocked:
            cycles = {"decode": corrections.latency_cycles}
        predictions = self._reference.decode_batch(shots.events, bit_packed_shots=True)
        counts, wrong = _counted(shots, corrections, np.asarray(predictions, dtype=np.uint8), self._problem, self._link)
        wait_ns = self._judge_times(cycles or {}, corrections, counts)
        digest = hashlib.sha256(shots.events.tobytes() + shots.observables.tobytes())
        return BatchResult(
            point_id=task.point_id,
            index=task.index,
            counts=counts,
            cycles={part: histogram(values) for part, values in (cycles or {}).items()},
            max_wait_ns=wait_ns,
            failing=tuple(wrong.tolist()),
            archive=_archive(wrong[: task.archive_shots], shots, corrections.flips, predictions),
            shots_sha256=digest.hexdigest()[:16],
            started_s=started_s,
            ended_s=time.time(),
            exchange_s=exchange_s,
            link={"name": self._info.link, "simulator": self._info.simulator, "clocked": self._info.clocked},
        )

    def _make_ready(self) -> None:
        """Power-on state before every batch: no batch can depend on the one before."""
        self._link.reset()
        greet_decoder(self._link, self._decoder)
        if not self._problem.layout.takes_raw_outcomes:
            self._link.write_register(Address.CONTROL, CONTROL_INPUT_MODE.set(CONTROL_ENABLE.set(0, 1), 1))

    def _exchange(self, words: Words) -> tuple[Words, dict[str, Words] | None, float]:
        """Stream the shots, one at a time where the link is quick enough to wait for each answer."""
        link = self._link
        started = time.perf_counter()
        cycles: dict[str, Words] | None = None
        if isinstance(link, TimedLink):
            answers, found = link.exchange_timed(words.ravel(), len(words), max_in_flight=1)
            cycles = _parts(found)
        elif self._info.link in LOCK_STEP_LINKS:
            answers = np.concatenate([link.exchange(shot, 1) for shot in words])
        else:
            answers = link.exchange(words.ravel(), len(words))
        return answers, cycles, time.perf_counter() - started

    def _judge_times(self, cycles: Mapping[str, Words], corrections: Corrections, counts: dict[str, int]) -> float:
        """Replay the batch at the device's pace: deadline misses and waiting shots into `counts`; the longest wait."""
        if not cycles or self._decoder.clock_mhz is None:
            return 0.0
        period_ns = 1e3 / self._decoder.clock_mhz
        decode_ns = cycles["decode"].astype(np.float64) * period_ns
        busy_ns = decode_ns + cycles["readout"].astype(np.float64) * period_ns if "readout" in cycles else decode_ns
        session = self._work.memory.session
        waits = lindley_waits(busy_ns, int(session["rounds"]) * float(session["round_time_ns"]))[:-1]
        counts["deadline_misses"] = int(np.count_nonzero(waits + decode_ns > self._work.deadline_ns))
        counts["waiting_shots"] = int(np.count_nonzero(waits))
        counts["latency_disagreements"] = int(np.count_nonzero(cycles["decode"] != corrections.latency_cycles))
        return float(waits.max(initial=0.0))


def _parts(cycles: ShotCycles) -> dict[str, Words]:
    return {part: getattr(cycles, part) for part in PARTS}


def histogram(values: Words) -> Histogram:
    """Value -> how often."""
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _counted(
    shots: Shots, corrections: Corrections, predictions: Bits, problem: DecodingProblem, link: Link
) -> tuple[dict[str, int], np.ndarray[Any, np.dtype[np.int64]]]:
    """The batch's counts, and which shots the decoder got wrong."""
    wrong = (corrections.flips != shots.observables).any(axis=1)
    reference_wrong = (predictions != shots.observables).any(axis=1)
    events = unpacked_events(problem.error_model.num_detectors, shots.events)
    counts = {
        "shots": len(wrong),
        "errors": wrong,
        "reference_errors": reference_wrong,
        "undecoded_errors": shots.observables.any(axis=1),
        "agreements": (predictions == corrections.flips).all(axis=1),
        "only_decoder_wrong": wrong & ~reference_wrong,
        "only_reference_wrong": reference_wrong & ~wrong,
        "budget_exceeded": corrections.status & np.uint32(Status.BUDGET_EXCEEDED),
        "impossible_shots": problem.impossible_shots.find(events),
        "detection_events": events,
    }
    plain = {name: value if isinstance(value, int) else int(np.count_nonzero(value)) for name, value in counts.items()}
    plain |= {name: value for name, value in read_counters(link).items() if value is not None}
    return plain, np.flatnonzero(wrong)


def _archive(indices: Any, shots: Shots, flips: Bits, predictions: Bits) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {
            "shot": int(index),
            "words": shots.words[index].tolist(),
            "observables": shots.observables[index].tolist(),
            "decoder_flips": flips[index].tolist(),
            "reference_flips": predictions[index].tolist(),
        }
        for index in indices
    )
