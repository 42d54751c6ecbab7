"""Stim circuits in the device's own gates: CX or CZ on coupled pairs, single-qubit Cliffords, measurement, reset."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator

import stim

from twin.engines.errors import CircuitError

# One physical pulse each, or none: see pulses().
VIRTUAL_GATES = frozenset({"I", "Z", "S", "S_DAG"})
SINGLE_QUBIT_GATES = frozenset(
    name for name, data in stim.gate_data().items() if data.is_unitary and data.is_single_qubit_gate
)
ANNOTATIONS = frozenset({"DETECTOR", "OBSERVABLE_INCLUDE", "SHIFT_COORDS", "QUBIT_COORDS", "TICK", "MPAD"})
NATIVE_COLLAPSES = frozenset({"M", "MR", "R"})
HERALDED = frozenset({"HERALDED_ERASE", "HERALDED_PAULI_CHANNEL_1"})
# A tag on the pulse that turns a measured qubit back: what only a later use of that qubit needs.
TURNED_BACK = "turned back"

# Measurements and resets in other bases: the pulse around them, and what is done in the Z basis.
_TURNED = {"MX": ("H", "M"), "MY": ("H_YZ", "M"), "MRX": ("H", "MR"), "MRY": ("H_YZ", "MR")}
_TURNED |= {"RX": ("H", "R"), "RY": ("H_YZ", "R")}
_JOINT = {"MXX": stim.target_x, "MYY": stim.target_y, "MZZ": stim.target_z}

Route = Callable[[int, int], list[int]]


def direct(a: int, b: int) -> list[int]:
    """A route for circuits whose pairs are all coupled."""
    return [a, b]


def shortest_routes(neighbours: tuple[tuple[int, ...], ...]) -> Route:
    """Shortest paths between qubits of a device, found when they are asked for."""

    def route(a: int, b: int) -> list[int]:
        previous: dict[int, int] = {a: a}
        waiting = deque([a])
        while waiting:
            here = waiting.popleft()
            if here == b:
                path = [b]
                while path[-1] != a:
                    path.append(previous[path[-1]])
                return path[::-1]
            for neighbour in neighbours[here]:
                if neighbour not in previous:
                    previous[neighbour] = here
                    waiting.append(neighbour)
        raise CircuitError(f"qubits {a} and {b} are not connected on this device")

    return route


def to_native(
    circuit: stim.Circuit, two_qubit_gate: str, route: Route = direct, *, drop_pairs: bool = True
) -> stim.Circuit:
    """Rewrite a circuit in CX or CZ (`two_qubit_gate`: "cx" or "cz") and one-qubit gates.

    CX becomes H CZ H on a CZ device, as Qiskit writes it. Pairs that are not coupled are brought together by swaps
    along `route` and taken back. Noise and annotations stay where they are.

    Args:
        circuit: without sweep bits.
        two_qubit_gate: of the device.
        route: from one qubit to another, over coupled pairs.
        drop_pairs: whether two H that meet are dropped, over any number of TICKs. That is a compilation, of circuits
            that this package writes; what a client submits runs as written (False).

    Raises:
        CircuitError: an instruction that has no meaning on a device.
    """
    native = stim.Circuit()
    _Rewriter(native, two_qubit_gate, route, drop_pairs).run(circuit)
    return native


class _Rewriter:
    """Writes native instructions; where pairs are dropped, holds back one H per qubit so that two that meet vanish."""

    def __init__(self, out: stim.Circuit, two_qubit_gate: str, route: Route, drop_pairs: bool) -> None:
        self._out = out
        self._two_qubit_gate = two_qubit_gate
        self._route = route
        self._drop_pairs = drop_pairs
        self._held: set[int] = set()

    def run(self, circuit: stim.Circuit) -> None:
        for instruction in circuit:
            if isinstance(instruction, stim.CircuitRepeatBlock):
                self._release(sorted(self._held))
                body = to_native(
                    instruction.body_copy(), self._two_qubit_gate, self._route, drop_pairs=self._drop_pairs
                )
                self._out.append(stim.CircuitRepeatBlock(instruction.repeat_count, body, tag=instruction.tag))
            else:
                self._instruction(instruction)
        self._release(sorted(self._held))

    def _instruction(self, instruction: stim.CircuitInstruction) -> None:
        name = instruction.name
        if name == "H" and self._drop_pairs:
            for target in instruction.targets_copy():
                self._held ^= {target.value}
        elif name in ("CX", "CZ", "SWAP"):
            groups = instruction.target_groups()
            if not self._entangle_at_once(name, groups):
                for first, second in groups:
                    self._entangle(name, first, second)
        elif name in SINGLE_QUBIT_GATES or name in ANNOTATIONS or name in NATIVE_COLLAPSES or is_noise(name):
            self._release(qubits_of(instruction))
            self._out.append(instruction)
        elif name in _TURNED:
            self._turned(instruction)
        elif name in _JOINT:
            self._joint(instruction)
        else:
            self._decomposed(instruction)

    def _turned(self, instruction: stim.CircuitInstruction) -> None:
        """A measurement or reset in another basis. (Stim decomposes none with inverted targets.)"""
        gate, collapse = _TURNED[instruction.name]
        targets = instruction.targets_copy()
        distinct = len(set(qubits_of(instruction))) == len(targets)
        simpler = stim.Circuit()
        for group in [targets] if distinct else [[target] for target in targets]:
            qubits = [target.value for target in group]
            if collapse != "R":
                simpler.append(gate, qubits)
            simpler.append(collapse, group, instruction.gate_args_copy())
            simpler.append(gate, qubits, tag=TURNED_BACK if collapse == "M" else "")
        self.run(simpler)

    def _joint(self, instruction: stim.CircuitInstruction) -> None:
        """MXX, MYY, MZZ as MPP, for the same reason."""
        pauli = _JOINT[instruction.name]
        products: list[stim.GateTarget] = []
        for first, second in instruction.target_groups():
            inverted = first.is_inverted_result_target != second.is_inverted_result_target
            products += [pauli(first.value, inverted), stim.target_combiner(), pauli(second.value)]
        self._decomposed(stim.CircuitInstruction("MPP", products, instruction.gate_args_copy()))

    def _decomposed(self, instruction: stim.CircuitInstruction) -> None:
        single = stim.Circuit()
        single.append(instruction)
        try:
            simpler = single.decomposed()
        except ValueError as error:
            raise CircuitError(f"stim: {instruction}: {error}") from error
        if simpler == single:
            raise CircuitError(f"stim instruction {instruction.name} is not supported on a device")
        self.run(simpler)

    def _entangle_at_once(self, name: str, groups: list[list[stim.GateTarget]]) -> bool:
        """Write pairs that are coupled and share no qubit as one instruction; False where they are not."""
        if name == "SWAP" or not all(target.is_qubit_target for group in groups for target in group):
            return False
        flat = [target.value for group in groups for target in group]
        if len(set(flat)) < len(flat) or any(len(self._route(a.value, b.value)) > 2 for a, b in groups):
            return False
        self._pairs(name, flat)
        return True

    def _entangle(self, name: str, first: stim.GateTarget, second: stim.GateTarget) -> None:
        for target in (first, second):
            if target.is_sweep_bit_target:
                raise CircuitError("stim circuits with sweep bits are not supported")
        if first.is_measurement_record_target or second.is_measurement_record_target:
            self._release([target.value for target in (first, second) if target.is_qubit_target])
            self._out.append(name, [first, second])
            return
        path = self._route(first.value, second.value)
        hops = list(itertools.pairwise(path[:-1]))
        for a, b in hops:
            self._swap(a, b)
        if name == "SWAP":
            self._swap(path[-2], path[-1])
        else:
            self._pairs(name, path[-2:])
        for a, b in reversed(hops):
            self._swap(a, b)

    def _swap(self, a: int, b: int) -> None:
        """Three CX, or three CZ with a SQRT_X on both qubits before each: Qiskit's swap, up to a phase."""
        for control, target in ((a, b), (b, a), (a, b)):
            if self._two_qubit_gate == "cx":
                self._pairs("CX", [control, target])
            else:
                self._instruction(stim.CircuitInstruction("SQRT_X", [a, b]))
                self._pairs("CZ", [a, b])

    def _pairs(self, name: str, flat: list[int]) -> None:
        """Two-qubit gates on coupled pairs that share no qubit, with an H on both sides of each target if need be."""
        around = set(flat[1::2]) if (name == "CX") != (self._two_qubit_gate == "cx") else set()
        self._held ^= around
        self._release(flat)
        self._out.append(self._two_qubit_gate.upper(), flat)
        self._held ^= around
        if not self._drop_pairs:
            self._release(flat)

    def _release(self, qubits: list[int]) -> None:
        due = [qubit for qubit in dict.fromkeys(qubits) if qubit in self._held]
        if due:
            self._out.append("H", due)
            self._held -= set(due)


def qubits_of(instruction: stim.CircuitInstruction) -> list[int]:
    """The qubits an instruction acts on, in order; none for annotations (a MPAD's 0 and 1 are no qubits)."""
    if instruction.name in ANNOTATIONS:
        return []
    return [target.value for target in instruction.targets_copy() if target.qubit_value is not None]


def flat_instructions(circuit: stim.Circuit) -> Iterator[stim.CircuitInstruction]:
    """Every instruction once, those of repeat blocks included (once)."""
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            yield from flat_instructions(instruction.body_copy())
        else:
            yield instruction


def is_noise(name: str) -> bool:
    """Whether an instruction is noise alone, with a herald or without."""
    data = stim.gate_data(name)
    return name in HERALDED or bool(data.is_noisy_gate and not data.produces_measurements)
