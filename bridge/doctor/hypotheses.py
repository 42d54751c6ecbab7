"""Ways in which a decoder may have its input or output the wrong way round, and shots that would suit such a decoder.

A decoder that reads bit i as bit n-1-i decodes perfectly what is sent to it reversed: under the right hypothesis its
answers agree with PyMatching's, under the others they do not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


BIT_ORDER = "bit i of a payload is stabilizer (or data qubit) i, bit 0 lowest; see docs/qds1.md"
ROUND_ORDER = "layer 0 is the first round against all zeros, the last layer is rebuilt from MEAS_DATA"


def input_hypotheses(patient: Patient, shots: Shots, session: Mapping[str, Any]) -> list[Hypothesis]:
    """Everything that is tried by sending shots otherwise."""
    return [
        *_rounds(patient, shots),
        *_core_orders(patient, shots, session),
        *(_payload_orders(patient, shots) if patient.dialect.speaks_qds1 else []),
    ]


def _layers(patient: Patient, shots: Shots) -> Bits:
    return patient.problem.layout.events_by_layer(shots.events.astype(bool))


def _from_layers(patient: Patient, layers: Bits) -> Words:
    return patient.dialect.encode(*patient.crafter.outcomes_of_layers(layers))


def _rounds(patient: Patient, shots: Shots) -> list[Hypothesis]:
    """Rounds early, late, reversed."""
    layers = _layers(patient, shots)
    starts_empty, ends_empty = ~layers[:, 0].any(axis=1), ~layers[:, -1].any(axis=1)
    nothing = np.zeros_like(layers[:, :1])
    late = np.concatenate([layers[:, 1:], nothing], axis=1)[starts_empty]
    early = np.concatenate([nothing, layers[:, :-1]], axis=1)[ends_empty]
    return [
        Hypothesis(
            "off by one round: it sees each round one too late", ROUND_ORDER,
            shots.where(starts_empty), _from_layers(patient, late),
        ),
        Hypothesis(
            "off by one round: it sees each round one too early", ROUND_ORDER,
            shots.where(ends_empty), _from_layers(patient, early),
        ),
        Hypothesis("rounds in reversed order", ROUND_ORDER, shots, _from_layers(patient, layers[:, ::-1])),
    ]  # fmt: skip


def _core_orders(patient: Patient, shots: Shots, session: Mapping[str, Any]) -> list[Hypothesis]:
    """Other orders of the stabilizers that the decoder looks at, the same in every layer."""
    select = patient.problem.graph.layer_select
    places = {int(each["index"]): tuple(each["coordinates"]) for each in session["stabilizers"]}
    orders: dict[str, Order] = {"bit order reversed": np.arange(len(select))[::-1].astype(np.intp)}
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


def _inverted(flips: Bits) -> Bits:
    return (1 - flips).astype(np.uint8)


def output_hypotheses(shots: Shots, words: Words) -> list[Hypothesis]:
    """What can be told from the answers to the shots as they are."""
    found = [Hypothesis("answers inverted", "a flip is 1, no flip is 0", shots, words, _inverted)]
    if shots.reference.shape[1] > 1:
        found.append(
            Hypothesis(
                "observables in reversed order", "bit k of the flips is observable k", shots, words,
                lambda flips: flips[:, ::-1],
            )
        )  # fmt: skip
    found.append(
        Hypothesis(
            "answers belong to the shot before", "hold a shot's flips until its own answer is sent, and not longer",
            shots, words, lambda flips: np.concatenate([flips[1:], flips[:1]]),
        )
    )  # fmt: skip
    return found
