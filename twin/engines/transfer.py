"""Pauli transfer matrices of the native operations under a snapshot, built once and kept.

A state is the vector of its Pauli expectations (1, <X>, <Y>, <Z>) per qubit; a channel is a real matrix on it (see
D. Greenbaum, arXiv 1509.02921, section 2). Gate noise follows the gate: depolarizing, then relaxation.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twin.device.gate_error import relaxation_factors
from twin.device.snapshot import NoiseSnapshot, QubitNoise
from twin.engines.program import PULSES, Operation, duration_ns

Matrix = NDArray[np.float64]

PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
_UNITARIES = {
    "sx": np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2,
    "x": np.array([[0, 1], [1, 0]]),
    "cx": np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]),
    "cz": np.diag([1, 1, 1, -1]),
}

IDENTITY = PAULIS[0].astype(complex)


def ideal_unitary(op: Operation) -> NDArray[np.complex128]:
    """What a one-qubit operation that is no measurement or reset does without errors, 2 x 2."""
    if op.name == "rz":
        return np.diag(np.exp([-0.5j * op.params[0], 0.5j * op.params[0]]))
    return _UNITARIES[op.name].astype(complex) if op.name in PULSES else IDENTITY


def transfer_matrix(unitary: NDArray[np.complex128]) -> Matrix:
    """R_ij = tr(P_i U P_j U+) / d; for two qubits the first one is the more significant index."""
    paulis = PAULIS
    if len(unitary) == 4:
        paulis = np.einsum("iab,jcd->ijacbd", PAULIS, PAULIS).reshape(16, 4, 4)
    rotated = np.einsum("ab,jbc,dc->jad", unitary, paulis, unitary.conj())
    matrix: Matrix = np.einsum("iab,jba->ij", paulis, rotated).real / len(unitary)
    return matrix


def kron(first: Matrix, second: Matrix) -> Matrix:
    """Kronecker product of two matrices (numpy's is slow on small ones)."""
    rows, columns = first.shape[0] * second.shape[0], first.shape[1] * second.shape[1]
    return (first[:, None, :, None] * second[None, :, None, :]).reshape(rows, columns)


def rotation_z(angle: float) -> Matrix:
    """A virtual rotation."""
    matrix = np.eye(4)
    matrix[1, 1] = matrix[2, 2] = math.cos(angle)
    matrix[2, 1] = math.sin(angle)
    matrix[1, 2] = -matrix[2, 1]
    return matrix


def relaxation(qubit: QubitNoise, duration_ns: float) -> Matrix:
    """T1 and T2 decay towards the thermal state."""
    keep_z, keep_xy = relaxation_factors(qubit.t1_us, qubit.t2_us, duration_ns)
    matrix = np.diag([1.0, keep_xy, keep_xy, keep_z])
    matrix[3, 0] = (1 - keep_z) * (1 - 2 * qubit.excited_population)
    return matrix


class TransferMatrices:
    """The operations of one device under one snapshot."""

    def __init__(self, snapshot: NoiseSnapshot) -> None:
        self.snapshot = snapshot
        self._pulses: dict[tuple[str, int], Matrix] = {}
        self._pairs: dict[tuple[str, int, int], Matrix] = {}
        self._waits: dict[tuple[int, float], Matrix] = {}
        self._ideal = {name: transfer_matrix(unitary.astype(complex)) for name, unitary in _UNITARIES.items()}

    def duration_ns(self, op: Operation) -> float:
        """How long an operation takes."""
        return duration_ns(op, self.snapshot)

    def single(self, op: Operation) -> Matrix:
        """A one-qubit operation that is no measurement, 4 x 4."""
        qubit = op.qubits[0]
        if op.name == "rz":
            return rotation_z(op.params[0])
        if op.name in PULSES:
            return self.pulse(op.name, qubit)
        if op.name == "reset":
            return self.reset(qubit)
        return self.wait(qubit, self.duration_ns(op))

    def pulse(self, name: str, qubit: int) -> Matrix:
        """sx or x, 4 x 4."""
        found = self._pulses.get((name, qubit))
        if found is None:
            noise = self.snapshot.qubits[qubit]
            keep = 1 - noise.gate_depolarizing
            decay = relaxation(noise, self.snapshot.single_qubit_ns)
            found = decay @ np.diag([1.0, keep, keep, keep]) @ self._ideal[name]
            self._pulses[name, qubit] = found
        return found

    def pair(self, name: str, first: int, second: int) -> Matrix:
        """cx or cz, 16 x 16, `first` more significant."""
        found = self._pairs.get((name, first, second))
        if found is None:
            snapshot = self.snapshot
            edge = snapshot.edges[first, second]
            noises = snapshot.qubits[first], snapshot.qubits[second]
            keep = np.full(16, 1 - edge.depolarizing)
            keep[0] = 1.0
            decay = kron(relaxation(noises[0], edge.duration_ns), relaxation(noises[1], edge.duration_ns))
            found = decay @ (keep[:, None] * self._ideal[name])
            self._pairs[name, first, second] = found
        return found

    def wait(self, qubit: int, duration_ns: float) -> Matrix:
        """Idle decay, 4 x 4."""
        key = (qubit, duration_ns)
        found = self._waits.get(key)
        if found is None:
            found = relaxation(self.snapshot.qubits[qubit], duration_ns)
            if len(self._waits) < 4096:
                self._waits[key] = found
        return found

    def prepared(self, qubit: int) -> Matrix:
        """The thermal ground state, shape (4,)."""
        return np.array([1.0, 0.0, 0.0, 1 - 2 * self.snapshot.qubits[qubit].excited_population])

    def reset(self, qubit: int) -> Matrix:
        """To |0>, missing it by the reset error and the thermal population; 4 x 4."""
        noise = self.snapshot.qubits[qubit]
        matrix = np.zeros((4, 4))
        matrix[0, 0] = 1.0
        matrix[3, 0] = (1 - 2 * noise.reset_error) * (1 - 2 * noise.excited_population)
        return matrix

    def readout(self, qubit: int) -> Matrix:
        """From a state to the probabilities of a recorded 0 and 1; 2 x 4."""
        noise = self.snapshot.qubits[qubit]
        one0, zero1 = noise.prob_meas1_prep0, noise.prob_meas0_prep1
        return np.array([[1 - one0 + zero1, 0, 0, 1 - one0 - zero1], [1 + one0 - zero1, 0, 0, one0 + zero1 - 1]]) / 2

    def measurement(self, qubit: int) -> Matrix:
        """A measurement whose qubit lives on: (recorded bit, state after), 8 x 4. The qubit relaxes meanwhile."""
        noise = self.snapshot.qubits[qubit]
        decay = relaxation(noise, self.snapshot.measure_ns)
        matrix = np.zeros((2, 4, 4))
        confusion = (
            (1 - noise.prob_meas1_prep0, noise.prob_meas0_prep1),
            (noise.prob_meas1_prep0, 1 - noise.prob_meas0_prep1),
        )
        for true, sign in ((0, 1.0), (1, -1.0)):
            prob = np.array([0.5, 0, 0, 0.5 * sign])
            after = decay @ np.array([1.0, 0, 0, sign])
            for recorded in (0, 1):
                matrix[recorded] += confusion[recorded][true] * np.outer(after, prob)
        return matrix.reshape(8, 4)


@lru_cache(maxsize=16)
def transfer_matrices(snapshot: NoiseSnapshot) -> TransferMatrices:
    """The matrices of a snapshot; the same object as long as it is among the last 16 used."""
    return TransferMatrices(snapshot)
