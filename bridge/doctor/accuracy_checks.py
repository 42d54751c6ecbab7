"""Checks of the corrections: that they follow the syndrome, help, and are as good as a modest decoder's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest

from bridge.codec import unexplained
from bridge.doctor.findings import FALSE_ALARM_PROB, Finding, failed, passed, skipped
from bridge.doctor.modest import Company, without_layers
from bridge.doctor.patient import Patient, Shots
from bridge.statistics import binomial_rate
from qds1.shots import Bits

MIN_REFERENCE_FLIPS = 20
WORST_RATIO_OF_PEERS = 1.5
"""Logical errors by those of the worst modest decoder of its kind that are modest yet."""
WORST_RATIO = 2.5
"""The same by those of matching that sees what it sees, where there is no such company."""


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


@dataclass(frozen=True)
class Standing:
    """A decoder among modest ones: shots that each has wrong.

    Attributes:
        num_shots: in all.
        ours, best: the decoder's and PyMatching's.
        peers: those of the modest decoders that it is measured by; it is measured by PyMatching where there are none.
        is_alone: whether the one peer sees no layers, either.
        is_last: whether it is significantly worse than each of several peers (sign test).
    """

    num_shots: int
    ours: int
    best: int
    peers: Mapping[str, int]
    is_alone: bool = False
    is_last: bool = False

    @property
    def worst(self) -> tuple[str, int]:
        """The worst of its peers."""
        return max(self.peers.items(), key=lambda each: each[1], default=("PyMatching", self.best))

    def __str__(self) -> str:
        others = "".join(f", {name} {number}" for name, number in self.peers.items())
        ratio = f": {self.ours / self.best:.2f} times PyMatching's" if self.best else ""
        return f"{self.ours} of {self.num_shots} shots wrong, PyMatching {self.best}{others}{ratio}"


def stand(
    patient: Patient, flips: Bits, shots: Shots, company: Company, wrong_errors: Sequence[int], sees_layers: bool
) -> Standing:
    """How a decoder does beside modest ones that leave out no more single errors than it does.

    Args:
        patient: under examination.
        flips: its answers.
        shots: what it was sent.
        company: modest decoders.
        wrong_errors: the single errors that it decodes wrongly.
        sees_layers: whether it can tell a stabilizer's events of one layer from those of another; one that cannot is
            compared with matching on what it sees.
    """
    defects = patient.problem.graph.defects(shots.events)
    peers = {name: company.decoders[name] for name in company.of_its_kind(frozenset(wrong_errors))}
    if not sees_layers:
        peers = {"matching that sees no layers, either,": without_layers(patient.problem.graph)}
    answers = {name: decode(defects) for name, decode in peers.items()}
    found = {name: _num_wrong(each, shots) for name, each in answers.items()}
    return Standing(
        len(shots), _num_wrong(flips, shots), _num_wrong(shots.reference, shots), found, is_alone=not sees_layers,
        is_last=sees_layers and bool(peers) and all(_is_beaten(flips, each, shots) for each in answers.values()),
    )  # fmt: skip


def good_enough(standing: Standing) -> Finding:
    """Whether it is at most as bad as modest decoders are."""
    check = "as good as modest decoders are"
    name, number = standing.worst
    bound = WORST_RATIO if standing.is_alone or not standing.peers else WORST_RATIO_OF_PEERS
    data = {
        "ratio": standing.ours / max(1, standing.best), "errors": {"PyMatching": standing.best, **standing.peers},
    }  # fmt: skip
    if not _worse(standing.ours, number, bound):
        return passed(check, str(standing), **data)
    return failed(
        check, "much worse than PyMatching",
        f"{standing}; more than {bound:g} times as often as {name} (chance of this for one that is not: below "
        f"{FALSE_ALARM_PROB:.0e})",
        "look at the single errors that it decodes wrongly, and at what it was made for: its error model, its weights, "
        "the order of its detectors", **data,
    )  # fmt: skip


def _is_beaten(flips: Bits, other: Bits, shots: Shots) -> bool:
    """Whether the other one is right significantly more often, of the shots that only one of them has right."""
    ours, theirs = ((each != shots.observables).any(axis=1) for each in (flips, other))
    lost, won = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return bool(lost > won and binomtest(lost, lost + won, alternative="greater").pvalue <= FALSE_ALARM_PROB)


def _num_wrong(flips: Bits, shots: Shots) -> int:
    return int((flips != shots.observables).any(axis=1).sum())


def _worse(ours: int, theirs: int, bound: float) -> bool:
    """Whether the ratio of two counts is significantly above a bound.

    Given their sum, the first of two Poisson counts of ratio r is binomial with r / (1 + r) (Przyborowski and Wilenski,
    Biometrika 31, 313 (1940)). Both decode the same shots, which only makes the ratio's spread smaller.
    """
    return ours > bound * theirs and bool(binom.sf(ours - 1, ours + theirs, bound / (1 + bound)) <= FALSE_ALARM_PROB)
