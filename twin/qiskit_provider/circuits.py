"""Qiskit circuits as the OpenQASM 2.0 that the twin takes.

What the circuit calls its registers and gates stays here: the source has one quantum register `q` and classical
registers `c0`, `c1`, ..., so that no name of the circuit's meets one of the language's or of a gate. The classical bits
keep their order. A register is cut where a condition asks for some of its bits, since OpenQASM 2.0 compares whole
registers only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm2
from qiskit.circuit import Barrier, ControlFlowOp, Delay, Gate, IfElseOp, Measure, Reset
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError

from twin.errors import Fault
from twin.qiskit_provider.conditions import MAX_CASES, Case, both, cases, numbers
from twin.qiskit_provider.errors import TwinProviderError

_UNITS_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9, "ps": 1e-3}
_TAKEN = frozenset(get_standard_gate_name_mapping()) | {"u0", "c3sqrtx", "c3x", "c4x", "rc3x", "barrier"}
_DELAY = re.compile(r"opaque (delay(?:_\d+)?)\(param0\) q0;\n")


def to_qasm(circuit: QuantumCircuit, dt_ns: float) -> str:
    """One circuit's source; its delays become whole numbers of `dt_ns`, the device's unit of time.

    Raises:
        TwinProviderError: naming the circuit, when OpenQASM 2.0 cannot say what it does.
    """
    try:
        source: str = qasm2.dumps(_plain(circuit, dt_ns))
    except (QiskitError, TypeError, ValueError, AttributeError, KeyError) as error:
        message = f"circuit {circuit.name!r} cannot be written as OpenQASM 2.0: {getattr(error, 'message', error)}"
        raise TwinProviderError(message, [Fault(("circuits",), message)]) from error
    return _with_one_delay(source)


def registers(circuit: QuantumCircuit) -> list[tuple[str, int]]:
    """Names and sizes of the parts that a result's bits are shown in: the classical registers, first one first.

    Bits outside of registers are a part of their own wherever they are, and a bit of several registers belongs to the
    first.
    """
    indices = [circuit.find_bit(bit).index for register in circuit.cregs for bit in register]
    if indices == list(range(circuit.num_clbits)):
        return [(register.name, register.size) for register in circuit.cregs]
    parts: list[tuple[str, int]] = []
    for bit in circuit.clbits:
        locations = circuit.find_bit(bit).registers
        name = locations[0][0].name if locations else "loose"
        if parts and parts[-1][0] == name:
            parts[-1] = (name, parts[-1][1] + 1)
        else:
            parts.append((name, 1))
    return parts


@dataclass(frozen=True)
class _Step:
    """One operation on qubits and bits, by index, and under which cases it is done (None: always)."""

    operation: Any
    qubits: tuple[int, ...]
    clbits: tuple[int, ...]
    cases: tuple[Case, ...] | None


def _plain(circuit: QuantumCircuit, dt_ns: float) -> QuantumCircuit:
    """A circuit of the same operations on registers of our own, each condition on one operation."""
    steps = list(_steps(circuit, list(range(circuit.num_qubits)), list(range(circuit.num_clbits)), None, dt_ns))
    cuts = _cuts(circuit, [case.bits for step in steps for case in step.cases or ()])
    parts = [ClassicalRegister(end - start, f"c{index}") for index, (start, end) in enumerate(cuts)]
    plain = QuantumCircuit(QuantumRegister(circuit.num_qubits, "q"), *parts)
    for step in steps:
        if step.cases is None:
            plain.append(step.operation, step.qubits, step.clbits)
            continue
        for condition in _conditions(step, cuts, parts):
            body = QuantumCircuit([plain.qubits[qubit] for qubit in step.qubits])  # the exporter looks there
            body.append(step.operation, range(len(step.qubits)))
            plain.if_test(condition, body, step.qubits, [])
    return plain


def _conditions(
    step: _Step, cuts: Sequence[tuple[int, int]], parts: Sequence[ClassicalRegister]
) -> list[tuple[ClassicalRegister, int]]:
    """Every (register, number) under which a step is done; they exclude one another."""
    each = (
        (parts[index], number)
        for case in step.cases or ()
        for index, (start, end) in enumerate(cuts)
        if start <= case.bits[0] < end
        for number in numbers(case, range(start, end))
    )
    found = list(islice(each, MAX_CASES + 1))
    if len(found) > MAX_CASES:
        raise TwinProviderError(f"{step.operation.name} under a condition that over {MAX_CASES} values of bits meet")
    return found


def _steps(
    circuit: QuantumCircuit,
    qubits: Sequence[int],
    clbits: Sequence[int],
    under: tuple[Case, ...] | None,
    dt_ns: float,
) -> Iterator[_Step]:
    """A circuit's operations, those of its blocks under their conditions; `qubits`, `clbits`: where its own are."""
    places = {bit: clbits[index] for index, bit in enumerate(circuit.clbits)}
    for item in circuit.data:
        operation: Any = item.operation
        on = tuple(qubits[circuit.find_bit(qubit).index] for qubit in item.qubits)
        bits = tuple(places[bit] for bit in item.clbits)
        if isinstance(operation, IfElseOp):
            for block, wanted in zip(operation.blocks, (True, False), strict=False):
                met = cases(operation.condition, places, wanted)
                pairs = met if under is None else [pair for one in under for two in met if (pair := both(one, two))]
                always = any(not pair.bits for pair in pairs)  # a condition that asks for no bit, and holds
                if pairs:
                    yield from _steps(block, on, bits, None if always else tuple(pairs), dt_ns)
        elif isinstance(operation, ControlFlowOp):
            raise TwinProviderError(f"{operation.name} is not supported; the twin has if, on gates")
        elif isinstance(operation, Measure) and under is not None:
            raise TwinProviderError("a measurement under a condition is not supported")
        elif isinstance(operation, Barrier):
            yield _Step(operation, on, (), None)
        elif isinstance(operation, Gate | Measure | Reset | Delay):
            yield _Step(_told(operation, dt_ns), on, bits, under)
        elif (definition := getattr(operation, "definition", None)) is not None:
            yield from _steps(definition, on, bits, under, dt_ns)
        else:
            raise TwinProviderError(f"{operation.name} has no definition in gates")


def _told(operation: Any, dt_ns: float) -> Any:
    """The operation as the exporter shall see it: delays in dt, no gate under the name of a standard one but that one.

    Qiskit's exporter goes by names: a circuit that was made a gate, and is called "h", would be written as `h`.
    """
    if isinstance(operation, Delay):
        if operation.unit == "dt":
            return operation
        return Delay(round(float(operation.duration) * _UNITS_NS[operation.unit] / dt_ns), "dt")
    standard = get_standard_gate_name_mapping().get(operation.name)
    if operation.name not in _TAKEN or (standard is not None and operation.base_class is standard.base_class):
        return operation
    renamed = operation.to_mutable()
    renamed.name = f"own_{operation.name}"
    return renamed


def _cuts(circuit: QuantumCircuit, asked: Sequence[tuple[int, ...]]) -> list[tuple[int, int]]:
    """Where the source's registers begin and end: the circuit's own, cut around the bits that are asked for together.

    Every case's bits lie within one register, in the order of the circuit's bits.
    """
    joined: list[tuple[int, int]] = []
    for start, end in sorted({(min(bits), max(bits) + 1) for bits in asked if bits}):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    edges = {0, circuit.num_clbits, *(edge for span in joined for edge in span)}
    place = 0
    for _, size in registers(circuit):
        place += size
        if not any(start < place < end for start, end in joined):
            edges.add(place)
    ordered = sorted(edges)
    return list(pairwise(ordered))


def _with_one_delay(source: str) -> str:
    """Qiskit declares each delay under a name of its own; the twin knows the one named `delay`."""
    names = _DELAY.findall(source)
    if not names:
        return source
    bare = _DELAY.sub("", source)
    bare = re.sub(rf"\b(?:{'|'.join(names)})\(", "delay(", bare)
    return bare.replace('include "qelib1.inc";\n', 'include "qelib1.inc";\nopaque delay(t) q;\n', 1)
