"""Checks of what a decoder looks at: every detector, every layer, every single error."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.doctor.findings import Finding, failed, passed, skipped, warned
from bridge.doctor.modest import Company, ambiguous_errors, telling_syndromes
from bridge.doctor.patient import Patient
from hdl.compile.graph import BOUNDARY
from qds1.shots import Bits

Vertices = NDArray[np.intp]
MOST_SHOTS = 16_384
BASE_SHOTS = 64
LEAST_BASE_SHOTS = 8
MIN_TOLD = 3
"""Shots in which a detector must matter to PyMatching before a decoder is said not to heed it."""
SURE_SHOTS, SURELY_TOLD = 2000, 20
"""The same in the second look, which a decoder that tells the detector apart now and then passes."""
LISTED = 8
AS_IF_UNKNOWN, LEAST_UNKNOWN = 0.85, 2
"""Share of an error's telling syndromes that are answered as if it was not known, and errors of which that is so."""
LEAST_OF_A_KIND, AS_IF_NONE_KNOWN = 12, 0.6
"""Telling syndromes of all measurement errors together, and the share from which on none of these errors is known."""
KNOWS_S = 10.0
"""Wall clock for finding such syndromes; of a large graph some errors are tried."""


@dataclass(frozen=True)
class SingleErrors:
    """Every error of the graph alone.

    Attributes:
        events: 0/1, shape (edges, detectors).
        reference, flips: PyMatching's and the decoder's, shape (edges, observables).
        names: the detectors that each sets off, in words.
    """

    events: Bits
    reference: Bits
    flips: Bits
    names: tuple[str, ...]

    @property
    def wrong(self) -> list[int]:
        """Those that are decoded otherwise than PyMatching does."""
        return [int(index) for index in np.flatnonzero((self.flips != self.reference).any(axis=1))]


def try_single_errors(patient: Patient) -> SingleErrors:
    """Send each error of the graph; raises UnansweredError."""
    events = patient.single_errors()
    names = (" and ".join(map(str, np.flatnonzero(each).tolist())) for each in events)
    return SingleErrors(events, patient.best(events), patient.decode(events), tuple(names))


def single_errors(
    patient: Patient, found: SingleErrors, company: Company, unknown: Set[int], is_last: bool, explained: bool
) -> Finding:
    """Whether single errors are decoded as PyMatching does; those that are not, with their detectors.

    A code of distance 3 or more lets any single error be corrected; with weights that are far apart a greedy decoder
    has some wrong. So a decoder that has is ill only where no modest decoder leaves out the same ones, no other error
    sets off the same detectors, and it does not know one of them in company with others, either, or is worse than each
    of the modest decoders.

    Args:
        patient: under examination.
        found: its answers.
        company: modest decoders.
        unknown: errors that it does not seem to know, see `knows_errors`.
        is_last: whether it is significantly worse than each of several of them.
        explained: whether something else that was found makes them wrong.
    """
    check = "single errors are decoded"
    count, wrong = len(found.events), found.wrong
    total = f"{count - len(wrong)} of {count} single errors decoded as PyMatching does"
    if not wrong:
        return passed(check, total)
    listed = ", ".join(found.names[index] for index in wrong[:LISTED]) + (", ..." if len(wrong) > LISTED else "")
    touched = found.events[wrong].sum(axis=0, dtype=np.int64)
    often = np.argsort(-touched, kind="stable")[:2]
    most = " and ".join(f"{patient.name_of(int(d))} in {touched[d]}" for d in often if touched[d] > 1)
    evidence = f"{total}; wrong are those that set off detectors {listed}" + (f"; most often {most}" if most else "")
    names = [found.names[index] for index in wrong]
    sure = frozenset(wrong) - ambiguous_errors(patient.problem.graph)
    alike = company.excuses(sure) if sure else None
    if sure and alike is None and company.decoders and (is_last or sure & unknown) and not explained:
        return failed(
            check, "single errors decoded wrongly", f"{evidence}; no modest decoder leaves out just these",
            "each of them alone tells what it is: look for what these have in common, an edge or a row that is missing",
            wrong=names,
        )  # fmt: skip
    also = f"; so does {alike}" if alike is not None else ""
    return warned(
        check, "single errors decoded wrongly", f"{evidence}{also}",
        "a decoder of modest accuracy may; one that is meant to correct every single error has these wrong",
        wrong=names,
    )  # fmt: skip


def knows_errors(
    patient: Patient, company: Company, is_last: bool, why_not: str | None, seed: int
) -> tuple[Finding, frozenset[int]]:
    """Whether it answers as if it knew each error of the graph; and the edges of those that it does not.

    Sent are syndromes of two or three errors that every modest decoder answers in one way when it knows the first of
    them, and in another when it does not. Weights that are off can do the same: it is a warning but for a decoder that
    is worse than all the modest ones.

    Args:
        patient: under examination.
        company: modest decoders.
        is_last: whether it is worse than each of them.
        why_not: a reason not to look; None for none.
        seed: of the syndromes.
    """
    check = "every error is known"
    graph = patient.problem.graph
    if why_not is not None or not company.decoders:
        return skipped(check, why_not or "there is nothing to compare with"), frozenset()
    telling = telling_syndromes(graph, seed, KNOWS_S)
    if not telling:
        return skipped(check, "no syndrome tells"), frozenset()
    events = patient.nothing(sum(len(each.defects) for each in telling))
    events[:, graph.vertex_detector] = np.concatenate([each.defects for each in telling])
    right = (patient.decode(events) == np.concatenate([each.flips for each in telling])).all(axis=1)
    ends = np.cumsum([len(each.defects) for each in telling])
    as_if_not = [~each for each in np.split(right, ends[:-1])]
    edges = [each.edge for each, w in zip(telling, as_if_not, strict=True) if w.mean() >= AS_IF_UNKNOWN]
    unknown = [_error_in_words(patient, edge) for edge in edges]
    measured = [w for each, w in zip(telling, as_if_not, strict=True) if _is_measurement(patient, each.edge)]
    of_measurements = np.concatenate(measured) if measured else np.zeros(0, dtype=bool)
    none_measured = of_measurements.size >= LEAST_OF_A_KIND and of_measurements.mean() >= AS_IF_NONE_KNOWN
    tried = f"{len(events)} syndromes that tell of {len(telling)} errors whether they are known"
    if len(unknown) < LEAST_UNKNOWN and not none_measured:
        return passed(check, tried), frozenset(edges)
    evidence = f"of {tried}, those of {len(unknown)} errors are answered as if these were not"
    evidence += f": {', '.join(unknown[:LISTED])}" if unknown else ""
    if none_measured:
        evidence += (
            f"; of those that tell of {len(measured)} measurement errors, {int(of_measurements.sum())} of "
            f"{of_measurements.size} are"
        )
    remedy = "look for pairs that are not matched, rows that are left out of a list, weights that are far off"
    if is_last:
        evidence += "; and it is worse than each of the modest decoders"
        return failed(check, "does not know errors of its graph", evidence, remedy, errors=unknown), frozenset(edges)
    found = warned(check, "answers as if it did not know some errors", evidence, remedy, errors=unknown)
    return found, frozenset(edges)


def _error_in_words(patient: Patient, edge: int) -> str:
    graph = patient.problem.graph
    u, v = int(graph.edge_u[edge]), int(graph.edge_v[edge])
    first = int(graph.vertex_detector[u])
    if v == BOUNDARY:
        return f"detector {first} and the boundary"
    bit = graph.layout.detector_bit[first]
    measurement = f" (a measurement of stabilizer {bit})" if _is_measurement(patient, edge) else ""
    return f"detectors {first} and {int(graph.vertex_detector[v])}{measurement}"


def _is_measurement(patient: Patient, edge: int) -> bool:
    """Whether an error sets off one stabilizer in two layers."""
    graph = patient.problem.graph
    bits = graph.layout.detector_bit[graph.vertex_detector]
    return bool(graph.edge_v[edge] != BOUNDARY and bits[graph.edge_u[edge]] == bits[graph.edge_v[edge]])


@dataclass(frozen=True)
class Heeded:
    """What the decoder's answers depend on.

    Attributes:
        finding: about the detectors.
        deaf, deaf_layers: detectors that it does not heed; their layers, where it heeds no detector of these.
        layers: about the layers.
        sees_layers: False for one that knows only the parity of each stabilizer's events.
    """

    finding: Finding
    deaf: tuple[int, ...]
    deaf_layers: tuple[int, ...]
    layers: Finding
    sees_layers: bool

    @property
    def keeps_layers(self) -> bool:
        """Whether what it does not heed, if anything, is whole layers."""
        return bool(not self.deaf or self.deaf_layers)


def heeds(patient: Patient, seed: int) -> Heeded:
    """Flip each detector in shots of all sorts, and see whether the answer is ever another."""
    check, layers_check = "every detector is heeded", "tells the layers apart"
    detectors = patient.problem.graph.vertex_detector
    count = max(LEAST_BASE_SHOTS, min(BASE_SHOTS, MOST_SHOTS // (len(detectors) + 1)))
    some = patient.telling(8 * count, seed).first(count - count // 4).events
    base = np.concatenate([patient.nothing(count - len(some)), some])
    flipped = np.repeat(base[None], len(detectors) + 1, axis=0)
    for row, detector in enumerate(detectors, 1):
        flipped[row, :, detector] ^= 1
    events = flipped.reshape(-1, base.shape[1])
    flips = patient.decode(events)
    ours, theirs = (
        (each.reshape(len(detectors) + 1, count, -1)[1:] != each.reshape(len(detectors) + 1, count, -1)[0])
        for each in (flips, patient.best(events))
    )
    told, changed = theirs.any(axis=2).sum(axis=1), ours.any(axis=2).sum(axis=1)
    silent = changed == 0
    deaf = np.flatnonzero(silent & (told >= MIN_TOLD))
    deaf = np.array([v for v in deaf if silent.all() or _is_deaf(patient, int(detectors[v]), seed)], dtype=np.intp)
    tried = f"each of {len(detectors)} detectors flipped in {count} shots"
    sees_layers = _sees_layers(patient, ours)
    layers = _about_layers(patient, layers_check, sees_layers, _sees_layers(patient, theirs), tried)
    if not deaf.size or (changed == 0).all():
        return Heeded(passed(check, f"{tried}: the answer depends on all of them"), (), (), layers, sees_layers)
    deaf_layers = _whole_layers(patient, deaf, silent)
    named = ", ".join(patient.name_of(int(detector)) for detector in detectors[deaf[:LISTED]])
    return Heeded(
        failed(
            check, _which(patient, detectors[deaf].tolist(), deaf_layers),
            f"{tried}: the answer never depends on {named}; PyMatching's does, for the first of them in "
            f"{told[deaf[0]]} shots",
            "an input that is not connected, a bit that is cut off, a register that overwrites another; a shot has one "
            "layer more than rounds: layer 0 is the first round, the last is rebuilt from the final readout",
            detectors=detectors[deaf].tolist(),
        ),
        tuple(detectors[deaf].tolist()), deaf_layers, layers, sees_layers,
    )  # fmt: skip


def _is_deaf(patient: Patient, detector: int, seed: int) -> bool:
    """Whether an answer never depends on a detector in many shots, too, in enough of which PyMatching's does."""
    events = patient.sample(SURE_SHOTS, seed + 1).events
    flipped = events.copy()
    flipped[:, detector] ^= 1
    if (patient.decode(events) != patient.decode(flipped)).any():
        return False
    return int((patient.best(events) != patient.best(flipped)).any(axis=1).sum()) >= SURELY_TOLD


def _whole_layers(patient: Patient, deaf: Vertices, silent: NDArray[np.bool_]) -> tuple[int, ...]:
    """Layers of what is not heeded, where nothing of them is; silent: vertices that never made a difference."""
    layer = patient.problem.graph.vertex_layer
    layers = sorted({int(layer[vertex]) for vertex in deaf})
    return tuple(layers) if silent[np.isin(layer, layers)].all() else ()


def _which(patient: Patient, deaf: list[int], layers: tuple[int, ...]) -> str:
    """What is not heeded, by name: layers, else detectors."""
    if layers:
        all_layers = patient.problem.graph.vertex_layer
        edge = "off by one round: " if set(layers) <= {int(all_layers.min()), int(all_layers.max())} else ""
        return f"{edge}it does not heed layer {', '.join(map(str, layers))}"
    more = ", ..." if len(deaf) > LISTED else ""
    return f"does not heed detector{'s' if len(deaf) > 1 else ''} {', '.join(map(str, deaf[:LISTED]))}{more}"


def _sees_layers(patient: Patient, changes: NDArray[np.bool_]) -> bool:
    """Whether flipping a stabilizer's event in one layer ever does something else than in another layer.

    changes: shape (vertices, shots, observables).
    """
    graph = patient.problem.graph
    bits = graph.layout.detector_bit[graph.vertex_detector]
    return any(
        (changes[vertex] != changes[np.flatnonzero(bits == bits[vertex])[0]]).any() for vertex in range(len(bits))
    )


def _about_layers(patient: Patient, check: str, sees_layers: bool, matching_does: bool, tried: str) -> Finding:
    if not patient.tells_layers:
        return skipped(check, "a shot has one layer")
    if sees_layers:
        return passed(check, f"{tried}: an event in one layer is not the same as in another")
    if not matching_does:
        return skipped(check, f"{tried}: for PyMatching, too, an event is the same in any layer")
    return warned(
        check, "blind to the layers",
        f"{tried}: an event of a stabilizer in one layer always does what it does in any other: the decoder knows only "
        "the parity of each stabilizer's events, which is the final syndrome",
        "right for a memory without measurement errors; give it every round's events to correct these, too",
    )  # fmt: skip
