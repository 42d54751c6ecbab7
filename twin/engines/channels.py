"""Pauli channels, and relaxation as one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from twin.device.gate_error import relaxation_factors
from twin.device.snapshot import QubitNoise

_LEAST_KEPT = 1e-150  # in place of 0, so that ratios stay numbers


@dataclass(frozen=True, slots=True)
class PauliChannel:
    """A one-qubit Pauli channel by what it leaves of <X>, <Y>, <Z>. Composition is multiplication."""

    keep_x: float = 1.0
    keep_y: float = 1.0
    keep_z: float = 1.0

    def then(self, other: PauliChannel) -> PauliChannel:
        return PauliChannel(self.keep_x * other.keep_x, self.keep_y * other.keep_y, self.keep_z * other.keep_z)

    def independent(self) -> tuple[float, float, float]:
        """Probabilities of X, Y and Z that, each by itself, make the same channel: sqrt(y z / x) is what X leaves.

        They exist for relaxation with T2 <= 2 T1, for depolarization, and for what these make together.
        """
        x, y, z = (max(keep, _LEAST_KEPT) for keep in (self.keep_x, self.keep_y, self.keep_z))
        shares = (y * z / x, x * z / y, x * y / z)
        x_prob, y_prob, z_prob = (_clean((1 - math.sqrt(min(share, 1.0))) / 2) for share in shares)
        return x_prob, y_prob, z_prob

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
