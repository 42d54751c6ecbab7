"""Codes and their memory circuits, from Stim's generators, cut into first round, repeated round and final readout."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import stim

CodeFamily = Literal["repetition", "surface"]
Basis = Literal["Z", "X"]
Coordinates = tuple[float, float]

_SIDES = ((-1, -1), (1, -1), (-1, 1), (1, 1))


@dataclass(frozen=True)
class Stabilizer:
    """One stabilizer: its type, where its ancilla lies, and its data qubits by data index."""

    index: int
    type: Basis
    coordinates: Coordinates
    data_qubits: tuple[int, ...]


@dataclass(frozen=True)
class Parts:
    """A memory circuit cut at its rounds. `first` prepares and has round 0; `final` reads the data qubits."""

    first: stim.Circuit
    body: stim.Circuit
    final: stim.Circuit

    def assembled(self, rounds: int) -> stim.Circuit:
        """The whole circuit of a memory of `rounds` rounds."""
        circuit = self.first.copy()
        if rounds > 1:
            circuit.append(stim.CircuitRepeatBlock(rounds - 1, self.body))
        circuit += self.final
        return circuit

    def without_annotations(self) -> Parts:
        """The same operations without detectors, observables and coordinates."""
        return Parts(_operations(self.first), _operations(self.body), _operations(self.final))


@dataclass(frozen=True, eq=False)
class Code:
    """A memory experiment of one code.

    Stabilizers are in the order of a round's ancilla measurements, data qubits in that of the final readout.
    `ancillas` and `data` are the circuit's qubit numbers in these orders.
    """

    family: CodeFamily
    distance: int
    basis: Basis
    parts: Parts
    coordinates: dict[int, Coordinates]
    ancillas: tuple[int, ...]
    data: tuple[int, ...]
    stabilizers: tuple[Stabilizer, ...]
    observable: tuple[int, ...]

    @property
    def num_stabilizers(self) -> int:
        return len(self.stabilizers)

    @property
    def num_data_qubits(self) -> int:
        return len(self.data)

    @property
    def basis_stabilizers(self) -> tuple[int, ...]:
        """Indices of the stabilizers that the final data readout rebuilds."""
        return tuple(each.index for each in self.stabilizers if each.type == self.basis)

    def pairs(self) -> set[tuple[int, int]]:
        """Undirected pairs of circuit qubits that the circuit couples."""
        found = set()
        for instruction in (*self.parts.first, *self.parts.body):
            if instruction.name == "CX":
                for a, b in instruction.target_groups():
                    found.add((min(a.value, b.value), max(a.value, b.value)))
        return found


@lru_cache(maxsize=128)
def build_code(family: CodeFamily, distance: int, basis: Basis) -> Code:
    """The code and its noiseless memory circuit (CX and H, measure-and-reset ancillas)."""
    parts = generated_parts(family, distance, basis, 0.0)
    ancillas = _targets(parts.body, "MR")
    data = _targets(parts.final, "M" if basis == "Z" else "MX")
    coordinates = _coordinates(family, parts.first, (*ancillas, *data))
    data_index = {coordinates[qubit]: index for index, qubit in enumerate(data)}
    x_type = set(_targets(parts.body, "H"))
    stabilizers = []
    for index, ancilla in enumerate(ancillas):
        x, y = coordinates[ancilla]
        sides = ((x - 1, y), (x + 1, y)) if family == "repetition" else tuple((x + dx, y + dy) for dx, dy in _SIDES)
        support = tuple(sorted(data_index[side] for side in sides if side in data_index))
        stabilizers.append(Stabilizer(index, "X" if ancilla in x_type else "Z", (x, y), support))
    return Code(
        family=family,
        distance=distance,
        basis=basis,
        parts=parts,
        coordinates=coordinates,
        ancillas=ancillas,
        data=data,
        stabilizers=tuple(stabilizers),
        observable=_observable(parts.final, len(data)),
    )


def generated_parts(family: CodeFamily, distance: int, basis: Basis, uniform_prob: float) -> Parts:
    """Stim's generated memory circuit, all four noise arguments `uniform_prob`, with detectors at (x, y, t)."""
    name = "repetition_code:memory" if family == "repetition" else f"surface_code:rotated_memory_{basis.lower()}"
    circuit = stim.Circuit.generated(
        name,
        distance=distance,
        rounds=3,
        after_clifford_depolarization=uniform_prob,
        before_round_data_depolarization=uniform_prob,
        before_measure_flip_probability=uniform_prob,
        after_reset_flip_probability=uniform_prob,
    )
    if family == "repetition":
        circuit = _with_flat_coordinates(circuit)
    cut = next(i for i, each in enumerate(circuit) if isinstance(each, stim.CircuitRepeatBlock))
    block = circuit[cut]
    return Parts(circuit[:cut], block.body_copy(), circuit[cut + 1 :])


def _with_flat_coordinates(circuit: stim.Circuit) -> stim.Circuit:
    """Stim's repetition code has detectors at (x, t); put them at (x, 0, t)."""
    out = stim.Circuit()
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            body = _with_flat_coordinates(instruction.body_copy())
            out.append(stim.CircuitRepeatBlock(instruction.repeat_count, body))
        elif instruction.name in ("DETECTOR", "SHIFT_COORDS"):
            x, t = instruction.gate_args_copy()
            out.append(instruction.name, instruction.targets_copy(), [x, 0, t])
        else:
            out.append(instruction)
    return out


def _targets(circuit: stim.Circuit, name: str) -> tuple[int, ...]:
    """Targets of the first instruction of a name; none where there is none."""
    for instruction in circuit:
        if instruction.name == name:
            return tuple(target.value for target in instruction.targets_copy())
    return ()


def _coordinates(family: CodeFamily, first: stim.Circuit, qubits: tuple[int, ...]) -> dict[int, Coordinates]:
    if family == "repetition":
        return {qubit: (float(qubit), 0.0) for qubit in sorted(qubits)}
    found = first.get_final_qubit_coordinates()
    return {qubit: (found[qubit][0], found[qubit][1]) for qubit in sorted(qubits)}


def _observable(final: stim.Circuit, num_data: int) -> tuple[int, ...]:
    for instruction in final:
        if instruction.name == "OBSERVABLE_INCLUDE":
            return tuple(sorted(num_data + target.value for target in instruction.targets_copy()))
    raise AssertionError("a generated memory circuit has an observable")


def _operations(circuit: stim.Circuit) -> stim.Circuit:
    out = stim.Circuit()
    for instruction in circuit:
        if instruction.name not in ("DETECTOR", "OBSERVABLE_INCLUDE", "SHIFT_COORDS", "QUBIT_COORDS"):
            out.append(instruction)
    return out
