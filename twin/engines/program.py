"""A circuit as a device runs it: native operations on device qubits, and when each of them happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from twin.device.snapshot import NoiseSnapshot

TWO_QUBIT = frozenset({"cx", "cz"})
PULSES = frozenset({"sx", "x"})


@dataclass(frozen=True, slots=True)
class Condition:
    """Run only if these classical bits, first one lowest, have this value."""

    clbits: tuple[int, ...]
    value: int

    @property
    def never(self) -> bool:
        """Whether the value is more than these bits can have."""
        return self.value >> len(self.clbits) != 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One native operation: rz, sx, x, id, delay (params: ns), cx, cz, measure, reset, barrier or stim.

    A measure's param, where there is one, is the probability that its recorded bit is turned over afterwards: 1 for
    Stim's inverted targets. "stim" is noise of Stim's, a herald (it writes `clbits`) or a pad: `text` as written.
    """

    name: str
    qubits: tuple[int, ...]
    params: tuple[float, ...] = ()
    clbits: tuple[int, ...] = ()
    condition: Condition | None = None
    text: str = ""

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
        """Longest chain of operations; barriers order but do not count, nor noise; virtual rz counts."""
        level: dict[tuple[str, int], int] = {}
        for op in self.operations:
            wires = _wires(op)
            here = max((level.get(wire, 0) for wire in wires), default=0) + (op.name not in ("barrier", "stim"))
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
    """When things happen.

    `idle_after_ns[i]`: per qubit of operation i, the wait between its end and the next operation on that qubit,
    barriers apart: a barrier shifts what comes after it, and has no wait of its own.
    """

    idle_after_ns: tuple[tuple[float, ...], ...]
    total_ns: float


def schedule(operations: Sequence[Operation], snapshot: NoiseSnapshot) -> Schedule:
    """Schedule a program the way the device does (`snapshot.schedule`: "asap" or "alap")."""
    return (schedule_asap if snapshot.schedule == "asap" else schedule_alap)(operations, snapshot)


def schedule_alap(operations: Sequence[Operation], snapshot: NoiseSnapshot) -> Schedule:
    """Schedule every operation as late as possible.

    Qubits wait in |0> before their first operation, where nothing decays. A condition waits for its bits.
    """
    clock: dict[Wire, float] = {}  # counted back from the end
    starts: list[list[float]] = [[]] * len(operations)
    for index in range(len(operations) - 1, -1, -1):
        op = operations[index]
        starts[index] = [-time_ns for time_ns in _advance(clock, op, duration_ns(op, snapshot), from_end=True)]
    return Schedule(_idle(operations, starts, snapshot), max(clock.values(), default=0.0))


def schedule_asap(operations: Sequence[Operation], snapshot: NoiseSnapshot) -> Schedule:
    """Schedule every operation as soon as possible, but all final measurements together, when the last gate is done."""
    final = _final_measurements(operations)
    clock: dict[Wire, float] = {}
    starts: list[list[float]] = [[]] * len(operations)
    for index, op in enumerate(operations):
        if index not in final:
            starts[index] = _advance(clock, op, duration_ns(op, snapshot))
    gates_done_ns = total_ns = max(clock.values(), default=0.0)
    for index in final:
        starts[index] = [gates_done_ns]
        total_ns = max(total_ns, gates_done_ns + duration_ns(operations[index], snapshot))
    return Schedule(_idle(operations, starts, snapshot), total_ns)


Wire = tuple[str, int]  # ("q", device qubit) or ("c", classical bit)


def _advance(clock: dict[Wire, float], op: Operation, length_ns: float, *, from_end: bool = False) -> list[float]:
    """Put an operation behind all that occupies its wires; when it starts on each of its qubits.

    With `from_end` the clock runs backwards, and an operation starts where it ends. Noise on many qubits happens on
    each of them when that one is free: it is not an operation of the device that they would wait for.
    """
    wires = _wires(op)
    free_ns = [clock.get(wire, 0.0) for wire in wires]
    if op.name != "stim" or op.clbits:
        free_ns = [max(free_ns, default=0.0)] * len(wires)
    for wire, time_ns in zip(wires, free_ns, strict=True):
        clock[wire] = time_ns + length_ns
    qubits_free_ns = free_ns[: len(op.qubits)]
    return [time_ns + length_ns for time_ns in qubits_free_ns] if from_end else qubits_free_ns


def _idle(
    operations: Sequence[Operation], starts: Sequence[Sequence[float]], snapshot: NoiseSnapshot
) -> tuple[tuple[float, ...], ...]:
    """From the start of each operation on each of its qubits to the waits after it."""
    idle = [[0.0] * len(op.qubits) for op in operations]
    latest: dict[int, tuple[int, int, float]] = {}  # qubit -> operation, place among its qubits, end
    for index, op in enumerate(operations):
        if op.name == "barrier":
            continue
        length_ns = duration_ns(op, snapshot)
        for place, (qubit, start_ns) in enumerate(zip(op.qubits, starts[index], strict=True)):
            if qubit in latest:
                before, at, end_ns = latest[qubit]
                # Noise may stand behind a final measurement that waits for others. Below 1e-6 ns is rounding.
                idle[before][at] = max(0.0, round(start_ns - end_ns, 6))
            latest[qubit] = (index, place, start_ns + length_ns)
    return tuple([tuple(each) for each in idle])


def _wires(op: Operation) -> tuple[Wire, ...]:
    """What an operation occupies: its qubits, then its classical bits."""
    return _named_wires(op.qubits, op.classical)


@lru_cache(maxsize=2**16)
def _named_wires(qubits: tuple[int, ...], clbits: tuple[int, ...]) -> tuple[Wire, ...]:
    return tuple([("q", qubit) for qubit in qubits] + [("c", clbit) for clbit in clbits])


def _final_measurements(operations: Sequence[Operation]) -> set[int]:
    """Measurements after which nothing happens to their qubit and their bit; a barrier that orders them counts."""
    seen: set[Wire] = set()
    final = set()
    for index in range(len(operations) - 1, -1, -1):
        op = operations[index]
        wires = _wires(op)
        if (op.name == "barrier" and not seen) or (op.name == "stim" and not op.clbits):
            continue  # a barrier that nothing follows, or noise
        if op.name == "measure" and not seen.intersection(wires):
            final.add(index)
        seen.update(wires)
    return final
