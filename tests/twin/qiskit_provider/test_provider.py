"""The Qiskit provider against a twin that is served: targets, runs, queueing, refusals."""

from __future__ import annotations

import copy
import math
import multiprocessing
import pickle
import socket
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import httpx
import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter
from qiskit.exceptions import QiskitError
from qiskit.primitives import BackendSamplerV2
from qiskit.providers import JobStatus
from qiskit.providers.exceptions import JobTimeoutError, QiskitBackendNotFoundError

from tests.twin.conftest import BELL, EMAIL, PASSWORD, ServedTwin, wait_until
from twin.client import TwinApiError, TwinClient
from twin.qiskit_provider import (
    TwinBackend,
    TwinConnectionError,
    TwinJobError,
    TwinProvider,
    TwinProviderError,
    TwinRefusedError,
)

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


def test_properties_are_the_published_calibration_too(backend: TwinBackend) -> None:
    properties = backend.properties()
    assert properties.t1(4) == pytest.approx(117.514e-6)
    assert properties.t2(4) == pytest.approx(74.644e-6)
    assert properties.frequency(4) == pytest.approx(5.21306e9)
    assert properties.readout_error(5) == pytest.approx((0.0450 + 0.0660) / 2)
    assert properties.readout_length(5) == pytest.approx(5518.2e-9)
    assert properties.gate_error("cx", [0, 1]) == pytest.approx(0.008914)
    assert properties.gate_length("cx", (1, 0)) == pytest.approx(270.2e-9)
    assert properties.gate_error("sx", 0) == pytest.approx(4.914e-4)
    for qubit in (7, -1):
        with pytest.raises(TwinProviderError, match="no qubit"):
            properties.t1(qubit)
    with pytest.raises(TwinProviderError, match="nothing of cx on 0, 6"):
        properties.gate_error("cx", [0, 6])


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
    with pytest.raises(QiskitError, match="no option color; it has shots, memory, seed_simulator"):
        backend.run(bell(), color="red")
    with pytest.raises(TwinRefusedError, match="limit is 100000") as caught:
        backend.run(bell(), shots=100_001)
    assert caught.value.status == 422
    unbound = QuantumCircuit(1, 1, name="vqe")
    unbound.rx(Parameter("angle"), 0)
    with pytest.raises(TwinProviderError, match=r"vqe.* cannot be written as OpenQASM 2\.0: .*unbound parameters"):
        backend.run(unbound)


def test_options_that_say_what_is_done_anyway_are_taken(backend: TwinBackend) -> None:
    options = {"meas_level": 2, "meas_return": "single", "init_qubits": True}
    assert sum(backend.run(bell(), shots=10, **options).result().get_counts().values()) == 10
    for name, value in {"meas_level": 1, "meas_return": "avg", "init_qubits": False}.items():
        with pytest.raises(TwinProviderError, match=f"{name}: got {value!r}; ibm_jakarta_like takes"):
            backend.run(bell(), **{name: value})


def test_numbers_of_numpy_are_numbers(backend: TwinBackend) -> None:
    counts = backend.run(bell(), shots=np.int64(300), seed_simulator=np.uint16(3)).result().get_counts()
    assert counts == backend.run(bell(), shots=300, seed_simulator=3).result().get_counts()
    for name, value in {"shots": 10.5, "seed_simulator": "3"}.items():
        with pytest.raises(TwinProviderError, match=f"{name}: got .*expected a whole number"):
            backend.run(bell(), **{name: value})
    with pytest.raises(TwinProviderError, match="shots: got True"):
        backend.run(bell(), shots=True)


def test_copies_share_the_connection_and_no_options(backend: TwinBackend) -> None:
    copied = copy.deepcopy(backend)
    copied.set_options(shots=7)
    assert sum(copied.run(bell()).result().get_counts().values()) == 7
    job = copy.deepcopy(backend.run(bell()))
    assert sum(job.result().get_counts().values()) == 1024


def test_a_job_looked_up_again_shows_what_its_circuits_were_called(served: ServedTwin, backend: TwinBackend) -> None:
    circuit = QuantumCircuit(
        QuantumRegister(2, "q"), ClassicalRegister(1, "low"), ClassicalRegister(1, "high"), name="n"
    )
    circuit.x(1)
    circuit.measure([0, 1], [0, 1])
    submitted = backend.run([circuit, bell()], shots=50)
    submitted.result()
    with TwinProvider(served.url + "/api/v1/", EMAIL, PASSWORD) as elsewhere:
        found = elsewhere.get_backend(BACKEND).retrieve_job(submitted.job_id()).result()
    assert [each.header["name"] for each in found.results] == ["n", "bell"]
    assert [each.header["creg_sizes"] for each in found.results] == [[["low", 1], ["high", 1]], [["c", 2]]]
    assert found.get_counts("n") == submitted.result().get_counts("n")


@pytest.mark.parametrize(
    "told", [7, [], [7], [{"name": "n", "creg_sizes": [["c", 3]]}], [{"name": 1, "creg_sizes": 2}]]
)
def test_a_job_whose_metadata_says_otherwise_is_shown_by_its_counts(
    client: TwinClient, backend: TwinBackend, told: object
) -> None:
    job = client.submit_job(BACKEND, [BELL], shots=10, metadata={"qiskit": told})
    (found,) = backend.retrieve_job(job["job_id"]).result().results
    assert (found.header["name"], found.header["creg_sizes"]) == (None, [["c0", 2]])


def _bell_elsewhere(backend: TwinBackend, shots: int) -> int:
    """Runs in another process."""
    return sum(backend.run(bell(), shots=shots).result().get_counts().values())


def test_a_backend_goes_to_other_processes(backend: TwinBackend) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_bell_elsewhere, backend, 30).result(120) == 30
    assert backend.run(bell(), shots=5).result().get_counts()


def test_a_pickled_client_has_no_refresh_token(served: ServedTwin) -> None:
    with TwinClient(served.url, EMAIL, PASSWORD) as client:
        tokens = client.login()
        assert tokens["refresh_token"].encode() not in pickle.dumps(client)
    with TwinClient(served.url, access_token=tokens["access_token"]) as bare, pickle.loads(pickle.dumps(bare)) as other:
        assert other.health()["status"] == "healthy"
    with TwinClient(served.url, transport=httpx.HTTPTransport()) as own, pytest.raises(TypeError, match="transport"):
        pickle.dumps(own)


def test_errors_are_qiskits_own_kinds(backend: TwinBackend, provider: TwinProvider) -> None:
    with pytest.raises(QiskitError, match="404") as missing:
        backend.retrieve_job("nothing")
    assert isinstance(missing.value, TwinApiError)
    job = backend.run(bell(), shots=10)
    with pytest.raises(QiskitError, match="is one of ibm_jakarta_like, not of surface17_like"):
        provider.get_backend("surface17_like").retrieve_job(job.job_id())
    slow = provider.get_backend("willow_like").run([_long()] * 3, shots=100_000)
    for wait in (slow.result, slow.wait_for_final_state):
        with pytest.raises(JobTimeoutError):
            wait(timeout=0.01)
    with pytest.raises(TimeoutError):
        slow.result(timeout=0.01)
    slow.cancel()


def test_a_twin_that_is_not_there_is_a_qiskit_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with TwinProvider(url, EMAIL, PASSWORD) as provider, pytest.raises(QiskitError, match="no answer") as gone:
            provider.get_backend(BACKEND)
        assert isinstance(gone.value, TwinConnectionError)


def _long() -> QuantumCircuit:
    """A Clifford circuit on every qubit of the largest device."""
    circuit = QuantumCircuit(105, 105)
    for _ in range(40):
        circuit.h(range(105))
    circuit.measure(range(105), range(105))
    return circuit


def test_jobs_wait_in_the_twins_queue(backend: TwinBackend, client: TwinClient) -> None:
    """One job takes the device's own time, 11 us a shot; those behind it wait; one of them is cancelled, then it."""
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
        assert long.cancel()
        assert long.status() == JobStatus.CANCELLED
        assert sum(waiting.result().get_counts().values()) == 10
        assert not waiting.cancel()
    finally:
        client.update_config(SCHEDULER, usual)


def test_a_backend_lists_its_jobs(provider: TwinProvider, backend: TwinBackend) -> None:
    made = [backend.run(bell(), shots=10) for _ in range(3)]
    for job in made:
        job.result()
    newest_first = [job.job_id() for job in reversed(made)]
    assert [job.job_id() for job in backend.jobs(limit=3)] == newest_first
    done = backend.jobs(limit=3, status=JobStatus.DONE)
    assert [job.job_id() for job in done] == newest_first
    assert sum(done[0].result().get_counts().values()) == 10
    assert backend.jobs(limit=0) == []
    assert {job.job_id() for job in backend.jobs(limit=None, status=["DONE", "error"])} >= set(newest_first)
    other = provider.get_backend("willow_like")
    assert set(newest_first).isdisjoint(job.job_id() for job in other.jobs(limit=None))
    with pytest.raises(TwinProviderError, match="status: got 'FINISHED'; expected one of QUEUED, RUNNING, DONE"):
        backend.jobs(status="finished")
