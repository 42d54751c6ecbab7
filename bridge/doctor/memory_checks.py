"""Checks of what a decoder remembers: an answer depends on its own shot, not on those before it or on their number."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.doctor.answers import Answers
from bridge.doctor.findings import Finding, failed, passed
from bridge.doctor.patient import Patient, Shots
from bridge.doctor.stream_checks import TAGS
from bridge.probe import Observation, Plan
from qds1.shots import Bits

OWN_SHOT_ALONE = "answers depend on their own shot alone"
ALONE_SHOTS = 100
AGAIN_SHOTS = 1000
BEFORE_A_RESET = (0, 1, 2, 3, 7)
"""Shots that are sent before the reset after which the first ones are sent again."""
NUM_CASES = 12
"""Answers that differ and are looked into."""
FAR_BACK = tuple(1 << k for k in range(17))


@dataclass(frozen=True)
class LongRun:
    """A run of many shots: order, the number of each among the shots that it is made of; what was seen and answered."""

    order: NDArray[np.intp]
    observation: Observation
    answers: Answers


@dataclass(frozen=True)
class _Case:
    """An answer that is not the one that its shot has alone: its place in a run, the shots before it and after."""

    position: int
    before: Bits
    shot: Bits
    after: Bits
    alone: Bits
    found: Bits


def long_run(patient: Patient, shots: Shots, num_shots: int, seed: int) -> LongRun:
    """Send shots over and over after one reset: backwards, each four times in a row, and in random orders."""
    dice = np.random.default_rng(seed)
    count = len(shots)
    parts = [np.arange(count)[::-1], np.repeat(dice.permutation(count)[: max(1, count // 4)], 4)]
    while sum(map(len, parts)) < num_shots:
        parts.append(dice.permutation(count))
    order = np.concatenate(parts)[:num_shots].astype(np.intp)
    observation, answers = patient.answer(patient.words(shots.events[order]), num_shots)
    return LongRun(order, observation, answers)


def own_shot_alone(patient: Patient, shots: Shots, meaning: Bits, run: LongRun) -> Finding:
    """Whether each shot has one answer: in other orders, at other places, repeated, and alone after a reset.

    Args:
        patient: under examination.
        shots: that were sent in their order, right after a reset.
        meaning: of their answers, shape (shots, bits).
        run: the same shots in other orders, all answered.
    """
    telling = np.flatnonzero(shots.events.any(axis=1))[:ALONE_SHOTS]
    forgotten = _answered_again(patient, shots, meaning)
    if forgotten is not None:
        return forgotten
    alone = {int(i): _last(patient, shots.events[[i]]) for i in telling}
    ours = patient.meaning(run.answers)
    differs = np.flatnonzero((ours != meaning[run.order]).any(axis=1))
    other = [i for i, bits in alone.items() if bits is not None and (bits != meaning[i]).any()]
    if not differs.size and not other:
        return passed(
            OWN_SHOT_ALONE, f"{len(shots)} shots in {len(run.order)} places and orders, {len(alone)} of them alone: "
            "each always has the same answer",
        )  # fmt: skip
    cases = _cases(patient, shots, meaning, run, ours, differs, other)
    counted = (
        f"{differs.size} of {len(run.order)} answers differ from those of the same shots in another order"
        if differs.size
        else f"{len(other)} of {len(alone)} shots have another answer alone than after other shots"
    )
    return _why(patient, cases, counted, differs)


def _answered_again(patient: Patient, shots: Shots, meaning: Bits) -> Finding | None:
    """The first shots once more, after a reset, and after a reset that follows other shots."""
    some = shots.first(AGAIN_SHOTS)
    wrong = np.zeros(0, dtype=np.intp)
    for before in BEFORE_A_RESET:
        if before:
            patient.decode(shots.events[shots.events.any(axis=1)][:before])
        answers = patient.each_answered(some.events, patient.words(some.events))
        wrong = np.flatnonzero((patient.meaning(answers) != meaning[: len(some)]).any(axis=1))
        if wrong.size:
            break
    if not wrong.size:
        return None
    return failed(
        OWN_SHOT_ALONE, "a reset does not clear it",
        f"the same {len(some)} shots, sent again after a reset: {wrong.size} are answered otherwise, the first is shot "
        f"{wrong[0]}",
        "the reset must clear all that an answer depends on: counters, random generators, memories that are read "
        "before they are written",
    )  # fmt: skip


def _last(patient: Patient, events: Bits, plan: Plan | None = None, index: int = -1) -> Bits | None:
    """Meaning of one answer of shots that are sent after power-on; None when not all are answered."""
    patient.bench.power_on()
    _, answers = patient.answer(patient.words(events), len(events), plan)
    if answers.garbage or len(answers.messages) != len(events):
        return None
    return np.asarray(patient.meaning(answers)[index])


def _cases(
    patient: Patient, shots: Shots, meaning: Bits, run: LongRun, ours: Bits, differs: NDArray[np.intp], other: list[int]
) -> list[_Case]:
    """Some of the answers that are not those of their shots alone, in either run."""
    in_order = np.arange(len(shots))
    spread = differs[np.unique(np.linspace(0, differs.size - 1, NUM_CASES).astype(int))] if differs.size else differs
    places = [(run.order, ours, int(j)) for j in spread]
    places += [(in_order, meaning, int(run.order[j])) for j in spread] + [(in_order, meaning, i) for i in other]
    cases = []
    for order, answers, position in places:
        alone = _last(patient, shots.events[[order[position]]])
        if alone is not None and (answers[position] != alone).any():
            events = shots.events[order[: position + 2]]
            cases.append(
                _Case(position, events[:position], events[[position]], events[position + 1 :], alone, answers[position])
            )
    return sorted(cases, key=lambda case: case.position)[:NUM_CASES]


def _why(patient: Patient, cases: list[_Case], counted: str, differs: NDArray[np.intp]) -> Finding:
    """The simplest circumstances in which the answer is the other one again."""
    for case in cases:
        empty = patient.nothing(case.position)
        with_next = np.concatenate([case.shot, case.after])
        if _is_other(patient, case, np.concatenate([empty, case.shot])):
            return failed(
                OWN_SHOT_ALONE, "answers depend on the shot's number",
                f"{counted}. Shot number {case.position}{_period(differs)} is answered {_bits(case.found)}, and the "
                f"same shot right after a reset {_bits(case.alone)}; so it is after {case.position} empty shots, too",
                "no counter, tag or address of the stream may reach the decoding",
                number=case.position,
            )  # fmt: skip
        if len(case.after) and _is_other(patient, case, with_next, index=0):
            return failed(
                OWN_SHOT_ALONE, "answers depend on the next shot",
                f"{counted}. A shot with detectors {_ones(case.shot)} is answered {_bits(case.alone)} alone, and "
                f"{_bits(case.found)} when one with detectors {_ones(case.after)} follows",
                "keep a shot's events until its answer is there, or hold the input back",
            )  # fmt: skip
        for back in FAR_BACK:
            if back >= 2 * case.position:
                break
            before = case.before[-back:]
            together = np.concatenate([before, case.shot])
            if not len(before) or not _is_other(patient, case, together):
                continue
            paced = _last(patient, together, Plan(max_in_flight=1, gap_cycles=100))
            if paced is not None and (paced == case.alone).all():
                return failed(
                    OWN_SHOT_ALONE, "answers are spoiled with more than one shot in flight",
                    f"{counted}. A shot with detectors {_ones(case.shot)} is answered {_bits(case.found)} when the one "
                    f"before is still under way, and {_bits(case.alone)} when that is answered first",
                    "hold the input back while a shot is decoded, or keep both apart"
                    + ("" if patient.dialect.speaks_qds1 else "; or say `in_flight: 1` under `stream`"),
                )  # fmt: skip
            return failed(
                OWN_SHOT_ALONE, "state leaks from shot to shot",
                f"{counted}. A shot with detectors {_ones(case.shot)} is answered {_bits(case.alone)} alone, and "
                f"{_bits(case.found)} after {'a shot' if len(before) == 1 else f'{len(before)} shots, the last one'} "
                f"with detectors {_ones(before[-1:])}",
                "set everything that a shot changes back when the next one starts",
                detectors=_ones(case.shot), before=_ones(before[-1:]),
            )  # fmt: skip
    return failed(
        OWN_SHOT_ALONE, "answers depend on the shots before",
        f"{counted}; the first in place {int(differs[0]) if differs.size else 0}. No single shot before or after it, "
        "and no number, is enough",
        "look for state that several shots build up: a counter of events, a memory that is not cleared",
    )  # fmt: skip


def _is_other(patient: Patient, case: _Case, events: Bits, index: int = -1) -> bool:
    found = _last(patient, events, index=index)
    return found is not None and bool((found != case.alone).any())


def _period(differs: NDArray[np.intp]) -> str:
    """The distance of the places, where there are enough to tell."""
    step = int(np.gcd.reduce(np.diff(differs))) if differs.size >= 3 else 1
    return f" (all of them {step} or a multiple of it apart)" if step > 1 else ""


def _bits(bits: Bits) -> str:
    return str(bits.tolist()) if bits.size <= 8 else f"with bits {np.flatnonzero(bits).tolist()}"


def _ones(events: Bits) -> list[int]:
    return np.flatnonzero(events.any(axis=0)).tolist() if len(events) else []


def goes_on(run: LongRun, judged: Finding) -> Finding:
    """The finding about a long run's answers, with what its length tells."""
    count = len(run.order)
    check = "goes on however many shots"
    if judged.state == "pass":
        reach = "past the wrap of the tags" if count > TAGS else f"the tags wrap at {TAGS:,}, which was not reached"
        return passed(check, f"{count:,} shots without a reset, each answered once and in order: {reach}", shots=count)
    return Finding(check, judged.state, judged.evidence, judged.diagnosis, judged.remedy, judged.data)
