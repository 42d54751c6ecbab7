"""Checks of shots by the number of their events: few, many, and each number by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from bridge.doctor.findings import FALSE_ALARM_PROB, Finding, failed, passed, skipped
from bridge.doctor.modest import GREEDY, Company, without_layers
from bridge.doctor.patient import Patient, Shots
from qds1.shots import Bits

BUCKETS = ((1, 2), (3, 4), (5, 6), (7, 9), (10, 1 << 30))
"""Numbers of events of a shot that are judged together."""
COUNTS, COUNT_SHOTS = 9, 700
"""Numbers of events that are judged each by itself, and shots of each; as many of more events."""
LEAST_SHOTS = 250
CROWD_SHOTS, CROWD_COPIES = 12_000, (1, 2, 4, 6)
"""Shots that are sampled for these, for each number of shots that are put into one."""
SKILL_OF_FEW, SKILL_OF_MANY = 0.5, 0.2
"""Skill with few events that a decoder must have, and skill with many that it must not, to be right for few only."""
SKILL_OF_MODEST, SKILL_BEFORE = 0.5, 0.8
"""Nor half of a modest decoder's, with which decoders that are well disagree as well; but nearly all of it with one
event less: what falls slowly is a decoder of modest accuracy."""

NEARLY_ALL = 0.98
"""Agreement that is well, whatever a constant answer has."""


@dataclass(frozen=True)
class _Skill:
    """How much of what PyMatching knows beyond a constant answer a decoder knows, too: 1 all of it, 0 nothing.

    low, high: limits that are missed with the probability asked for (Clopper and Pearson, Biometrika 26, 404 (1934)).
    """

    agreement: float
    mean: float
    low: float
    high: float
    is_constant: bool

    def is_lost(self, modest: float) -> bool:
        """Whether nothing is left of it for certain, where a modest decoder has so much."""
        return modest > 0 and self.high < min(SKILL_OF_MANY, SKILL_OF_MODEST * modest)


def _skill(flips: Bits, reference: Bits, error_prob: float = FALSE_ALARM_PROB) -> _Skill:
    right = (flips == reference).all(axis=1)
    constant = max(np.unique(reference, axis=0, return_counts=True)[1]) / len(reference)
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(1 - 2 * error_prob)
    is_constant = bool((flips == flips[0]).all())
    mean, low, high = (
        float((share - constant) / max(1 - constant, 1e-9)) for share in (right.mean(), interval.low, interval.high)
    )
    return _Skill(float(right.mean()), mean, low, 0.0 if is_constant else high, is_constant)


def many_events(
    patient: Patient, shots: Shots, company: Company, wrong_errors: Sequence[int], remembers: bool, sees_layers: bool,
    explained: bool,
) -> Finding:  # fmt: skip
    """Whether it decodes shots of any number of events, beside what modest decoders do with them.

    Args:
        patient: under examination.
        shots: see `crowded`.
        company: modest decoders.
        wrong_errors: the single errors that it decodes wrongly; the modest decoders that leave out as much are its
            measure.
        remembers: whether its answers depend on other shots; then shots of many events spoil one another.
        sees_layers: whether it tells the layers apart; if not, it is judged beside one that does not, either.
        explained: whether another order or a detector that is not heeded makes answers wrong: for some numbers of
            events more than for others.
    """
    check = "decodes many events as well as few"
    if remembers:
        return skipped(check, "its answers depend on other shots, too")
    flips, counts = patient.decode(shots.events), _num_events(patient, shots.events)
    defects = patient.problem.graph.defects(shots.events)
    blind = without_layers(patient.problem.graph)(defects)
    peers = company.of_its_kind(frozenset(wrong_errors)) if sees_layers else []
    modest = [company.decoders[name](defects) for name in peers]
    first = company.decoders[GREEDY](defects) if modest else blind
    agree, few = _falls(flips, first, shots.reference, counts)
    if few is not None:
        return few
    if not agree:
        return skipped(check, "too few shots: nothing to compare with")
    gap = None if explained else _gap(flips, modest or [blind], shots.reference, counts)
    if gap is not None:
        return gap
    return passed(check, f"agreement with PyMatching: {agree}")


def _falls(flips: Bits, modest: Bits, reference: Bits, counts: NDArray[np.int64]) -> tuple[str, Finding | None]:
    """The agreement by numbers of events, in words, and the finding where it is lost at once from some number on."""
    skills: dict[str, _Skill] = {}
    beside: dict[str, float] = {}  # what the modest decoder has
    for least, most in BUCKETS:
        chosen = (counts >= least) & (counts <= most)
        if chosen.sum() >= LEAST_SHOTS:
            name = f"{least} to {most}" if most < BUCKETS[-1][1] else f"{least} and more"
            skills[name] = _skill(flips[chosen], reference[chosen])
            beside[name] = _skill(modest[chosen], reference[chosen]).mean
    agree = ", ".join(f"{name} events {skill.agreement:.0%}" for name, skill in skills.items())
    names = list(skills)
    if not names or skills[names[0]].low < SKILL_OF_FEW:
        return agree, None
    for index, name in enumerate(names[1:], 1):
        before = names[index - 1]
        falls_at_once = skills[before].mean >= SKILL_BEFORE * beside[before]
        if falls_at_once and all(skills[later].is_lost(beside[later]) for later in names[index:]):
            least_events = name.partition(" ")[0]
            return agree, failed(
                "decodes many events as well as few", "right only for few events",
                f"agreement with PyMatching: {agree}; from {least_events} events on no better than a constant one"
                + (" (always the same)" if skills[name].is_constant else ""),
                "look for a queue, a list or a counter that is too small, or a walk that ends too early",
                least_events=int(least_events),
            )  # fmt: skip
    return agree, None


def _gap(flips: Bits, modest: Sequence[Bits], reference: Bits, counts: NDArray[np.int64]) -> Finding | None:
    """Numbers of events for which it is wrong, where for all others it is as good as modest decoders."""
    skills: dict[int, _Skill] = {}
    beside: dict[int, float] = {}  # what the worst of the modest ones has
    for count in range(1, COUNTS + 1):
        chosen = counts == count
        if chosen.sum() >= LEAST_SHOTS:
            skills[count] = _skill(flips[chosen], reference[chosen], FALSE_ALARM_PROB / COUNTS)
            beside[count] = min(_skill(each[chosen], reference[chosen]).mean for each in modest)
    judged = [count for count in skills if beside[count] > 0]
    lost = [count for count in judged if skills[count].is_lost(beside[count])]
    well = [
        count for count in judged
        if skills[count].mean >= SKILL_BEFORE * beside[count] or skills[count].agreement >= NEARLY_ALL
    ]  # fmt: skip
    if not lost or set(lost) | set(well) != set(judged) or len(lost) >= len(well):
        return None
    agree = ", ".join(f"{count}: {skill.agreement:.0%}" for count, skill in skills.items())
    numbers = " and ".join(map(str, lost))
    return failed(
        "decodes many events as well as few", f"wrong for shots of {numbers} event{'s' if lost != [1] else ''}",
        f"agreement with PyMatching by the number of events: {agree}; for {numbers} no better than a constant answer",
        "look for a counter of events, a list that is full with just so many, or an end that comes one step early",
        events=lost,
    )  # fmt: skip


def crowded(patient: Patient, seed: int) -> Shots:
    """Shots with few events and with many: some of the error model, and several of them in one; by their events."""
    events, observables = [], []
    for copies in CROWD_COPIES:
        samples = [patient.raw_sample(CROWD_SHOTS, seed + 100 * copies + copy) for copy in range(copies)]
        events.append(np.bitwise_xor.reduce([each for each, _ in samples], axis=0))
        observables.append(np.bitwise_xor.reduce([each for _, each in samples], axis=0))
    singles = patient.single_errors()
    all_events = np.concatenate([*events, singles])
    all_observables = np.concatenate([*observables, patient.best(singles)])
    counts = np.minimum(_num_events(patient, all_events), COUNTS + 1)
    picked = np.concatenate([np.flatnonzero(counts == count)[:COUNT_SHOTS] for count in range(1, COUNTS + 2)])
    return patient.known(all_events[picked], all_observables[picked])


def _num_events(patient: Patient, events: Bits) -> NDArray[np.int64]:
    """Events of each shot that the decoder looks at."""
    return np.asarray(patient.problem.graph.defects(events).sum(axis=1, dtype=np.int64))
