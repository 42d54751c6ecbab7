"""Noise channels as formulas: relaxation, the depolarizing part of a gate error, and Pauli channels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from twin.device.snapshot import EdgeNoise, QubitNoise


def relaxation_factors(t1_us: float, t2_us: float, duration_ns: float) -> tuple[float, float]:
    """What remains of <Z> - equilibrium and of <X>, <Y> after a wait: (exp(-t/T1), exp(-t/T2))."""
    return math.exp(-duration_ns / (t1_us * 1e3)), math.exp(-duration_ns / (t2_us * 1e3))


def depolarizing_prob(error: float, relaxation_fidelity: float, dimension: int) -> float:
    """The depolarizing part that makes a gate's average infidelity `error`, beside its relaxation.

    With rho -> (1 - p) rho + p I/d before relaxation of average fidelity F the whole has (1 - p) F + p / d.
    Solved for p; 0 where relaxation alone exceeds `error`, at most 1.
    """
    prob = (error - (1 - relaxation_fidelity)) / (relaxation_fidelity - 1 / dimension)
    return min(max(prob, 0.0), 1.0)


def _average_fidelity(process_fidelity: float, dimension: int) -> float:
    """M. A. Nielsen, Phys. Lett. A 303, 249 (2002)."""
    return (dimension * process_fidelity + 1) / (dimension + 1)


def _process_fidelity(qubit: QubitNoise, duration_ns: float) -> float:
    """Of relaxation: a quarter of the trace of its Pauli transfer matrix."""
    keep_z, keep_xy = relaxation_factors(qubit.t1_us, qubit.t2_us, duration_ns)
    return (1 + keep_z + 2 * keep_xy) / 4


def pulse_depolarizing(qubit: QubitNoise, duration_ns: float) -> float:
    """Depolarizing part of one physical pulse (sx, x)."""
    return depolarizing_prob(qubit.gate_error, _average_fidelity(_process_fidelity(qubit, duration_ns), 2), 2)


def pair_depolarizing(first: QubitNoise, second: QubitNoise, edge: EdgeNoise) -> float:
    """Depolarizing part of one two-qubit gate."""
    process = _process_fidelity(first, edge.duration_ns) * _process_fidelity(second, edge.duration_ns)
    return depolarizing_prob(edge.error, _average_fidelity(process, 4), 4)


@dataclass(frozen=True, slots=True)
class PauliChannel:
    """A one-qubit Pauli channel by what it leaves of <X>, <Y>, <Z>. Composition is multiplication."""

    keep_x: float = 1.0
    keep_y: float = 1.0
    keep_z: float = 1.0

    def then(self, other: PauliChannel) -> PauliChannel:
        return PauliChannel(self.keep_x * other.keep_x, self.keep_y * other.keep_y, self.keep_z * other.keep_z)

    def probs(self) -> tuple[float, float, float]:
        """Probabilities of X, Y, Z, rounded to 15 digits so that equal qubits give equal numbers."""
        x, y, z = self.keep_x, self.keep_y, self.keep_z
        probs = ((1 + x - y - z) / 4, (1 - x + y - z) / 4, (1 - x - y + z) / 4)
        return (_clean(probs[0]), _clean(probs[1]), _clean(probs[2]))


def relaxation_twirl(qubit: QubitNoise, duration_ns: float) -> PauliChannel:
    """Pauli twirl of relaxation over a wait (exact but for the pull towards |0>)."""
    keep_z, keep_xy = relaxation_factors(qubit.t1_us, qubit.t2_us, duration_ns)
    return PauliChannel(keep_xy, keep_xy, keep_z)


def depolarizing_channel(prob: float) -> PauliChannel:
    """rho -> (1 - p) rho + p I/2."""
    return PauliChannel(1 - prob, 1 - prob, 1 - prob)


def _clean(prob: float) -> float:
    return max(0.0, round(prob, 15))
