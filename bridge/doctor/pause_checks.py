"""Checks of what a decoder does when nothing happens for long: before a shot, within one, with an answer waiting."""

from dataclasses import replace
from time import monotonic

from bridge.doctor.findings import Finding, failed, passed, skipped
from bridge.doctor.patient import Patient, Shots
from bridge.doctor.stream_checks import difference
from bridge.probe import Plan

CHECK = "answers do not depend on pauses"
FEW_SHOTS = 6
PAUSES = (100, 300, 1000, 3000, 10_000, 30_000, 100_000)
"""Cycles before each shot, one run each."""
PAUSES_S = 10.0
"""Wall clock; a decoder whose simulation is slow has shorter pauses."""
RARELY = 999
"""Per mille: a word moves once in about 1,000 cycles."""
SILENT_CYCLES = 50_000
SHORT = Plan(max_in_flight=1, gap_cycles=8)
"""What the longer ones are compared with: what depends on the next shot does not depend on pauses."""
LONG_GAPS = {
    "does not bear gaps in the input": (
        "about 1,000 cycles before each word",
        replace(SHORT, input_pause_per_mille=RARELY),
    ),
    "does not honour backpressure": (
        "about 1,000 cycles before each word out",
        replace(SHORT, output_pause_per_mille=RARELY),
    ),
}


def pauses_change_nothing(patient: Patient, shots: Shots) -> Finding:
    """Whether a shot is answered alike after a pause of any length, up to 100,000 cycles. shots: with events."""
    some = shots.first(FEW_SHOTS)
    words = patient.words(some.events)
    _, undisturbed = patient.answer(words, len(some), SHORT)
    expected = patient.contents(undisturbed)
    if len(expected) < len(some):
        return skipped(CHECK, f"{len(expected)} of {len(some)} shots are answered without a pause")
    until, cycle_s, longest = monotonic() + PAUSES_S, 0.0, 0
    for pause in PAUSES:
        if cycle_s * pause * len(some) > until - monotonic():
            break
        began = monotonic()
        plan = Plan(max_in_flight=1, gap_cycles=pause, silent_cycles=pause + SILENT_CYCLES)
        observation, answers = patient.answer(words, len(some), plan)
        cycle_s = (monotonic() - began) / max(1, observation.end_cycle)
        found = patient.contents(answers)
        if answers.garbage or found != expected:
            return failed(
                CHECK, f"wrong after {pause:,} idle cycles",
                f"with {pause:,} cycles before each shot: {difference(expected, found, answers)}"
                + (f"; with {longest:,} cycles all is as without a pause" if longest else ""),
                "no counter of cycles, timeout or decay may reach the decoding: a device may wait as long as it likes",
                cycles=pause,
            )  # fmt: skip
        longest = pause
    for diagnosis, (what, plan) in LONG_GAPS.items():
        _, answers = patient.answer(words, len(some), plan)
        found = patient.contents(answers)
        if answers.garbage or found != expected:
            return failed(
                CHECK, diagnosis, f"with {what}: {difference(expected, found, answers)}",
                "nothing may move on the output without its ready, nor on the input without valid and ready; look for "
                "a timeout, a counter of cycles",
            )  # fmt: skip
    told = ", ".join(what for what, _ in LONG_GAPS.values())
    return passed(CHECK, f"{len(some)} shots after up to {longest:,} cycles each, and with {told}")
