"""Checks of the clock: the latency that is reported against the one that is seen, and the device's pace."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.doctor.answers import Answers
from bridge.doctor.findings import Finding, failed, passed, skipped, warned
from bridge.doctor.patient import Patient, Shots
from bridge.probe import Observation, Plan
from bridge.statistics import percentiles
from qds1 import Status

ALONE = Plan(max_in_flight=1, gap_cycles=8, settle_cycles=8)
"""One shot after another, as a device sends them."""
BACKLOG = {
    "with gaps in the input": Plan(input_pause_per_mille=400, seed=21),
    "with stalls of the output": Plan(output_pause_per_mille=400, seed=22),
    "two shots in flight": Plan(max_in_flight=2, gap_cycles=3, seed=23),
}
RARELY = 2.0
"""A latency that stands out: so many times the usual one of a pipeline, or the longest of a shot alone."""
MOVED_TWICE = 2.05
"""Cycles for each word of a shot and its answer: the adapter around a decoder collects an answer before it sends it."""


@dataclass(frozen=True)
class Run:
    """A run of shots of `shot_words` words: what was seen, and the answers."""

    observation: Observation
    answers: Answers
    shot_words: int

    @property
    def num_shots(self) -> int:
        """Shots that were sent whole and answered."""
        return min(len(self.answers.messages), len(self.observation.taken_cycles) // self.shot_words)

    def ends(self) -> NDArray[np.int64]:
        """Cycle in which each shot's last word was accepted."""
        words = self.shot_words
        return self.observation.taken_cycles[words - 1 :: words][: self.num_shots].astype(np.int64)

    def heads(self) -> NDArray[np.int64]:
        """First cycle of each answer's header."""
        index = self.answers.header_index[: self.num_shots]
        return np.asarray(self.observation.offered_cycles[index], dtype=np.int64)

    def reported(self) -> NDArray[np.int64]:
        """What the answers say of it."""
        return self.answers.latencies()[: self.num_shots]

    def latencies(self) -> NDArray[np.int64]:
        """Cycles from the acceptance of each shot's last word to the first cycle of its answer's header."""
        return self.heads() - self.ends()

    def service(self) -> NDArray[np.int64]:
        """The same without the wait for the answer before: from that one's last word where it comes later."""
        before = self.answers.header_index[: self.num_shots] - 1
        freed = np.where(before >= 0, self.observation.offered_cycles[np.maximum(before, 0)].astype(np.int64), 0)
        return np.asarray(self.heads() - np.maximum(self.ends(), freed), dtype=np.int64)


def backlog_runs(patient: Patient, shots: Shots) -> dict[str, Run]:
    """Runs at several loads; a latency field may lie at one of them only."""
    words = patient.words(shots.events)
    return {name: Run(*patient.answer(words, len(shots), plan), patient.shot_words) for name, plan in BACKLOG.items()}


def paced_run(patient: Patient, shots: Shots, num_shots: int) -> Run:
    """Shots one by one, over and over up to their number."""
    order = np.arange(num_shots) % max(1, len(shots))
    words = patient.words(shots.events[order])
    return Run(*patient.answer(words, num_shots, ALONE), patient.shot_words)


def latency_is_true(runs: Mapping[str, Run]) -> Finding:
    """Whether the latency in each CORRECTION is the one that the bench saw, at every load."""
    check = "the latency field is true"
    longest, shortest, count = 0, 1 << 62, 0
    for name, run in runs.items():
        seen, reported = run.latencies(), run.reported()
        wrong = np.flatnonzero(seen != reported)
        if wrong.size:
            first = int(wrong[0])
            offsets = np.unique(reported[wrong] - seen[wrong])
            always = (
                f"always {offsets[0]:+d} cycles off" if offsets.size == 1 and wrong.size == len(seen)
                else f"by {offsets.min():+d} to {offsets.max():+d} cycles"
            )  # fmt: skip
            elsewhere = [other for other, run in runs.items() if np.array_equal(run.latencies(), run.reported())]
            return failed(
                check, "the latency field is untrue",
                f"{name}: {wrong.size} of {len(seen)} shots, {always}: answer {first} reports {reported[first]}, "
                f"the bench saw {seen[first]} cycles" + (f"; true {', '.join(elsewhere)}" if elsewhere else ""),
                "count from the cycle in which the shot's last word is accepted to the first cycle of the header on "
                "m_axis, for each shot, however many wait",
                wrong=int(wrong.size), run=name,
            )  # fmt: skip
        if seen.size:
            shortest, longest, count = min(shortest, int(seen.min())), max(longest, int(seen.max())), count + seen.size
    if not count:
        return skipped(check, "no shot was answered")
    return passed(check, f"{count:,} shots, {shortest} to {longest} cycles, reported as seen ({', '.join(runs)})")


def keeps_the_deadline(
    patient: Patient, alone: Run, busy: Run, round_time_ns: float, deadline_ns: float | None
) -> Finding:
    """Whether each shot is answered in time, alone and among others, and shots without a pause at the device's pace.

    Without a deadline of the user's own, a latency longer than the device takes for a shot is no illness where shots
    overlap, as in a pipeline: nothing piles up. An answer that comes so late now and then is one.

    Args:
        patient: under examination.
        alone: shots one by one.
        busy: shots without a pause.
        round_time_ns: of the device.
        deadline_ns: for one answer; None for the time that the device takes for a shot.
    """
    check = "keeps the deadline"
    cycle_ns = 1e3 / patient.manifest.clock_mhz
    pace_ns = max(1, patient.problem.layout.rounds) * round_time_ns
    limit_ns = pace_ns if deadline_ns is None else deadline_ns
    if not alone.num_shots or not busy.num_shots:
        return skipped(check, "no shot was answered")
    latencies, service = alone.latencies() * cycle_ns, busy.service() * cycle_ns
    found = percentiles(latencies) or {}
    each_ns = float(busy.heads()[-1] - busy.observation.taken_cycles[0]) / busy.num_shots * cycle_ns
    worst = f"latency {found['p50']:.0f} ns p50, {found['p99']:.0f} ns p99, {found['max']:.0f} ns max"
    data = {"latency_ns": found, "deadline_ns": limit_ns, "ns_per_shot": each_ns, "pace_ns": pace_ns}
    faster = "decode faster, raise clock_mhz if the design closes timing there, or set CYCLE_BUDGET and answer in time"
    kept_up = f"{each_ns:.0f} ns a shot without pauses, the device makes one in {pace_ns:.0f} ns"
    moved = patient.shot_words + patient.dialect.payload_words + 1
    is_moving = each_ns <= MOVED_TWICE * moved * cycle_ns  # words alone take so long
    overlaps = deadline_ns is None and (each_ns <= pace_ns or is_moving) and np.median(latencies) > limit_ns
    bound_ns = RARELY * float(np.median(latencies)) if overlaps else limit_ns
    late = np.flatnonzero(latencies > bound_ns)
    late_among = np.flatnonzero(service > max(bound_ns, RARELY * latencies.max()))
    if late.size:
        return failed(
            check, "misses the deadline",
            f"{_how_many(late, latencies.size)} later than {bound_ns:.0f} ns at {patient.manifest.clock_mhz:g} MHz, "
            f"sent one by one; {worst}; {kept_up}", faster, late=late[:100].tolist(), **data,
        )  # fmt: skip
    if late_among.size:
        return failed(
            check, "misses the deadline",
            f"{_how_many(late_among, service.size)} took up to {service.max():.0f} ns after the answer before them, "
            f"later than {bound_ns:.0f} ns; one by one, {latencies.size} shots had {worst}",
            faster, late=late_among[:100].tolist(), **data,
        )  # fmt: skip
    if each_ns > pace_ns and is_moving:
        return warned(
            check, "its stream is slower than the device", f"{kept_up}, and {moved} words of 32 bits have to be moved "
            f"a shot; {worst}", "send fewer words or wider ones, or raise clock_mhz", **data,
        )  # fmt: skip
    if each_ns > pace_ns:
        return failed(
            check, "falls behind the device", f"{kept_up}; {worst}",
            "take in a shot while the one before is decoded, or decode faster", **data,
        )  # fmt: skip
    flagged = int((alone.answers.statuses() & int(Status.BUDGET_EXCEEDED) != 0).sum())
    if flagged and patient.dialect.speaks_qds1:
        return failed(
            check, "exceeds its cycle budget", f"{flagged} of {latencies.size} answers carry the flag; {worst}",
            faster, **data,
        )  # fmt: skip
    if overlaps:
        return warned(
            check, "answers later than a shot lasts", f"{worst}, longer than the {pace_ns:.0f} ns of a shot; {kept_up}"
            ": nothing piles up", "enough for a memory; a feedback waits for it (--deadline-ns sets a limit)", **data,
        )  # fmt: skip
    return passed(check, f"{worst}, deadline {limit_ns:.0f} ns; {each_ns:.0f} ns a shot without pauses", **data)


def _how_many(which: NDArray[np.intp], total: int) -> str:
    """A count, the share where it is small, and the first one."""
    share = f", one in {total / which.size:,.0f}," if which.size < total else ""
    return f"{which.size} of {total:,} shots{share} (the first is shot {which[0]})"
