"""From what a client submits to what an engine runs: parse, check, translate to the device, choose the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import stim
from pydantic import ValidationError

from twin.bodies import Body
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.errors import described, faults_of
from twin.device.snapshot import compose
from twin.engines.clifford_program import is_clifford
from twin.engines.density import exact_cost
from twin.engines.errors import CircuitError
from twin.engines.forms import ActionCircuit, MemoryCircuit, MemoryExperiment, StimCircuit
from twin.engines.limits import DEFAULT_LIMITS, CircuitLimits
from twin.engines.native import shortest_routes, to_native
from twin.engines.program import TWO_QUBIT, Program
from twin.engines.stim_front import program_of_stim
from twin.engines.trajectories import TrajectoryPlan, plan_trajectories
from twin.qec.errors import SessionSpecError

Engine = Literal["density_matrix", "stabilizer", "aer_statevector", "aer_matrix_product_state"]
Circuit = str | Mapping[str, Any]
_MULTIPLICATION_S = 1e-9  # of the exact engine, on one core
# Of the stabilizer engine on one core, an operation and shot: measured 1 to 3 ns, and 10 ns where outcomes decide
_CLIFFORD_STEP_S, _DECIDED_STEP_S = 2e-9, 1e-8
AnyModel = TypeVar("AnyModel", bound=Body)


@dataclass(frozen=True, slots=True)
class PreparedCircuit:
    """A circuit, checked and ready for `execute`; can be pickled.

    Either `program` or `memory` is there; `stim_circuit` is what a Stim job's program was made from, as written.
    `peak_elements` is the size of the exact engine's largest tensor (0: another engine runs it). `fixed_s` and `shot_s`
    estimate what a run takes, in all and for each shot; 0 where it is too little to count. `packed_bits` are told of
    each shot beside its key: detection events, observables, a memory's measurements.
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
    trajectories: TrajectoryPlan | None = None
    fixed_s: float = 0.0
    shot_s: float = 0.0
    program: Program | None = None
    stim_circuit: stim.Circuit | None = None
    memory: MemoryExperiment | None = None
    device: Device | None = None
    packed_bits: int = 0
    recorded_bits: int = 0

    @property
    def key_chars(self) -> int:
        """Characters of one outcome's key."""
        num_registers = 1 if self.program is None else len(self.program.registers)
        return self.num_clbits + num_registers - 1


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
            return _stim(_checked(StimCircuit, circuit).stim, device, limits)
        case ["qec_memory"]:
            return _memory(_checked(MemoryCircuit, circuit).qec_memory, device, limits)
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
        parsed = circuit_of_actions(form.n_qubits, form.actions, limits)
    transpiled = transpile(parsed, device, limits)
    program = transpiled.program
    if program.num_clbits == 0:
        raise CircuitError("the circuit has no classical bits: add a creg and a measurement")
    return PreparedCircuit(
        backend_id=device.backend_id,
        kind="gates",
        depth=program.depth(),
        two_qubit_count=program.two_qubit_count(),
        layout=transpiled.initial_layout,
        final_layout=transpiled.final_layout,
        num_clbits=program.num_clbits,
        program=program,
        **vars(_choice(program, device, limits)),
    )


@dataclass(frozen=True)
class _Choice:
    """The engine, what it needs to know, and how long it is estimated to take."""

    engine: Engine
    peak_elements: int = 0
    trajectories: TrajectoryPlan | None = None
    fixed_s: float = 0.0
    shot_s: float = 0.0


def _choice(program: Program, device: Device, limits: CircuitLimits) -> _Choice:
    has_noise = any(op.name == "stim" for op in program.operations)
    cost = None if has_noise else exact_cost(program, limits.max_exact_elements)
    clifford = is_clifford(program)
    most = limits.max_exact_multiplications if clifford else limits.max_exact_multiplications_alone
    if cost is not None and cost.multiplications <= most:
        return _Choice("density_matrix", cost.peak_elements, fixed_s=cost.multiplications * _MULTIPLICATION_S)
    if clifford:
        is_decided = any(op.condition is not None for op in program.operations)
        step_s = _DECIDED_STEP_S if is_decided else _CLIFFORD_STEP_S
        return _Choice("stabilizer", shot_s=step_s * len(program.operations))
    plan = plan_trajectories(program, compose(device, {}, ControllerState()), limits)
    engine: Engine = "aer_statevector" if plan.method == "statevector" else "aer_matrix_product_state"
    return _Choice(engine, trajectories=plan, shot_s=plan.shot_s)


def _stim(text: str, device: Device, limits: CircuitLimits) -> PreparedCircuit:
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
    native = to_native(circuit, device.two_qubit_gate, shortest_routes(device.neighbours), drop_pairs=False)
    program = program_of_stim(native)
    used = program.active_qubits()
    return PreparedCircuit(
        backend_id=device.backend_id,
        kind="stim",
        depth=program.depth(),
        two_qubit_count=program.two_qubit_count(),
        layout=used,
        final_layout=used,
        num_clbits=program.num_clbits,
        program=program,
        **vars(_choice(program, device, limits)),
        stim_circuit=circuit,
        packed_bits=circuit.num_detectors + circuit.num_observables,
    )


def _check_records(circuit: stim.Circuit, num_measured: int = 0) -> None:
    """Stim itself finds such a reference no earlier than when it samples. The first run of a block reaches furthest."""
    for each in circuit:
        if isinstance(each, stim.CircuitRepeatBlock):
            _check_records(each.body_copy(), num_measured)
            num_measured += each.repeat_count * each.body_copy().num_measurements
            continue
        targets = each.targets_copy()
        for target in targets:
            if target.is_measurement_record_target and -target.value > num_measured:
                raise CircuitError(f"stim: {each} refers to a measurement before the first one")
        changed = {"CX": targets[1::2], "CY": targets[1::2], "XCZ": targets[::2], "YCZ": targets[::2]}
        if any(target.is_measurement_record_target for target in changed.get(each.name, ())):
            raise CircuitError(f"stim: {each} would change a recorded outcome; a record can only be the control")
        if each.name == "OBSERVABLE_INCLUDE" and any(not target.is_measurement_record_target for target in targets):
            raise CircuitError(f"stim: {each} names Paulis; a device tells measurements: include rec[...] targets only")
        num_measured += each.num_measurements


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


def _memory(form: MemoryExperiment, device: Device, limits: CircuitLimits) -> PreparedCircuit:
    from twin.qec.memory import Memory  # builds on this package

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
        shot_s=2 * _CLIFFORD_STEP_S * _stim_size(native),  # the noise is as long as the gates
        packed_bits=native.num_measurements + native.num_detectors + native.num_observables,
        recorded_bits=native.num_measurements,
    )
