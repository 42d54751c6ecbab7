"""Tools that take a Qiskit backend take the twin's, as they come: they are asked for what the device's file says."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qiskit_ibm_runtime as runtime
from mitiq import zne
from qiskit import QuantumCircuit, transpile
from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2
from qiskit.quantum_info import SparsePauliOp
from qiskit_experiments import library

from tests.environments import environment
from tests.twin.conftest import EMAIL, PASSWORD, ServedTwin
from twin.qiskit_provider import TwinBackend, TwinProvider

# What these packages warn of (deprecations between one another) is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")
HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
RUN_S = 240.0
T1_US, T2_US = 81.764, 41.462
"""Qubit 0 of the device's published table."""
ONE_GIVEN_0, ZERO_GIVEN_1 = 0.0064, 0.0356


@pytest.fixture(scope="module")
def backend(served: ServedTwin) -> Iterator[TwinBackend]:
    with TwinProvider(served.url, EMAIL, PASSWORD) as provider:
        yield provider.get_backend("ibm_jakarta_like")


def bell(*, measured: bool) -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    if measured:
        circuit.measure_all()
    return circuit


def fitted(experiment: Any, name: str, **options: object) -> Any:
    experiment.set_run_options(seed_simulator=1, **options)
    data = experiment.run().block_for_results()
    assert data.status().name == "DONE", data.errors()
    return data.analysis_results(name).value


def delays(longest_us: float, number: int) -> list[float]:
    return [1e-6 * (1 + (longest_us - 1) * index / (number - 1)) for index in range(number)]


def test_qiskit_experiments_measures_t1(backend: TwinBackend) -> None:
    t1 = fitted(library.T1((0,), delays(300, 12), backend=backend), "T1", shots=2000)
    assert abs(t1.nominal_value - T1_US * 1e-6) < 4 * t1.std_dev


@pytest.mark.slow
def test_qiskit_experiments_measures_t2(backend: TwinBackend) -> None:
    ramsey = library.T2Ramsey((0,), delays(100, 25), backend=backend, osc_freq=5e4)
    star = fitted(ramsey, "T2star", shots=1000)
    assert abs(star.nominal_value - T2_US * 1e-6) < 4 * star.std_dev
    echo = fitted(library.T2Hahn((0,), delays(150, 12), backend=backend), "T2", shots=1000)
    assert abs(echo.nominal_value - T2_US * 1e-6) < 4 * echo.std_dev


@pytest.mark.slow
def test_qiskit_experiments_measures_gate_errors(backend: TwinBackend) -> None:
    """The published error is of one pulse, an infidelity, and a Clifford has at most two pulses; rz takes no time."""
    experiment = library.StandardRB((0,), [1, 100, 300, 600, 1000], backend=backend, num_samples=3, seed=1)
    epc = fitted(experiment, "EPC", shots=500)
    assert 4.914e-4 - 4 * epc.std_dev < epc.nominal_value < 2 * 4.914e-4 + 4 * epc.std_dev


def check_bell(counts: dict[str, int]) -> None:
    """Within 6 standard deviations of the published expectation on qubits 0 and 1."""
    shots = sum(counts.values())
    for key, share in {"00": 501 / 1024, "11": 478 / 1024}.items():
        assert abs(counts[key] - shots * share) < 6 * math.sqrt(shots * share * (1 - share))


def check_correlation(value: float) -> None:
    """<ZZ> of the same expectation, from 1 / precision ** 2 = 4096 shots."""
    assert abs(float(value) - (2 * (501 + 478) / 1024 - 1)) < 6 / math.sqrt(4096)


@pytest.mark.parametrize("in_session", [False, True])
def test_ibms_primitives_run_on_it(in_session: bool, backend: TwinBackend) -> None:
    mode = runtime.Session(backend=backend) if in_session else backend
    sampler = runtime.SamplerV2(mode=mode)
    circuit = transpile(bell(measured=True), backend, initial_layout=[0, 1])
    check_bell(sampler.run([circuit], shots=4000).result()[0].data.meas.get_counts())
    plain = transpile(bell(measured=False), backend, initial_layout=[0, 1])
    observable = SparsePauliOp("ZZ").apply_layout(plain.layout)
    estimator = runtime.EstimatorV2(mode=mode)
    check_correlation(estimator.run([(plain, observable)], precision=1 / 64).result()[0].data.evs)


def test_qiskits_primitives_run_on_it(backend: TwinBackend) -> None:
    circuit = transpile(bell(measured=True), backend, initial_layout=[0, 1])
    check_bell(BackendSamplerV2(backend=backend).run([circuit], shots=4000).result()[0].data.meas.get_counts())
    plain = transpile(bell(measured=False), backend, initial_layout=[0, 1])
    observable = SparsePauliOp("ZZ").apply_layout(plain.layout)
    estimator = BackendEstimatorV2(backend=backend)
    check_correlation(estimator.run([(plain, observable)], precision=1 / 64).result()[0].data.evs)


def test_pennylane_runs_on_it(served: ServedTwin) -> None:
    """<Z> of a turned qubit through its readout; gate errors are far below 6 standard deviations and 0.01.

    PennyLane's plug-in pins an older Qiskit, so it has an environment of its own.
    """
    packages = (HERE / "pennylane.lock").read_text().splitlines()
    python = environment(f"{sys.version_info.major}.{sys.version_info.minor}", packages)
    angles = (0.0, 0.7, math.pi)
    done = subprocess.run(
        [python, HERE / "with_pennylane.py", served.url, EMAIL, PASSWORD, *map(str, angles)],
        env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False, timeout=RUN_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for angle, value in zip(angles, json.loads(done.stdout), strict=True):
        one = math.sin(angle / 2) ** 2
        read_as_one = one * (1 - ZERO_GIVEN_1) + (1 - one) * ONE_GIVEN_0
        assert abs(value - (1 - 2 * read_as_one)) < 6 * 2 * math.sqrt(0.25 / 4000) + 0.01


def test_mitiq_mitigates_its_errors(backend: TwinBackend) -> None:
    """Twenty CX on |00>: extrapolated to no noise, it comes closer to 1 than what is measured."""
    circuit = QuantumCircuit(2)
    for _ in range(20):
        circuit.cx(0, 1)

    def stays(given: QuantumCircuit) -> float:
        measured = given.copy()
        measured.measure_all()
        return float(backend.run(measured, shots=20_000, seed_simulator=3).result().get_counts().get("00", 0)) / 20_000

    # Mitiq looks at an executor's annotations, and some of its versions do not know them as text.
    mitigated = zne.execute_with_zne(circuit, lambda given: stays(given))  # noqa: PLW0108
    assert abs(1 - mitigated) < 1 - stays(circuit)
