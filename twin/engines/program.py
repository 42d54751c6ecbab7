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
            wires = _wires(op)
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
    """When things happen. `idle_after_ns[i]`: per qubit of operation i, the wait between its end and the next one."""

    idle_after_ns: tuple[tuple[float, ...], ...]
    total_ns: float


def schedule(operations: Sequence[Operation], snapshot: NoiseSnapshot) -> Schedule:
    """Schedule a program the way the device does (`snapshot.schedule`: "asap" or "alap")."""
    return (schedule_asap if snapshot.schedule == "asap" else schedule_alap)(operations, snapshot)


def schedule_alap(operations: Sequence[Operation], snapshot: NoiseSnapshot) -> Schedule:
    """Schedule every operation as late as possible.

    Qubits wait in |0> before their first operation, where nothing decays. A condition waits for its bits.
    """
    clock: dict[tuple[str, int], float] = {}  # counted back from the end
    idle: list[tuple[float, ...]] = []
    for op in reversed(operations):
        wires = _wires(op)
        end_ns = max([clock.get(wire, 0.0) for wire in wires], default=0.0)
        idle.append(tuple([end_ns - clock.get(wire, 0.0) for wire in wires[: len(op.qubits)]]))
        start_ns = end_ns + duration_ns(op, snapshot)
        for wire in wires:
            clock[wire] = start_ns
    return Schedule(tuple(reversed(idle)), max(clock.values(), default=0.0))


def schedule_asap(operations: Sequence[Operation], snapshot: NoiseSnapshot) -> Schedule:
    """Schedule every operation as soon as possible, but all final measurements together, when the last gate is done."""
    final = _final_measurements(operations)
    clock: dict[tuple[str, int], float] = {}
    idle = [[0.0] * len(op.qubits) for op in operations]
    latest: dict[int, tuple[int, int]] = {}  # qubit -> (operation, place among its qubits) that ended last
    order = [i for i in range(len(operations)) if i not in final] + sorted(final)
    gates_done_ns = 0.0
    for position, index in enumerate(order):
        op = operations[index]
        if position == len(operations) - len(final):
            gates_done_ns = max(clock.values(), default=0.0)
        wires = _wires(op)
        start_ns = max([clock.get(wire, 0.0) for wire in wires], default=0.0)
        start_ns = max(start_ns, gates_done_ns)
        for place, qubit in enumerate(op.qubits):
            if qubit in latest:
                before, at = latest[qubit]
                idle[before][at] = start_ns - clock["q", qubit]
            latest[qubit] = (index, place)
        end_ns = start_ns + duration_ns(op, snapshot)
        for wire in wires:
            clock[wire] = end_ns
    total_ns = max(clock.values(), default=0.0)
    return Schedule(tuple([tuple(each) for each in idle]), total_ns)


def _wires(op: Operation) -> list[tuple[str, int]]:
    """What an operation occupies: its qubits, then its classical bits."""
    return [("q", q) for q in op.qubits] + [("c", c) for c in op.classical]


def _final_measurements(operations: Sequence[Operation]) -> set[int]:
    """Measurements after which nothing happens to their qubit and their bit."""
    seen: set[tuple[str, int]] = set()
    final = set()
    for index in range(len(operations) - 1, -1, -1):
        op = operations[index]
        if op.name == "barrier":
            continue
        wires = _wires(op)
        if op.name == "measure" and not seen.intersection(wires):
            final.add(index)
        seen.update(wires)
    return final
