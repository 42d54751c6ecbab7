"""Our programs and noise as Qiskit Aer's: the oracle of the exact engine, in tests and in benchmarks."""

from __future__ import annotations

from typing import Any

from qiskit import QuantumCircuit
from qiskit.quantum_info import average_gate_fidelity
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error, thermal_relaxation_error

from twin.device.snapshot import NoiseSnapshot
from twin.engines.program import Program


def rebuilt(program: Program, snapshot: NoiseSnapshot) -> QuantumCircuit:
    """The transpiled program as a Qiskit circuit on device qubits; measured qubits that live on relax meanwhile.

    Aer puts a measurement's quantum error before it, so that relaxation is an instruction of its own here.
    """
    circuit = QuantumCircuit(7, program.num_clbits)
    for index, op in enumerate(program.operations):
        qubits = list(op.qubits)
        if op.condition is not None:
            with circuit.if_test((circuit.clbits[op.condition.clbits[0]], op.condition.value & 1)):
                _nested(circuit, op, op.condition.clbits[1:], op.condition.value >> 1)
        elif op.name == "measure":
            circuit.measure(qubits[0], op.clbits[0])
            if any(qubits[0] in later.qubits for later in program.operations[index + 1 :]):
                relax = _relaxation(snapshot.qubits[qubits[0]], snapshot.measure_ns)
                circuit.append(relax.to_instruction(), qubits)
        else:
            getattr(circuit, op.name)(*op.params, *qubits)
    return circuit


def _nested(circuit: QuantumCircuit, op: Any, clbits: tuple[int, ...], value: int) -> None:
    if not clbits:
        getattr(circuit, op.name)(*op.params, *op.qubits)
        return
    with circuit.if_test((circuit.clbits[clbits[0]], value & 1)):
        _nested(circuit, op, clbits[1:], value >> 1)


def noise_model(snapshot: NoiseSnapshot) -> NoiseModel:
    """Depolarizing chosen by Qiskit's own average_gate_fidelity so that the whole has the calibrated infidelity."""
    model = NoiseModel()
    for index, qubit in enumerate(snapshot.qubits):
        relax = _relaxation(qubit, snapshot.single_qubit_ns)
        model.add_quantum_error(_whole(relax, qubit.gate_error, 1), ["sx", "x"], [index])
        one0, zero1 = qubit.prob_meas1_prep0, qubit.prob_meas0_prep1
        model.add_readout_error(ReadoutError([[1 - one0, one0], [zero1, 1 - zero1]]), [index])
    for (a, b), edge in snapshot.edges.items():
        # Aer's tensor has the last factor on the first qubit.
        relax = _relaxation(snapshot.qubits[b], edge.duration_ns).tensor(
            _relaxation(snapshot.qubits[a], edge.duration_ns)
        )
        model.add_quantum_error(_whole(relax, edge.error, 2), ["cx"], [a, b])
    return model


def _relaxation(qubit: Any, duration_ns: float) -> Any:
    return thermal_relaxation_error(
        qubit.t1_us * 1e3, qubit.t2_us * 1e3, duration_ns, excited_state_population=qubit.excited_population
    )


def _whole(relax: Any, error: float, num_qubits: int) -> Any:
    fidelity = average_gate_fidelity(relax)
    dimension = 2**num_qubits
    depolarizing = max(0.0, (error - 1 + fidelity) / (fidelity - 1 / dimension))
    return depolarizing_error(depolarizing, num_qubits).compose(relax)
