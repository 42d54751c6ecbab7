"""Qiskit circuits as the OpenQASM 2.0 that the twin takes."""

from __future__ import annotations

import re
from typing import Any

from qiskit import QuantumCircuit, qasm2
from qiskit.circuit import Delay, IfElseOp
from qiskit.exceptions import QiskitError

from twin.errors import Fault, InvalidError

_UNITS_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9, "ps": 1e-3}
_DELAY = re.compile(r"opaque (delay(?:_\d+)?)\(param0\) q0;\n")


def to_qasm(circuit: QuantumCircuit, dt_ns: float) -> str:
    """One circuit's source; its delays become whole numbers of `dt_ns`, the device's unit of time.

    Raises:
        InvalidError: naming the circuit, when OpenQASM 2.0 cannot say what it does.
    """
    try:
        source: str = qasm2.dumps(_plain(circuit, dt_ns))
    except (QiskitError, TypeError, ValueError, AttributeError) as error:
        message = f"circuit {circuit.name!r} cannot be written as OpenQASM 2.0: {getattr(error, 'message', error)}"
        raise InvalidError(message, [Fault(("circuits",), message)]) from error
    return _with_one_delay(source)


def _plain(circuit: QuantumCircuit, dt_ns: float) -> QuantumCircuit:
    """A copy with every delay in dt, and each condition on one instruction, which is all that OpenQASM 2.0 has."""
    plain = circuit.copy_empty_like()
    for item in circuit.data:
        operation: Any = item.operation
        if isinstance(operation, Delay) and operation.unit != "dt":
            duration_ns = float(operation.duration) * _UNITS_NS[operation.unit]
            plain.append(item.replace(operation=Delay(round(duration_ns / dt_ns), "dt")))
        elif isinstance(operation, IfElseOp):
            bodies = [_plain(block, dt_ns) for block in operation.blocks]
            for each in _single(bodies[0]) if len(bodies) == 1 else [bodies]:
                plain.append(item.replace(operation=operation.replace_blocks(each)))
        else:
            plain.append(item)
    return plain


def _single(body: QuantumCircuit) -> list[list[QuantumCircuit]]:
    """A body's instructions one by one. One that measures stays whole: it could change its own condition."""
    if body.num_clbits and any(item.clbits for item in body.data):
        return [[body]]
    alone = []
    for item in body.data:
        part = body.copy_empty_like()
        part.append(item)
        alone.append([part])
    return alone


def _with_one_delay(source: str) -> str:
    """Qiskit declares each delay under a name of its own; the twin knows the one named `delay`."""
    names = _DELAY.findall(source)
    if not names:
        return source
    bare = _DELAY.sub("", source)
    bare = re.sub(rf"\b(?:{'|'.join(names)})\(", "delay(", bare)
    return bare.replace('include "qelib1.inc";\n', 'include "qelib1.inc";\nopaque delay(t) q;\n', 1)
