"""Stim circuits as programs: the same operations, barriers and conditions that an OpenQASM circuit becomes."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import stim

from twin.engines.errors import CircuitError
from twin.engines.native import ANNOTATIONS, SINGLE_QUBIT_GATES, TURNED_BACK, flat_instructions, is_noise, qubits_of
from twin.engines.program import Condition, Operation, Program

_TURN = math.pi / 2


def program_of_stim(native: stim.Circuit) -> Program:
    """The program of a native circuit; classical bit i is outcome i of the measurement record.

    A one-qubit Clifford is one pulse between virtual rotations, or a virtual rotation alone; `I` is OpenQASM's `id`, a
    wait as long as a pulse. TICK is a barrier on all qubits. Feedback is a Pauli under a condition on a recorded bit.
    An inverted target and the argument of a measurement turn the recorded bit over. The pulse that turns a qubit back
    after its last measurement is left out. Noise, heralds and MPAD stay as they are, and take no time.

    Args:
        native: from `to_native`, with nothing dropped and without sweep bits.

    Raises:
        CircuitError: an instruction that has no meaning on a device.
    """
    translator = _Translator(native)
    translator.run(native)
    num_records = translator.num_records
    return Program(translator.operations(), num_records, (("m", num_records),))


class _Translator:
    """Writes operations, and counts the outcomes that are recorded."""

    def __init__(self, native: stim.Circuit) -> None:
        self.num_records = 0
        qubits = {qubit for instruction in flat_instructions(native) for qubit in qubits_of(instruction)}
        self._barrier = Operation("barrier", tuple(sorted(qubits)))
        self._operations: list[Operation] = []
        self._turned_back: set[int] = set()
        self._pulses: dict[tuple[str, int], list[Operation]] = {}  # written once, used at every place

    def operations(self) -> tuple[Operation, ...]:
        """What was written, but for pulses that turn back a qubit for no later use."""
        used: set[int] = set()
        kept = []
        for index in range(len(self._operations) - 1, -1, -1):
            op = self._operations[index]
            if index in self._turned_back and op.qubits[0] not in used:
                continue
            if op.name != "barrier":
                used.update(op.qubits)
            kept.append(op)
        return tuple(reversed(kept))

    def run(self, circuit: stim.Circuit) -> None:
        for instruction in circuit:
            if isinstance(instruction, stim.CircuitRepeatBlock):
                body = instruction.body_copy()
                for _ in range(instruction.repeat_count):
                    self.run(body)
            else:
                self._instruction(instruction)

    def _instruction(self, instruction: stim.CircuitInstruction) -> None:
        name = instruction.name
        if name == "TICK":
            self._operations.append(self._barrier)
        elif name == "MPAD" or is_noise(name):
            self._as_written(instruction)
        elif name in ANNOTATIONS:
            return
        elif name in ("M", "MR"):
            self._measure(instruction)
        elif name == "R":
            self._operations += [Operation("reset", (target.value,)) for target in instruction.targets_copy()]
        elif name in ("CX", "CZ"):
            self._pairs(instruction)
        elif name in SINGLE_QUBIT_GATES:
            self._pulse(instruction)
        else:
            raise CircuitError(f"stim instruction {name} is not supported on a device")

    def _pulse(self, instruction: stim.CircuitInstruction) -> None:
        for target in instruction.targets_copy():
            pulse = self._pulses.get((instruction.name, target.value))
            if pulse is None:
                parts = one_qubit_gates()[instruction.name]
                pulse = [Operation(name, (target.value,), params) for name, params in parts]
                self._pulses[instruction.name, target.value] = pulse
            if instruction.tag == TURNED_BACK:
                first_index = len(self._operations)
                self._turned_back.update(range(first_index, first_index + len(pulse)))
            self._operations += pulse

    def _pairs(self, instruction: stim.CircuitInstruction) -> None:
        for first, second in instruction.target_groups():
            if first.is_qubit_target and second.is_qubit_target:
                self._operations.append(Operation(instruction.name.lower(), (first.value, second.value)))
                continue
            record, qubit = (first, second) if second.is_qubit_target else (second, first)
            if qubit.is_qubit_target:
                condition = Condition((self.num_records + record.value,), 1)
                name, params = ("x", ()) if instruction.name == "CX" else ("rz", (math.pi,))
                self._operations.append(Operation(name, (qubit.value,), params, condition=condition))

    def _measure(self, instruction: stim.CircuitInstruction) -> None:
        own_prob = next(iter(instruction.gate_args_copy()), 0.0)
        for target in instruction.targets_copy():
            turned_prob = 1 - own_prob if target.is_inverted_result_target else own_prob
            params = (turned_prob,) if turned_prob else ()
            self._operations.append(Operation("measure", (target.value,), params, (self._new_record(),)))
            if instruction.name == "MR":
                self._operations.append(Operation("reset", (target.value,)))

    def _as_written(self, instruction: stim.CircuitInstruction) -> None:
        """One operation per group of targets: what concerns other qubits does not wait for it."""
        for group in instruction.target_groups():
            single = stim.CircuitInstruction(instruction.name, group, instruction.gate_args_copy())
            clbits = (self._new_record(),) if single.num_measurements else ()
            self._operations.append(Operation("stim", tuple(qubits_of(single)), (), clbits, text=str(single)))

    def _new_record(self) -> int:
        self.num_records += 1
        return self.num_records - 1


@lru_cache(maxsize=1)
def one_qubit_gates() -> dict[str, tuple[tuple[str, tuple[float, ...]], ...]]:
    """Stim's one-qubit gates as names and params of operations; found by comparing tableaus.

    Every one-qubit Clifford is a virtual rotation, or one pulse (X or its root) between two of them.
    """
    found: dict[str, tuple[tuple[str, tuple[float, ...]], ...]] = {}
    forms = [(None, 0, turns) for turns in range(4)] + [("x", 0, turns) for turns in range(4)]
    forms += [("sx", before, after) for before, after in itertools.product(range(4), repeat=2)]
    tableaus = {}
    for pulse, before, after in forms:
        circuit = stim.Circuit("I 0\n" + "S 0\n" * before)
        if pulse:
            circuit.append("X" if pulse == "x" else "SQRT_X", [0])
        circuit += stim.Circuit("S 0\n" * after)
        tableaus[str(circuit.to_tableau())] = (pulse, before, after)
    for name in SINGLE_QUBIT_GATES - {"I"}:
        pulse, before, after = tableaus[str(stim.Tableau.from_named_gate(name))]
        middle = ((pulse, ()),) if pulse else ()
        found[name] = (*_rotation(before), *middle, *_rotation(after))
    found["I"] = (("id", ()),)
    return found


def _rotation(turns: int) -> tuple[tuple[str, tuple[float, ...]], ...]:
    return (("rz", (turns * _TURN,)),) if turns else ()
