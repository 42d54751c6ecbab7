"""The Qiskit provider against a twin that is served: targets, runs, queueing, refusals."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter
from qiskit.primitives import BackendSamplerV2
from qiskit.providers import JobStatus
from qiskit.providers.exceptions import QiskitBackendNotFoundError

from tests.twin.conftest import EMAIL, PASSWORD, ServedTwin, wait_until
from twin.client import TwinApiError, TwinClient
from twin.errors import InvalidError
from twin.qiskit_provider import TwinBackend, TwinJobError, TwinProvider

BACKEND = "ibm_jakarta_like"
SCHEDULER = "scheduler/default.yaml"


@pytest.fixture(scope="module")
def provider(served: ServedTwin) -> Iterator[TwinProvider]:
    with TwinProvider(served.url, EMAIL, PASSWORD) as provider:
        yield provider


@pytest.fixture(scope="module")
def backend(provider: TwinProvider) -> TwinBackend:
    return provider.get_backend(BACKEND)


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name="bell", metadata={"asked_by": "a test"})
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def test_backends_are_the_twins(provider: TwinProvider) -> None:
    found = {each.name: each.num_qubits for each in provider.backends()}
    assert (
        found.items()
        >= {"ibm_jakarta_like": 7, "surface17_like": 17, "willow_like": 105, "repetition29_like": 29}.items()
    )
    with pytest.raises(QiskitBackendNotFoundError, match="no backend 'nowhere'"):
        provider.get_backend("nowhere")


def test_target_has_the_published_calibration(backend: TwinBackend) -> None:
    """Against the published table of the device (2024-05-27)."""
    target = backend.target
    assert set(target.operation_names) == {"cx", "id", "rz", "sx", "x", "measure", "reset", "delay", "if_else"}
    assert target["cx"][(0, 1)].error == pytest.approx(0.008914)
    assert target["cx"][(1, 0)].duration == pytest.approx(270.2e-9)
    assert target["sx"][(0,)].error == pytest.approx(4.914e-4)
    assert target["measure"][(5,)].error == pytest.approx((0.0450 + 0.0660) / 2)
    assert target["rz"][(3,)].duration == 0.0
    properties = backend.qubit_properties(4)
    assert (properties.t1, properties.t2) == (pytest.approx(117.514e-6), pytest.approx(74.644e-6))
    assert properties.frequency == pytest.approx(5.21306e9)
    assert set(backend.coupling_map.get_edges()) >= {(0, 1), (1, 0), (5, 6)}
    assert backend.dt == pytest.approx(0.2222e-9)


def test_target_follows_the_controller(backend: TwinBackend, client: TwinClient) -> None:
    before = backend.target
    assert backend.target is before
    try:
        client.command(BACKEND, "set_qubit_noise", {"qubit": 3, "t1_us": 80.0, "readout_error": 0.05})
        client.command(BACKEND, "inject_noise_override", {"gate_error_multiplier": 2.0})
        assert backend.target["measure"][(3,)].error == pytest.approx(0.05)
        assert backend.target["cx"][(0, 1)].error == pytest.approx(2 * 0.008914)
        assert backend.qubit_properties(3).t1 == pytest.approx(80e-6)
    finally:
        client.command(BACKEND, "reset")
    assert backend.target["cx"][(0, 1)].error == before["cx"][(0, 1)].error


def test_run_returns_what_qiskit_expects(backend: TwinBackend) -> None:
    """Counts within 6 standard deviations of the published expectation of Bell on qubits 0 and 1."""
    job = backend.run(transpile(bell(), backend, initial_layout=[0, 1]), shots=4096, seed_simulator=5, memory=True)
    result = job.result()
    counts = result.get_counts()
    assert sum(counts.values()) == 4096
    for key, share in {"00": 501 / 1024, "11": 478 / 1024}.items():
        assert abs(counts[key] - 4096 * share) < 6 * math.sqrt(4096 * share * (1 - share))
    memory = result.get_memory()
    assert {key: memory.count(key) for key in counts} == counts
    assert result.results[0].header["name"] == "bell"
    assert result.results[0].header["metadata"] == {"asked_by": "a test"}
    assert job.status() == JobStatus.DONE
    assert job.queue_position() is None
    again = backend.run(transpile(bell(), backend, initial_layout=[0, 1]), shots=4096, seed_simulator=5)
    assert again.result().get_counts() == counts
    assert backend.retrieve_job(job.job_id()).result().get_counts() == counts


def test_registers_delays_and_feedback_arrive(backend: TwinBackend) -> None:
    """A qubit in 1 decays by exp(-t/T1) over a delay; `if` flips the other qubit; both registers keep their place."""
    qubits, first, second = QuantumRegister(2, "q"), ClassicalRegister(1, "first"), ClassicalRegister(2, "second")
    circuit = QuantumCircuit(qubits, first, second)
    circuit.x(0)
    circuit.delay(50, 0, unit="us")
    circuit.delay(100_000, 0, unit="ns")
    circuit.measure(0, first[0])
    with circuit.if_test((first, 1)):
        circuit.x(1)
        circuit.delay(20, 1, unit="ns")
    circuit.measure(1, second[1])
    counts = backend.run(circuit, shots=4000, seed_simulator=1).result().get_counts()
    assert all(len(key) == 4 and key[2] == " " for key in counts)
    stays = sum(count for key, count in counts.items() if key[3] == "1") / 4000
    survival = math.exp(-150 / 81.764)
    expected = 0.0064 + survival * (1 - 0.0064 - 0.0356)
    assert abs(stays - expected) < 6 * math.sqrt(expected * (1 - expected) / 4000) + 0.01  # and the pulse's error
    flipped = sum(count for key, count in counts.items() if key[0] == key[3])
    assert flipped > 0.9 * 4000


def test_primitives_run_on_it(backend: TwinBackend) -> None:
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 3})
    counts = sampler.run([transpile(bell(), backend)], shots=200).result()[0].data.c.get_counts()
    assert sum(counts.values()) == 200


def test_what_does_not_fit_is_told(backend: TwinBackend) -> None:
    with pytest.raises(InvalidError, match="no option color; it has shots, memory, seed_simulator"):
        backend.run(bell(), color="red")
    with pytest.raises(TwinApiError, match="limit is 100000") as caught:
        backend.run(bell(), shots=100_001)
    assert caught.value.status == 422
    unbound = QuantumCircuit(1, 1, name="vqe")
    unbound.rx(Parameter("angle"), 0)
    with pytest.raises(InvalidError, match=r"'vqe' cannot be written as OpenQASM 2\.0: .*unbound parameters"):
        backend.run(unbound)


def test_jobs_wait_in_the_twins_queue(backend: TwinBackend, client: TwinClient) -> None:
    """One job takes the device's own time, 11 us a shot; those behind it wait, and one of them is cancelled."""
    usual = client.config_content(SCHEDULER)["content"]
    client.update_config(SCHEDULER, "scheduler: {max_running_jobs: 1, order: fair, exec_time_scale: 1.0}")
    try:
        long = backend.run([bell()] * 6, shots=100_000)
        wait_until(long.running, "the first job runs")
        waiting, cancelled = backend.run(bell(), shots=10), backend.run(bell(), shots=10)
        assert (waiting.status(), waiting.queue_position()) == (JobStatus.QUEUED, 1)
        assert (cancelled.status(), cancelled.queue_position()) == (JobStatus.QUEUED, 2)
        assert cancelled.cancel()
        assert cancelled.status() == JobStatus.CANCELLED
        with pytest.raises(TwinJobError, match="CANCELLED"):
            cancelled.result()
        assert not long.cancel()
        assert sum(waiting.result().get_counts().values()) == 10
        assert long.status() == JobStatus.DONE
    finally:
        client.update_config(SCHEDULER, usual)
