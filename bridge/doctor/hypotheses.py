"""Ways in which a decoder may have its input or output the wrong way round, and shots that would suit such a decoder.

A decoder that reads bit i as bit n-1-i decodes perfectly what is sent to it reversed: under the right hypothesis its
answers agree with PyMatching's, under the others they do not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.doctor.heed_checks import SingleErrors
from bridge.doctor.patient import Patient, Shots
from qds1 import encode_shots
from qds1.shots import Bits, Words

Order = NDArray[np.intp]


@dataclass(frozen=True)
class Hypothesis:
    """One way to be the wrong way round.

    Attributes:
        diagnosis: name of the illness.
        remedy: what to change.
        shots: those for which it can be told (a round that is lost must be empty).
        words: what to send for them, shape (shots, words).
        read: what the decoder means by its flips.
    """

    diagnosis: str
    remedy: str
    shots: Shots
    words: Words
    read: Callable[[Bits], Bits] = lambda flips: flips

    def first(self, count: int) -> "Hypothesis":
        """The same for the first shots."""
        return replace(self, shots=self.shots.first(count), words=self.words[:count])


BIT_ORDER = "bit i of a payload is stabilizer (or data qubit) i, bit 0 lowest; see docs/qds1.md"
BITS_OF_FLIPS = "bit k of the flips is observable k"
EXCHANGE = "compare the order of the bits where the two go in"
MAX_EXCHANGES = 300
"""Of one kind; pairs of detectors that most single errors speak for come first."""
INVERSION = (
    "a bit is 1 where an outcome differs from the round before (or is 1 itself, in a payload), not where it is the same"
)
ROUND_ORDER = "layer 0 is the first round against all zeros, the last layer is rebuilt from MEAS_DATA"


def input_hypotheses(
    patient: Patient, shots: Shots, many: Shots, session: Mapping[str, Any], *, keeps_layers: bool
) -> list[Hypothesis]:
    """Everything that is tried by sending shots in another order.

    Args:
        patient: under examination.
        shots: with events.
        many: more of them, for orders of the layers: most shots have events in few of these.
        session: with the places of the stabilizers.
        keeps_layers: False for a decoder that does not heed single detectors: what is early or late loses layers.
    """
    return [
        *_rounds(patient, many, keeps_layers),
        *_core_orders(patient, shots, session),
        *(_payload_orders(patient, shots) if patient.dialect.speaks_qds1 else []),
    ]


def _layers(patient: Patient, shots: Shots) -> Bits:
    return patient.problem.layout.events_by_layer(shots.events.astype(bool))


def _from_layers(patient: Patient, layers: Bits) -> Words:
    return patient.dialect.encode(*patient.crafter.outcomes_of_layers(layers))


def _rounds(patient: Patient, shots: Shots, keeps_layers: bool) -> list[Hypothesis]:
    """Rounds reversed, rotated, two of them exchanged, early, late; of the last two, one layer is lost whole."""
    layers = _layers(patient, shots)
    count = layers.shape[1]

    def order_of_layers(name: str, sent: Bits) -> Hypothesis:
        return Hypothesis(name, ROUND_ORDER, shots, _from_layers(patient, sent))

    found = [order_of_layers("rounds in reversed order", layers[:, ::-1])]
    pairs = list(combinations(range(count), 2)) if count > 2 else []
    for first, second in pairs[:MAX_EXCHANGES]:
        moved = layers.copy()
        moved[:, [first, second]] = layers[:, [second, first]]
        found.append(order_of_layers(f"layers {first} and {second} exchanged", moved))
    for by in range(1, count) if count > 2 else ():
        name = f"layers rotated by {by}: it takes layer 0 for layer {by}"
        found.append(order_of_layers(name, np.roll(layers, -by, axis=1)))
    if not keeps_layers:
        return found
    starts_empty, ends_empty = ~layers[:, 0].any(axis=1), ~layers[:, -1].any(axis=1)
    nothing = np.zeros_like(layers[:, :1])
    late = np.concatenate([layers[:, 1:], nothing], axis=1)[starts_empty]
    early = np.concatenate([nothing, layers[:, :-1]], axis=1)[ends_empty]
    return [
        *found,
        Hypothesis(
            "off by one round: it sees each round one too late", ROUND_ORDER,
            shots.where(starts_empty), _from_layers(patient, late),
        ),
        Hypothesis(
            "off by one round: it sees each round one too early", ROUND_ORDER,
            shots.where(ends_empty), _from_layers(patient, early),
        ),
    ]  # fmt: skip


def inversions(patient: Patient, shots: Shots) -> list[Hypothesis]:
    """Events or outcomes inverted: all, those of a stabilizer, of a layer, of a detector; bits of the payloads."""
    graph = patient.problem.graph
    detectors = graph.vertex_detector
    bits, layers = graph.layout.detector_bit[detectors], graph.vertex_layer
    groups = {"all events inverted": detectors}
    groups |= {f"events of stabilizer {bit} inverted in all layers": detectors[bits == bit] for bit in np.unique(bits)}
    if patient.tells_layers:
        groups |= {f"events of layer {layer} inverted": detectors[layers == layer] for layer in np.unique(layers)}
        groups |= {
            f"detector {detector} inverted": detectors[[v]] for v, detector in enumerate(detectors[:MAX_EXCHANGES])
        }
    found = []
    for name, chosen in groups.items():
        events = shots.events.copy()
        events[:, chosen] ^= 1
        found.append(Hypothesis(name, INVERSION, shots, patient.words(events)))
    return found + (_payload_inversions(patient, shots) if patient.dialect.speaks_qds1 else [])


def _outcomes(patient: Patient, shots: Shots) -> dict[str, Bits]:
    """What the bits of each payload are, shots first."""
    syndromes, data = patient.crafter.outcomes(shots.events)
    return {"SYNDROME": syndromes, "MEAS_DATA": data}


def _encoded(outcomes: Mapping[str, Bits]) -> Words:
    return encode_shots(outcomes["SYNDROME"], outcomes["MEAS_DATA"])


def _payload_inversions(patient: Patient, shots: Shots) -> list[Hypothesis]:
    """All bits and single bits of SYNDROME and MEAS_DATA inverted: outcomes, not events."""
    outcomes = _outcomes(patient, shots)
    both = _encoded({name: _inverted(each) for name, each in outcomes.items()})
    found = [Hypothesis("all outcomes inverted", INVERSION, shots, both)]
    for payload, sent in outcomes.items():
        single = [[bit] for bit in range(min(MAX_EXCHANGES, sent.shape[-1]))]
        for chosen in (list(range(sent.shape[-1])), *(single if sent.shape[-1] > 1 else [])):
            inverted = sent.copy()
            inverted[..., chosen] ^= 1
            name = f"all bits of {payload} inverted" if len(chosen) > 1 else f"bit {chosen[0]} of {payload} inverted"
            found.append(Hypothesis(name, INVERSION, shots, _encoded({**outcomes, payload: inverted})))
    return found


def _core_orders(patient: Patient, shots: Shots, session: Mapping[str, Any]) -> list[Hypothesis]:
    """Other orders of the stabilizers that the decoder looks at, the same in every layer."""
    select = patient.problem.graph.layer_select
    places = {int(each["index"]): tuple(each["coordinates"]) for each in session["stabilizers"]}
    straight = np.arange(len(select), dtype=np.intp)
    orders: dict[str, Order] = {"bit order reversed": straight[::-1]}
    if len(select) > 2:
        orders |= {"bits one place too high": np.roll(straight, -1), "bits one place too low": np.roll(straight, 1)}
    if all(int(index) in places for index in select):
        x, y = np.array([places[int(index)] for index in select], dtype=np.float64).T
        keys = {"x, then y": (y, x), "y, then x": (x, y), "x falling, then y": (y, -x), "y falling, then x": (x, -y)}
        orders |= {f"stabilizers ordered by {name}": np.lexsort(key) for name, key in keys.items()}
    layers, found = _layers(patient, shots), []
    for name, order in orders.items():
        if (order == np.arange(len(select))).all():
            continue
        moved = layers.copy()
        moved[:, :, select] = layers[:, :, select[order]]
        found.append(Hypothesis(name, BIT_ORDER, shots, _from_layers(patient, moved)))
    return found


def _payload_orders(patient: Patient, shots: Shots) -> list[Hypothesis]:
    """Bits of the payload words in another order, in SYNDROME, in MEAS_DATA, in both."""
    syndromes, data = patient.crafter.outcomes(shots.events)
    back, data_back = syndromes[..., ::-1], data[..., ::-1]
    sides = {
        "bit order of SYNDROME and MEAS_DATA reversed": (back, data_back),
        "bit order of SYNDROME reversed": (back, data),
        "bit order of MEAS_DATA reversed": (syndromes, data_back),
    }
    found = [Hypothesis(name, BIT_ORDER, shots, encode_shots(*bits)) for name, bits in sides.items()]
    words = patient.words(shots.events)
    payload = np.ones(words.shape[1], dtype=bool)
    position = 0
    while position < words.shape[1]:
        payload[position] = False
        position += 1 + int(words[0, position] >> 8 & 0xFF)
    as_bytes = np.ascontiguousarray(words).view(np.uint8).reshape(*words.shape, 4)
    swapped = np.ascontiguousarray(as_bytes[..., ::-1]).view(np.uint32)[..., 0]
    turned = np.packbits(np.unpackbits(as_bytes[..., ::-1], axis=-1, bitorder="little"), axis=-1, bitorder="big")
    mirrored = np.ascontiguousarray(turned).view(np.uint32)[..., 0]
    for name, changed in (
        ("bytes of the payload words swapped", swapped),
        ("payload words read from bit 31", mirrored),
    ):
        found.append(Hypothesis(name, BIT_ORDER, shots, np.where(payload, changed, words).astype(np.uint32)))
    return found


def _added(mask: Bits, flips: Bits) -> Bits:
    """mask: of shape (observables,) or (shots, 1)."""
    return np.asarray(flips ^ mask, dtype=np.uint8)


def _reordered(order: Order, flips: Bits) -> Bits:
    return flips[:, order]


def exchanges(patient: Patient, shots: Shots, singles: SingleErrors) -> list[Hypothesis]:
    """Two detectors exchanged, two stabilizers in all layers, two bits of the qds1 payloads.

    singles: an exchange of detectors touches each single error that is decoded wrongly.
    """
    found = [_detectors_exchanged(patient, shots, *pair) for pair in _suspects(patient, singles)]
    select = patient.problem.graph.layer_select
    layers = _layers(patient, shots)
    for first, second in list(combinations(select.tolist(), 2))[:MAX_EXCHANGES]:
        moved = layers.copy()
        moved[:, :, [first, second]] = layers[:, :, [second, first]]
        name = f"stabilizers {first} and {second} exchanged in all layers"
        found.append(Hypothesis(name, EXCHANGE, shots, _from_layers(patient, moved)))
    for three in _rotations(select.tolist()):
        moved = layers.copy()
        moved[:, :, list(three)] = layers[:, :, list(np.roll(three, -1))]
        name = f"stabilizers {three[0]}, {three[1]} and {three[2]} rotated in all layers"
        found.append(Hypothesis(name, EXCHANGE, shots, _from_layers(patient, moved)))
    if patient.dialect.speaks_qds1:
        found += _payload_exchanges(patient, shots)
    return found


def _rotations(things: Sequence[int]) -> list[tuple[int, int, int]]:
    """Three of them in a circle, both ways round: the first is taken for the second, that for the third."""
    threes = combinations(things, 3)
    return [way for a, b, c in threes for way in ((a, b, c), (a, c, b))][:MAX_EXCHANGES]


def _suspects(patient: Patient, singles: SingleErrors) -> list[tuple[int, int]]:
    """Pairs of detectors; those that touch most of the single errors that go wrong come first."""
    detectors = patient.problem.graph.vertex_detector.tolist()
    pairs = list(combinations(detectors, 2))
    if singles.wrong:
        touched = singles.events[singles.wrong].astype(bool)
        pairs.sort(key=lambda pair: -int((touched[:, pair[0]] | touched[:, pair[1]]).sum()))
    return pairs[:MAX_EXCHANGES]


def _detectors_exchanged(patient: Patient, shots: Shots, first: int, second: int) -> Hypothesis:
    events = shots.events.copy()
    events[:, [first, second]] = shots.events[:, [second, first]]
    places = " and ".join(patient.name_of(detector) for detector in (first, second))
    numbers = [patient.event_of(detector) for detector in (first, second)]
    also = f" (events {numbers[0]} and {numbers[1]})" if patient.dialect.speaks_qds1 else ""
    return Hypothesis(
        f"detectors {first} and {second} exchanged{also}", f"{EXCHANGE}: {places}", shots, patient.words(events)
    )


def _payload_exchanges(patient: Patient, shots: Shots) -> list[Hypothesis]:
    """Two bits of SYNDROME or of MEAS_DATA exchanged, three rotated."""
    outcomes = _outcomes(patient, shots)
    found = []
    for payload, sent in outcomes.items():
        bits = range(sent.shape[-1])
        for chosen in (*list(combinations(bits, 2))[:MAX_EXCHANGES], *_rotations(bits)):
            moved = sent.copy()
            moved[..., list(chosen)] = sent[..., list(np.roll(chosen, -1))]
            what = " and ".join(map(str, chosen)) if len(chosen) == 2 else f"{chosen[0]}, {chosen[1]} and {chosen[2]}"
            name = f"bits {what} of {payload} {'exchanged' if len(chosen) == 2 else 'rotated'}"
            found.append(Hypothesis(name, EXCHANGE, shots, _encoded({**outcomes, payload: moved})))
    return found


def _inverted(flips: Bits) -> Bits:
    return (1 - flips).astype(np.uint8)


def output_hypotheses(shots: Shots, words: Words, detectors: list[int]) -> list[Hypothesis]:
    """What can be told from the answers to the shots as they are. detectors: those that the decoder looks at."""
    found = [Hypothesis("answers inverted", "a flip is 1, no flip is 0", shots, words, _inverted)]
    count = shots.reference.shape[1]
    if count > 1:
        found.append(Hypothesis("observables in reversed order", BITS_OF_FLIPS, shots, words, lambda f: f[:, ::-1]))
    for first, second in list(combinations(range(count), 2))[:MAX_EXCHANGES] if count > 2 else ():
        order = np.arange(count)
        order[[first, second]] = second, first
        name = f"observables {first} and {second} exchanged"
        found.append(Hypothesis(name, BITS_OF_FLIPS, shots, words, partial(_reordered, order)))
    for k in range(count) if count > 1 else ():
        mask = (np.arange(count) == k).astype(np.uint8)
        name = f"observable {k} inverted"
        found.append(Hypothesis(name, "a flip is 1, no flip is 0", shots, words, partial(_added, mask)))
    found.append(
        Hypothesis(
            "answers belong to the shot before", "hold a shot's flips until its own answer is sent, and not longer",
            shots, words, lambda flips: np.concatenate([flips[1:], flips[:1]]),
        )
    )  # fmt: skip
    for detector in detectors:
        fires = shots.events[:, [detector]]
        name = f"answers inverted when detector {detector} fires"
        remedy = "look at what the events of this detector are added to, and at its edges in the list or table"
        found.append(Hypothesis(name, remedy, shots, words, partial(_added, fires)))
    return found
