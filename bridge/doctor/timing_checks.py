"""Checks of the clock: the latency that is reported against the one that is seen, and the device's pace."""

import numpy as np
from numpy.typing import NDArray

from bridge.doctor.answers import Answers
from bridge.doctor.findings import Finding, failed, passed, skipped
from bridge.doctor.patient import Patient, Shots
from bridge.probe import Observation, Plan
from bridge.statistics import percentiles
from qds1 import Status

ALONE = Plan(settle_cycles=8)


def seen_latencies(observation: Observation, answers: Answers, words_per_shot: int) -> NDArray[np.int64]:
    """Cycles from the acceptance of each shot's last word to the first cycle of its answer's header."""
    count = min(len(answers.messages), len(observation.taken_cycles) // words_per_shot)
    ends = observation.taken_cycles[words_per_shot - 1 :: words_per_shot][:count].astype(np.int64)
    heads: NDArray[np.int64] = observation.offered_cycles[answers.header_index[:count]].astype(np.int64)
    return heads - ends


def latency_is_true(observation: Observation, answers: Answers, words_per_shot: int) -> Finding:
    """Whether the latency in each CORRECTION is the one that the bench saw."""
    check = "the latency field is true"
    seen = seen_latencies(observation, answers, words_per_shot)
    reported = answers.latencies()[: len(seen)]
    wrong = np.flatnonzero(seen != reported)
    if not wrong.size:
        return passed(check, f"{len(seen)} shots, {seen.min()} to {seen.max()} cycles, reported as seen")
    first = int(wrong[0])
    offsets = np.unique(reported[wrong] - seen[wrong])
    always = f"always {offsets[0]:+d} cycles off" if offsets.size == 1 and wrong.size == len(seen) else "not constantly"
    return failed(
        check, "the latency field is untrue",
        f"{wrong.size} of {len(seen)} shots, {always}: answer {first} reports {reported[first]}, "
        f"the bench saw {seen[first]} cycles",
        "count from the cycle in which the shot's last word is accepted to the first cycle of the header on m_axis",
        wrong=int(wrong.size),
    )  # fmt: skip


def keeps_the_deadline(
    patient: Patient, shots: Shots, round_time_ns: float, deadline_ns: float | None, busy: Observation
) -> Finding:
    """Whether each shot, alone, is answered within the deadline, and shots without a pause within the device's pace."""
    check = "keeps the deadline"
    manifest, rounds = patient.manifest, max(1, patient.problem.layout.rounds)
    pace_ns = rounds * round_time_ns
    limit_ns = pace_ns if deadline_ns is None else deadline_ns
    latencies, flagged = _alone(patient, shots)
    if not latencies.size:
        return skipped(check, "no shot was answered")
    nanoseconds = latencies * 1e3 / manifest.clock_mhz
    found = percentiles(nanoseconds) or {}
    late = int((nanoseconds > limit_ns).sum())
    heads = busy.offered_cycles
    num_busy = max(1, busy.num_answers)
    each_ns = float(heads[-1] - busy.taken_cycles[0]) / num_busy * 1e3 / manifest.clock_mhz if heads.size else 0.0
    worst = f"latency {found['p50']:.0f} ns p50, {found['p99']:.0f} ns p99, {found['max']:.0f} ns max"
    data = {"latency_ns": found, "deadline_ns": limit_ns, "ns_per_shot": each_ns, "pace_ns": pace_ns}
    faster = "decode faster, raise clock_mhz if the design closes timing there, or set CYCLE_BUDGET and answer in time"
    if late:
        return failed(
            check, "misses the deadline",
            f"{late} of {latencies.size} shots later than {limit_ns:.0f} ns at {manifest.clock_mhz:g} MHz; {worst}",
            faster, **data,
        )  # fmt: skip
    if each_ns > pace_ns:
        return failed(
            check, "falls behind the device",
            f"{each_ns:.0f} ns a shot without pauses, the device makes one in {pace_ns:.0f} ns; {worst}",
            "take in a shot while the one before is decoded, or decode faster", **data,
        )  # fmt: skip
    if flagged:
        return failed(
            check, "exceeds its cycle budget", f"{flagged} of {latencies.size} answers carry the flag; {worst}",
            faster, **data,
        )  # fmt: skip
    return passed(check, f"{worst}, deadline {limit_ns:.0f} ns; {each_ns:.0f} ns a shot without pauses", **data)


def _alone(patient: Patient, shots: Shots) -> tuple[NDArray[np.int64], int]:
    """Latencies of shots sent one by one, as a device does, and how many answers say that the budget was exceeded."""
    latencies, flagged = [], 0
    patient.bench.reset()
    for words in patient.words(shots.events):
        observation, answers = patient.go_on(words, 1, ALONE)
        seen = seen_latencies(observation, answers, len(words))
        latencies.extend(seen.tolist())
        flagged += answers.num_flagged(int(Status.BUDGET_EXCEEDED))
    return np.array(latencies, dtype=np.int64), flagged
