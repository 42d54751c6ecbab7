"""Keeps count over a run: errors, agreement with the reference, latencies, and the shots that went wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bridge.digest import BlockDigest
from bridge.problem import DecodingProblem
from bridge.software_decoders import MatchingDecoder
from bridge.statistics import backlog, binomial_rate, percentiles, rate_per_round
from qds1 import Corrections, Frames, Status, shot_words, unpack_bits, words_for_bits
from qds1.shots import Bits, Words

MAX_WRONG_SHOTS = 10_000
COUNTS = (
    "num_shots",
    "logical_errors",
    "reference_errors",
    "raw_errors",
    "agreements",
    "detection_events",
    "budget_exceeded",
    "impossible_shots",
    "stalled_shots",
)


@dataclass(frozen=True, slots=True)
class WrongShot:
    """A shot whose observables the decoder got wrong, with everything needed to send it again."""

    shot: int
    words: tuple[int, ...]
    detection_events: tuple[int, ...]
    observables: tuple[int, ...]
    decoder_flips: tuple[int, ...]
    reference_flips: tuple[int, ...]


class Tally:
    """Counts of one run. Shots are added in order, a chunk at a time."""

    def __init__(self, problem: DecodingProblem, trace_shot: int | None = None) -> None:
        self._problem = problem
        self._reference = MatchingDecoder(problem)
        self._trace_shot = trace_shot
        self.trace_words: Words | None = None
        self.num_shots = 0
        self.logical_errors = 0
        self.reference_errors = 0
        self.raw_errors = 0
        self.agreements = 0
        self.detection_events = 0
        self.budget_exceeded = 0
        self.impossible_shots = 0
        self.stalled_shots = 0
        self.frame_latency_cycles: list[Words] = []
        self.wrong_shots: list[WrongShot] = []
        self.latency_cycles: list[Words] = []
        self.round_trip_s: list[float] = []
        self.exchange_s = 0.0
        self._syndrome_digest = BlockDigest()
        self._correction_digest = BlockDigest()

    @property
    def words_per_shot(self) -> int:
        """Words of one shot on the stream."""
        layout = self._problem.layout
        return shot_words(layout.num_stabilizers, layout.num_data_qubits, layout.rounds)

    def add(self, shots: Words, corrections: Corrections, exchange_s: float) -> tuple[Bits, Bits]:
        """Count a chunk.

        Args:
            shots: uint32, shape (shots, words_per_shot): what the decoder was sent.
            corrections: what it answered, in the same order.
            exchange_s: host time from the first word sent to the last one received.

        Returns:
            detection events and measured observables, 0/1, shapes (shots, detectors) and (shots, observables).
        """
        syndromes, data = split_shots(shots, self._problem)
        events = self._problem.layout.detection_events(syndromes, data)
        observables = self._problem.layout.observables(data)
        reference, _ = self._reference.decode(events)
        wrong = (corrections.flips != observables).any(axis=1)
        self._keep_wrong(np.flatnonzero(wrong), shots, events, observables, corrections.flips, reference)
        if self._trace_shot is not None and self.num_shots <= self._trace_shot < self.num_shots + len(shots):
            self.trace_words = shots[self._trace_shot - self.num_shots].copy()
        self.logical_errors += int(wrong.sum())
        self.reference_errors += int((reference != observables).any(axis=1).sum())
        self.raw_errors += int(observables.any(axis=1).sum())
        self.agreements += int((reference == corrections.flips).all(axis=1).sum())
        self.detection_events += int(events.sum())
        self.impossible_shots += int(self._problem.impossible_shots.find(events).sum())
        self.budget_exceeded += int(np.count_nonzero(corrections.status & np.uint32(Status.BUDGET_EXCEEDED)))
        self.stalled_shots += int(np.count_nonzero(corrections.status & np.uint32(Status.STALLED)))
        self.latency_cycles.append(corrections.latency_cycles.copy())
        self.round_trip_s.append(exchange_s)
        self.exchange_s += exchange_s
        self._syndrome_digest.update(shots.astype("<u4").tobytes())
        self._correction_digest.update(corrections.flips.astype(np.uint8).tobytes())
        self.num_shots += len(shots)
        return events, observables

    def add_frames(self, frames: Frames) -> None:
        """Count the Pauli frames of a windowed decoder."""
        if frames.tags.size:
            self.frame_latency_cycles.append(frames.latency_cycles.copy())

    def state(self) -> dict[str, Any]:
        """Counts and digests, as JSON: with the lists of latencies, round trips and wrong shots all there is."""
        return {
            "counts": {name: getattr(self, name) for name in COUNTS},
            "syndrome_digest": self._syndrome_digest.state(),
            "correction_digest": self._correction_digest.state(),
            "trace_words": None if self.trace_words is None else self.trace_words.tolist(),
        }

    def restore(
        self, state: Mapping[str, Any], cycles: tuple[Words, Words], round_trip_s: list[float], wrong: list[WrongShot]
    ) -> None:
        """Take up the counts of another tally of the same run.

        Args:
            state: its `state`.
            cycles: its latencies, those of the shots and those of the frames; uint32, one axis each.
            round_trip_s, wrong: its lists.
        """
        for name in COUNTS:
            setattr(self, name, state["counts"].get(name, 0))  # an older checkpoint counts less
        self._syndrome_digest = BlockDigest.restored(state["syndrome_digest"])
        self._correction_digest = BlockDigest.restored(state["correction_digest"])
        self.trace_words = None if state["trace_words"] is None else np.array(state["trace_words"], dtype=np.uint32)
        self.latency_cycles, self.frame_latency_cycles = [cycles[0]], ([cycles[1]] if cycles[1].size else [])
        self.round_trip_s, self.wrong_shots = round_trip_s, wrong
        self.exchange_s = sum(round_trip_s)

    def _keep_wrong(
        self, indices: np.ndarray[Any, Any], shots: Words, events: Bits, observables: Bits, ours: Bits, theirs: Bits
    ) -> None:
        for index in indices[: max(0, MAX_WRONG_SHOTS - len(self.wrong_shots))]:
            self.wrong_shots.append(
                WrongShot(
                    shot=self.num_shots + int(index),
                    words=tuple(int(word) for word in shots[index]),
                    detection_events=tuple(int(d) for d in np.flatnonzero(events[index])),
                    observables=tuple(int(bit) for bit in observables[index]),
                    decoder_flips=tuple(int(bit) for bit in ours[index]),
                    reference_flips=tuple(int(bit) for bit in theirs[index]),
                )
            )

    def qec_metrics(self) -> dict[str, Any]:
        """Error rates of this run, as in the job's metadata."""
        rounds = self._problem.layout.rounds
        rate = binomial_rate(self.logical_errors, self.num_shots)
        num_detectors = self._problem.error_model.num_detectors
        return {
            "shots": self.num_shots,
            "rounds": rounds,
            "logical_errors": self.logical_errors,
            "logical_error_rate": rate.rate,
            "logical_error_rate_95": [rate.low, rate.high],
            "logical_error_rate_per_round": rate_per_round(rate.rate, rounds),
            "undecoded_error_rate": self.raw_errors / self.num_shots if self.num_shots else 0.0,
            "reference_logical_errors": self.reference_errors,
            "reference_logical_error_rate": binomial_rate(self.reference_errors, self.num_shots).rate,
            "agreement": self.agreements / self.num_shots if self.num_shots else 0.0,
            "detection_fraction": self.detection_events / (self.num_shots * num_detectors) if self.num_shots else 0.0,
            "impossible_shots": self.impossible_shots,
        }

    def reference_metrics(self) -> dict[str, Any]:
        """The reference decoder on the same shots."""
        rate = binomial_rate(self.reference_errors, self.num_shots)
        return {
            "decoder": "pymatching",
            "shots": self.num_shots,
            "logical_errors": self.reference_errors,
            "logical_error_rate": rate.rate,
            "logical_error_rate_95": [rate.low, rate.high],
            "logical_error_rate_per_round": rate_per_round(rate.rate, self._problem.layout.rounds),
        }

    def timing_metrics(self, clock_mhz: float | None, round_time_ns: float) -> dict[str, Any]:
        """Latency and throughput. clock_mhz: None where the decoder has no clock (then no latency is claimed)."""
        rounds = max(1, self._problem.layout.rounds)
        timing: dict[str, Any] = {
            "host_round_trip_s": percentiles(self.round_trip_s),
            "shots_per_s": self.num_shots / self.exchange_s if self.exchange_s else 0.0,
            "rounds_per_s": self.num_shots * rounds / self.exchange_s if self.exchange_s else 0.0,
            "budget_exceeded": self.budget_exceeded,
            "frames": sum(len(part) for part in self.frame_latency_cycles),
            "stalled_shots": self.stalled_shots,
        }
        if clock_mhz is None or not self.latency_cycles:
            unknown = ("latency_cycles", "frame_latency_cycles", "latency_ns", "ns_per_round", "backlog")
            return timing | dict.fromkeys(unknown)
        cycles = np.concatenate(self.latency_cycles).astype(np.float64)
        nanoseconds = cycles * 1e3 / clock_mhz
        queue = backlog(nanoseconds, rounds * round_time_ns)
        return {
            **timing,
            "latency_cycles": percentiles(cycles),
            "frame_latency_cycles": percentiles(np.concatenate(self.frame_latency_cycles))
            if self.frame_latency_cycles
            else None,
            "latency_ns": percentiles(nanoseconds),
            "ns_per_round": float(nanoseconds.mean()) / rounds,
            "backlog": {
                "round_time_ns": round_time_ns,
                "max_wait_ns": queue.max_wait_ns,
                "growth_ns_per_shot": queue.growth_ns_per_shot,
                "busy_fraction": queue.busy_fraction,
            },
        }

    def digests(self) -> dict[str, str]:
        """`BlockDigest` of all words sent, and of all observable flips received (one byte each)."""
        return {
            "syndromes_sha256": self._syndrome_digest.hexdigest(),
            "corrections_sha256": self._correction_digest.hexdigest(),
        }


def split_shots(shots: Words, problem: DecodingProblem) -> tuple[Bits, Bits]:
    """Undo `qds1.encode_shots`: words (shots, words_per_shot) -> syndromes (shots, rounds, s), data (shots, q)."""
    layout = problem.layout
    stride = 1 + words_for_bits(layout.num_stabilizers)
    rounds = shots[:, : layout.rounds * stride].reshape(len(shots), layout.rounds, stride)
    syndromes = unpack_bits(rounds[..., 1:], layout.num_stabilizers)
    data = unpack_bits(shots[:, layout.rounds * stride + 1 :], layout.num_data_qubits)
    return syndromes, data
