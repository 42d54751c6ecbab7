"""Exact simulation of a program's density matrix, as Pauli expectations, one tensor per entangled cluster.

Only what is needed is kept: a qubit joins a cluster with its first two-qubit gate, one-qubit operations are gathered
and folded into the next two-qubit gate, and a measured qubit that is not used again shrinks to its classical bit at
once. Classical bits are axes of the tensor, so mid-circuit measurement and conditions are exact too.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.engines.program import PULSES, TWO_QUBIT, Operation, Program, Schedule, duration_ns
from twin.engines.transfer import Matrix, TransferMatrices, kron, rotation_z

Label = tuple[str, int]  # ("q", device qubit): 4 values; ("c", classical bit): 2 values

_IDENTITY = np.eye(4)
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


class _Run:
    def __init__(self, program: Program, schedule: Schedule, matrices: TransferMatrices, keep: bool) -> None:
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
                self._gather(op.qubits[0], self._single(op))
            self._wait(index, op)

    def _single(self, op: Operation) -> Matrix:
        """The 4 x 4 matrix of a one-qubit operation."""
        qubit = op.qubits[0]
        if op.name == "rz":
            return rotation_z(op.params[0])
        if op.name in PULSES:
            return self._matrices.pulse(op.name, qubit)
        if op.name == "id":
            return self._matrices.wait(qubit, self._matrices.snapshot.single_qubit_ns)
        if op.name == "delay":
            return self._matrices.wait(qubit, op.params[0])
        return self._matrices.reset(qubit)

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
            tensor = np.multiply.outer(merged.tensor, other.tensor)
            merged = _Cluster(merged.labels + other.labels, tensor)
        for label in merged.labels:
            self._where[label] = merged
        return merged

    def _replace(self, cluster: _Cluster, old: list[Label], matrix: Matrix, new: list[Label]) -> None:
        """Apply a matrix from the axes `old` to the axes `new`."""
        result = matrix @ cluster.front(old)
        rest = cluster.labels[len(old) :]
        shape = [4 if kind == "q" else 2 for kind, _ in new] + list(cluster.tensor.shape[len(old) :])
        for label in old:
            self._where.pop(label, None)
        cluster.labels = new + rest
        cluster.tensor = result.reshape(shape)
        for label in new:
            self._where[label] = cluster

    def _fate(self, index: int, qubit: int) -> tuple[Matrix, list[Label]]:
        """What becomes of a qubit after a two-qubit gate: it stays, is measured for good, or is never used again."""
        next_index = self._next_index.get((index, qubit))
        if next_index is None:
            return (_IDENTITY, [("q", qubit)]) if self._keep else (_TRACE, [])
        op = self._program.operations[next_index]
        position = self._program.operations[index].qubits.index(qubit)
        is_last = self._last_use[qubit] == next_index
        if op.name != "measure" or op.condition is not None or not is_last or self._uses[op.clbits[0]] > 1:
            return _IDENTITY, [("q", qubit)]
        wait = self._matrices.wait(qubit, self._schedule.idle_after_ns[index][position])
        self._folded.add(next_index)
        return self._matrices.readout(qubit) @ wait, [("c", op.clbits[0])]

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
            self._replace(cluster, [label], self._matrices.readout(qubit) @ before, [("c", clbit)])
        else:
            self._replace(cluster, [label], self._matrices.measurement(qubit) @ before, [("c", clbit), label])

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
        bits: list[Label] = [("c", clbit) for clbit in condition.clbits]
        qubits: list[Label] = [("q", qubit) for qubit in op.qubits]
        merged = self._merged(bits + qubits)
        rows = merged.front(bits + qubits).copy()
        size = 4 ** len(qubits)
        blocks = rows.reshape(2 ** len(bits), size, -1)
        fires = sum(((condition.value >> i) & 1) << (len(bits) - 1 - i) for i in range(len(bits)))
        gate, idle = self._branches(op)
        for value in range(len(blocks)):
            blocks[value] = (gate if value == fires else idle) @ blocks[value]
        merged.tensor = blocks.reshape(merged.tensor.shape)

    def _branches(self, op: Operation) -> tuple[Matrix, Matrix]:
        waits = [self._matrices.wait(qubit, duration_ns(op, self._matrices.snapshot)) for qubit in op.qubits]
        if op.name in TWO_QUBIT:
            return self._matrices.pair(op.name, *op.qubits), kron(waits[0], waits[1])
        return self._single(op), waits[0]

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


def peak_elements(program: Program) -> int:
    """Upper bound on the size of the largest tensor that `exact_distribution` would make."""
    cluster_of: dict[Label, int] = {}
    bits_of: dict[int, int] = {}  # cluster -> log2 of its size
    last = {q: i for i, op in enumerate(program.operations) if op.name != "barrier" for q in op.qubits}
    peak = 0
    for index, op in enumerate(program.operations):
        if op.name == "barrier":
            continue
        conditions = op.condition.clbits if op.condition else ()
        labels: list[Label] = [("q", q) for q in op.qubits] + [("c", c) for c in conditions]
        for label in labels:
            if label not in cluster_of:
                cluster_of[label] = len(bits_of)
                bits_of[len(bits_of)] = 2 if label[0] == "q" else 1
        ids = sorted({cluster_of[label] for label in labels})
        total = sum(bits_of[each] for each in ids)
        if len(ids) > 1:
            for label, each in cluster_of.items():
                if each in ids:
                    cluster_of[label] = ids[0]
        for clbit in op.clbits:
            old = cluster_of.pop(("c", clbit), None)
            if old is not None:
                total -= old in ids
                bits_of[old] -= old not in ids
            total += 1
            cluster_of["c", clbit] = ids[0]
        peak = max(peak, total)
        for qubit in op.qubits:
            if last[qubit] == index:
                total -= 2
                del cluster_of["q", qubit]
        bits_of[ids[0]] = total
        for each in ids[1:]:
            bits_of[each] = 0
    return 1 << min(peak, 1000)
