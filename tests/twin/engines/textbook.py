"""What a noisy device records, by density matrices and Kraus operators: an oracle written apart from the engines.

Sources: M. A. Nielsen and I. L. Chuang, Quantum Computation and Quantum Information, section 8.3 (amplitude damping to
a thermal state, phase damping, depolarizing); M. A. Nielsen, Phys. Lett. A 303, 249 (2002) (average fidelity).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tests.twin.engines.random_circuits import RandomCircuit
from twin.device.snapshot import NoiseSnapshot, QubitNoise

Matrix = NDArray[Any]


def _diagonal(values: ArrayLike) -> Matrix:
    return np.diag(np.asarray(values, dtype=np.complex128))


_S = _diagonal([1, 1j])
_H = np.array([[1, 1], [1, -1]], dtype=complex) / math.sqrt(2)
PAULIS = [
    np.eye(2, dtype=complex),
    np.array([[0, 1], [1, 0]], dtype=complex),
    np.array([[0, -1j], [1j, 0]]),
    _diagonal([1, -1]),
]
_X, _Y, _Z = PAULIS[1:]
_ROOT_X = _H @ _S @ _H
UNITARIES: dict[str, Matrix] = {
    "H": _H,
    "X": _X,
    "Y": _Y,
    "Z": _Z,
    "S": _S,
    "S_DAG": _S.conj(),
    "SQRT_X": _ROOT_X,
    "SQRT_X_DAG": _ROOT_X.conj().T,
    "H_YZ": (_Y + _Z) / math.sqrt(2),
    "CX": np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=complex),
    "CZ": _diagonal([1, 1, 1, -1]),
}
_TURN = {"X": "H", "Y": "H_YZ"}
_VIRTUAL = ("S", "S_DAG", "Z")


@dataclass
class Event:
    """One operation of the device: pulse, virtual, wait, pair, measure, reset or barrier; when it starts."""

    kind: str
    qubits: tuple[int, ...]
    name: str = ""
    bit: int = -1  # that a measurement records, or that a Pauli looks at
    wanted: int = -1  # the value of `bit` at which it is done; -1: always
    inverted: bool = False
    count: int = 1  # of pulses that a wait is long
    start_ns: float = 0.0


def events_of(circuit: RandomCircuit, two_qubit_gate: str) -> list[Event]:
    """The device's operations: one pulse a Clifford, CX and CZ by two more around the other one."""
    events: list[Event] = []

    def pulse(name: str, qubit: int) -> None:
        events.append(Event("wait" if name == "I" else "virtual" if name in _VIRTUAL else "pulse", (qubit,), name))

    def pair(name: str, first: int, second: int) -> None:
        turned = name.lower() != two_qubit_gate
        if turned:
            pulse("H", second)
        events.append(Event("pair", (first, second), two_qubit_gate.upper()))
        if turned:
            pulse("H", second)

    def gate(name: str, qubits: tuple[int, ...]) -> None:
        if len(qubits) == 1:
            pulse(name, qubits[0])
        elif name == "CY":
            pulse("S_DAG", qubits[1])
            pair("CX", *qubits)
            pulse("S", qubits[1])
        elif name == "SWAP" and two_qubit_gate == "cx":
            for first, second in (qubits, qubits[::-1], qubits):
                pair("CX", first, second)
        elif name == "SWAP":
            for _ in range(3):
                pulse("SQRT_X", qubits[0])
                pulse("SQRT_X", qubits[1])
                pair("CZ", *qubits)
        else:
            pair(name, *qubits)

    for index, step in enumerate(circuit.steps):
        match step.kind:
            case "gate":
                gate(step.name, step.qubits)
            case "tick":
                events.append(Event("barrier", circuit.qubits))
            case "wait":
                events.append(Event("wait", step.qubits, count=step.count))
            case "reset":
                events.append(Event("reset", step.qubits))
            case "feedback":
                kind = "virtual" if step.name == "Z" else "pulse"
                events.append(Event(kind, step.qubits, step.name, step.bit, 1))
            case "joint":
                turns = [qubit for qubit in step.qubits if step.name == "X"]
                for qubit in turns:
                    pulse("H", qubit)
                first, second = sorted(step.qubits)
                pair("CX", second, first)
                events.append(Event("measure", (first,), "", step.bit, inverted=step.inverted))
                pair("CX", second, first)
                for qubit in turns:
                    pulse("H", qubit)
            case _:
                turn = _TURN.get(step.name)
                (qubit,) = step.qubits
                if turn:
                    pulse(turn, qubit)
                events.append(Event("measure", (qubit,), "", step.bit, inverted=step.inverted))
                if step.kind == "measure_reset":
                    events.append(Event("reset", (qubit,)))
                if turn and (step.kind == "measure_reset" or circuit.used_later(index, qubit)):
                    pulse(turn, qubit)
    return events


def length_ns(event: Event, snapshot: NoiseSnapshot) -> float:
    if event.kind == "pair":
        return snapshot.edges[event.qubits[0], event.qubits[1]].duration_ns
    return {"measure": snapshot.measure_ns, "reset": snapshot.reset_ns, "virtual": 0.0, "barrier": 0.0}.get(
        event.kind, event.count * snapshot.single_qubit_ns
    )


def timed(events: list[Event], snapshot: NoiseSnapshot) -> float:
    """Fill in the start of each event, as the device's rule says; how long all takes."""
    if snapshot.schedule == "alap":
        # As soon as possible on the reversed list, read from its end.
        total_ns = _packed(events[::-1], snapshot)
        for event in events:
            event.start_ns = total_ns - event.start_ns - length_ns(event, snapshot)
        return total_ns
    last = [event for index, event in enumerate(events) if _is_final(events, index)]
    end_ns = _packed([event for event in events if all(event is not each for each in last)], snapshot)
    for event in last:
        event.start_ns = end_ns
    return max([end_ns, *(end_ns + length_ns(event, snapshot) for event in last)])


def _packed(events: Sequence[Event], snapshot: NoiseSnapshot) -> float:
    free_ns: dict[Any, float] = {}
    for event in events:
        held = [*event.qubits, *([("bit", event.bit)] if event.bit >= 0 else [])]
        event.start_ns = max(free_ns.get(each, 0.0) for each in held)
        free_ns.update(dict.fromkeys(held, event.start_ns + length_ns(event, snapshot)))
    return max(free_ns.values(), default=0.0)


def _is_final(events: list[Event], index: int) -> bool:
    """A measurement after which nothing concerns its qubit or its bit; a last barrier orders nothing."""
    event, rest = events[index], events[index + 1 :]
    while rest and rest[-1].kind == "barrier":
        rest = rest[:-1]
    return event.kind == "measure" and not any(event.qubits[0] in each.qubits or each.bit == event.bit for each in rest)


def relaxation(noise: QubitNoise, wait_ns: float, twirled: bool) -> list[Matrix]:
    """Kraus operators: amplitude damping towards the thermal state and dephasing; or its Pauli twirl."""
    decay = 1 - math.exp(-wait_ns / (noise.t1_us * 1e3))
    coherence = math.exp(-wait_ns / (noise.t2_us * 1e3))
    if twirled:
        prob_x = decay / 4
        prob_z = (1 - coherence) / 2 - decay / 4
        weights = [1 - 2 * prob_x - prob_z, prob_x, prob_x, prob_z]
        return [math.sqrt(max(weight, 0.0)) * pauli for weight, pauli in zip(weights, PAULIS, strict=True)]
    excited = noise.excited_population
    keep = math.sqrt(1 - decay)
    down = np.array([[0, math.sqrt(decay)], [0, 0]], dtype=complex)
    damping = [
        math.sqrt(1 - excited) * _diagonal([1, keep]),
        math.sqrt(1 - excited) * down,
        math.sqrt(excited) * _diagonal([keep, 1]),
        math.sqrt(excited) * down.T,
    ]
    flip = max(0.0, (1 - coherence / keep) / 2)
    dephasing = [math.sqrt(1 - flip) * PAULIS[0], math.sqrt(flip) * _Z]
    return [second @ first for first in damping for second in dephasing]


def depolarizing_prob(error: float, noises: Sequence[QubitNoise], wait_ns: float) -> float:
    """p of rho -> (1 - p) rho + p I/d, so that with relaxation the average infidelity is `error` (0 at least)."""
    d = 2 ** len(noises)
    entanglement = math.prod(
        sum(abs(np.trace(kraus)) ** 2 for kraus in relaxation(noise, wait_ns, twirled=False)) / 4 for noise in noises
    )
    average = (d * entanglement + 1) / (d + 1)
    prob: float = (average - (1 - error)) / (average - 1 / d)
    return min(1.0, max(0.0, prob))


@dataclass
class Channel:
    """What a simulator does with some qubits, in order: Kraus operators (a unitary is one of them)."""

    qubits: tuple[int, ...]
    kraus: list[Matrix]


@dataclass
class Choice:
    """Channels where `bit` has the value `wanted`, and others where it has not."""

    bit: int
    wanted: int
    fires: list[Channel] = field(default_factory=list)
    waits: list[Channel] = field(default_factory=list)


@dataclass
class Measurement:
    qubit: int
    bit: int
    inverted: bool


Action = Channel | Choice | Measurement


def actions_of(circuit: RandomCircuit, snapshot: NoiseSnapshot, twirled: bool = False) -> tuple[list[Action], float]:
    """All that happens, and how long it takes.

    `twirled`: relaxation as Paulis, but |0> after a reset does not decay.
    """
    events = events_of(circuit, snapshot.two_qubit_gate)
    total_ns = timed(events, snapshot)
    actions: list[Action] = []
    until_ns: dict[int, float] = {}
    ground = set(circuit.qubits)
    for qubit in circuit.qubits:
        weight = snapshot.qubits[qubit].excited_population
        actions.append(Channel((qubit,), [math.sqrt(1 - weight) * PAULIS[0], math.sqrt(weight) * _X]))

    def relaxed(qubit: int, wait_ns: float) -> list[Channel]:
        if wait_ns <= 0 or (twirled and qubit in ground):
            return []
        return [Channel((qubit,), relaxation(snapshot.qubits[qubit], wait_ns, twirled))]

    for event in events:
        if event.kind == "barrier":
            continue
        for qubit in event.qubits:
            if qubit in until_ns:
                actions += relaxed(qubit, event.start_ns - until_ns[qubit])
            until_ns[qubit] = event.start_ns + length_ns(event, snapshot)
        duration_ns = length_ns(event, snapshot)
        noises = [snapshot.qubits[qubit] for qubit in event.qubits]
        if event.kind in ("pulse", "pair"):
            ground -= set(event.qubits)
        if event.kind == "measure":
            actions.append(Measurement(event.qubits[0], event.bit, event.inverted))
            actions += relaxed(event.qubits[0], duration_ns)
        elif event.kind == "reset":
            ground.add(event.qubits[0])
            actions.append(Channel(event.qubits, _reset(noises[0])))
        elif event.kind == "wait":
            actions += relaxed(event.qubits[0], duration_ns)
        else:
            unitary = UNITARIES[event.name]
            done = [Channel(event.qubits, [unitary])]
            if event.kind != "virtual":
                error = (
                    noises[0].gate_error if len(noises) == 1 else snapshot.edges[event.qubits[0], event.qubits[1]].error
                )
                prob = depolarizing_prob(error, noises, duration_ns)
                done.append(Channel(event.qubits, _depolarizing(prob, len(noises))))
            slow = [channel for qubit in event.qubits for channel in relaxed(qubit, duration_ns)]
            if event.wanted >= 0:
                actions.append(Choice(event.bit, event.wanted, done + slow, slow))
            else:
                actions += done + slow
    return actions, total_ns


def _reset(noise: QubitNoise) -> list[Matrix]:
    wrong = noise.reset_error * (1 - noise.excited_population) + noise.excited_population * (1 - noise.reset_error)
    kraus = []
    for value, prob in ((0, 1 - wrong), (1, wrong)):
        for old in (0, 1):
            matrix = np.zeros((2, 2), dtype=complex)
            matrix[value, old] = math.sqrt(prob)
            kraus.append(matrix)
    return kraus


def _depolarizing(prob: float, num_qubits: int) -> list[Matrix]:
    """rho -> (1 - p) rho + p I/d as all Paulis."""
    size = 4**num_qubits
    products = [
        paulis[0] if num_qubits == 1 else np.kron(paulis[0], paulis[1])
        for paulis in itertools.product(PAULIS, repeat=num_qubits)
    ]
    weights = [1 - prob + prob / size] + [prob / size] * (size - 1)
    return [math.sqrt(weight) * pauli for weight, pauli in zip(weights, products, strict=True)]


def recorded_probs(circuit: RandomCircuit, snapshot: NoiseSnapshot, twirled: bool = False) -> NDArray[np.float64]:
    """Probability of each record; outcome i is bit i of the index."""
    actions, _ = actions_of(circuit, snapshot, twirled)
    places = {qubit: place for place, qubit in enumerate(circuit.qubits)}
    n = len(circuit.qubits)
    rho = np.zeros((1, *(2,) * (2 * n)), dtype=complex)
    rho[(0,) * (2 * n + 1)] = 1.0
    records = np.zeros((1, len(circuit.inverted)), dtype=int)
    for action in actions:
        if isinstance(action, Channel):
            rho = _applied(rho, action, places, n)
        elif isinstance(action, Choice):
            fires = records[:, action.bit] == action.wanted
            for chosen, channels in ((fires, action.fires), (~fires, action.waits)):
                if chosen.any():
                    part = rho[chosen]
                    for channel in channels:
                        part = _applied(part, channel, places, n)
                    rho[chosen] = part
        else:
            rho, records = _measured(rho, records, action, snapshot, places, n)
    probs = np.zeros(2 ** records.shape[1])
    weights = np.einsum("bii->b", rho.reshape(len(rho), 2**n, 2**n)).real
    np.add.at(probs, records @ (1 << np.arange(records.shape[1])), weights)
    return probs


def _superoperator(kraus: list[Matrix]) -> Matrix:
    """Rows and columns: ket indices, then bra indices."""
    total: Matrix = sum(np.kron(each, each.conj()) for each in kraus)  # type: ignore[assignment]
    return total


def _applied(rho: NDArray[Any], channel: Channel, places: dict[int, int], n: int) -> NDArray[Any]:
    kets = [1 + places[qubit] for qubit in channel.qubits]
    axes = kets + [axis + n for axis in kets]
    size = 2 ** len(axes)
    front = np.moveaxis(rho, axes, range(len(axes)))
    shape = front.shape
    result = (_superoperator(channel.kraus) @ front.reshape(size, -1)).reshape(shape)
    return np.moveaxis(result, range(len(axes)), axes)


def _measured(
    rho: NDArray[Any],
    records: NDArray[Any],
    action: Measurement,
    snapshot: NoiseSnapshot,
    places: dict[int, int],
    n: int,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two branches for what is recorded; the state is projected by what is true."""
    noise = snapshot.qubits[action.qubit]
    wrong = (noise.prob_meas1_prep0, noise.prob_meas0_prep1)
    branches, kept = [], []
    for recorded in (0, 1):
        weights = [1 - wrong[true] if true == recorded else wrong[true] for true in (0, 1)]
        kraus = [math.sqrt(weights[true]) * _diagonal([1 - true, true]) for true in (0, 1)]
        branches.append(_applied(rho, Channel((action.qubit,), kraus), places, n))
        bits = records.copy()
        bits[:, action.bit] = recorded ^ action.inverted
        kept.append(bits)
    return np.concatenate(branches), np.concatenate(kept)
