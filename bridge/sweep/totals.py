"""Adds batches up, and says what a point's counts mean: rates, latencies, backlog, throughput."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bridge.statistics import exact_mcnemar, histogram_percentiles, rate_beside, rate_per_round, stopped_rate
from bridge.sweep.batch import BatchResult, Histogram

COUNTS: Mapping[str, str] = {
    "shots": "memories decoded",
    "errors": "shots whose observables the decoder got wrong",
    "reference_errors": "shots that PyMatching got wrong, with the same error model",
    "undecoded_errors": "shots that would be wrong without any decoder",
    "agreements": "shots that both decoded alike",
    "only_decoder_wrong": "shots that only the decoder got wrong",
    "only_reference_wrong": "shots that only PyMatching got wrong",
    "detection_events": "detection events",
    "budget_exceeded": "corrections that the decoder itself flagged as late",
    "impossible_shots": "shots that the error model cannot produce: nothing that a decoder answers is right",
    "stalls": "clock cycles in which an input word had to wait, by the decoder's counter",
    "faults": "FAULT messages, by the decoder's counter",
    "deadline_misses": "corrections later than the deadline, shots coming at the device's pace",
    "waiting_shots": "shots that waited for the decoder, likewise",
    "latency_disagreements": "corrections whose own latency is not the one that the link saw",
}
"""Every count of a batch and a point, and what it counts."""


@dataclass
class Totals:
    """Counts of one point so far. Batches are added in order."""

    counts: Counter[str] = field(default_factory=Counter)
    cycles: dict[str, Counter[int]] = field(default_factory=dict)
    max_wait_ns: float = 0.0
    exchange_s: float = 0.0
    worker_s: float = 0.0
    num_batches: int = 0
    last_shots: int = 0
    archived: int = 0
    times: list[tuple[float, float]] = field(default_factory=list)
    link: Mapping[str, Any] = field(default_factory=dict)

    def add(self, batch: BatchResult) -> None:
        """Count one more batch."""
        self.counts.update(batch.counts)
        for part, found in batch.cycles.items():
            self.cycles.setdefault(part, Counter()).update(found)
        self.max_wait_ns = max(self.max_wait_ns, batch.max_wait_ns)
        self.exchange_s += batch.exchange_s
        self.worker_s += batch.ended_s - batch.started_s
        self.num_batches += 1
        self.last_shots = batch.counts["shots"]
        self.archived += len(batch.archive)
        self.times.append((batch.started_s, batch.ended_s))
        self.link = batch.link

    @property
    def wall_s(self) -> float:
        """Time in which at least one worker was at work on the point."""
        total, end = 0.0, 0.0
        for start, stop in sorted(self.times):
            total += max(0.0, stop - max(start, end))
            end = max(end, stop)
        return total


def totals_of(batches: Iterable[BatchResult]) -> dict[str, Totals]:
    """Totals by point."""
    found: dict[str, Totals] = {}
    for batch in batches:
        found.setdefault(batch.point_id, Totals()).add(batch)
    return found


def summary(point: Mapping[str, Any], totals: Totals, num_detectors: int) -> dict[str, Any]:
    """Everything that a report says about a point.

    Args:
        point: from `Point.describe`.
        totals: its counts.
        num_detectors: of its error model.
    """
    counts, rounds = totals.counts, int(point["r"])
    shots = counts["shots"]
    ours = stopped_rate(counts["errors"], shots, totals.last_shots, point.get("max_errors"))
    only_theirs = counts["only_reference_wrong"]
    theirs = rate_beside(ours, counts["reference_errors"] - only_theirs, only_theirs)
    share = 1 / shots if shots else 0.0
    return {
        **point,
        "link_info": dict(totals.link),
        "num_batches": totals.num_batches,
        "counts": dict(counts),
        "logical_error_rate": ours.rate,
        "logical_error_rate_95": [ours.low, ours.high],
        "logical_error_rate_per_round": rate_per_round(ours.rate, rounds),
        "logical_error_rate_per_round_95": [rate_per_round(bound, rounds) for bound in (ours.low, ours.high)],
        "reference_error_rate": theirs.rate,
        "reference_error_rate_95": [theirs.low, theirs.high],
        "agreement": counts["agreements"] * share,
        "against_reference_p": exact_mcnemar(counts["only_decoder_wrong"], counts["only_reference_wrong"]),
        "detection_fraction": counts["detection_events"] * share / max(1, num_detectors),
        "shots_per_s": shots / totals.wall_s if totals.wall_s else 0.0,
        "shots_per_s_over_link": shots / totals.exchange_s if totals.exchange_s else 0.0,
        "worker_s": totals.worker_s,
        **_timing(point, totals),
    }


def _timing(point: Mapping[str, Any], totals: Totals) -> dict[str, Any]:
    """Latency and backlog, all None where the decoder has no clock."""
    clock_mhz = point["clock_mhz"]
    names = ("latency_cycles", "latency_ns", "load_cycles", "readout_cycles", "backlog", "deadline_miss_rate")
    found: dict[str, Any] = dict.fromkeys(names)
    if not clock_mhz or "decode" not in totals.cycles:
        return found
    period_ns = 1e3 / clock_mhz
    parts = {part: histogram_percentiles(values) for part, values in totals.cycles.items()}
    latency = parts["decode"] or {}
    busy_ns = period_ns * sum((part or {}).get("mean", 0.0) for name, part in parts.items() if name != "load")
    shot_ns = int(point["r"]) * point["round_time_ns"]
    shots = totals.counts["shots"]
    return {
        "latency_cycles": latency,
        "latency_ns": {name: value * period_ns for name, value in latency.items()},
        "load_cycles": parts.get("load"),
        "readout_cycles": parts.get("readout"),
        "deadline_miss_rate": totals.counts["deadline_misses"] / shots,
        "backlog": {
            "max_wait_ns": totals.max_wait_ns,
            "waiting_fraction": totals.counts["waiting_shots"] / shots,
            "growth_ns_per_shot": max(0.0, busy_ns - shot_ns),
            "busy_fraction": min(1.0, busy_ns / shot_ns),
        },
    }


def histogram_rows(histogram: Histogram) -> list[list[int]]:
    """[value, count] pairs, ascending."""
    return [[int(value), int(histogram[value])] for value in np.sort(list(histogram))]
