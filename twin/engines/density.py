"""Exact simulation of a program's density matrix, as Pauli expectations, one tensor per entangled cluster.

Only what is needed is kept: a qubit joins a cluster with its first two-qubit gate, one-qubit operations are gathered
and folded into the next two-qubit gate, and a qubit shrinks to its classical bit with its last two-qubit gate, or goes
where no measurement or a reset follows. Classical bits are axes of the tensor, so mid-circuit measurement and
conditions are exact too.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.engines.program import TWO_QUBIT, Operation, Program, Schedule
from twin.engines.transfer import Matrix, TransferMatrices, kron

Label = tuple[str, int]  # ("q", device qubit): 4 values; ("c", classical bit): 2 values

_LENGTHS = {"q": 4, "c": 2}
_IDENTITY = np.eye(4)
_NEVER = -1  # no value of bits
_PAIR_IDENTITY = np.eye(16)
_TRACE = np.array([[1.0, 0.0, 0.0, 0.0]])


@dataclass(frozen=True)
class Distribution:
    """Independent groups of classical bits, each with its joint distribution.

    Each factor: bits, first one most significant, and probabilities of shape (2 ** len(bits),).
    """

    factors: tuple[tuple[tuple[int, ...], NDArray[np.float64]], ...]


class _Cluster:
    """A tensor with labelled axes."""

    __slots__ = ("labels", "tensor")

    def __init__(self, labels: list[Label], tensor: Matrix) -> None:
        self.labels = labels
        self.tensor = tensor

    def front(self, labels: list[Label]) -> Matrix:
        """The tensor as a matrix whose rows are these axes (moved to the front, in this order)."""
        if self.labels[: len(labels)] != labels:
            order = [self.labels.index(label) for label in labels]
            order += [axis for axis in range(len(self.labels)) if axis not in order]
            self.tensor = self.tensor.transpose(order)
            self.labels = [self.labels[axis] for axis in order]
        rows = math.prod(self.tensor.shape[: len(labels)])
        return self.tensor.reshape(rows, -1)


def exact_distribution(program: Program, schedule: Schedule, matrices: TransferMatrices) -> Distribution:
    """Distribution of the recorded classical bits; bits never written are left out (they are 0)."""
    return _Run(program, schedule, matrices, keep=False).distribution()


def exact_state(program: Program, schedule: Schedule, matrices: TransferMatrices) -> tuple[tuple[int, ...], Matrix]:
    """The state after a program without measurements.

    Returns the qubits, ascending, and all their Pauli expectations: shape (4,) * len(qubits), axes I, X, Y, Z.
    """
    return _Run(program, schedule, matrices, keep=True).state()


@dataclass(frozen=True, slots=True)
class ExactCost:
    """What `exact_distribution` takes: elements of the largest tensor, and multiplications of all steps."""

    peak_elements: int
    multiplications: int


def exact_cost(program: Program, max_elements: int) -> ExactCost | None:
    """The cost of a program on any device and under any noise, found by the same walk over labels alone.

    None where a tensor would have more than `max_elements`.
    """
    try:
        return _DryRun(program, max_elements).cost()
    except _OverLimitError:
        return None


class _Run:
    """A walk over the program; what it does with labels depends on the program alone."""

    def __init__(
        self, program: Program, schedule: Schedule, matrices: TransferMatrices | _NoMatrices, keep: bool
    ) -> None:
        self._keep = keep
        self._program = program
        self._schedule = schedule
        self._matrices = matrices
        self._pending: dict[int, Matrix] = {}
        self._where: dict[Label, _Cluster] = {}
        self._last_use = {q: i for i, op in enumerate(program.operations) if op.name != "barrier" for q in op.qubits}
        self._folded: set[int] = set()
        self._next_index = self._next_operations()
        self._uses = Counter(clbit for op in program.operations for clbit in op.classical)

    def _next_operations(self) -> dict[tuple[int, int], int]:
        """(operation, qubit) -> the next operation on that qubit, barriers apart."""
        following: dict[tuple[int, int], int] = {}
        seen: dict[int, int] = {}
        for index in range(len(self._program.operations) - 1, -1, -1):
            op = self._program.operations[index]
            if op.name == "barrier":
                continue
            for qubit in op.qubits:
                if qubit in seen:
                    following[index, qubit] = seen[qubit]
                seen[qubit] = index
        return following

    def distribution(self) -> Distribution:
        self._run()
        return self._collected()

    def state(self) -> tuple[tuple[int, ...], Matrix]:
        self._run()
        qubits = self._program.active_qubits()
        labels: list[Label] = [("q", qubit) for qubit in qubits]
        for label in labels:
            self._replace(self._cluster(label), [label], self._take_pending(label[1]), [label])
        merged = self._merged(labels)
        return qubits, merged.front(labels).reshape((4,) * len(labels))

    def _run(self) -> None:
        for index, op in enumerate(self._program.operations):
            if index in self._folded:
                continue
            if op.condition is not None:
                self._conditional(op)
            elif op.name in TWO_QUBIT:
                self._entangle(index, op)
            elif op.name == "measure":
                self._measure(index, op)
            elif op.name != "barrier":
                self._gather(op.qubits[0], self._matrices.single(op))
            self._wait(index, op)

    def _gather(self, qubit: int, matrix: Matrix) -> None:
        before = self._pending.get(qubit)
        self._pending[qubit] = matrix if before is None else matrix @ before

    def _wait(self, index: int, op: Operation) -> None:
        for qubit, idle_ns in zip(op.qubits, self._schedule.idle_after_ns[index], strict=True):
            started = qubit in self._pending or ("q", qubit) in self._where
            if idle_ns > 0 and started and self._last_use.get(qubit, -1) > index:
                self._gather(qubit, self._matrices.wait(qubit, idle_ns))

    def _take_pending(self, qubit: int) -> Matrix:
        return self._pending.pop(qubit, _IDENTITY)

    def _cluster(self, label: Label) -> _Cluster:
        """The cluster of a qubit or a bit; a new one in its initial state where there is none."""
        found = self._where.get(label)
        if found is None:
            kind, index = label
            tensor = self._matrices.prepared(index) if kind == "q" else np.array([1.0, 0.0])
            found = self._where[label] = _Cluster([label], tensor)
        return found

    def _merged(self, labels: list[Label]) -> _Cluster:
        """One cluster that holds all these labels."""
        clusters = list({id(cluster): cluster for cluster in map(self._cluster, labels)}.values())
        merged = clusters[0]
        for other in clusters[1:]:
            merged = self._joined(merged, other)
        for label in merged.labels:
            self._where[label] = merged
        return merged

    def _replace(self, cluster: _Cluster, old: list[Label], matrix: Matrix, new: list[Label]) -> None:
        """Apply a matrix from the axes `old` to the axes `new`."""
        self._apply(cluster, old, matrix, new)
        for label in old:
            self._where.pop(label, None)
        for label in new:
            self._where[label] = cluster

    def _joined(self, first: _Cluster, second: _Cluster) -> _Cluster:
        return _Cluster(first.labels + second.labels, np.multiply.outer(first.tensor, second.tensor))

    def _apply(self, cluster: _Cluster, old: list[Label], matrix: Matrix, new: list[Label]) -> None:
        result = matrix @ cluster.front(old)
        shape = [_LENGTHS[kind] for kind, _ in new] + list(cluster.tensor.shape[len(old) :])
        cluster.labels = new + cluster.labels[len(old) :]
        cluster.tensor = result.reshape(shape)

    def _apply_where(self, cluster: _Cluster, axes: list[Label], fires: int, gate: Matrix, idle: Matrix) -> None:
        """On axes of bits, first one most significant, then qubits: `gate` where the bits are `fires`, else `idle`."""
        rows = cluster.front(axes).copy()
        blocks = rows.reshape(len(rows) // len(gate), len(gate), -1)
        for value in range(len(blocks)):
            blocks[value] = (gate if value == fires else idle) @ blocks[value]
        cluster.tensor = blocks.reshape(cluster.tensor.shape)

    def _fate(self, index: int, qubit: int) -> tuple[Matrix, list[Label]]:
        """What becomes of a qubit after a two-qubit gate, as far as nothing but its own operations follows.

        It stays, or it is measured for good, or what follows does not matter: nothing is measured, or a reset comes.
        """
        stays: tuple[Matrix, list[Label]] = _IDENTITY, [("q", qubit)]
        if self._keep:
            return stays
        matrix, passed = _IDENTITY, []
        while (next_index := self._next_index.get((index, qubit))) is not None:
            op, wait_ns = self._program.operations[next_index], self._idle_ns(index, qubit)
            if op.name in TWO_QUBIT or op.condition is not None:
                return stays
            if op.name == "reset":
                return _TRACE, []
            passed.append(next_index)
            if wait_ns > 0:
                matrix = self._matrices.wait(qubit, wait_ns) @ matrix
            if op.name == "measure":
                if self._last_use[qubit] != next_index or self._uses[op.clbits[0]] > 1:
                    return stays
                self._folded.update(passed)
                return _turned_over(op, self._matrices.readout(qubit)) @ matrix, [("c", op.clbits[0])]
            matrix = self._matrices.single(op) @ matrix
            index = next_index
        return _TRACE, []

    def _idle_ns(self, index: int, qubit: int) -> float:
        """How long a qubit waits between an operation and its next one."""
        return self._schedule.idle_after_ns[index][self._program.operations[index].qubits.index(qubit)]

    def _entangle(self, index: int, op: Operation) -> None:
        first, second = op.qubits
        before = kron(self._take_pending(first), self._take_pending(second))
        after_first, labels_first = self._fate(index, first)
        after_second, labels_second = self._fate(index, second)
        matrix = self._matrices.pair(op.name, first, second) @ before
        if len(labels_first) + len(labels_second) < 2 or after_first is not _IDENTITY or after_second is not _IDENTITY:
            matrix = kron(after_first, after_second) @ matrix
        old: list[Label] = [("q", first), ("q", second)]
        self._replace(self._merged(old), old, matrix, labels_first + labels_second)

    def _measure(self, index: int, op: Operation) -> None:
        qubit, clbit = op.qubits[0], op.clbits[0]
        self._forget_bit(clbit)
        label: Label = ("q", qubit)
        cluster = self._cluster(label)
        before = self._take_pending(qubit)
        if self._last_use[qubit] == index:
            readout = _turned_over(op, self._matrices.readout(qubit))
            self._replace(cluster, [label], readout @ before, [("c", clbit)])
        else:
            measurement = _turned_over(op, self._matrices.measurement(qubit))
            self._replace(cluster, [label], measurement @ before, [("c", clbit), label])

    def _forget_bit(self, clbit: int) -> None:
        """Sum over the old value of a bit that is written again."""
        label: Label = ("c", clbit)
        cluster = self._where.get(label)
        if cluster is not None:
            self._replace(cluster, [label], np.ones((1, 2)), [])

    def _conditional(self, op: Operation) -> None:
        """A gate or reset on the part of the tensor whose bits have the condition's value; the rest waits."""
        condition = op.condition
        if condition is None or op.name == "barrier":
            return
        for qubit in op.qubits:
            label: Label = ("q", qubit)
            cluster = self._cluster(label)
            if qubit in self._pending:
                self._replace(cluster, [label], self._take_pending(qubit), [label])
        # Bits that were never written are 0: no axes.
        wanted = {clbit: (condition.value >> place) & 1 for place, clbit in enumerate(condition.clbits)}
        bits: list[Label] = [("c", clbit) for clbit in wanted if ("c", clbit) in self._where]
        qubits: list[Label] = [("q", qubit) for qubit in op.qubits]
        merged = self._merged(bits + qubits)
        fires = sum(wanted.pop(clbit) << (len(bits) - 1 - place) for place, (_, clbit) in enumerate(bits))
        fires = _NEVER if condition.never or any(wanted.values()) else fires
        gate, idle = self._branches(op)
        self._apply_where(merged, bits + qubits, fires, gate, idle)

    def _branches(self, op: Operation) -> tuple[Matrix, Matrix]:
        waits = [self._matrices.wait(qubit, self._matrices.duration_ns(op)) for qubit in op.qubits]
        if op.name in TWO_QUBIT:
            return self._matrices.pair(op.name, *op.qubits), kron(waits[0], waits[1])
        return self._matrices.single(op), waits[0]

    def _collected(self) -> Distribution:
        """Trace out the qubits that are left; one factor per cluster."""
        factors = []
        for cluster in {id(each): each for each in self._where.values()}.values():
            qubits = [label for label in cluster.labels if label[0] == "q"]
            bits = [label for label in cluster.labels if label[0] == "c"]
            if not bits:
                continue
            tensor = cluster.front(qubits)[0] if qubits else cluster.tensor.reshape(-1)
            probs = np.maximum(tensor.reshape(-1), 0.0)
            order = [label for label in cluster.labels if label[0] == "c"]
            factors.append((tuple(index for _, index in order), probs / probs.sum()))
        return Distribution(tuple(factors))


def _turned_over(op: Operation, matrix: Matrix) -> Matrix:
    """A measurement's matrix (recorded bit most significant) with the probability that its bit is turned over."""
    if not op.params:
        return matrix
    kept = matrix.reshape(2, -1)
    turned: Matrix = ((1 - op.params[0]) * kept + op.params[0] * kept[::-1]).reshape(matrix.shape)
    return turned


class _DryRun(_Run):
    """The walk with labels in place of tensors; ends with `_OverLimitError` where a tensor would be too large."""

    def __init__(self, program: Program, max_elements: int) -> None:
        no_waits = Schedule(tuple([(0.0,) * len(op.qubits) for op in program.operations]), 0.0)
        super().__init__(program, no_waits, _NoMatrices(), keep=False)
        self._max_elements = max_elements
        self._peak = 1
        self._multiplications = 0

    def cost(self) -> ExactCost:
        self._run()
        return ExactCost(self._peak, self._multiplications)

    def _joined(self, first: _Cluster, second: _Cluster) -> _Cluster:
        joined = _Cluster(first.labels + second.labels, _TRACE)
        self._count(joined)
        return joined

    def _apply(self, cluster: _Cluster, old: list[Label], matrix: Matrix, new: list[Label]) -> None:
        self._multiplications += len(matrix) * self._count(cluster)
        cluster.labels = new + [label for label in cluster.labels if label not in old]
        self._count(cluster)

    def _apply_where(self, cluster: _Cluster, axes: list[Label], fires: int, gate: Matrix, idle: Matrix) -> None:  # noqa: ARG002
        self._multiplications += len(gate) * self._count(cluster)

    def _count(self, cluster: _Cluster) -> int:
        """Elements that the cluster's tensor has."""
        size = 1 << sum(2 if kind == "q" else 1 for kind, _ in cluster.labels)
        self._peak = max(self._peak, size)
        if size > self._max_elements:
            raise _OverLimitError
        return size


class _OverLimitError(Exception):
    """A dry run has seen enough."""


class _NoMatrices:
    """Stands for any device's matrices where only their shapes matter."""

    def single(self, *_: object) -> Matrix:
        return _IDENTITY

    def pair(self, *_: object) -> Matrix:
        return _PAIR_IDENTITY

    def wait(self, *_: object) -> Matrix:
        return _IDENTITY

    def prepared(self, *_: object) -> Matrix:
        return np.ones(4)

    def readout(self, *_: object) -> Matrix:
        return _IDENTITY[:2]

    def measurement(self, *_: object) -> Matrix:
        return _PAIR_IDENTITY[:8, :4]

    def duration_ns(self, *_: object) -> float:
        return 0.0
