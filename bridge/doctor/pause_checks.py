"""Checks of what a decoder does when nothing happens for long: before a shot, within one, with an answer waiting."""

from dataclasses import replace
from time import monotonic

import numpy as np

from bridge.doctor.findings import Finding, failed, passed, skipped
from bridge.doctor.patient import Patient, Shots, UnansweredError
from bridge.doctor.stream_checks import difference
from bridge.errors import RegisterError
from bridge.probe import Plan
from hdl.registers.map import Address

CHECK = "answers do not depend on pauses"
FEW_SHOTS = 6
QUIET_SHOTS = 500
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


def quiet_shots_change_nothing(patient: Patient, shots: Shots) -> Finding:
    """Whether shots are answered alike after many without an event, as a quiet device sends. shots: with events."""
    check = "answers do not depend on quiet shots"
    some = shots.first(FEW_SHOTS)
    events = np.concatenate([patient.nothing(QUIET_SHOTS), some.events])
    try:
        expected = patient.decode(some.events)
    except UnansweredError as error:
        return skipped(check, f"without them: {error}")
    try:
        found = patient.decode(events)[QUIET_SHOTS:]
    except UnansweredError as error:
        return failed(
            check, "stops after quiet shots", f"with {QUIET_SHOTS} shots without an event before: {error}",
            "a shot without an event is one like any other; look for a counter of them",
        )  # fmt: skip
    if not np.array_equal(found, expected):
        return failed(
            check, "wrong after quiet shots",
            f"with {QUIET_SHOTS} shots without an event before, {int((found != expected).any(axis=1).sum())} of "
            f"{len(some)} shots are answered otherwise",
            "a shot without an event is one like any other; look for a counter of them",
        )  # fmt: skip
    return passed(check, f"{len(some)} shots after {QUIET_SHOTS} without an event")


def reads_change_nothing(patient: Patient, shots: Shots) -> Finding:
    """Whether the shots after a register was read are answered as they are without that. shots: with events."""
    check = "answers do not depend on registers that are read"
    some = shots.first(FEW_SHOTS)
    words = patient.words(some.events)
    contents = []
    for is_read in (False, True):
        patient.reset()
        patient.go_on(words, len(some))
        if is_read:
            try:
                patient.bench.read_register(Address.ID)
            except RegisterError as error:
                return skipped(check, f"no register answers: {error}")
        _, answers = patient.go_on(words, len(some))
        contents.append(patient.contents(answers))
    if contents[0] != contents[1]:
        return failed(
            check, "a register that is read changes an answer", difference(contents[0], contents[1], answers),
            "what answers registers shares no state with what decodes",
        )  # fmt: skip
    return passed(check, f"{len(some)} shots after a read")
