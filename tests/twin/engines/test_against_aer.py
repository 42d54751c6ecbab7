"""The exact engine against Qiskit Aer's density matrix with the same noise, idle noise off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit_aer import AerSimulator

from tests.twin.engines.aer import noise_model, rebuilt
from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, compose
from twin.engines import prepare
from twin.engines.density import exact_distribution
from twin.engines.program import Program, Schedule
from twin.engines.transfer import transfer_matrices

HEADER = 'OPENQASM 2.0; include "qelib1.inc"; '
CIRCUITS = {
    "bell": "qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;",
    "ghz": "qreg q[7]; creg c[7]; h q[0]; cx q[0],q[1]; cx q[1],q[2]; cx q[1],q[3]; cx q[3],q[5]; cx q[5],q[4];"
    " cx q[5],q[6]; measure q -> c;",
    "random": "qreg q[4]; creg c[4]; u3(0.3,1.2,-0.7) q[0]; h q[1]; cx q[0],q[1]; t q[1]; ry(0.8) q[3]; cx q[1],q[3];"
    " rx(1.9) q[1]; cx q[1],q[2]; s q[2]; cx q[2],q[1]; sx q[3]; cx q[3],q[1]; h q[0]; measure q -> c;",
    "swapped": "qreg q[4]; creg c[4]; h q[0]; cx q[0],q[2]; rz(0.4) q[2]; cx q[0],q[3]; h q[3]; measure q -> c;",
    "reset": "qreg q[3]; creg c[3]; h q[0]; cx q[0],q[1]; measure q[0] -> c[0]; reset q[0]; ry(1.0) q[0];"
    " cx q[1],q[0]; cx q[1],q[2]; measure q[0] -> c[1]; measure q[2] -> c[2];",
    "feedback": "qreg q[3]; creg c[2]; creg d[1]; ry(1.2) q[0]; cx q[0],q[1]; measure q[0] -> c[0]; h q[2];"
    " measure q[2] -> c[1]; if (c==1) x q[1]; if (c==2) h q[1]; measure q[1] -> d[0];",
    "overwritten": "qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q[0] -> c[0]; x q[0]; measure q[0] -> c[0];"
    " measure q[1] -> c[1];",
}

GOES_ON = ("reset", "feedback", "overwritten")


@pytest.fixture
def snapshot(catalog: DeviceCatalog, jakarta: Device) -> NoiseSnapshot:
    return compose(jakarta, catalog.scenarios, ControllerState())


@pytest.mark.parametrize("name", CIRCUITS)
def test_counts_distribution_is_aers(name: str, jakarta: Device, snapshot: NoiseSnapshot) -> None:
    """Total variation under 0.01.

    Aer's shots scatter: half the sum of sqrt(p / shots) is below 0.006 for 128 outcomes at 1,000,000 shots, and for 8
    outcomes at 50,000 (Aer runs circuits that go on after a measurement shot by shot).
    """
    prepared = prepare(HEADER + CIRCUITS[name], jakarta)
    assert prepared.program is not None
    ours = _exact(prepared.program, snapshot)
    shots = 50_000 if name in GOES_ON else 1_000_000
    simulator = AerSimulator(method="density_matrix", noise_model=noise_model(snapshot), max_parallel_threads=1)
    counts = simulator.run(rebuilt(prepared.program, snapshot), shots=shots, seed_simulator=7).result().get_counts()
    theirs = np.zeros_like(ours)
    for key, count in counts.items():
        theirs[int(key.replace(" ", ""), 2)] = count / shots
    assert 0.5 * np.abs(ours - theirs).sum() < 0.01


def _exact(program: Program, snapshot: NoiseSnapshot) -> np.ndarray[Any, Any]:
    """Joint distribution over all classical bits, bit 0 least significant; no idle noise."""
    no_waits = Schedule(tuple((0.0,) * len(op.qubits) for op in program.operations), 0.0)
    total = np.ones(1)
    order: list[int] = []
    for members, probs in exact_distribution(program, no_waits, transfer_matrices(snapshot)).factors:
        total = np.multiply.outer(total, probs).reshape(-1)
        order += members
    missing = [bit for bit in range(program.num_clbits) if bit not in order]
    for bit in missing:
        total = np.multiply.outer(total, np.array([1.0, 0.0])).reshape(-1)
        order.append(bit)
    tensor = total.reshape((2,) * len(order))
    places = [order.index(bit) for bit in range(program.num_clbits - 1, -1, -1)]
    return tensor.transpose(places).reshape(-1)
