"""A circuit as a device runs it: native operations on device qubits, and when each of them happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.device.snapshot import NoiseSnapshot

TWO_QUBIT = frozenset({"cx", "cz"})
PULSES = frozenset({"sx", "x"})


@dataclass(frozen=True, slots=True)
class Condition:
    """Run only if these classical bits, first one lowest, have this value."""

    clbits: tuple[int, ...]
    value: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One native operation: rz, sx, x, id, delay (params: ns), cx, cz, measure, reset or barrier."""

    name: str
    qubits: tuple[int, ...]
    params: tuple[float, ...] = ()
    clbits: tuple[int, ...] = ()
    condition: Condition | None = None

    @property
    def classical(self) -> tuple[int, ...]:
        """Classical bits that it writes or looks at."""
        return self.clbits if self.condition is None else (*self.clbits, *self.condition.clbits)


@dataclass(frozen=True, slots=True)
class Program:
    """Native operations in order. `registers`: name and size of each classical register, in declaration order."""

    operations: tuple[Operation, ...]
    num_clbits: int
    registers: tuple[tuple[str, int], ...]

    def active_qubits(self) -> tuple[int, ...]:
        """Device qubits that anything but a barrier acts on, ascending."""
        return tuple(sorted({q for op in self.operations if op.name != "barrier" for q in op.qubits}))

    def two_qubit_count(self) -> int:
        return sum(op.name in TWO_QUBIT for op in self.operations)

    def depth(self) -> int:
        """Longest chain of operations; barriers order but do not count, virtual rz counts."""
        level: dict[tuple[str, int], int] = {}
        for op in self.operations:
            wires = [("q", q) for q in op.qubits] + [("c", c) for c in op.classical]
            here = max((level.get(wire, 0) for wire in wires), default=0) + (op.name != "barrier")
            level.update(dict.fromkeys(wires, here))
        return max(level.values(), default=0)


def duration_ns(op: Operation, snapshot: NoiseSnapshot) -> float:
    """How long the device takes for an operation."""
    if op.name in TWO_QUBIT:
        return snapshot.edges[op.qubits[0], op.qubits[1]].duration_ns
    if op.name in PULSES or op.name == "id":
        return snapshot.single_qubit_ns
    if op.name == "delay":
        return op.params[0]
    return {"measure": snapshot.measure_ns, "reset": snapshot.reset_ns}.get(op.name, 0.0)


@dataclass(frozen=True, slots=True)
class Schedule:
    """As late as possible. `idle_after_ns[i]`: per qubit of operation i, the wait between its end and the next one."""

    idle_after_ns: tuple[tuple[float, ...], ...]
    total_ns: float


def schedule_alap(operations: Sequence[Operation], snapshot: NoiseSnapshot) -> Schedule:
    """Schedule every operation as late as possible (the default of the modelled devices).

    Qubits wait in |0> before their first operation, where nothing decays. A condition waits for its bits.
    """
    clock: dict[tuple[str, int], float] = {}  # counted back from the end
    idle: list[tuple[float, ...]] = []
    for op in reversed(operations):
        wires = [("q", q) for q in op.qubits] + [("c", c) for c in op.classical]
        end_ns = max((clock.get(wire, 0.0) for wire in wires), default=0.0)
        idle.append(tuple(end_ns - clock.get(("q", q), 0.0) for q in op.qubits))
        start_ns = end_ns + duration_ns(op, snapshot)
        for wire in wires:
            clock[wire] = start_ns
    return Schedule(tuple(reversed(idle)), max(clock.values(), default=0.0))
