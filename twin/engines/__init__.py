"""Circuit execution: exact density matrices for small circuits, stabilizers for Clifford circuits on larger ones."""

from twin.engines.errors import CircuitError
from twin.engines.execution import CircuitResult, PackedBits, execute
from twin.engines.limits import DEFAULT_LIMITS, CircuitLimits
from twin.engines.preparation import PreparedCircuit, prepare

__all__ = [
    "DEFAULT_LIMITS",
    "CircuitError",
    "CircuitLimits",
    "CircuitResult",
    "PackedBits",
    "PreparedCircuit",
    "execute",
    "prepare",
]
