"""Everything that needs Qiskit: parsing OpenQASM 2.0, counting what it expands to, transpiling to a device.

Qiskit takes a second to import, so nothing imports this module before a gate circuit is prepared.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm2
from qiskit.circuit import Delay, Gate, IfElseOp
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.transpiler import PassManager, Target, generate_preset_pass_manager

from twin.device.device import Device
from twin.engines.errors import CircuitError
from twin.engines.limits import CircuitLimits
from twin.engines.program import Condition, Operation, Program
from twin.engines.source import check_source
from twin.qiskit_target import make_target

_SEED = 20240527
_END = "the end of a qubit"
MAX_DELAY_NS = 1e15
"""Eleven days; times are sums of delays, and stay finite."""
_POSITION = re.compile(r"<input>:(\d+),(\d+): (.*)", re.DOTALL)


def parse_qasm(source: str, device: Device, limits: CircuitLimits) -> QuantumCircuit:
    """OpenQASM 2.0 to a circuit; legacy gates (sx, p, u, ...) are known without a definition.

    `opaque delay(t) q;` declares Qiskit's delay, a wait of t times the device's `dt_ns`; any other opaque gate may be
    declared, and not used.

    Raises:
        CircuitError: with line and column.
    """
    bare = check_source(source, device.n_qubits, limits)
    try:
        circuit = qasm2.loads(bare, include_path=(), custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    except qasm2.QASM2ParseError as error:
        raise _parse_error(str(error.message)) from error
    except (QiskitError, ValueError, ArithmeticError, RecursionError) as error:
        raise CircuitError(f"the source cannot be parsed: {error}") from error
    _check_expansion(circuit, limits)
    return _with_delays_in_ns(circuit, device.dt_ns) if "delay" in bare else circuit


def _with_delays_in_ns(circuit: QuantumCircuit, dt_ns: float) -> QuantumCircuit:
    """The device's durations are no whole numbers of dt, and Qiskit does not mix the units."""
    converted = circuit.copy_empty_like()
    for item in circuit.data:
        operation = item.operation
        if isinstance(operation, Delay):
            operation = Delay(operation.duration * dt_ns, "ns")
        elif isinstance(operation, IfElseOp):
            operation = operation.replace_blocks([_with_delays_in_ns(block, dt_ns) for block in operation.blocks])
        converted.append(item.replace(operation=operation))
    return converted


def _parse_error(message: str) -> CircuitError:
    match = _POSITION.search(message.strip('"'))
    if match is None:
        return CircuitError(message)
    return CircuitError(match.group(3), int(match.group(1)), int(match.group(2)) + 1)


def circuit_of_actions(n_qubits: int, actions: list[dict[str, Any]], limits: CircuitLimits) -> QuantumCircuit:
    """The pulse-schedule form; bit i of register `c` takes qubit i. Without a measurement all qubits are measured.

    Raises:
        CircuitError: naming the action.
    """
    if len(actions) > limits.max_operations:
        raise CircuitError(f"{len(actions)} actions; at most {limits.max_operations} are taken")
    gates = get_standard_gate_name_mapping()
    circuit = QuantumCircuit(QuantumRegister(n_qubits, "q"), ClassicalRegister(n_qubits, "c"))
    for index, action in enumerate(actions):
        try:
            _append_action(circuit, gates, action)
        except (QiskitError, ValueError, TypeError) as error:
            raise CircuitError(f"actions.{index}: {error}") from error
    if not any(item.operation.name == "measure" for item in circuit.data):
        circuit.measure(range(n_qubits), range(n_qubits))
    _check_expansion(circuit, limits)
    return circuit


def _append_action(circuit: QuantumCircuit, gates: dict[str, Any], action: dict[str, Any]) -> None:
    name, qubits, params = action["gate"], list(action["qubits"]), list(action.get("params") or [])
    if len(set(qubits)) < len(qubits) or any(not 0 <= qubit < circuit.num_qubits for qubit in qubits):
        raise ValueError(f"qubits {qubits} are not distinct qubits of {circuit.num_qubits}")
    if not all(math.isfinite(param) for param in params):
        raise ValueError("params must be finite")
    if name == "measure":
        circuit.measure(qubits, qubits)
    elif name == "barrier":
        circuit.barrier(qubits)
    elif name == "reset":
        for qubit in qubits:
            circuit.reset(qubit)
    elif name == "delay":
        if len(params) != 1 or params[0] < 0:
            raise ValueError("delay takes one param: nanoseconds, not negative")
        circuit.delay(params[0], qubits, unit="ns")
    elif name in gates:
        gate = gates[name]
        if len(params) != len(gate.params) or len(qubits) != gate.num_qubits:
            raise ValueError(f"{name} takes {gate.num_qubits} qubits and {len(gate.params)} params")
        circuit.append(type(gate)(*params), qubits) if params else circuit.append(gate, qubits)
    else:
        raise ValueError(f"unknown gate {name!r}")


def _check_expansion(circuit: QuantumCircuit, limits: CircuitLimits) -> None:
    """Count elementary gates without expanding: every definition is looked at once. Refuses opaque ones."""
    known: dict[str, int] = {}
    total = 0
    for item in circuit.data:
        total += _expanded_size(item.operation, known, limits)
        if total > limits.max_operations:
            raise CircuitError(f"the circuit expands to more than {limits.max_operations} operations")


def _expanded_size(operation: Any, known: dict[str, int], limits: CircuitLimits) -> int:
    if operation.name in known:
        return known[operation.name]
    if type(operation) is Gate:  # the parser's class for a gate that is declared, and never defined
        raise CircuitError(f"the opaque gate {operation.name!r} has no definition to run")
    if isinstance(operation, IfElseOp):
        return sum(_expanded_size(item.operation, known, limits) for item in operation.params[0].data)
    is_custom = (type(operation).__module__ or "").startswith("qiskit.qasm2")
    size = 1
    if is_custom and operation.definition is not None:
        size = sum(_expanded_size(item.operation, known, limits) for item in operation.definition.data)
    known[operation.name] = min(max(size, 1), limits.max_operations + 1)
    return known[operation.name]


class Transpiled:
    """A program on a device, and where the circuit's qubits were at its start and its end."""

    def __init__(self, program: Program, initial_layout: tuple[int, ...], final_layout: tuple[int, ...]) -> None:
        self.program = program
        self.initial_layout = initial_layout
        self.final_layout = final_layout


def transpile(circuit: QuantumCircuit, device: Device, limits: CircuitLimits) -> Transpiled:
    """Translate to the device's gates, and route to its coupling map.

    Nothing is optimised away: what the device can run is run as written. A circuit whose pairs are all coupled keeps
    its qubit numbers; any other is laid out and routed by Sabre with a fixed seed.
    """
    if circuit.num_qubits > device.n_qubits:
        raise CircuitError(f"the circuit has {circuit.num_qubits} qubits; {device.backend_id} has {device.n_qubits}")
    trivial, routed = _pass_managers(device)
    try:
        native = (trivial if _fits(circuit, device) else routed).run(_with_ends(circuit))
    except QiskitError as error:
        raise CircuitError(f"the circuit cannot be transpiled to {device.backend_id}: {error}") from error
    operations = _operations(native, device.dt_ns)
    if len(operations) > 4 * limits.max_operations:
        raise CircuitError(f"the transpiled circuit has {len(operations)} operations, too many")
    registers = tuple((register.name, register.size) for register in native.cregs)
    if sum(size for _, size in registers) != native.num_clbits:
        raise CircuitError("classical bits outside of registers are not supported")
    layout = native.layout
    start = tuple(layout.initial_index_layout(filter_ancillas=True))
    end = tuple(layout.final_index_layout(filter_ancillas=True))
    return Transpiled(Program(operations, native.num_clbits, registers), start, end)


def _with_ends(circuit: QuantumCircuit) -> QuantumCircuit:
    """A wait of no time after measurements whose bit is written again.

    Qiskit 2.4's `BarrierBeforeFinalMeasurements`, part of every routing, exchanges last measurements into one bit; what
    something comes after is no last measurement.
    """
    writes = Counter(bit for item in circuit.data if item.operation.name == "measure" for bit in item.clbits)
    if max(writes.values(), default=0) < 2:
        return circuit
    ended, end = circuit.copy(), Delay(0, "ns")
    end.label = _END
    for item in circuit.data:
        if item.operation.name == "measure" and writes[item.clbits[0]] > 1:
            ended.append(end, item.qubits)
    return ended


def _fits(circuit: QuantumCircuit, device: Device) -> bool:
    """Whether every gate is on one qubit, or on a coupled pair, as the qubits are numbered."""
    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.operation.name == "barrier" or len(qubits) < 2:
            continue
        if len(qubits) > 2 or (qubits[0], qubits[1]) not in device.edges:
            return False
    return True


@lru_cache(maxsize=32)
def _pass_managers(device: Device) -> tuple[PassManager, PassManager]:
    target = _target(device)
    common = {"optimization_level": 0, "target": target, "seed_transpiler": _SEED}
    trivial = generate_preset_pass_manager(layout_method="trivial", **common)
    routed = generate_preset_pass_manager(layout_method="sabre", routing_method="sabre", **common)
    return trivial, routed


def _target(device: Device) -> Target:
    return make_target(
        [asdict(qubit) | {"readout_error": qubit.readout_error} for qubit in device.qubits],
        [{"qubits": pair, **asdict(edge)} for pair, edge in device.edges.items()],
        device.two_qubit_gate,
        device.durations_ns,
    )


def _operations(native: QuantumCircuit, dt_ns: float) -> tuple[Operation, ...]:
    operations: list[Operation] = []
    index = {bit: i for i, bit in enumerate(native.qubits)}
    bits = {bit: i for i, bit in enumerate(native.clbits)}
    for item in native.data:
        if item.operation.label == _END:
            continue
        qubits = tuple(index[qubit] for qubit in item.qubits)
        if item.operation.name == "if_else":
            operations += _conditional(item, qubits, bits, dt_ns)
        else:
            operations.append(_operation(item.operation, qubits, tuple(bits[bit] for bit in item.clbits), None, dt_ns))
    return tuple(operations)


def _conditional(item: Any, qubits: tuple[int, ...], bits: dict[Any, int], dt_ns: float) -> list[Operation]:
    register, value = item.operation.condition
    members = tuple(bits[bit] for bit in register) if isinstance(register, ClassicalRegister) else (bits[register],)
    condition = Condition(members, int(value))
    body = item.operation.params[0]
    inner = {bit: qubits[i] for i, bit in enumerate(body.qubits)}
    operations = []
    for each in body.data:
        if each.operation.name == "measure":
            raise CircuitError("a measurement under `if` is not supported")
        places = tuple(inner[qubit] for qubit in each.qubits)
        operations.append(_operation(each.operation, places, (), condition, dt_ns))
    return operations


def _operation(
    operation: Any, qubits: tuple[int, ...], clbits: tuple[int, ...], condition: Condition | None, dt_ns: float
) -> Operation:
    params = tuple(float(param) for param in operation.params)
    if not all(math.isfinite(param) for param in params):
        raise CircuitError(f"{operation.name} has a parameter that is not finite")
    if operation.name == "delay":
        scale = {"dt": dt_ns, "ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}[operation.unit]
        params = (params[0] * scale,)
        if params[0] > MAX_DELAY_NS:
            raise CircuitError(f"a delay of {params[0]:g} ns; at most {MAX_DELAY_NS:g} ns are taken")
    return Operation(operation.name, qubits, params, clbits, condition)
