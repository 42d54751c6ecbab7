"""What one circuit may hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CircuitLimits:
    """Limits on one circuit, checked before anything grows with what it says."""

    max_source_bytes: int = 2**20
    max_clbits: int = 4096
    max_operations: int = 100_000
    max_definition_depth: int = 200
    max_sized_definitions: int = 10_000  # looks at a definition whose size depends on its parameters
    max_expression_depth: int = 64
    max_expression_chars: int = 1000
    max_exact_elements: int = 2**22
    max_exact_multiplications: int = 2**34  # where the stabilizer engine could do it too
    max_exact_multiplications_alone: int = 2**38
    max_statevector_qubits: int = 24
    max_result_bits: int = 2**28
    max_rounds: int = 100_000


DEFAULT_LIMITS = CircuitLimits()
