"""What a gate's error consists of: relaxation while it lasts, and a depolarizing part that makes up the rest.

A calibration measures both together, as average infidelity at the T1 and T2 of that day. The depolarizing part is what
the calibration's own T1 and T2 leave over; when they change, it stays and the relaxation follows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Coherence = tuple[float, float]
"""T1 and T2 of a qubit, in us."""
MIXED_QUBIT, MIXED_PAIR = 1 / 2, 3 / 4
"""Average infidelity of what leaves nothing but the fully mixed state, 1 - 1/d."""
PAIR_SHARE = 6 / 5
"""A depolarizing part of one qubit costs 6/5 as much average fidelity of two qubits as of one: with process fidelity
1 - 3p/4 it is p/2 for d = 2 and 3p/5 for d = 4 (M. A. Nielsen, Phys. Lett. A 303, 249 (2002))."""


def relaxation_factors(t1_us: float, t2_us: float, duration_ns: float) -> tuple[float, float]:
    """What remains of <Z> - equilibrium and of <X>, <Y> after a wait: (exp(-t/T1), exp(-t/T2))."""
    return math.exp(-duration_ns / (t1_us * 1e3)), math.exp(-duration_ns / (t2_us * 1e3))


def relaxation_fidelity(qubits: Sequence[Coherence], duration_ns: float) -> float:
    """Average fidelity of relaxation of one or more qubits over a duration.

    The process fidelity of a qubit is a quarter of the trace of its Pauli transfer matrix; those of several multiply.
    Average from process fidelity: M. A. Nielsen, Phys. Lett. A 303, 249 (2002).
    """
    process = 1.0
    for t1_us, t2_us in qubits:
        keep_z, keep_xy = relaxation_factors(t1_us, t2_us, duration_ns)
        process *= (1 + keep_z + 2 * keep_xy) / 4
    dimension = 1 << len(qubits)
    return (dimension * process + 1) / (dimension + 1)


def depolarizing_part(error: float, qubits: Sequence[Coherence], duration_ns: float) -> float:
    """Probability p of rho -> (1 - p) rho + p I/d with which a gate's average infidelity is `error`.

    With relaxation of average fidelity F after it, the whole has (1 - p) F + p / d. 0 where relaxation alone exceeds
    `error`, or leaves nothing that a depolarizing part could make worse; at most 1, the fully mixed state.
    """
    fidelity, dimension = relaxation_fidelity(qubits, duration_ns), 1 << len(qubits)
    missing, left = error - (1 - fidelity), fidelity - 1 / dimension
    return min(missing / left, 1.0) if missing > 0 and left > 0 else 0.0


def gate_error(depolarizing: float, qubits: Sequence[Coherence], duration_ns: float) -> float:
    """Average infidelity of a gate with this depolarizing part on qubits with these T1 and T2; undoes the other."""
    fidelity, dimension = relaxation_fidelity(qubits, duration_ns), 1 << len(qubits)
    return 1 - (1 - depolarizing) * fidelity - depolarizing / dimension
