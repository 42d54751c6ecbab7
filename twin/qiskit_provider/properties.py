"""A backend's calibration under the names of the `BackendProperties` of IBM's backends: times in s, rates in Hz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qiskit.transpiler import InstructionProperties, Target

from twin.errors import Fault
from twin.qiskit_provider.errors import TwinProviderError


@dataclass(frozen=True)
class TwinProperties:
    """What the device reported at one moment: the target of that moment, asked by qubit and by gate."""

    target: Target

    def t1(self, qubit: int) -> float:
        return float(self._qubit(qubit).t1)

    def t2(self, qubit: int) -> float:
        return float(self._qubit(qubit).t2)

    def frequency(self, qubit: int) -> float:
        return float(self._qubit(qubit).frequency)

    def readout_error(self, qubit: int) -> float:
        """Mean of p(1|0) and p(0|1)."""
        return float(self._gate("measure", qubit).error)

    def readout_length(self, qubit: int) -> float:
        return float(self._gate("measure", qubit).duration)

    def gate_error(self, gate: str, qubits: int | Sequence[int]) -> float:
        """Average infidelity of a gate, as applied."""
        return float(self._gate(gate, qubits).error)

    def gate_length(self, gate: str, qubits: int | Sequence[int]) -> float:
        return float(self._gate(gate, qubits).duration)

    def _qubit(self, qubit: int) -> Any:
        if not 0 <= qubit < self.target.num_qubits:
            raise _missing(f"there is no qubit {qubit}; there are 0 to {self.target.num_qubits - 1}")
        return self.target.qubit_properties[qubit]

    def _gate(self, gate: str, qubits: int | Sequence[int]) -> InstructionProperties:
        """Raises TwinProviderError for a gate that the device does not have there, or of which it tells nothing."""
        where = (qubits,) if isinstance(qubits, int) else tuple(qubits)
        found = self.target[gate].get(where) if gate in self.target.operation_names else None
        if found is None or found.error is None:
            raise _missing(f"the device tells nothing of {gate} on {', '.join(map(str, where))}")
        return found


def _missing(message: str) -> TwinProviderError:
    return TwinProviderError(message, [Fault((), message)])
