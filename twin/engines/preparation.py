"""From what a client submits to what an engine runs: parse, check, translate to the device, choose the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import stim
from pydantic import Field, ValidationError

from twin.device.device import Device
from twin.device.errors import described, faults_of
from twin.device.schema import Index, Strict
from twin.engines.clifford_program import is_clifford
from twin.engines.density import peak_elements
from twin.engines.errors import CircuitError
from twin.engines.limits import DEFAULT_LIMITS, CircuitLimits
from twin.engines.native import flat_instructions, qubits_of, shortest_routes, to_native
from twin.engines.program import TWO_QUBIT, Program
from twin.qec.errors import SessionSpecError
from twin.qec.spec import MemorySpec

Engine = Literal["density_matrix", "stabilizer"]
Circuit = str | Mapping[str, Any]
AnyModel = TypeVar("AnyModel", bound=Strict)


class Action(Strict):
    """One gate of the pulse-schedule form."""

    gate: Annotated[str, Field(max_length=32)]
    qubits: list[Index] = Field(min_length=1)
    params: list[float] = Field(default_factory=list)


class ActionCircuit(Strict):
    """`{"n_qubits", "actions": [...]}`; bit i of the result is qubit i."""

    n_qubits: Annotated[int, Field(ge=1)]
    actions: list[Action]


class MemoryCircuit(MemorySpec):
    """`{"qec_memory": {...}}`: a memory experiment of a fixed number of rounds."""

    rounds: Annotated[int, Field(ge=1, strict=True)]


@dataclass(frozen=True, slots=True)
class PreparedCircuit:
    """A circuit, checked and ready for `execute`; can be pickled.

    Exactly one of `program` (gates), `stim_circuit` (native, noiseless) and `memory` is there. `peak_elements` is the
    size of the exact engine's largest tensor.
    """

    backend_id: str
    kind: Literal["gates", "stim", "qec_memory"]
    engine: Engine
    depth: int
    two_qubit_count: int
    layout: tuple[int, ...]
    final_layout: tuple[int, ...]
    num_clbits: int
    peak_elements: int = 0
    program: Program | None = None
    stim_circuit: stim.Circuit | None = None
    memory: MemoryCircuit | None = None
    device: Device | None = None


def prepare(circuit: Circuit, device: Device, limits: CircuitLimits = DEFAULT_LIMITS) -> PreparedCircuit:
    """Parse, check and transpile one circuit.

    Args:
        circuit: OpenQASM 2.0 text, or `{"n_qubits", "actions"}`, or `{"stim": text}`, or `{"qec_memory": {...}}`.
        device: where it shall run.
        limits: what is taken.

    Raises:
        CircuitError: what is wrong, with line and column where the source is.
    """
    if isinstance(circuit, str):
        return _gates(circuit, device, limits)
    match sorted(circuit):
        case ["stim"]:
            return _stim(circuit["stim"], device, limits)
        case ["qec_memory"]:
            return _memory(circuit["qec_memory"], device, limits)
        case ["actions", "n_qubits"] | ["actions"]:
            return _gates(circuit, device, limits)
    raise CircuitError(
        f"a circuit with the keys {', '.join(sorted(circuit)) or '(none)'} is not known; expected OpenQASM 2.0 text, "
        '{"n_qubits", "actions"}, {"stim"} or {"qec_memory"}'
    )


def _checked(model: type[AnyModel], data: object) -> AnyModel:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise CircuitError(described(faults_of(error))) from error


def _gates(circuit: Circuit, device: Device, limits: CircuitLimits) -> PreparedCircuit:
    from twin.engines.qiskit_front import circuit_of_actions, parse_qasm, transpile  # imports Qiskit: a second

    if isinstance(circuit, str):
        parsed = parse_qasm(circuit, device, limits)
    else:
        form = _checked(ActionCircuit, circuit)
        if form.n_qubits > device.n_qubits:
            raise CircuitError(f"the circuit has {form.n_qubits} qubits; {device.backend_id} has {device.n_qubits}")
        parsed = circuit_of_actions(form.n_qubits, [action.model_dump() for action in form.actions], limits)
    transpiled = transpile(parsed, device, limits)
    program = transpiled.program
    if program.num_clbits == 0:
        raise CircuitError("the circuit has no classical bits: add a creg and a measurement")
    peak = peak_elements(program)
    return PreparedCircuit(
        backend_id=device.backend_id,
        kind="gates",
        engine=_engine(program, peak, limits),
        depth=program.depth(),
        two_qubit_count=program.two_qubit_count(),
        layout=transpiled.initial_layout,
        final_layout=transpiled.final_layout,
        num_clbits=program.num_clbits,
        peak_elements=peak,
        program=program,
    )


def _engine(program: Program, peak: int, limits: CircuitLimits) -> Engine:
    if peak <= limits.max_exact_elements:
        return "density_matrix"
    if is_clifford(program):
        return "stabilizer"
    raise CircuitError(
        f"a circuit on {len(program.active_qubits())} entangled qubits with gates beyond Clifford is more than the "
        f"exact engine holds ({limits.max_exact_elements} elements, about 10 qubits); "
        "use fewer qubits, or Clifford gates only"
    )


def _stim(text: object, device: Device, limits: CircuitLimits) -> PreparedCircuit:
    if not isinstance(text, str):
        raise CircuitError("stim: expected the text of a Stim circuit")
    if len(text) > limits.max_source_bytes:
        raise CircuitError(f"the source has {len(text)} bytes; at most {limits.max_source_bytes} are taken")
    try:
        circuit = stim.Circuit(text)
        num_qubits = circuit.num_qubits
    except (ValueError, IndexError, OverflowError) as error:
        raise CircuitError(f"stim: {error}") from error
    if num_qubits > device.n_qubits:
        raise CircuitError(f"the circuit uses qubit {num_qubits - 1}; {device.backend_id} has {device.n_qubits} qubits")
    _check_stim_size(circuit, limits)
    _check_records(circuit)
    native = to_native(circuit, device.two_qubit_gate, shortest_routes(device.neighbours))
    used = tuple(sorted({qubit for each in flat_instructions(native) for qubit in qubits_of(each)}))
    return PreparedCircuit(
        backend_id=device.backend_id,
        kind="stim",
        engine="stabilizer",
        depth=_stim_depth(native),
        two_qubit_count=_stim_two_qubit_count(native),
        layout=used,
        final_layout=used,
        num_clbits=native.num_measurements,
        stim_circuit=native,
    )


def _check_records(circuit: stim.Circuit) -> None:
    """Stim itself finds such a reference no earlier than when it samples."""
    num_measured = 0
    for instruction in flat_instructions(circuit):
        for target in instruction.targets_copy():
            if target.is_measurement_record_target and -target.value > num_measured:
                raise CircuitError(f"stim: {instruction} refers to a measurement before the first one")
        num_measured += instruction.num_measurements


def _check_stim_size(circuit: stim.Circuit, limits: CircuitLimits) -> None:
    size = _stim_size(circuit)
    if size > 10 * limits.max_operations:
        raise CircuitError(f"the circuit runs {size} operations; at most {10 * limits.max_operations} are taken")
    if circuit.num_measurements == 0:
        raise CircuitError("the circuit measures nothing")
    if circuit.num_measurements > limits.max_operations:
        raise CircuitError(f"the circuit has {circuit.num_measurements} measurements, too many")
    if circuit.num_sweep_bits:
        raise CircuitError("stim circuits with sweep bits are not supported")


def _stim_size(circuit: stim.Circuit) -> int:
    total = 0
    for each in circuit:
        if isinstance(each, stim.CircuitRepeatBlock):
            total += each.repeat_count * _stim_size(each.body_copy())
        else:
            total += len(each.targets_copy()) + 1
    return total


def _stim_two_qubit_count(circuit: stim.Circuit) -> int:
    total = 0
    for each in circuit:
        if isinstance(each, stim.CircuitRepeatBlock):
            total += each.repeat_count * _stim_two_qubit_count(each.body_copy())
        elif each.name.lower() in TWO_QUBIT:
            total += len(each.target_groups())
    return total


def _stim_depth(circuit: stim.Circuit) -> int:
    """Longest chain of operations; a repeat block counts its own depth times its repetitions."""
    level: dict[int, int] = {}
    for each in circuit:
        if isinstance(each, stim.CircuitRepeatBlock):
            deepest = max(level.values(), default=0) + each.repeat_count * _stim_depth(each.body_copy())
            level = dict.fromkeys(range(circuit.num_qubits), deepest)
        elif stim.gate_data(each.name).is_unitary or stim.gate_data(each.name).produces_measurements:
            for group in each.target_groups():
                qubits = [target.value for target in group if target.is_qubit_target]
                here = max((level.get(qubit, 0) for qubit in qubits), default=0) + 1
                level.update(dict.fromkeys(qubits, here))
    return max(level.values(), default=0)


def _memory(data: object, device: Device, limits: CircuitLimits) -> PreparedCircuit:
    from twin.qec.memory import Memory  # builds on this package

    form = _checked(MemoryCircuit, data)
    try:
        memory = Memory(form, device)
    except SessionSpecError as error:
        raise CircuitError(f"qec_memory: {error}") from error
    if form.rounds * memory.code.num_stabilizers > 10 * limits.max_operations:
        raise CircuitError(
            f"qec_memory: {form.rounds} rounds of {memory.code.num_stabilizers} stabilizers are too many"
        )
    native = memory.native_circuit(form.rounds)
    layout = tuple(memory.placement.qubits[qubit] for qubit in sorted(memory.placement.qubits))
    return PreparedCircuit(
        backend_id=device.backend_id,
        kind="qec_memory",
        engine="stabilizer",
        depth=_stim_depth(native),
        two_qubit_count=_stim_two_qubit_count(native),
        layout=layout,
        final_layout=layout,
        num_clbits=memory.code.num_data_qubits,
        memory=form,
        device=device,
    )
