"""Puts the device's noise into the native circuit of a memory experiment: gates, relaxation by schedule, readout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import stim

from twin.device.snapshot import EdgeNoise, NoiseSnapshot, QubitNoise
from twin.engines.channels import (
    PauliChannel,
    depolarizing_channel,
    relaxation_twirl,
)
from twin.engines.native import ANNOTATIONS, SINGLE_QUBIT_GATES, VIRTUAL_GATES, qubits_of

_UNTOUCHED = PauliChannel()
_MARK = "relaxation "


@dataclass(frozen=True)
class Placement:
    """Where a circuit lies on a device: circuit qubit -> device qubit, circuit pair -> device pair (directed)."""

    qubits: Mapping[int, int]
    pairs: Mapping[tuple[int, int], tuple[int, int]]

    def edge(self, snapshot: NoiseSnapshot, first: int, second: int) -> EdgeNoise:
        return snapshot.edges[self.pairs.get((first, second), (self.qubits[first], self.qubits[second]))]

    def qubit(self, snapshot: NoiseSnapshot, qubit: int) -> QubitNoise:
        return snapshot.qubits[self.qubits[qubit]]


@dataclass(frozen=True)
class ClassicalStart:
    """Relaxation of a circuit whose qubits are eigenstates of a Pauli at every moment, as in a repetition code.

    An eigenstate of Z relaxes as a classical bit: to 0, and rarely to 1. Which bit it is, but for errors, is known.

    Attributes:
        bits: of each qubit at the beginning, all of them eigenstates of Z.
        sampled: relaxation becomes the marks that `relaxation_mark` reads, for a simulation that knows the errors of a
            shot. Otherwise it becomes the X errors that it is of where no other error has happened.
    """

    bits: Mapping[int, int]
    sampled: bool


def relaxation_mark(instruction: stim.CircuitInstruction) -> tuple[float, float, int] | None:
    """Probability of relaxation, the excited population that it ends in, and the qubits' bit but for errors."""
    if instruction.name != "I" or not instruction.tag.startswith(_MARK):
        return None
    prob, excited, bit = instruction.tag.removeprefix(_MARK).split()
    return float(prob), float(excited), int(bit)


@dataclass(frozen=True, slots=True)
class TimedCircuit:
    """A noisy circuit and how long it takes on the device."""

    circuit: stim.Circuit
    duration_ns: float


def with_noise(
    circuit: stim.Circuit,
    snapshot: NoiseSnapshot,
    placement: Placement,
    *,
    classical: ClassicalStart | None = None,
    maybe_one: Iterable[int] = (),
    fresh: bool = True,
) -> TimedCircuit:
    """A native circuit with the snapshot's noise in it, as an error model needs it: Pauli noise at its place.

    What clients submit is a `Program` instead: it has feedback, inverted targets, and the choice of an engine.
    TICK is a barrier; between barriers each operation starts as soon as its qubits are free. Waiting qubits relax
    (Pauli-twirled), but not those that were just reset: |0> does not decay. A one-qubit Clifford other than a
    virtual Z rotation is one pulse.

    Args:
        circuit: from `to_native`, without feedback and repeat blocks; noise that is in it stays.
        snapshot: the noise.
        placement: where the circuit's qubits lie.
        classical: relaxation is not twirled where a qubit is an eigenstate of Z.
        maybe_one: qubits that what stands as a reset may prepare in |1>, which relaxes.
        fresh: whether the qubits start in (thermal) |0>; False for a part from the middle of a circuit.
    """
    writer = _Writer(snapshot, placement, classical, frozenset(maybe_one))
    if fresh:
        writer.prepare(sorted(placement.qubits))
    duration_ns = writer.run(circuit)
    return TimedCircuit(writer.out, duration_ns)


class _Writer:
    """Walks a circuit with a clock per qubit. A qubit's channels gather until something else acts on it."""

    def __init__(
        self,
        snapshot: NoiseSnapshot,
        placement: Placement,
        classical: ClassicalStart | None,
        maybe_one: frozenset[int],
    ) -> None:
        self.out = stim.Circuit()
        self._maybe_one = maybe_one
        self._snapshot = snapshot
        self._placement = placement
        self._classical = classical
        self._axes = _Axes(classical.bits) if classical else None
        self._decay: dict[int, list[float]] = {}
        self._clock_ns = dict.fromkeys(placement.qubits, 0.0)
        self._pending: dict[int, PauliChannel] = {}
        self._ground: set[int] = set()

    def prepare(self, qubits: list[int]) -> None:
        """Thermal population of qubits that no reset has prepared."""
        self._ground = set(qubits)
        self._grouped("X_ERROR", {qubit: (self._noise(qubit).excited_population,) for qubit in qubits})

    def run(self, circuit: stim.Circuit) -> float:
        for instruction in circuit:
            if isinstance(instruction, stim.CircuitRepeatBlock):
                raise TypeError("a part of a memory experiment has no repeat blocks")
            if instruction.name == "TICK":
                self._barrier()
                self.out.append(instruction)
            elif instruction.name in ANNOTATIONS:
                self.out.append(instruction)
            else:
                self._operation(instruction)
        self._barrier()
        self._flush([*self._pending, *(qubit for qubit in self._decay if qubit not in self._pending)])
        return max(self._clock_ns.values(), default=0.0)

    def _operation(self, instruction: stim.CircuitInstruction) -> None:
        name = instruction.name
        if name in ("M", "MR"):
            self._measure(instruction)
        elif name == "R":
            self._reset(qubits_of(instruction), self._snapshot.reset_ns, instruction)
        elif name in ("CX", "CZ"):
            self._entangle(instruction)
        elif name in SINGLE_QUBIT_GATES:
            self._pulse(instruction)
        else:  # noise that was in the circuit before
            qubits = qubits_of(instruction)
            self._flush(qubits)
            self._ground -= set(qubits)
            self.out.append(instruction)

    def _pulse(self, instruction: stim.CircuitInstruction) -> None:
        qubits = qubits_of(instruction)
        self._flush(qubits)
        self.out.append(instruction)
        if self._axes:
            self._axes.turn(instruction.name, qubits)
        if instruction.name in VIRTUAL_GATES:
            return
        duration_ns = self._snapshot.single_qubit_ns
        for qubit in qubits:
            noise = self._noise(qubit)
            error = depolarizing_channel(noise.gate_depolarizing)
            self._add(qubit, error)
            self._relax(qubit, duration_ns)
            self._clock_ns[qubit] += duration_ns
        self._ground -= set(qubits)

    def _entangle(self, instruction: stim.CircuitInstruction) -> None:
        batch: list[tuple[int, int]] = []
        used: set[int] = set()
        for first, second in instruction.target_groups():
            if {first.value, second.value} & used:
                self._pairs(instruction.name, batch)
                batch, used = [], set()
            batch.append((first.value, second.value))
            used |= {first.value, second.value}
        self._pairs(instruction.name, batch)

    def _pairs(self, name: str, batch: list[tuple[int, int]]) -> None:
        """Two-qubit gates on pairs that share no qubit."""
        flat = [qubit for pair in batch for qubit in pair]
        for pair in batch:
            start_ns = max(self._clock_ns[qubit] for qubit in pair)
            for qubit in pair:
                self._wait(qubit, start_ns)
        self._flush(flat)
        self.out.append(name, flat)
        if self._axes:
            self._axes.entangle(name, batch)
        groups: dict[float, list[int]] = {}
        for pair in batch:
            edge = self._placement.edge(self._snapshot, *pair)
            prob = round(edge.depolarizing * 15 / 16, 15)
            groups.setdefault(prob, []).extend(pair)
            for qubit in pair:
                self._relax(qubit, edge.duration_ns)
                self._clock_ns[qubit] += edge.duration_ns
        for prob, qubits in groups.items():
            if prob > 0:
                self.out.append("DEPOLARIZE2", qubits, prob)
        self._ground -= set(flat)

    def _measure(self, instruction: stim.CircuitInstruction) -> None:
        qubits = qubits_of(instruction)
        self._flush(qubits)
        self.out.append(instruction)
        measure_ns = self._snapshot.measure_ns
        if instruction.name == "MR":
            self._reset(qubits, measure_ns + self._snapshot.reset_ns, None)
            return
        for qubit in qubits:
            if self._axes or qubit not in self._ground:
                self._relax(qubit, measure_ns)
            self._clock_ns[qubit] += measure_ns

    def _reset(self, qubits: list[int], duration_ns: float, instruction: stim.CircuitInstruction | None) -> None:
        for qubit in qubits:
            self._pending.pop(qubit, None)
            self._decay.pop(qubit, None)
            self._clock_ns[qubit] += duration_ns
        if instruction is not None:
            self.out.append(instruction)
        if self._axes:
            self._axes.reset(qubits)
        self._ground = (self._ground | set(qubits)) - self._maybe_one
        self._grouped("X_ERROR", {qubit: (_reset_error(self._noise(qubit)),) for qubit in qubits})

    def _barrier(self) -> None:
        end_ns = max(self._clock_ns.values(), default=0.0)
        for qubit in self._clock_ns:
            self._wait(qubit, end_ns)

    def _wait(self, qubit: int, until_ns: float) -> None:
        idle_ns = until_ns - self._clock_ns[qubit]
        if idle_ns > 0:
            if self._axes or qubit not in self._ground:
                self._relax(qubit, idle_ns)
            self._clock_ns[qubit] = until_ns

    def _noise(self, qubit: int) -> QubitNoise:
        return self._placement.qubit(self._snapshot, qubit)

    def _add(self, qubit: int, channel: PauliChannel) -> None:
        self._pending[qubit] = self._pending.get(qubit, _UNTOUCHED).then(channel)

    def _relax(self, qubit: int, duration_ns: float) -> None:
        """Relaxation over a time, after whatever has happened to the qubit before."""
        noise = self._noise(qubit)
        if self._axes and self._axes.is_bit(qubit):
            self._decay.setdefault(qubit, []).append(duration_ns)
        else:
            self._add(qubit, relaxation_twirl(noise, duration_ns))

    def _flush(self, qubits: Iterable[int]) -> None:
        qubits = list(qubits)
        self._flush_pauli(qubits)
        due: dict[tuple[float, float, int], list[int]] = {}
        for qubit in qubits:
            waits = self._decay.pop(qubit, None)
            if waits and self._axes:
                noise = self._noise(qubit)
                prob = -math.expm1(-sum(waits) / (noise.t1_us * 1e3))
                due.setdefault((prob, noise.excited_population, self._axes.bits[qubit]), []).append(qubit)
        for (prob, excited, bit), targets in due.items():
            if self._classical and self._classical.sampled:
                self.out.append(stim.CircuitInstruction("I", targets, tag=f"{_MARK}{prob!r} {excited!r} {bit}"))
            else:
                self.out.append("X_ERROR", targets, prob * (1 - excited if bit else excited))

    def _flush_pauli(self, qubits: Iterable[int]) -> None:
        due = {qubit: self._pending.pop(qubit) for qubit in qubits if qubit in self._pending}
        together = {qubit: probs for qubit, channel in due.items() if _is_analysed(probs := channel.probs())}
        self._grouped("PAULI_CHANNEL_1", together)
        apart = {qubit: channel.independent() for qubit, channel in due.items() if qubit not in together}
        for place, name in enumerate(("X_ERROR", "Y_ERROR", "Z_ERROR")):
            self._grouped(name, {qubit: (probs[place],) for qubit, probs in apart.items()})

    def _grouped(self, name: str, due: Mapping[int, tuple[float, ...]]) -> None:
        """One instruction per distinct set of probabilities; none where they are all 0."""
        groups: dict[tuple[float, ...], list[int]] = {}
        for qubit, probs in due.items():
            if any(probs):
                groups.setdefault(probs, []).append(qubit)
        for probs, qubits in groups.items():
            self.out.append(name, qubits, list(probs))


@lru_cache(maxsize=4096)
def _is_analysed(probs: tuple[float, float, float]) -> bool:
    """Whether Stim's error analysis finds the independent errors of a channel by itself, also after it was text.

    It gives up near 1/2, and where T2 is 2 T1 the six digits of a text can be of a channel that has none.
    """
    circuit = stim.Circuit()
    circuit.append("PAULI_CHANNEL_1", [0], list(probs))
    circuit += stim.Circuit("M 0\nDETECTOR rec[-1]")
    try:
        circuit.detector_error_model()
        stim.Circuit(str(circuit)).detector_error_model()
    except ValueError:
        return False
    return True


class _Axes:
    """Of which Pauli each qubit is an eigenstate, and its eigenvalue's bit but for errors; None: of no one."""

    def __init__(self, bits: Mapping[int, int]) -> None:
        self._first = bits
        self.bits = dict(bits)
        self._axis: dict[int, str | None] = dict.fromkeys(bits, "Z")

    def is_bit(self, qubit: int) -> bool:
        """Whether it is an eigenstate of Z."""
        return self._axis[qubit] == "Z"

    def turn(self, name: str, qubits: Iterable[int]) -> None:
        """A one-qubit Clifford gate."""
        tableau = stim.Tableau.from_named_gate(name)
        images = {"X": tableau.x_output(0), "Y": tableau.y_output(0), "Z": tableau.z_output(0)}
        for qubit in qubits:
            axis = self._axis[qubit]
            if axis is not None:
                self._axis[qubit] = "_XYZ"[images[axis][0]]
                self.bits[qubit] ^= int(images[axis].sign == -1)

    def entangle(self, name: str, pairs: Iterable[tuple[int, int]]) -> None:
        """CX or CZ: it entangles nothing where it finds an eigenstate of what it is controlled by."""
        for first, second in pairs:
            second_axis = "X" if name == "CX" else "Z"
            if self._axis[first] == "Z":
                self._act(first, second, second_axis)
            elif self._axis[second] == second_axis:
                self._act(second, first, "Z")
            else:
                self._axis[first] = self._axis[second] = None

    def _act(self, control: int, target: int, unmoved: str) -> None:
        if self._axis[target] != unmoved:
            self.bits[target] ^= self.bits[control]

    def reset(self, qubits: Iterable[int]) -> None:
        """Prepared as in the beginning."""
        for qubit in qubits:
            self._axis[qubit], self.bits[qubit] = "Z", self._first[qubit]


def _reset_error(noise: QubitNoise) -> float:
    """P(|1>) after a reset: imperfect reset or thermal population."""
    both = noise.reset_error * noise.excited_population
    return round(noise.reset_error + noise.excited_population - 2 * both, 15)
