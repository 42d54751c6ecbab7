"""Where in a Clifford program relaxation matters: what of it can still reach an outcome.

A term of the state (a product of Paulis) is followed to the outcomes. Clifford gates make one product of another, so
whether a factor on one qubit can end as what is measured, or must vanish from every outcome, is found in one pass back
through the program; whether a qubit can have a phase to lose, in one pass forward. Both err on the safe side.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from twin.engines.program import TWO_QUBIT, Operation, Program


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Of a qubit between one of its operations and the next.

    Attributes:
        populations: a Z on it, whatever is on other qubits, can reach an outcome.
        coherence: it can have an X or Y that can reach an outcome.
        ground: it is in the thermal |0>, which does not relax.
    """

    populations: bool
    coherence: bool
    ground: bool


def sensitivities(program: Program, badly_reset: Container[int]) -> dict[tuple[int, int], Sensitivity]:
    """(operation, qubit) -> its sensitivity after that operation. badly_reset: qubits whose resets err."""
    reaching = _reaching(program)
    found = {}
    phased: set[int] = set()  # qubits that may have an X or Y
    ground = set(program.active_qubits())
    for index, op in enumerate(program.operations):
        if op.name == "barrier":
            continue
        _forward(op, phased, ground, badly_reset)
        for qubit in op.qubits:
            populations, coherence = reaching[index, qubit]
            found[index, qubit] = Sensitivity(populations, coherence and qubit in phased, qubit in ground)
    return found


def _forward(op: Operation, phased: set[int], ground: set[int], badly_reset: Container[int]) -> None:
    """What an operation leaves of qubits that have no phase, and of those in |0>."""
    if op.name in ("reset", "measure") and op.condition is None:
        phased.discard(op.qubits[0])
    if op.name == "reset":
        if op.condition is None and op.qubits[0] not in badly_reset:
            ground.add(op.qubits[0])
        elif op.qubits[0] in badly_reset:
            ground.discard(op.qubits[0])
        return
    if op.name == "sx":
        phased.add(op.qubits[0])
    elif op.name == "cx" and op.qubits[0] in phased:
        phased.add(op.qubits[1])
    if op.name in ("sx", "x", "stim", "measure", *TWO_QUBIT):  # what is measured is correlated with its bit
        ground.difference_update(op.qubits)


def _reaching(program: Program) -> dict[tuple[int, int], tuple[bool, bool]]:
    """(operation, qubit) -> whether a Z, and an X or Y, that is on it afterwards can reach an outcome."""
    found = {}
    z: dict[int, bool] = dict.fromkeys(program.active_qubits(), False)
    xy = dict(z)
    for index in range(len(program.operations) - 1, -1, -1):
        op = program.operations[index]
        if op.name == "barrier":
            continue
        for qubit in op.qubits:
            found[index, qubit] = z[qubit], xy[qubit]
        for qubit, (z_before, xy_before) in _before(op, z, xy).items():
            may_stay = op.condition is not None  # it may not fire
            z[qubit] = z_before or (may_stay and z[qubit])
            xy[qubit] = xy_before or (may_stay and xy[qubit])
    return found


def _before(op: Operation, z: dict[int, bool], xy: dict[int, bool]) -> dict[int, tuple[bool, bool]]:
    """Flags before an operation from those after it.

    A product with a factor that is not flagged vanishes from every outcome. So a factor is flagged where some other
    factors can be with it, such that everything that it then becomes is flagged.
    """
    first = op.qubits[0] if op.qubits else 0
    if op.name == "measure":  # the outcome is a Z; what had an X or Y is gone
        return {first: (True, False)}
    if op.name == "reset":
        return {first: (False, False)}
    if op.name == "sx":  # Z becomes Y, Y becomes Z, X stays
        return {first: (xy[first], xy[first] or z[first])}
    if op.name == "cz":  # an X or Y on the other qubit takes a Z away
        second = op.qubits[1]
        return {first: (z[first] or xy[second], xy[first]), second: (z[second] or xy[first], xy[second])}
    if op.name == "cx":  # a Z on the target goes to the control, an X on the control to the target
        control, target = op.qubits
        on_target = z[target] or xy[target]
        return {control: (z[control] or on_target, xy[control]), target: (on_target, xy[target] or xy[control])}
    return {}
