"""A device as a Qiskit `Target`: for the twin's own transpiler, and for the provider on the client's side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qiskit.circuit import Delay, IfElseOp, Measure, Parameter, Reset
from qiskit.circuit.library import CXGate, CZGate, IGate, RZGate, SXGate, XGate
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

NS = 1e-9
GHZ = 1e9
US = 1e-6


def make_target(
    qubits: Sequence[Mapping[str, Any]],
    pairs: Iterable[Mapping[str, Any]],
    two_qubit_gate: str,
    durations_ns: Mapping[str, float],
    dt_ns: float | None = None,
) -> Target:
    """The target of a device, from fields named as in `GET /backends/{backend_id}`.

    Args:
        qubits: `t1_us`, `t2_us`, `frequency_ghz`, `gate_error`, `readout_error` of every qubit, in order.
        pairs: `qubits`, `error`, `duration_ns` of every directed pair.
        two_qubit_gate: `cx` or `cz`.
        durations_ns: `single_qubit`, `measure`, `reset`.
        dt_ns: unit of time of the device; None leaves delays in their own units.
    """
    target = Target(
        num_qubits=len(qubits),
        dt=None if dt_ns is None else dt_ns * NS,
        qubit_properties=[
            QubitProperties(each["t1_us"] * US, each["t2_us"] * US, each["frequency_ghz"] * GHZ) for each in qubits
        ],
    )
    single_s = durations_ns["single_qubit"] * NS
    pulse = {(index,): InstructionProperties(single_s, each["gate_error"]) for index, each in enumerate(qubits)}
    readout = {
        (index,): InstructionProperties(durations_ns["measure"] * NS, each["readout_error"])
        for index, each in enumerate(qubits)
    }
    reset = {(index,): InstructionProperties(durations_ns["reset"] * NS) for index in range(len(qubits))}
    virtual = {(index,): InstructionProperties(0.0, 0.0) for index in range(len(qubits))}
    for gate in (SXGate(), XGate(), IGate()):
        target.add_instruction(gate, dict(pulse))
    target.add_instruction(RZGate(Parameter("angle")), virtual)
    target.add_instruction(Measure(), readout)
    target.add_instruction(Reset(), reset)
    target.add_instruction(Delay(Parameter("duration")), {(index,): None for index in range(len(qubits))})
    coupled = {tuple(each["qubits"]): InstructionProperties(each["duration_ns"] * NS, each["error"]) for each in pairs}
    if coupled:
        target.add_instruction(CXGate() if two_qubit_gate == "cx" else CZGate(), coupled)
    target.add_instruction(IfElseOp, name="if_else")
    return target
