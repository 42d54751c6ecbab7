"""Conditions, registers and names of Qiskit circuits in the source that the twin gets, against Aer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm2
from qiskit import transpile as qiskit_transpile
from qiskit.circuit import Clbit, Gate
from qiskit.circuit.classical import expr, types
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Statevector
from qiskit_aer import AerSimulator

from tests.twin.engines.conftest import noiseless
from twin.device.catalog import DeviceCatalog
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot
from twin.engines import CircuitError, execute, prepare
from twin.qiskit_provider import TwinProviderError
from twin.qiskit_provider.circuits import registers, to_qasm
from twin.settings import default_config_dir

INPUTS = list(itertools.product((0, 1), repeat=3))
AER = AerSimulator()
Condition = Callable[[QuantumCircuit], Any]


@pytest.fixture(scope="module")
def catalog() -> DeviceCatalog:
    return DeviceCatalog.load(default_config_dir())


@pytest.fixture(scope="module")
def jakarta(catalog: DeviceCatalog) -> Device:
    return catalog.devices["ibm_jakarta_like"]


@pytest.fixture(scope="module")
def quiet(catalog: DeviceCatalog) -> NoiseSnapshot:
    return noiseless(catalog, "ibm_jakarta_like")


def ours(circuit: QuantumCircuit, device: Device, quiet: NoiseSnapshot) -> dict[str, int]:
    """Counts of the source, without the spaces between registers, which the source cuts in its own way."""
    result = execute(prepare(to_qasm(circuit, device.dt_ns), device), quiet, 20, seed=1)
    return {key.replace(" ", ""): count for key, count in result.counts.items()}


def aers(circuit: QuantumCircuit) -> dict[str, int]:
    counts = AER.run(qiskit_transpile(circuit, AER, optimization_level=0), shots=20).result().get_counts()
    return {key.replace(" ", ""): count for key, count in counts.items()}


def measured(values: tuple[int, ...]) -> QuantumCircuit:
    """Three bits, two in `syn` and one in `z`, measured to be `values`, then two qubits and bits for an answer."""
    circuit = QuantumCircuit(QuantumRegister(5, "q"), ClassicalRegister(2, "syn"), ClassicalRegister(1, "z"))
    circuit.add_register(ClassicalRegister(2, "x"))
    for index, value in enumerate(values):
        if value:
            circuit.x(index)
        circuit.measure(index, index)
    return circuit


CONDITIONS: dict[str, Condition] = {
    "a register": lambda c: (c.cregs[0], 2),
    "a register of one bit": lambda c: (c.cregs[1], 1),
    "a bit": lambda c: (c.clbits[1], 1),
    "a bit that is 0": lambda c: (c.clbits[0], 0),
    "equal": lambda c: expr.equal(c.cregs[0], 1),
    "equal, the other way round": lambda c: expr.equal(expr.lift(3, types.Uint(2)), c.cregs[0]),
    "not equal": lambda c: expr.not_equal(c.cregs[0], 1),
    "less": lambda c: expr.less(c.cregs[0], 2),
    "greater or equal": lambda c: expr.greater_equal(c.cregs[0], 2),
    "a bit alone": lambda c: expr.lift(c.clbits[2]),
    "not": lambda c: expr.logic_not(c.clbits[2]),
    "and, over registers": lambda c: expr.logic_and(c.clbits[0], c.clbits[2]),
    "or": lambda c: expr.logic_or(c.clbits[0], expr.logic_not(c.clbits[1])),
    "xor of bits": lambda c: expr.bit_xor(c.clbits[0], c.clbits[2]),
    "arithmetic of registers": lambda c: expr.equal(expr.bit_and(expr.bit_not(c.cregs[0]), 3), 2),
}


UNKNOWN_TO_AER: dict[str, tuple[Condition, set[int]]] = {
    "a bit of a register": (lambda c: expr.index(c.cregs[0], 1), {2, 3}),
    "shifted": (lambda c: expr.equal(expr.shift_right(c.cregs[0], 1), 1), {2, 3}),
    "shifted out": (lambda c: expr.equal(expr.shift_left(c.cregs[0], 1), 2), {1, 3}),
    "cast": (lambda c: expr.cast(c.cregs[0], types.Bool()), {1, 2, 3}),
}
"""And the numbers in `syn` that meet each, by Qiskit's documentation of `expr`."""


@pytest.mark.parametrize("name", UNKNOWN_TO_AER)
def test_a_condition_is_met_as_it_is_defined(name: str, jakarta: Device, quiet: NoiseSnapshot) -> None:
    build, meet = UNKNOWN_TO_AER[name]
    for values in INPUTS:
        circuit = measured(values)
        with circuit.if_test(build(circuit)):
            circuit.x(3)
        circuit.measure(3, 3)
        expected = (0, int(values[0] + 2 * values[1] in meet), *reversed(values))
        assert ours(circuit, jakarta, quiet) == {"".join(map(str, expected)): 20}, values


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_is_met_as_aer_meets_it(name: str, jakarta: Device, quiet: NoiseSnapshot) -> None:
    """For every value of the bits, and beside conditions on the same bits that cut the registers in another way."""
    for values in INPUTS:
        circuit = measured(values)
        with circuit.if_test(CONDITIONS[name](circuit)) as otherwise:
            circuit.x(3)
            circuit.barrier(3, 4)
        with otherwise:
            circuit.x(4)
        with circuit.if_test((circuit.clbits[1], 1)):
            circuit.cx(3, 4)
        circuit.measure([3, 4], [3, 4])
        assert ours(circuit, jakarta, quiet) == aers(circuit), values


def test_conditions_within_conditions(jakarta: Device, quiet: NoiseSnapshot) -> None:
    for values in INPUTS:
        circuit = measured(values)
        with circuit.if_test((circuit.cregs[0], 1)):
            with circuit.if_test((circuit.clbits[2], 1)) as otherwise:
                circuit.x(3)
            with otherwise:
                circuit.x(4)
            with circuit.if_test((circuit.clbits[0], 0)):  # never, within the outer one
                circuit.x([3, 4])
        circuit.measure([3, 4], [3, 4])
        assert ours(circuit, jakarta, quiet) == aers(circuit), values


def test_a_bit_has_one_statement_of_its_own(jakarta: Device) -> None:
    """No more of the device's time than one conditioned gate: the register is cut around the bit."""
    circuit = measured((1, 0, 0))
    with circuit.if_test((circuit.clbits[1], 1)):
        circuit.x(3)
    source = to_qasm(circuit, jakarta.dt_ns)
    assert source.count("if (") + source.count("if(") == 1
    assert [line for line in source.splitlines() if line.startswith("creg")] == [
        "creg c0[1];",
        "creg c1[1];",
        "creg c2[1];",
        "creg c3[2];",
    ]


NAMES = ["z", "s", "x", "h", "measure", "if", "pi", "U", "CX", "gate", "Ω", "q", "c0", "a b", "1st", "sin", "delay"]


@pytest.mark.parametrize("name", NAMES)
def test_registers_may_have_any_name(name: str, jakarta: Device, quiet: NoiseSnapshot) -> None:
    circuit = QuantumCircuit(QuantumRegister(1, "q0"), QuantumRegister(1, f"{name}_"), ClassicalRegister(1, "other"))
    circuit.add_register(ClassicalRegister(2, name))
    circuit.x(1)
    circuit.z(0)
    circuit.delay(10, 1, "ns")
    circuit.measure([0, 1], [0, 2])
    assert ours(circuit, jakarta, quiet) == {"100": 20}
    assert registers(circuit) == [("other", 1), (name, 2)]
    quantum = QuantumCircuit(QuantumRegister(1, name), ClassicalRegister(1, "c"))
    quantum.x(0)
    quantum.measure(0, 0)
    assert ours(quantum, jakarta, quiet) == {"1": 20}


def test_loose_empty_and_shared_bits_keep_their_order(jakarta: Device, quiet: NoiseSnapshot) -> None:
    circuit = QuantumCircuit(2)
    circuit.add_bits([Clbit()])
    circuit.add_register(ClassicalRegister(0, "none"), ClassicalRegister(2, "two"))
    circuit.add_register(ClassicalRegister(name="again", bits=circuit.clbits[1:]))
    circuit.x(1)
    circuit.measure([0, 1, 1], [0, 1, 2])
    assert ours(circuit, jakarta, quiet) == aers(circuit) == {"110": 20}
    assert registers(circuit) == [("loose", 1), ("two", 2)]


EXPORTED = sorted(set(get_standard_gate_name_mapping()) - {"measure", "reset", "delay", "global_phase"})


@pytest.mark.parametrize("name", [*EXPORTED, "u0", "barrier", "measure", "reset", "delay", "CX", "gate", "my gate"])
def test_a_gate_of_ones_own_is_not_taken_for_one_of_its_name(name: str, jakarta: Device, quiet: NoiseSnapshot) -> None:
    """Two definitions under one name in one circuit: X, and nothing."""
    flip, nothing = QuantumCircuit(1, name=name), QuantumCircuit(1, name=name)
    flip.x(0)
    circuit = QuantumCircuit(2, 2)
    circuit.append(flip.to_gate(), [0])
    circuit.append(nothing.to_gate(), [1])
    circuit.measure([0, 1], [0, 1])
    assert ours(circuit, jakarta, quiet) == {"01": 20}


def test_instructions_with_resets_are_written_out(jakarta: Device, quiet: NoiseSnapshot) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.initialize("10", [0, 1])
    circuit.measure([0, 1], [0, 1])
    assert ours(circuit, jakarta, quiet) == {"10": 20}
    part = QuantumCircuit(1, 1, name="look")
    part.x(0)
    part.measure(0, 0)
    whole = QuantumCircuit(2, 2)
    whole.append(part.to_instruction(), [1], [0])
    assert ours(whole, jakarta, quiet) == {"01": 20}


@pytest.mark.parametrize("name", [name for name in EXPORTED if get_standard_gate_name_mapping()[name].num_qubits < 5])
def test_standard_gates_arrive_as_they_are(name: str) -> None:
    """The source's own state vector, as Qiskit's strict parser reads it, is the circuit's."""
    template = get_standard_gate_name_mapping()[name]
    gate = type(template)(*(0.3 + 0.2 * index for index in range(len(template.params))))
    circuit = QuantumCircuit(template.num_qubits)
    for qubit in range(template.num_qubits):
        circuit.u(0.4 + 0.3 * qubit, 0.2, 0.1, qubit)
    circuit.append(gate, range(template.num_qubits))
    read = qasm2.loads(to_qasm(circuit, 1.0), custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    assert Statevector(read).equiv(Statevector(circuit))


def refused(build: Callable[[QuantumCircuit], None]) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 14, name="mine")
    build(circuit)
    return circuit


def _measured_under_if(circuit: QuantumCircuit) -> None:
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.measure(0, 1)


def _loop(circuit: QuantumCircuit) -> None:
    with circuit.for_loop(range(3)):
        circuit.x(0)


def _many_values(circuit: QuantumCircuit) -> None:
    with circuit.if_test((circuit.cregs[0], 1)) as otherwise:
        circuit.x(0)
    with otherwise:
        circuit.x(0)


def _many_statements(circuit: QuantumCircuit) -> None:
    with circuit.if_test(expr.logic_or(circuit.clbits[0], circuit.clbits[13])):
        circuit.x(0)


def _variable(circuit: QuantumCircuit) -> None:
    flag = circuit.add_var("flag", expr.lift(True))
    with circuit.if_test(flag):
        circuit.x(0)


def _opaque(circuit: QuantumCircuit) -> None:
    circuit.append(Gate("magic", 1, []), [0])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (_measured_under_if, "a measurement under a condition is not supported"),
        (_loop, "for_loop is not supported"),
        (_many_values, "a condition on 14 bits; at most 12"),
        (_many_statements, "over 256 values"),
        (_variable, "store|the variable 'flag'"),
    ],
)
def test_what_openqasm_2_cannot_say_is_refused(build: Callable[[QuantumCircuit], None], message: str) -> None:
    with pytest.raises(TwinProviderError, match=f"circuit 'mine' cannot be written.*({message})"):
        to_qasm(refused(build), 1.0)


def test_a_gate_without_a_definition_is_refused_by_the_twin(jakarta: Device) -> None:
    with pytest.raises(CircuitError, match="opaque gate 'magic' has no definition"):
        prepare(to_qasm(refused(_opaque), jakarta.dt_ns), jakarta)
