"""Everything that needs Qiskit: parsing OpenQASM 2.0, counting what it expands to, transpiling to a device.

Qiskit takes a second to import, so nothing imports this module before a gate circuit is prepared.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from twin.engines.forms import Action
from twin.engines.limits import CircuitLimits
from twin.engines.program import Condition, Operation, Program
from twin.engines.source import check_source, declarations
from twin.qiskit_target import make_target

_SEED = 20240527
_END = "the end of a qubit"
MAX_DELAY_NS = 1e15
"""Eleven days; times are sums of delays, and stay finite."""
_ON_EACH_QUBIT = frozenset({"measure", "barrier", "reset", "delay"})
_GATE_ALIASES = {
    "i": "id",
    "not": "x",
    "cnot": "cx",
    "ccnot": "ccx",
    "toffoli": "ccx",
    "fredkin": "cswap",
    "phase": "p",
    "cphase": "cp",
    "m": "measure",
}
"""Other names that are usual for Qiskit's gates; upper case is as good as lower."""
_POSITION = re.compile(r"<input>:(\d+),(\d+): (.*)", re.DOTALL)


def parse_qasm(source: str, device: Device, limits: CircuitLimits) -> QuantumCircuit:
    """OpenQASM 2.0 to a circuit of gates that Qiskit knows; legacy gates (sx, p, u, ...) need no definition.

    A gate that the source defines means what its definition says, whatever Qiskit has under that name: definitions are
    written out here, before anything looks at a name. `opaque delay(t) q;` declares Qiskit's delay, a wait of t times
    the device's `dt_ns`; any other opaque gate may be declared, and not used.

    Raises:
        CircuitError: with line and column.
    """
    bare = check_source(source, device.n_qubits, limits)
    try:
        circuit = qasm2.loads(bare, include_path=(), custom_instructions=_legacy_gates(bare))
        _check_expansion(circuit, limits)
        circuit = _written_out(circuit)
    except qasm2.QASM2ParseError as error:
        raise _parse_error(str(error.message)) from error
    except (QiskitError, ValueError, ArithmeticError, RecursionError) as error:
        raise CircuitError(f"the source cannot be parsed: {error}") from error
    return _with_delays_in_ns(circuit, device.dt_ns) if "delay" in bare else circuit


def _legacy_gates(source: str) -> list[qasm2.CustomInstruction]:
    """Qiskit's legacy gates less those that the source defines, or declares opaque in another shape.

    Qiskit would take a custom instruction in place of a definition of the same name, or refuse it as mismatched.
    """
    shapes = {each.name: each for each in declarations(source)}
    return [
        legacy
        for legacy in qasm2.LEGACY_CUSTOM_INSTRUCTIONS
        if (own := shapes.get(legacy.name)) is None
        or (own.is_opaque and (own.num_params, own.num_qubits) == (legacy.num_params, legacy.num_qubits))
    ]


def _written_out(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit with every gate of the source's own as its definition's gates.

    Qiskit's translation goes by name: left as it is, a gate of the source's own would become Qiskit's of that name.
    """
    written = circuit.copy_empty_like()
    for item in circuit.data:
        operation = item.operation
        if isinstance(operation, IfElseOp):
            blocks = [_written_out(block) for block in operation.blocks]
            written.append(item.replace(operation=operation.replace_blocks(blocks)))
        elif _is_defined(operation):
            for gate, qubits in _gates_of(operation, item.qubits):
                written.append(gate, qubits)
        else:
            written.append(item)
    return written


def _is_defined(operation: Any) -> bool:
    """Whether the parser made the gate from a definition. Qiskit keeps its class for them to itself."""
    return (type(operation).__module__ or "").startswith("qiskit.qasm2")


def _gates_of(operation: Any, qubits: Sequence[Any]) -> Iterator[tuple[Any, Sequence[Any]]]:
    if not _is_defined(operation):
        yield operation, qubits
        return
    body = operation.definition
    place = dict(zip(body.qubits, qubits, strict=True))
    for item in body.data:
        yield from _gates_of(item.operation, [place[qubit] for qubit in item.qubits])


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


def circuit_of_actions(n_qubits: int, actions: Sequence[Action], limits: CircuitLimits) -> QuantumCircuit:
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
            raise CircuitError(f"actions.{index}: {getattr(error, 'message', error)}") from error
    if not any(item.operation.name == "measure" for item in circuit.data):
        circuit.measure(range(n_qubits), range(n_qubits))
    _check_expansion(circuit, limits)
    return circuit


def _append_action(circuit: QuantumCircuit, gates: Mapping[str, Any], action: Action) -> None:
    name = action.gate.strip().lower()
    name, qubits, params = _GATE_ALIASES.get(name, name), list(action.qubits), action.params or []
    if len(set(qubits)) < len(qubits) or max(qubits) >= circuit.num_qubits:
        raise ValueError(f"qubits {qubits} are not distinct qubits of {circuit.num_qubits}")
    num_params = {"delay": 1}.get(name, 0)
    if name in gates and name not in _ON_EACH_QUBIT:
        num_params = len(gates[name].params)
        if len(qubits) != gates[name].num_qubits:
            raise ValueError(f"{action.gate} takes {gates[name].num_qubits} qubits, got {len(qubits)}")
    elif name not in _ON_EACH_QUBIT:
        raise ValueError(f"unknown gate {action.gate!r}; known: {', '.join(sorted({*gates, *_ON_EACH_QUBIT}))}")
    if len(params) != num_params:
        raise ValueError(f"{action.gate} takes {num_params} params, got {len(params)}")
    if name == "measure":
        circuit.measure(qubits, qubits)
    elif name == "barrier":
        circuit.barrier(qubits)
    elif name == "reset":
        circuit.reset(qubits)
    elif name == "delay":
        if params[0] < 0:
            raise ValueError(f"a delay is not negative, got {params[0]:g} ns")
        circuit.delay(params[0], qubits, unit="ns")
    else:
        circuit.append(type(gates[name])(*params) if params else gates[name], qubits)


def _check_expansion(circuit: QuantumCircuit, limits: CircuitLimits) -> None:
    """Count elementary gates without expanding them. Refuses opaque ones."""
    _ExpandedSizes(limits).of_all((item.operation for item in circuit.data), 0)


class _ExpandedSizes:
    """How many elementary gates operations expand to, looking at every definition once.

    Or once for each choice of its parameters where u0(n) is in it, Qiskit's n waits of one gate's length: then the size
    depends on them. Each look takes about 0.1 ms, so there are `max_sized_definitions` of these.
    """

    def __init__(self, limits: CircuitLimits) -> None:
        self._limits = limits
        self._by_name: dict[str, int] = {}
        self._by_params: dict[tuple[str, tuple[float, ...]], int] = {}

    def of_all(self, operations: Iterable[Any], depth: int) -> tuple[int, bool]:
        """Their size, and whether it depends on parameters. Stops where it is over the limit.

        Raises:
            CircuitError: over a limit, nested too deep, or opaque.
        """
        total, varies = 0, False
        for operation in operations:
            size, size_varies = self._of(operation, depth)
            total, varies = total + size, varies or size_varies
            if total > self._limits.max_operations:
                raise CircuitError(f"the circuit expands to more than {self._limits.max_operations} operations")
        return total, varies

    def _of(self, operation: Any, depth: int) -> tuple[int, bool]:
        if type(operation) is Gate:  # the parser's class for a gate that is declared, and never defined
            raise CircuitError(f"the opaque gate {operation.name!r} has no definition to run")
        if isinstance(operation, IfElseOp):
            return self.of_all((item.operation for item in operation.params[0].data), depth)
        if not _is_defined(operation):
            return 1, False
        if operation.name == "u0" and operation.params and type(operation).__name__ == "_U0Gate":
            return max(1, int(operation.params[0])), True
        name, choice = operation.name, (operation.name, tuple(operation.params))
        if name in self._by_name:
            return self._by_name[name], False
        if choice in self._by_params:
            return self._by_params[choice], True
        if depth == self._limits.max_definition_depth:
            raise CircuitError(f"gate definitions use one another more than {depth} deep: write some of them out")
        size, varies = self.of_all((item.operation for item in operation.definition.data), depth + 1)
        size = max(size, 1)
        if not varies:
            self._by_name[name] = size
        elif len(self._by_params) == (most := self._limits.max_sized_definitions):
            raise CircuitError(
                f"gates with u0 in them have more than {most} choices of parameters: use fewer, or delay"
            )
        else:
            self._by_params[choice] = size
        return size, varies


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
