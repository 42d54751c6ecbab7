"""Puts the device's noise into a native Stim circuit: gate errors, relaxation by schedule, reset and readout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import stim

from twin.device.snapshot import EdgeNoise, NoiseSnapshot, QubitNoise
from twin.engines.channels import (
    PauliChannel,
    depolarizing_channel,
    pair_depolarizing,
    pulse_depolarizing,
    relaxation_twirl,
)
from twin.engines.native import ANNOTATIONS, SINGLE_QUBIT_GATES, VIRTUAL_GATES, qubits_of

_UNTOUCHED = PauliChannel()


@dataclass(frozen=True)
class Placement:
    """Where a circuit lies on a device: circuit qubit -> device qubit, circuit pair -> device pair (directed)."""

    qubits: Mapping[int, int]
    pairs: Mapping[tuple[int, int], tuple[int, int]]

    def edge(self, snapshot: NoiseSnapshot, first: int, second: int) -> EdgeNoise:
        return snapshot.edges[self.pairs.get((first, second), (self.qubits[first], self.qubits[second]))]

    def qubit(self, snapshot: NoiseSnapshot, qubit: int) -> QubitNoise:
        return snapshot.qubits[self.qubits[qubit]]


@dataclass(frozen=True, slots=True)
class TimedCircuit:
    """A noisy circuit and how long it takes on the device (repeat blocks included)."""

    circuit: stim.Circuit
    duration_ns: float


def with_noise(
    circuit: stim.Circuit,
    snapshot: NoiseSnapshot,
    placement: Placement,
    *,
    readout: bool,
    fresh: bool = True,
) -> TimedCircuit:
    """A native circuit with the snapshot's noise in it.

    TICK is a barrier; between barriers each operation starts as soon as its qubits are free. Waiting qubits relax
    (Pauli-twirled), but not those that were just reset: |0> does not decay. A one-qubit Clifford other than a
    virtual Z rotation is one pulse.

    Args:
        circuit: from `to_native`; noise that is in it stays.
        snapshot: the noise.
        placement: where the circuit's qubits lie.
        readout: whether measurements get the mean assignment error. False where the caller flips recorded outcomes
            itself (asymmetrically).
        fresh: whether the qubits start in (thermal) |0>; False for a part from the middle of a circuit.
    """
    writer = _Writer(snapshot, placement, readout)
    if fresh:
        writer.prepare(sorted(placement.qubits))
    duration_ns = writer.run(circuit)
    return TimedCircuit(writer.out, duration_ns)


class _Writer:
    """Walks a circuit with a clock per qubit. A qubit's channels gather until something else acts on it."""

    def __init__(self, snapshot: NoiseSnapshot, placement: Placement, readout: bool) -> None:
        self.out = stim.Circuit()
        self._snapshot = snapshot
        self._placement = placement
        self._readout = readout
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
                self._repeat(instruction)
            elif instruction.name == "TICK":
                self._barrier()
                self.out.append(instruction)
            elif instruction.name in ANNOTATIONS:
                self.out.append(instruction)
            else:
                self._operation(instruction)
        self._barrier()
        self._flush(list(self._pending))
        return max(self._clock_ns.values(), default=0.0)

    def _repeat(self, block: stim.CircuitRepeatBlock) -> None:
        self._barrier()
        self._flush(list(self._pending))
        inner = _Writer(self._snapshot, self._placement, self._readout)
        duration_ns = inner.run(block.body_copy())
        self.out.append(stim.CircuitRepeatBlock(block.repeat_count, inner.out, tag=block.tag))
        for qubit in self._clock_ns:
            self._clock_ns[qubit] += duration_ns * block.repeat_count
        self._ground.clear()

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
        if instruction.name in VIRTUAL_GATES:
            return
        duration_ns = self._snapshot.single_qubit_ns
        for qubit in qubits:
            noise = self._noise(qubit)
            error = depolarizing_channel(pulse_depolarizing(noise, duration_ns))
            self._add(qubit, error.then(relaxation_twirl(noise, duration_ns)))
            self._clock_ns[qubit] += duration_ns
        self._ground -= set(qubits)

    def _entangle(self, instruction: stim.CircuitInstruction) -> None:
        batch: list[tuple[int, int]] = []
        used: set[int] = set()
        for first, second in instruction.target_groups():
            if not (first.is_qubit_target and second.is_qubit_target):
                self._pairs(instruction.name, batch)
                batch, used = [], set()
                self._feedback(instruction.name, first, second)
                continue
            if {first.value, second.value} & used:
                self._pairs(instruction.name, batch)
                batch, used = [], set()
            batch.append((first.value, second.value))
            used |= {first.value, second.value}
        self._pairs(instruction.name, batch)

    def _pairs(self, name: str, batch: list[tuple[int, int]]) -> None:
        """Two-qubit gates on pairs that share no qubit."""
        if not batch:
            return
        flat = [qubit for pair in batch for qubit in pair]
        for pair in batch:
            start_ns = max(self._clock_ns[qubit] for qubit in pair)
            for qubit in pair:
                self._wait(qubit, start_ns)
        self._flush(flat)
        self.out.append(name, flat)
        groups: dict[float, list[int]] = {}
        for pair in batch:
            edge = self._placement.edge(self._snapshot, *pair)
            noises = [self._noise(qubit) for qubit in pair]
            prob = round(pair_depolarizing(noises[0], noises[1], edge) * 15 / 16, 15)
            groups.setdefault(prob, []).extend(pair)
            for qubit, noise in zip(pair, noises, strict=True):
                self._add(qubit, relaxation_twirl(noise, edge.duration_ns))
                self._clock_ns[qubit] += edge.duration_ns
        for prob, qubits in groups.items():
            if prob > 0:
                self.out.append("DEPOLARIZE2", qubits, prob)
        self._ground -= set(flat)

    def _feedback(self, name: str, first: stim.GateTarget, second: stim.GateTarget) -> None:
        """A Pauli that depends on a measurement: X is a pulse, Z is virtual."""
        qubit = second.value if second.is_qubit_target else first.value
        self._flush([qubit])
        self.out.append(name, [first, second])
        if name == "CX":
            duration_ns = self._snapshot.single_qubit_ns
            error = depolarizing_channel(pulse_depolarizing(self._noise(qubit), duration_ns))
            self._add(qubit, error.then(relaxation_twirl(self._noise(qubit), duration_ns)))
            self._clock_ns[qubit] += duration_ns
            self._ground.discard(qubit)

    def _measure(self, instruction: stim.CircuitInstruction) -> None:
        qubits = qubits_of(instruction)
        self._flush(qubits)
        own = instruction.gate_args_copy()
        base = own[0] if own else 0.0
        for target in instruction.targets_copy():
            mean = self._noise(target.value).readout_error if self._readout else 0.0
            prob = round(base * (1 - mean) + mean * (1 - base), 15)
            self.out.append(instruction.name, [target], [prob] if prob > 0 else [])
        measure_ns = self._snapshot.measure_ns
        if instruction.name == "MR":
            self._reset(qubits, measure_ns + self._snapshot.reset_ns, None)
            return
        for qubit in qubits:
            if qubit not in self._ground:
                self._add(qubit, relaxation_twirl(self._noise(qubit), measure_ns))
            self._clock_ns[qubit] += measure_ns

    def _reset(self, qubits: list[int], duration_ns: float, instruction: stim.CircuitInstruction | None) -> None:
        for qubit in qubits:
            self._pending.pop(qubit, None)
            self._clock_ns[qubit] += duration_ns
        if instruction is not None:
            self.out.append(instruction)
        self._ground |= set(qubits)
        self._grouped("X_ERROR", {qubit: (_reset_error(self._noise(qubit)),) for qubit in qubits})

    def _barrier(self) -> None:
        end_ns = max(self._clock_ns.values(), default=0.0)
        for qubit in self._clock_ns:
            self._wait(qubit, end_ns)

    def _wait(self, qubit: int, until_ns: float) -> None:
        idle_ns = until_ns - self._clock_ns[qubit]
        if idle_ns > 0:
            if qubit not in self._ground:
                self._add(qubit, relaxation_twirl(self._noise(qubit), idle_ns))
            self._clock_ns[qubit] = until_ns

    def _noise(self, qubit: int) -> QubitNoise:
        return self._placement.qubit(self._snapshot, qubit)

    def _add(self, qubit: int, channel: PauliChannel) -> None:
        self._pending[qubit] = self._pending.get(qubit, _UNTOUCHED).then(channel)

    def _flush(self, qubits: Iterable[int]) -> None:
        due = {qubit: self._pending.pop(qubit).probs() for qubit in qubits if qubit in self._pending}
        self._grouped("PAULI_CHANNEL_1", due)

    def _grouped(self, name: str, due: Mapping[int, tuple[float, ...]]) -> None:
        """One instruction per distinct set of probabilities; none where they are all 0."""
        groups: dict[tuple[float, ...], list[int]] = {}
        for qubit, probs in due.items():
            if any(probs):
                groups.setdefault(probs, []).append(qubit)
        for probs, qubits in groups.items():
            self.out.append(name, qubits, list(probs))


def _reset_error(noise: QubitNoise) -> float:
    """P(|1>) after a reset: imperfect reset or thermal population."""
    both = noise.reset_error * noise.excited_population
    return round(noise.reset_error + noise.excited_population - 2 * both, 15)
