"""Programs beyond Clifford on more qubits than the exact engine holds: quantum trajectories on Qiskit Aer.

Each shot is a pure state to which every channel applies one of its Kraus operators, drawn with its probability
(J. Dalibard et al., Phys. Rev. Lett. 68, 580 (1992)). On average this is the channel. The
state is a vector of 2^n amplitudes, or a matrix product state where entanglement is small (G. Vidal, Phys. Rev. Lett.
91, 147902 (2003)), which takes any number of qubits; there, singular values whose
squares sum to 1e-12 are left out with each gate.

The channels are the exact engine's: what happens to one qubit between two gates is gathered into one matrix, and made
into Kraus operators. Qiskit Aer is an extra, and takes a second to import: nothing imports it before it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twin.device.snapshot import NoiseSnapshot
from twin.engines.errors import CircuitError
from twin.engines.limits import CircuitLimits
from twin.engines.program import PULSES, TWO_QUBIT, Operation, Program, Schedule, schedule
from twin.engines.transfer import IDENTITY, PAULIS, Matrix, TransferMatrices, ideal_unitary, transfer_matrices

Bits = NDArray[np.uint8]
Method = Literal["statevector", "matrix_product_state"]

CUT_BONDS = "small_bonds_cut_off"

# Measured on one core of a 2.5 GHz x86 server, Qiskit Aer 0.18; they decide what is refused, not what comes out.
# Each is for a two-qubit gate with what happens to its qubits before it.
_PAIR_S = 1e-5
_AMPLITUDE_S = 1.5e-8  # per amplitude of a state vector
_SITES_S = 2e-8  # per fourth power of the number of sites of a matrix product state: errors bring its form out of order
_BOND_S = 1e-6  # per cube of a bond
_VECTOR_QUBITS = 16  # up to here a state vector is quicker, whatever the entanglement
_PROBE_BOND = 64  # a first look at the entanglement ends here
_PROBE_PAIRS = 300
_PROBE_SHOTS = 1
_NUM_LOOKS = 16
TRUNCATED_WEIGHT = 1e-12  # of a matrix product state, cut off at most with each gate
_LEAST_WEIGHT = 1e-13  # of a Kraus operator, or a probability


@dataclass(frozen=True, slots=True)
class TrajectoryPlan:
    """How to run a program.

    Attributes:
        method: how a state is held.
        order: device qubits in the simulator's order.
        shot_s: estimated time of a shot.
        truncated: by how much at most small bonds that are cut off move the outcomes, in total variation distance.
    """

    method: Method
    order: tuple[int, ...]
    shot_s: float
    truncated: float = 0.0


def plan_trajectories(program: Program, snapshot: NoiseSnapshot, limits: CircuitLimits) -> TrajectoryPlan:
    """Choose between a state vector and a matrix product state, whichever is estimated to be quicker.

    The entanglement decides; it is found by running some shots of the program's beginning, with bonds cut off at 64.
    `snapshot` is the noise for it: that of the device's file, since the choice is made before the run.

    Raises:
        CircuitError: Qiskit Aer is not installed, or neither way can hold the program.
    """
    if find_spec("qiskit_aer") is None:
        raise CircuitError(
            f"a circuit on {len(program.active_qubits())} entangled qubits with gates beyond Clifford is more than the "
            f"exact engine holds ({limits.max_exact_elements} elements, about 10 qubits), and Qiskit Aer, which would "
            "run it, is not installed; pip install 'qtwin[aer]' where the twin runs, or use fewer qubits or Clifford "
            "gates only"
        )
    order = _order(program)
    if len(order) <= min(_VECTOR_QUBITS, limits.max_statevector_qubits):
        return _statevector_plan(program, order)
    plans = [_product_state_plan(program, snapshot, order)]
    if len(order) <= limits.max_statevector_qubits:
        plans.append(_statevector_plan(program, order))
    possible = [plan for plan in plans if plan is not None]
    if not possible:
        raise CircuitError(
            f"a circuit on {len(order)} qubits with gates beyond Clifford whose entanglement needs bonds of more than "
            f"{_PROBE_BOND} in a matrix product state; a state vector has at most {limits.max_statevector_qubits} "
            "qubits: use fewer qubits, fewer entangling gates, or Clifford gates only"
        )
    return min(possible, key=lambda plan: plan.shot_s)


def run_trajectories(
    program: Program, timing: Schedule, matrices: TransferMatrices, plan: TrajectoryPlan, shots: int, seed: int
) -> Bits:
    """Recorded bits, shape (shots, num_clbits)."""
    rng = np.random.default_rng([seed, 3])
    built = _Builder(program, timing, matrices, plan.order)
    built.run()
    options = {"seed_simulator": int(rng.integers(2**62))}
    result = _ran(built.circuit, plan.method, built.readout_model(), shots, options)
    bits = _unpacked(result.data(0)["memory"], program.num_clbits)
    for clbit, (prob1_of_0, prob0_of_1) in built.confusions.items():
        true = bits[:, clbit]
        bits[:, clbit] = true ^ (rng.random(shots) < np.where(true == 0, prob1_of_0, prob0_of_1))
    return bits


@dataclass(frozen=True)
class UnitaryOrNot:
    """A one-qubit channel as a mixture: a unitary, or with probability `other_prob` these Kraus operators.

    Which of them happens does not depend on the state. Unitaries cost least: they need no norm of the state, and the
    entanglement of a shot without an error is that of the ideal program.
    """

    unitary: NDArray[np.complex128]
    other_prob: float
    kraus: list[NDArray[np.complex128]]


def unitary_or_not(matrix: Matrix, unitary: NDArray[np.complex128]) -> UnitaryOrNot:
    """A Pauli transfer matrix (4 x 4) with as much as there is of a unitary (2 x 2) in it.

    With the Choi matrix C, the sum over a, b of |a><b| (x) E(|a><b|), and the unitary's vector u, C - p u u+ is a
    channel (times 1 - p) up to p = 1 / (u+ C^-1 u); 0 where u is not in the range of C, as for T2 = 2 T1.
    """
    choi = np.einsum("ij,ixy,jba->axby", matrix, PAULIS, PAULIS).reshape(4, 4) / 2
    weights, vectors = np.linalg.eigh(choi)
    vector = unitary.T.reshape(4)
    parts = np.abs(vectors.conj().T @ vector) ** 2
    in_range = weights > _LEAST_WEIGHT
    prob = 0.0
    if parts[~in_range].sum() < _LEAST_WEIGHT:
        prob = min(1.0, 1 / float((parts[in_range] / weights[in_range]).sum()))
    rest = choi - prob * np.outer(vector, vector.conj())
    return UnitaryOrNot(unitary, 1 - prob, _kraus(rest) if prob < 1 - _LEAST_WEIGHT else [])


def _kraus(choi: NDArray[np.complex128]) -> list[NDArray[np.complex128]]:
    """Kraus operators of a Choi matrix, the likeliest first, made trace preserving to the last digit."""
    weights, vectors = np.linalg.eigh(choi)
    kept = [place for place in np.argsort(weights)[::-1] if weights[place] > _LEAST_WEIGHT * weights.max()]
    operators = [np.sqrt(weights[place]) * vectors[:, place].reshape(2, 2).T for place in kept]
    values, basis = np.linalg.eigh(sum(each.conj().T @ each for each in operators))
    scale = (basis / np.sqrt(values)) @ basis.conj().T
    return [each @ scale for each in operators]


class _Builder:
    """Writes a program and its noise as a circuit of Aer's.

    A bit that no condition looks at is misread afterwards (`confusions`: p(1|0) and p(0|1)); a qubit with an outcome
    that a condition looks at is misread by Aer, which then acts on what is recorded.
    """

    def __init__(self, program: Program, timing: Schedule, matrices: TransferMatrices, order: Sequence[int]) -> None:
        from qiskit import QuantumCircuit

        self.circuit = QuantumCircuit(len(order), program.num_clbits)
        self.confusions: dict[int, tuple[float, float]] = {}
        self._program = program
        self._schedule = timing
        self._matrices = matrices
        self._place = {qubit: place for place, qubit in enumerate(order)}
        self._last_use = {q: i for i, op in enumerate(program.operations) if op.name != "barrier" for q in op.qubits}
        looked_at = {clbit for op in program.operations if op.condition is not None for clbit in op.condition.clbits}
        self._misread_by_aer = {
            op.qubits[0] for op in program.operations if op.name == "measure" and looked_at.intersection(op.clbits)
        }
        self._written: set[int] = set()  # classical bits; the others are 0
        self._pending: dict[int, tuple[Matrix, NDArray[np.complex128]]] = {}  # channel, and it without errors
        self._instructions: dict[bytes, Any] = {}

    def run(self) -> None:
        started: set[int] = set()
        for index, op in enumerate(self._program.operations):
            if op.name == "barrier":
                continue
            for qubit in op.qubits:
                if qubit not in started:
                    started.add(qubit)
                    self._pending[qubit] = _towards_mixed(self._matrices.prepared(qubit)[3]), IDENTITY
            self._operation(op, {qubit for qubit in op.qubits if self._last_use[qubit] == index})
            for qubit, idle_ns in zip(op.qubits, self._schedule.idle_after_ns[index], strict=True):
                if idle_ns > 0 and self._last_use[qubit] > index:
                    self._gather(qubit, self._matrices.wait(qubit, idle_ns))

    def readout_model(self) -> Any:
        """Aer's noise model with the assignment errors of those qubits whose outcomes conditions look at."""
        from qiskit_aer.noise import NoiseModel, ReadoutError

        model = NoiseModel()
        for qubit in self._misread_by_aer:
            prob1_of_0, prob0_of_1 = _confusion(self._matrices.readout(qubit))
            error = ReadoutError([[1 - prob1_of_0, prob1_of_0], [prob0_of_1, 1 - prob0_of_1]])
            model.add_readout_error(error, [self._place[qubit]])
        return model

    def _operation(self, op: Operation, finished: set[int]) -> None:
        qubit = op.qubits[0]
        if op.condition is not None:
            self._conditional(op)
        elif op.name in TWO_QUBIT:
            self._flush(*op.qubits)
            self._append(self.circuit, op)
            for each in op.qubits:
                self._gather(each, self._matrices.wait(each, self._matrices.duration_ns(op)))
        elif op.name == "measure":
            self._measure(qubit, op.clbits[0], qubit in finished)
        elif op.name == "reset":
            self.circuit.reset(self._place[qubit])
            self._pending[qubit] = _towards_mixed(self._matrices.reset(qubit)[3, 0]), IDENTITY
        else:
            self._gather(qubit, self._matrices.single(op), ideal_unitary(op))

    def _measure(self, qubit: int, clbit: int, is_last: bool) -> None:
        readout = self._matrices.readout(qubit)
        if qubit in self._pending:
            readout = readout @ self._pending[qubit][0]
        if qubit in self._misread_by_aer or not is_last or np.abs(readout[:, 1:3]).max() > 0:
            self._flush(qubit)
            readout = self._matrices.readout(qubit)
        self.circuit.measure(self._place[qubit], clbit)
        self.confusions.pop(clbit, None)
        self._written.add(clbit)
        if qubit not in self._misread_by_aer:
            self.confusions[clbit] = _confusion(readout)
        if not is_last:
            self._gather(qubit, self._matrices.wait(qubit, self._matrices.snapshot.measure_ns))

    def _conditional(self, op: Operation) -> None:
        """The device waits as long where the condition does not hold; so relaxation is none of the condition's."""
        condition = op.condition
        if condition is None:
            return
        waits = {qubit: self._matrices.wait(qubit, self._matrices.duration_ns(op)) for qubit in op.qubits}
        if op.name == "reset":  # what happens before it does not matter where it happens
            self._gather(op.qubits[0], waits.pop(op.qubits[0]))
        if op.name not in ("delay", "id"):
            self._flush(*op.qubits)
            wanted = {clbit: (condition.value >> place) & 1 for place, clbit in enumerate(condition.clbits)}
            if not condition.never and not any(value for clbit, value in wanted.items() if clbit not in self._written):
                self._where([(clbit, value) for clbit, value in wanted.items() if clbit in self._written], op)
        for qubit, wait in waits.items():
            self._gather(qubit, wait)

    def _where(self, wanted: list[tuple[int, int]], op: Operation) -> None:
        """Where all these bits have these values."""
        if not wanted:
            self._append(self.circuit, op)
            return
        clbit, value = wanted[0]
        with self.circuit.if_test((self.circuit.clbits[clbit], value)):
            self._where(wanted[1:], op)

    def _append(self, circuit: Any, op: Operation) -> None:
        """An operation and what its error has beside relaxation."""
        from qiskit_aer.noise import depolarizing_error

        places, snapshot = [self._place[qubit] for qubit in op.qubits], self._matrices.snapshot
        getattr(circuit, op.name)(*op.params, *places)
        if op.name in TWO_QUBIT:
            prob = snapshot.edges[op.qubits[0], op.qubits[1]].depolarizing
        elif op.name in PULSES:
            prob = snapshot.qubits[op.qubits[0]].gate_depolarizing
        elif op.name == "reset":
            prob = 1 - self._matrices.reset(op.qubits[0])[3, 0]
        else:
            return
        if prob > 0:
            circuit.append(depolarizing_error(prob, len(places)).to_instruction(), places)

    def _gather(self, qubit: int, matrix: Matrix, unitary: NDArray[np.complex128] = IDENTITY) -> None:
        if qubit in self._pending:
            before, ideal_before = self._pending[qubit]
            matrix, unitary = matrix @ before, unitary @ ideal_before
        self._pending[qubit] = matrix, unitary

    def _flush(self, *qubits: int) -> None:
        """Write what has been gathered."""

        for qubit in qubits:
            if qubit not in self._pending:
                continue
            matrix, unitary = self._pending.pop(qubit)
            key = matrix.tobytes() + unitary.tobytes()
            instruction = self._instructions.get(key)
            if instruction is None:
                instruction = self._instructions[key] = _instruction(unitary_or_not(matrix, unitary))
            self.circuit.append(instruction, [self._place[qubit]])


def _instruction(mixture: UnitaryOrNot) -> Any:
    """One instruction of Aer's, which draws for each shot."""
    from qiskit.circuit.library import UnitaryGate
    from qiskit.quantum_info import Kraus
    from qiskit_aer.noise import QuantumError

    unitary = UnitaryGate(mixture.unitary)
    if not mixture.kraus:
        return unitary
    other = Kraus(mixture.kraus).to_instruction()
    if mixture.other_prob > 1 - _LEAST_WEIGHT:
        return other
    return QuantumError([(unitary, 1 - mixture.other_prob), (other, mixture.other_prob)]).to_instruction()


def _towards_mixed(keep: float) -> Matrix:
    """Makes |0> a state with <Z> = keep."""
    return np.diag([1.0, keep, keep, keep])


def _confusion(readout: Matrix) -> tuple[float, float]:
    """p(1|0) and p(0|1) of a readout matrix (2 x 4) that looks at populations alone."""
    return float(readout[1, 0] + readout[1, 3]), float(readout[0, 0] - readout[0, 3])


def _unpacked(memory: list[str], num_clbits: int) -> Bits:
    """Aer's hexadecimal outcomes, bit i = classical bit i, as bits."""
    width = -(-num_clbits // 8)
    rows = b"".join([int(each, 16).to_bytes(width, "little") for each in memory])
    table = np.frombuffer(rows, dtype=np.uint8).reshape(len(memory), width)
    return np.unpackbits(table, axis=1, count=num_clbits, bitorder="little")


def _order(program: Program) -> tuple[int, ...]:
    """Active qubits in an order that puts those that meet near each other (reverse Cuthill-McKee)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    qubits = program.active_qubits()
    place = {qubit: index for index, qubit in enumerate(qubits)}
    pairs = [[place[qubit] for qubit in op.qubits] for op in program.operations if op.name in TWO_QUBIT]
    rows, columns = np.array(pairs + [[second, first] for first, second in pairs]).T
    meetings = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(qubits), len(qubits)))
    return tuple(qubits[index] for index in reverse_cuthill_mckee(meetings.tocsr(), symmetric_mode=True))


def _statevector_plan(program: Program, order: tuple[int, ...]) -> TrajectoryPlan:
    pair_s = _PAIR_S + _AMPLITUDE_S * 2 ** len(order)
    return TrajectoryPlan("statevector", order, pair_s * _num_steps(program))


def _product_state_plan(program: Program, snapshot: NoiseSnapshot, order: tuple[int, ...]) -> TrajectoryPlan | None:
    """None where the entanglement is too much."""
    bonds = _bonds(program, snapshot, order)
    if bonds.max() >= _PROBE_BOND:
        return None
    pair_s = _PAIR_S + _SITES_S * len(order) ** 4 + _BOND_S * float(np.mean(bonds**3))
    # A weight w cut off moves a pure state by sqrt(w) in trace distance. A gate takes up to n swaps of neighbours.
    truncated = min(1.0, math.sqrt(TRUNCATED_WEIGHT) * program.two_qubit_count() * len(order))
    return TrajectoryPlan("matrix_product_state", order, pair_s * _num_steps(program), truncated)


def _num_steps(program: Program) -> int:
    """Two-qubit gates, and what costs about as much."""
    return sum(op.name in (*TWO_QUBIT, "measure", "reset") or op.condition is not None for op in program.operations)


def _bonds(program: Program, snapshot: NoiseSnapshot, order: tuple[int, ...]) -> NDArray[np.float64]:
    """All bonds at some moments of some shots, one row per moment and shot; errors entangle, too."""
    from qiskit import QuantumCircuit

    timing = schedule(program.operations, snapshot)
    built = _Builder(program, timing, transfer_matrices(snapshot), order)
    built.run()
    circuit: Any = QuantumCircuit(*built.circuit.qregs, *built.circuit.cregs)
    every = max(1, min(program.two_qubit_count(), _PROBE_PAIRS) // _NUM_LOOKS)
    num_pairs = 0
    for item in built.circuit.data:
        circuit.append(item)
        if item.operation.name in TWO_QUBIT:
            num_pairs += 1
            if num_pairs % every == 0:
                circuit.save_matrix_product_state(label=str(num_pairs), pershot=True)
            if num_pairs == _PROBE_PAIRS:
                break
    options = {"seed_simulator": 1, "matrix_product_state_max_bond_dimension": _PROBE_BOND}
    result = _ran(circuit, "matrix_product_state", built.readout_model(), _PROBE_SHOTS, options)
    shots = [shot for name, value in result.data(0).items() if name.isdecimal() for shot in value]
    return np.array([[len(values) for values in bonds] for _, bonds in shots], dtype=float)


def _ran(circuit: Any, method: Method, readout: Any, shots: int, options: dict[str, Any]) -> Any:
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(
        method=method,
        noise_model=readout,
        matrix_product_state_truncation_threshold=TRUNCATED_WEIGHT,
        max_parallel_threads=1,  # the other cores have workers of their own
        enable_truncation=False,  # Aer 0.17 fails on a qubit that only conditions touch where it leaves qubits out
        **options,
    )
    result = simulator.run(circuit, shots=shots, memory=True).result()
    if not result.success:
        raise CircuitError(f"Qiskit Aer could not run the circuit: {result.status}")
    return result
