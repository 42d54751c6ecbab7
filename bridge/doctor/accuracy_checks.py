"""Checks of the corrections: that they follow the syndrome, help, and are as good as a modest decoder's."""

from dataclasses import dataclass

import numpy as np
import pymatching
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from bridge.codec import unexplained
from bridge.doctor.findings import FALSE_ALARM_PROB, Finding, failed, passed, skipped
from bridge.doctor.patient import Patient, Shots
from bridge.problem import DecodingProblem
from bridge.statistics import binomial_rate
from hdl.compile.graph import BOUNDARY, combine_probabilities
from hdl.compile.pairs import decode_greedily, edge_observables, greedy_pairs
from hdl.errors import ErrorModelError
from qds1.shots import Bits

MIN_REFERENCE_FLIPS = 20
WORST_RATIO = 2.5
"""Logical errors by PyMatching's that are modest yet: greedy matching, unweighted union-find have 1.1 to 1.5 (d=3)."""
WORST_RATIO_GREEDY = 1.5
"""The same by those of greedy matching, which grow with the distance as a modest decoder's do."""
BUCKETS = ((1, 2), (3, 4), (5, 6), (7, 9), (10, 1 << 30))
"""Numbers of events of a shot that are judged together."""
BUCKET_SHOTS = 1000
CROWD_SHOTS, CROWD_COPIES = 12_000, (1, 2, 4, 6)
"""Shots that are sampled for the buckets, for each number of shots that are put into one."""
SKILL_OF_FEW, SKILL_OF_MANY = 0.5, 0.2
"""Skill with few events that a decoder must have, and skill with many that it must not, to be right for few only."""
SKILL_OF_MODEST, SKILL_BEFORE = 0.5, 0.8
"""Nor half of greedy matching's, with which decoders that are well disagree as well; but nearly all of it with one
event less: what falls slowly is a decoder of modest accuracy."""


def answers_vary(flips: Bits, reference: Bits) -> Finding:
    """Whether the answers depend on the shot at all."""
    check = "answers depend on the syndrome"
    expected = int(reference.any(axis=1).sum())
    if expected < MIN_REFERENCE_FLIPS:
        return skipped(check, f"only {expected} of {len(reference)} shots need a flip; use more shots or more noise")
    if (flips == flips[0]).all():
        return failed(
            check, "constant output",
            f"all {len(flips)} answers are {flips[0].tolist()}; PyMatching flips an observable in {expected} of them",
            "check that the core's result reaches the answer, and that events reach the core",
        )  # fmt: skip
    for k in range(flips.shape[1]):
        needed = int(reference[:, k].sum())
        if flips.shape[1] > 1 and needed >= MIN_REFERENCE_FLIPS and (flips[:, k] == flips[0, k]).all():
            return failed(
                check, f"observable {k} is not decoded",
                f"its flip is {flips[0, k]} in all {len(flips)} answers; PyMatching flips it in {needed}",
                "bit k of the flips is observable k; check the width of the answer",
            )  # fmt: skip
    return passed(check, f"{int(flips.any(axis=1).sum())} of {len(flips)} shots flipped, by PyMatching {expected}")


def annihilates_the_syndrome(patient: Patient, corrections: Bits, shots: Shots) -> Finding:
    """Whether corrections of data qubits explain every event."""
    check = "corrections annihilate the syndrome"
    if patient.manifest.corrections != "data_qubits":
        return skipped(check, "it answers observable flips; they are judged by what is left of logical errors")
    left = unexplained(corrections[:, : patient.dialect.correction_bits], shots.events, patient.problem)
    bad = np.flatnonzero(left.any(axis=1))
    if not bad.size:
        return passed(check, f"{len(shots)} shots, every stabilizer back at 0")
    first = int(bad[0])
    return failed(
        check, "corrections that do not annihilate the syndrome",
        f"{bad.size} of {len(shots)} shots; after the correction of shot {first}, stabilizers "
        f"{np.flatnonzero(left[first]).tolist()} still fire",
        "the correction's parity on each stabilizer must be that of all its events; bit i is data qubit i",
        wrong=int(bad.size),
    )  # fmt: skip


def helps(flips: Bits, shots: Shots) -> Finding:
    """Whether decoding leaves significantly fewer logical errors than not decoding, for each observable."""
    check = "fewer logical errors than without it"
    ours = (flips != shots.observables).any(axis=1)
    raw, theirs = shots.observables.any(axis=1), (shots.reference != shots.observables).any(axis=1)
    rate = binomial_rate(int(ours.sum()), len(shots))
    evidence = (
        f"{ours.sum()} of {len(shots)} shots wrong (95% interval {rate.low:.2e} to {rate.high:.2e}), PyMatching "
        f"{theirs.sum()}, undecoded {raw.sum()}"
    )
    if raw.sum() < MIN_REFERENCE_FLIPS:
        return skipped(check, f"{evidence}: too few errors to judge")
    judged = [k for k in range(flips.shape[1]) if int(shots.observables[:, k].sum()) >= MIN_REFERENCE_FLIPS]
    lost = [k for k in judged if not _helped(flips[:, [k]], shots.observables[:, [k]])]
    if lost and len(lost) < len(judged):
        k = lost[0]
        own, theirs_own = (each[:, k] != shots.observables[:, k] for each in (flips, shots.reference))
        return failed(
            check, f"observable {k} is not decoded",
            f"{int(own.sum())} of {len(shots)} shots have it wrong, PyMatching {int(theirs_own.sum())}, undecoded "
            f"{int(shots.observables[:, k].sum())}; all observables: {evidence}",
            "bit k of the flips is observable k; compare its part of the error model",
        )  # fmt: skip
    if not _helped(flips, shots.observables):
        harmed = int((ours & ~raw).sum())
        return failed(
            check, "does not decode",
            f"{evidence}; it corrected {int((raw & ~ours).sum())} shots and spoiled {harmed}",
            "compare its answers with PyMatching's shot by shot: `qtwin loop` writes those it got wrong",
        )  # fmt: skip
    return passed(
        check, evidence, logical_errors=int(ours.sum()), reference=int(theirs.sum()), undecoded=int(raw.sum())
    )


def _helped(flips: Bits, observables: Bits) -> bool:
    """Whether significantly more shots are corrected than spoiled (sign test)."""
    ours, raw = (flips != observables).any(axis=1), observables.any(axis=1)
    helped, harmed = int((raw & ~ours).sum()), int((ours & ~raw).sum())
    return bool(
        helped + harmed and binomtest(helped, helped + harmed, alternative="greater").pvalue <= FALSE_ALARM_PROB
    )


def good_enough(patient: Patient, flips: Bits, shots: Shots, sees_layers: bool) -> Finding:
    """Whether it is at most as bad as modest decoders are: greedy matching, unweighted union-find.

    Args:
        patient: under examination.
        flips: its answers.
        shots: what it was sent.
        sees_layers: whether it can tell a stabilizer's events of one layer from those of another; one that cannot is
            compared with PyMatching on what it sees.
    """
    check = "as good as modest decoders are"
    what, reference = "PyMatching", shots.reference
    if not sees_layers:
        what, reference = "PyMatching that sees no layers either", _without_layers(patient.problem, shots.events)
    bounds = {what: (WORST_RATIO, (reference != shots.observables).any(axis=1))}
    greedy = None if not sees_layers else _greedy(patient.problem, shots.events)
    if greedy is not None:
        bounds["greedy matching"] = (WORST_RATIO_GREEDY, (greedy != shots.observables).any(axis=1))
    ours = (flips != shots.observables).any(axis=1)
    found = {name: int(wrong.sum()) for name, (_, wrong) in bounds.items()}
    best = found[what]
    evidence = f"{int(ours.sum())} of {len(shots)} shots wrong, {', '.join(f'{n} {k}' for n, k in found.items())}"
    ratio = f"{ours.sum() / best:.2f} times {what}'s" if best else f"{what} none"
    if all(_worse(int(ours.sum()), int(wrong.sum()), bound) for bound, wrong in bounds.values()):
        limits = " and ".join(f"more than {bound:g} times as often as {name}" for name, (bound, _) in bounds.items())
        return failed(
            check, "much worse than PyMatching", f"{evidence}: {ratio}; wrong {limits} (chance of this for one that is "
            f"not: below {FALSE_ALARM_PROB:.0e})",
            "look at the single errors that it decodes wrongly, and at what it was made for: its error model, its "
            "weights, the order of its detectors",
            ratio=float(ours.sum() / max(1, best)), errors=found,
        )  # fmt: skip
    return passed(check, f"{evidence}: {ratio}", ratio=float(ours.sum() / max(1, best)), errors=found)


def _worse(ours: int, theirs: int, bound: float) -> bool:
    """Whether the ratio of two counts is significantly above a bound.

    Given their sum, the first of two Poisson counts of ratio r is binomial with r / (1 + r) (Przyborowski and Wilenski,
    Biometrika 31, 313 (1940)). Both decode the same shots, which only makes the ratio's spread smaller.
    """
    return ours > bound * theirs and bool(binom.sf(ours - 1, ours + theirs, bound / (1 + bound)) <= FALSE_ALARM_PROB)


def _greedy(problem: DecodingProblem, events: Bits) -> Bits | None:
    try:
        pairs = greedy_pairs(problem.graph, edge_observables(problem.graph))
    except ErrorModelError:
        return None
    return decode_greedily(pairs, problem.graph.defects(events))


def _without_layers(problem: DecodingProblem, events: Bits) -> Bits:
    """The best flips for one that knows of each stabilizer only the parity of its events: PyMatching on one layer."""
    graph, layout = problem.graph, problem.layout
    place = {int(index): i for i, index in enumerate(graph.layer_select)}
    bits = [place[int(layout.detector_bit[detector])] for detector in graph.vertex_detector]
    edges: dict[tuple[int, int, int], float] = {}
    for u, v, flips, prob in zip(
        graph.edge_u, graph.edge_v, graph.edge_observables, graph.edge_probability, strict=True
    ):
        first, second = bits[u], -1 if v == BOUNDARY else bits[v]
        if first != second:
            key = (min(first, second), max(first, second), int(flips))
            edges[key] = combine_probabilities(edges.get(key, 0.0), float(prob))
    likeliest: dict[tuple[int, int], tuple[float, int]] = {}
    for (first, second, flips), prob in edges.items():
        likeliest[first, second] = max(likeliest.get((first, second), (0.0, 0)), (prob, flips))
    matching = pymatching.Matching()
    matching.ensure_num_fault_ids(graph.num_observables)
    for (first, second), (prob, flips) in likeliest.items():
        ids = {k for k in range(graph.num_observables) if flips >> k & 1}
        weight = float(np.log((1 - prob) / prob))
        if first == -1:
            matching.add_boundary_edge(second, fault_ids=ids, weight=weight)
        else:
            matching.add_edge(first, second, fault_ids=ids, weight=weight)
    layers = layout.events_by_layer(events.astype(bool))[:, :, graph.layer_select]
    return np.asarray(matching.decode_batch(np.bitwise_xor.reduce(layers, axis=1).astype(np.uint8)), dtype=np.uint8)


@dataclass(frozen=True)
class _Skill:
    """How much of what PyMatching knows beyond a constant answer a decoder knows, too: 1 all of it, 0 nothing.

    low, high: limits that are missed with FALSE_ALARM_PROB (Clopper and Pearson, Biometrika 26, 404 (1934)).
    """

    agreement: float
    mean: float
    low: float
    high: float
    is_constant: bool


def _skill(flips: Bits, reference: Bits) -> _Skill:
    right = (flips == reference).all(axis=1)
    constant = max(np.unique(reference, axis=0, return_counts=True)[1]) / len(reference)
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(1 - 2 * FALSE_ALARM_PROB)
    is_constant = bool((flips == flips[0]).all())
    mean, low, high = (
        float((share - constant) / max(1 - constant, 1e-9)) for share in (right.mean(), interval.low, interval.high)
    )
    return _Skill(float(right.mean()), mean, low, 0.0 if is_constant else high, is_constant)


def many_events(patient: Patient, shots: Shots, remembers: bool, sees_layers: bool) -> Finding:
    """Whether it decodes shots of many events as it does those of few, beside what a modest decoder does with them.

    Args:
        patient: under examination.
        shots: see `crowded`.
        remembers: whether its answers depend on other shots; then shots of many events spoil one another.
        sees_layers: see `good_enough`.
    """
    check = "decodes many events as well as few"
    if remembers:
        return skipped(check, "its answers depend on other shots, too")
    flips, counts = patient.decode(shots.events), _num_events(patient, shots.events)
    modest = _greedy(patient.problem, shots.events) if sees_layers else None
    if modest is None:
        modest = _without_layers(patient.problem, shots.events)
    skills: dict[str, _Skill] = {}
    beside: dict[str, float] = {}  # what the modest decoder has
    for least, most in BUCKETS:
        chosen = (counts >= least) & (counts <= most)
        if chosen.sum() >= BUCKET_SHOTS // 4:
            name = f"{least} to {most}" if most < BUCKETS[-1][1] else f"{least} and more"
            skills[name] = _skill(flips[chosen], shots.reference[chosen])
            beside[name] = _skill(modest[chosen], shots.reference[chosen]).mean
    agree = ", ".join(f"{name} events {skill.agreement:.0%}" for name, skill in skills.items())
    names = list(skills)
    if not names or skills[names[0]].low < SKILL_OF_FEW:
        return skipped(check, f"agreement with PyMatching: {agree or 'too few shots'}: nothing to compare with")
    for index, name in enumerate(names[1:], 1):
        before = names[index - 1]
        falls_at_once = skills[before].mean >= SKILL_BEFORE * beside[before]
        if falls_at_once and all(
            skills[later].high < min(SKILL_OF_MANY, SKILL_OF_MODEST * beside[later]) for later in names[index:]
        ):
            least_events = name.partition(" ")[0]
            return failed(
                check, "right only for few events",
                f"agreement with PyMatching: {agree}; from {least_events} events on no better than a constant one"
                + (" (always the same)" if skills[name].is_constant else ""),
                "look for a queue, a list or a counter that is too small, or a walk that ends too early",
                least_events=int(least_events),
            )  # fmt: skip
    return passed(check, f"agreement with PyMatching: {agree}")


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
    counts = _num_events(patient, all_events)
    picked = np.concatenate(
        [np.flatnonzero((counts >= least) & (counts <= most))[:BUCKET_SHOTS] for least, most in BUCKETS]
    )
    return patient.known(all_events[picked], all_observables[picked])


def _num_events(patient: Patient, events: Bits) -> NDArray[np.int64]:
    """Events of each shot that the decoder looks at."""
    return np.asarray(patient.problem.graph.defects(events).sum(axis=1, dtype=np.int64))
