"""Gate noise: the calibrated average infidelity, or the relaxation floor where that is higher."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, QubitNoise, compose
from twin.engines.channels import pair_depolarizing, pulse_depolarizing
from twin.engines.transfer import transfer_matrices


@pytest.fixture
def snapshot(catalog: DeviceCatalog, jakarta: Device) -> NoiseSnapshot:
    return compose(jakarta, catalog.scenarios, ControllerState())


def _relaxation_process_fidelity(qubit: QubitNoise, duration_ns: float) -> float:
    """(1 + exp(-t/T1) + 2 exp(-t/T2)) / 4, from the Kraus form of amplitude and phase damping."""
    return (1 + math.exp(-duration_ns / qubit.t1_us / 1e3) + 2 * math.exp(-duration_ns / qubit.t2_us / 1e3)) / 4


def test_pulse_has_the_calibrated_infidelity_or_its_floor(snapshot: NoiseSnapshot) -> None:
    matrices = transfer_matrices(snapshot)
    for index, qubit in enumerate(snapshot.qubits):
        floor = 1 - (2 * _relaxation_process_fidelity(qubit, 35.56) + 1) / 3
        ideal = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]])  # sx turns Y to Z, Z to -Y
        process = np.trace(ideal.T @ matrices.pulse("sx", index)) / 4
        assert 1 - (2 * process + 1) / 3 == pytest.approx(max(floor, qubit.gate_error), rel=1e-9)


def test_pair_has_the_calibrated_infidelity_or_its_floor(snapshot: NoiseSnapshot) -> None:
    matrices = transfer_matrices(snapshot)
    for (a, b), edge in snapshot.edges.items():
        first, second = snapshot.qubits[a], snapshot.qubits[b]
        relax = _relaxation_process_fidelity(first, edge.duration_ns)
        relax *= _relaxation_process_fidelity(second, edge.duration_ns)
        floor = 1 - (4 * relax + 1) / 5
        # cx is its own inverse, so applying the noisy gate after an ideal one leaves the noise alone.
        noise = matrices.pair("cx", a, b) @ _ideal_cx()
        assert 1 - (4 * np.trace(noise) / 16 + 1) / 5 == pytest.approx(max(floor, edge.error), rel=1e-9)


def _ideal_cx() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Pauli transfer matrix of cx by its action on the generators: X. -> XX, .X -> .X, Z. -> Z., .Z -> ZZ."""
    unitary = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=complex)
    single = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1.0, -1.0])]
    paulis = [np.kron(p, q) for p in single for q in single]
    return np.array([[np.trace(p @ unitary @ q @ unitary).real / 4 for q in paulis] for p in paulis])


def test_floor_is_reached_as_often_as_published(snapshot: NoiseSnapshot) -> None:
    """The relaxation floor exceeds the reported error for 4 of 7 sx and 6 of 12 directed cx."""
    pulses = [pulse_depolarizing(qubit, snapshot.single_qubit_ns) for qubit in snapshot.qubits]
    pairs = [pair_depolarizing(snapshot.qubits[a], snapshot.qubits[b], edge) for (a, b), edge in snapshot.edges.items()]
    assert (pulses.count(0.0), pairs.count(0.0)) == (4, 6)
