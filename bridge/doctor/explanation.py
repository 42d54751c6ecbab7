"""The best explanation of a decoder that disagrees with PyMatching: an order of bits, rounds or answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from bridge.doctor.findings import FALSE_ALARM_PROB, Finding, failed, passed, skipped
from bridge.doctor.heed_checks import Heeded, SingleErrors
from bridge.doctor.hypotheses import Hypothesis, exchanges, input_hypotheses, inversions, output_hypotheses
from bridge.doctor.patient import Patient, Shots
from qds1.shots import Bits

CHECK = "bits, rounds and answers in the right order"
MIN_GAIN = 0.01
"""Agreement that another order must win before it counts as the better one."""
TIE = 0.003
"""Agreements that are no more different than that are taken for equal."""
FIRST_SHOTS = 150
"""Of an exchange; the best of all go on."""
BEST_EXCHANGES = 10
EXCHANGES_S = 30.0
"""Wall clock for trying exchanges; fewer are tried of a decoder whose simulation is slow."""
GOOD_AGREEMENT = 0.995
"""With it, and with every single error right, no two things are exchanged."""


@dataclass(frozen=True)
class _Result:
    agreement: float
    before: float
    constant: float
    hypothesis: Hypothesis


def right_way_round(
    patient: Patient, shots: Shots, many: Shots, session: Mapping[str, Any], singles: SingleErrors, heeded: Heeded,
    remembers: bool,
) -> Finding:  # fmt: skip
    """Whether another order of bits, rounds or answers makes significantly more sense.

    An order is named when the answers agree with PyMatching's significantly more often than as they are, and more
    often than the best constant answer does.

    Args:
        patient: under examination.
        shots: with events.
        many: more of them.
        session: with the places of the stabilizers.
        singles: its answers to single errors.
        heeded: what it heeds; what it does not explains much by itself.
        remembers: whether its answers depend on other shots; then an order of the input explains nothing.
    """
    if not len(shots):
        return skipped(CHECK, "no shot has an event")
    words = patient.words(shots.events)
    right = (patient.decode(shots.events) == shots.reference).all(axis=1)
    tried = output_hypotheses(shots, words, patient.problem.graph.vertex_detector.tolist())
    tried += [] if remembers else input_hypotheses(
        patient, shots, many, session, keeps_layers=heeded.keeps_layers
    )  # fmt: skip
    count = len(tried)
    if not remembers and (right.mean() < GOOD_AGREEMENT or singles.wrong):
        count += _try_some(patient, shots, singles, tried)
    return _verdict(patient, shots, right, tried, count, heeded.deaf)


def explain_constant(patient: Patient, shots: Shots, session: Mapping[str, Any]) -> Finding:
    """Whether there is an order of the input with which answers that are all the same become right ones.

    Bytes that are swapped, or a payload that is read from its other end, bring no event to a decoder at all.
    """
    if not len(shots):
        return skipped(CHECK, "no shot has an event")
    right = (patient.decode(shots.events) == shots.reference).all(axis=1)
    tried = input_hypotheses(patient, shots, shots, session, keeps_layers=True)
    tried += inversions(patient, shots)
    return _verdict(patient, shots, right, tried, len(tried), ())


def _try_some(patient: Patient, shots: Shots, singles: SingleErrors, tried: list[Hypothesis]) -> int:
    """Add the best of what there is much of, exchanges and inversions; returns how many were tried."""
    affordable = int(EXCHANGES_S / max(FIRST_SHOTS * patient.shot_s, 1e-6))
    some = [*inversions(patient, shots), *exchanges(patient, shots, singles)][:affordable]
    tried += _promising(patient, some)
    return len(some)


def _verdict(
    patient: Patient, shots: Shots, right: NDArray[np.bool_], tried: list[Hypothesis], count: int, deaf: tuple[int, ...]
) -> Finding:
    """The best of what was tried; of explanations about as good, one that holds for more shots.

    Args:
        patient: under examination.
        shots: with events.
        right: which of them it answers as PyMatching does.
        tried: hypotheses; the simpler ones come first.
        count: how many there were before the best of them were chosen.
        deaf: detectors that it does not heed.
    """
    agreement = f"{right.mean():.1%} of {len(shots)} shots with events agree with PyMatching"
    results = [result for each in tried if (result := _compare(patient, each, right, shots, count)) is not None]
    if not results:
        return passed(CHECK, f"{agreement}; none of {count} other orders fits better")
    top = max(result.agreement for result in results)
    covered = max(len(result.hypothesis.shots) for result in results if result.agreement > top - MIN_GAIN)
    widest = [result for result in results if len(result.hypothesis.shots) == covered]
    best = next(each for each in widest if each.agreement > max(other.agreement for other in widest) - TIE)
    unheard = ~shots.events[:, list(deaf)].any(axis=1)
    if deaf and unheard.any() and right[unheard].mean() >= best.agreement:
        return passed(
            CHECK, f"{agreement}, and {right[unheard].mean():.1%} of those without events that it does not heed; none "
            f"of {count} other orders fits better",
        )  # fmt: skip
    others = [other.hypothesis.diagnosis for other in results if other is not best and other.agreement > top - MIN_GAIN]
    also = f"; as good: {', '.join(others)}" if others else ""
    return failed(
        CHECK, best.hypothesis.diagnosis,
        f"the best explanation of {count} tried: as it is, {best.before:.1%} of {len(best.hypothesis.shots)} shots "
        f"agree with PyMatching (a constant answer: {best.constant:.1%}); taken so, {best.agreement:.1%}{also}",
        best.hypothesis.remedy, agreement=best.before, agreement_so=best.agreement, constant=best.constant,
        equivalent=others, tried=count,
    )  # fmt: skip


def _promising(patient: Patient, tried: list[Hypothesis]) -> list[Hypothesis]:
    """Those whose first shots agree best, in their order: of what agrees alike, the simpler comes first."""
    scores = []
    for each in tried:
        some = each.first(FIRST_SHOTS)
        agreed = _agreement(patient, some)
        scores.append(-1.0 if agreed is None else float(agreed.mean()))
    best = np.argsort(-np.array(scores), kind="stable")[:BEST_EXCHANGES]
    return [tried[int(index)] for index in sorted(best)]


def _agreement(patient: Patient, hypothesis: Hypothesis) -> NDArray[np.bool_] | None:
    """Which of its shots are answered as PyMatching does under a hypothesis."""
    shots = hypothesis.shots
    if not len(shots):
        return None
    _, answers = patient.answer(hypothesis.words, len(shots))
    if answers.garbage or len(answers.messages) != len(shots):
        return None
    agreed: NDArray[np.bool_] = (hypothesis.read(patient.flips(answers)) == shots.reference).all(axis=1)
    return agreed


def _compare(
    patient: Patient, hypothesis: Hypothesis, as_is: NDArray[np.bool_], shots: Shots, num_tried: int
) -> _Result | None:
    """Agreement under a hypothesis, where it is significantly better than without it and than a constant answer."""
    base = hypothesis.shots
    if base is shots:
        before: NDArray[np.bool_] = as_is
    else:
        if not len(base):
            return None
        before = (patient.decode(base.events) == base.reference).all(axis=1)
    right = _agreement(patient, hypothesis)
    if right is None:
        return None
    constant = (base.reference == _commonest(base.reference)).all(axis=1)
    if not _better(right, before, num_tried) or not _better(right, constant, num_tried):
        return None
    return _Result(float(right.mean()), float(before.mean()), float(constant.mean()), hypothesis)


def _better(right: NDArray[np.bool_], other: NDArray[np.bool_], num_tried: int) -> bool:
    """Whether it is right more often on the same shots (sign test), and by enough."""
    won, lost = int((right & ~other).sum()), int((other & ~right).sum())
    if right.mean() - other.mean() < MIN_GAIN:
        return False
    return bool(binomtest(won, won + lost, alternative="greater").pvalue <= FALSE_ALARM_PROB / num_tried)


def _commonest(flips: Bits) -> Bits:
    values, counts = np.unique(flips, axis=0, return_counts=True)
    return np.asarray(values[counts.argmax()])
