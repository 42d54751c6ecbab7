"""Circuit execution: exact density matrices for small circuits, stabilizers for Clifford circuits on larger ones."""

from twin.engines.errors import CircuitError
from twin.engines.execution import CircuitResult, PackedBits, execute
from twin.engines.limits import DEFAULT_LIMITS, CircuitLimits
from twin.engines.preparation import PreparedCircuit, prepare
from twin.engines.timing import ModelledTime, modelled_time

__all__ = [
    "DEFAULT_LIMITS",
    "CircuitError",
    "CircuitLimits",
    "CircuitResult",
    "ModelledTime",
    "PackedBits",
    "PreparedCircuit",
    "execute",
    "modelled_time",
    "prepare",
]
