"""Checks of the corrections: that they follow the syndrome, help, and are read the right way round."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from bridge.codec import unexplained
from bridge.doctor.findings import FALSE_ALARM_PROB, Finding, failed, passed, skipped
from bridge.doctor.hypotheses import Hypothesis, input_hypotheses, output_hypotheses
from bridge.doctor.patient import Patient, Shots
from bridge.statistics import binomial_rate
from hdl.compile.graph import BOUNDARY
from qds1.shots import Bits, Words

MIN_REFERENCE_FLIPS = 20
MIN_GAIN = 0.03
"""Agreement that another order must win before it counts as the better one."""


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
    """Whether decoding leaves significantly fewer logical errors than not decoding."""
    check = "fewer logical errors than without it"
    ours = (flips != shots.observables).any(axis=1)
    raw, theirs = shots.observables.any(axis=1), (shots.reference != shots.observables).any(axis=1)
    helped, harmed = int((raw & ~ours).sum()), int((ours & ~raw).sum())
    rate = binomial_rate(int(ours.sum()), len(shots))
    evidence = (
        f"{ours.sum()} of {len(shots)} shots wrong (95% interval {rate.low:.2e} to {rate.high:.2e}), PyMatching "
        f"{theirs.sum()}, undecoded {raw.sum()}"
    )
    if helped + harmed == 0 or binomtest(helped, helped + harmed, alternative="greater").pvalue > FALSE_ALARM_PROB:
        if raw.sum() < MIN_REFERENCE_FLIPS:
            return skipped(check, f"{evidence}: too few errors to judge")
        return failed(
            check, "does not decode",
            f"{evidence}; it corrected {helped} shots and spoiled {harmed}",
            "compare its answers with PyMatching's shot by shot: `qtwin loop` writes those it got wrong",
        )  # fmt: skip
    return passed(
        check, evidence, logical_errors=int(ours.sum()), reference=int(theirs.sum()), undecoded=int(raw.sum())
    )


def single_errors(patient: Patient) -> Finding:
    """Whether the decoder heeds every layer: single errors within each, against PyMatching."""
    check = "every round is heeded"
    graph = patient.problem.graph
    ends = np.stack([graph.edge_u, graph.edge_v], axis=1)
    events = np.zeros((graph.num_edges, patient.problem.error_model.num_detectors), dtype=np.uint8)
    for index, pair in enumerate(ends):
        events[index, graph.vertex_detector[pair[pair != BOUNDARY]]] = 1
    flips = (graph.edge_observables[:, None] >> np.arange(graph.num_observables) & 1).astype(np.uint8)
    shots = patient.known(events, flips)
    _, answers = patient.answer(patient.words(events), len(shots))
    if len(answers.messages) != len(shots):
        return skipped(check, "not every shot was answered")
    right = (patient.flips(answers) == shots.reference).all(axis=1)
    layer = graph.vertex_layer
    within = (graph.edge_v == BOUNDARY) | (layer[graph.edge_u] == layer[graph.edge_v])
    telling = within & shots.reference.any(axis=1)
    counts = {}
    for t in np.unique(layer):
        tried = telling & (layer[graph.edge_u] == t)
        counts[int(t)] = (int(right[tried].sum()), int(tried.sum()))
    total = f"{int(right.sum())} of {len(shots)} single errors decoded as PyMatching does"
    blind = [t for t, (hits, tries) in counts.items() if tries and not hits]
    if blind and len(blind) < len([t for t, (_, tries) in counts.items() if tries]):
        named = ", ".join(f"layer {t} (0 of {counts[t][1]})" for t in blind)
        edge = "off by one round: " if set(blind) <= {min(counts), max(counts)} else ""
        return failed(
            check, f"{edge}it does not heed layer {', '.join(map(str, blind))}",
            f"{total}; none of those that flip an observable in {named}",
            "a shot has one layer more than rounds: layer 0 is the first round, the last is rebuilt from MEAS_DATA",
            by_layer=counts,
        )  # fmt: skip
    return passed(check, total, by_layer=counts)


def right_way_round(patient: Patient, shots: Shots, session: Mapping[str, Any]) -> tuple[Finding, int]:
    """Whether another order of bits, rounds or answers makes significantly more sense; how many were compared."""
    check = "bits, rounds and answers in the right order"
    words = patient.words(shots.events)
    hypotheses = [*output_hypotheses(shots, words), *input_hypotheses(patient, shots, session)]
    as_is = _right_answers(patient, shots, words)
    if as_is is None:
        return skipped(check, "not every shot was answered"), 0
    results: list[tuple[float, float, Hypothesis]] = []
    for hypothesis in hypotheses:
        result = _compare(patient, hypothesis, as_is, shots, len(hypotheses))
        if result is not None:
            results.append((*result, hypothesis))
    agreement = f"{as_is.mean():.1%} of {len(shots)} shots with events agree with PyMatching"
    if not results:
        return passed(check, f"{agreement}; none of {len(hypotheses)} other orders fits better"), len(hypotheses)
    results.sort(key=lambda result: -result[0])
    best, before, hypothesis = results[0]
    others = [other.diagnosis for share, _, other in results[1:] if best - share < MIN_GAIN]
    also = f"; as good: {', '.join(others)}" if others else ""
    return failed(
        check, hypothesis.diagnosis,
        f"as it is, {before:.1%} of {len(hypothesis.shots)} shots agree with PyMatching; taken so, {best:.1%}{also}",
        hypothesis.remedy, agreement=before, agreement_so=best, equivalent=others,
    ), len(hypotheses)  # fmt: skip


def _right_answers(patient: Patient, shots: Shots, words: Words) -> NDArray[np.bool_] | None:
    _, answers = patient.answer(words, len(shots))
    if answers.garbage or len(answers.messages) != len(shots):
        return None
    right: NDArray[np.bool_] = (patient.flips(answers) == shots.reference).all(axis=1)
    return right


def _compare(
    patient: Patient, hypothesis: Hypothesis, as_is: NDArray[np.bool_], shots: Shots, num_hypotheses: int
) -> tuple[float, float] | None:
    """Agreement under a hypothesis and without it, where it is significantly better (sign test on the same shots)."""
    base = hypothesis.shots
    before = as_is if base is shots else _right_answers(patient, base, patient.words(base.events))
    _, answers = patient.answer(hypothesis.words, len(base))
    if before is None or not len(base) or answers.garbage or len(answers.messages) != len(base):
        return None
    right = (hypothesis.read(patient.flips(answers)) == base.reference).all(axis=1)
    won, lost = int((right & ~before).sum()), int((before & ~right).sum())
    if right.mean() - before.mean() < MIN_GAIN:
        return None
    if binomtest(won, won + lost, alternative="greater").pvalue > FALSE_ALARM_PROB / num_hypotheses:
        return None
    return float(right.mean()), float(before.mean())
