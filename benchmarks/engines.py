"""Noisy circuits a second, 1024 shots each: Qiskit Aer's density matrix against the twin's, with the same noise.

Engine to engine: circuit and noise model are given, transpiled and parsed; what is timed ends with the counts. Of
Aer's time most goes into handing circuit and noise model to its C++ core; the core's own time has a row of its own.
"""

import time
from collections.abc import Callable

from qiskit_aer import AerSimulator

from benchmarks.measure import Measurement, side_by_side
from tests.twin.engines.aer import noise_model, rebuilt
from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.snapshot import compose
from twin.engines import execution, prepare
from twin.settings import default_config_dir

HEADER = 'OPENQASM 2.0; include "qelib1.inc"; '
BELL = "qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;"
GHZ = (
    "qreg q[7]; creg c[7]; h q[0]; cx q[0],q[1]; cx q[1],q[2]; cx q[1],q[3]; cx q[3],q[5]; cx q[5],q[4];"
    " cx q[5],q[6]; measure q -> c;"
)
SHOTS = 1024
REPEATS = {"aer": 10, "twin": 100}
ROUNDS = 7


def run_bell() -> list[Measurement]:
    """Two qubits; the first row is Aer."""
    return _compare(BELL)


def run_ghz() -> list[Measurement]:
    """Seven qubits; the first row is Aer."""
    return _compare(GHZ)


def _compare(source: str) -> list[Measurement]:
    catalog = DeviceCatalog.load(default_config_dir())
    device = catalog.devices["ibm_jakarta_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    prepared = prepare(HEADER + source, device)
    if prepared.program is None:
        raise ValueError("these circuits are made of gates")
    simulator = AerSimulator(method="density_matrix", noise_model=noise_model(snapshot), max_parallel_threads=1)
    circuit = rebuilt(prepared.program, snapshot)

    def aer() -> None:
        simulator.run(circuit, shots=SHOTS, seed_simulator=1).result().get_counts()

    def core() -> float:
        results = [simulator.run(circuit, shots=SHOTS, seed_simulator=1).result() for _ in range(REPEATS["aer"])]
        return float(REPEATS["aer"] / sum(result.results[0].time_taken for result in results))

    def twin() -> None:
        execution._kept_distribution.cache_clear()
        execution.execute(prepared, snapshot, SHOTS, seed=1)

    def twin_again() -> None:
        execution.execute(prepared, snapshot, SHOTS, seed=1)

    contenders = {
        "Qiskit Aer, density matrix, one thread": _rate(aer, REPEATS["aer"]),
        "of that, Aer's C++ core alone": core,
        "twin, exact engine": _rate(twin, REPEATS["twin"]),
        "twin, same circuit and noise again": _rate(twin_again, REPEATS["twin"]),
    }
    return side_by_side(contenders, "circuits/s", ROUNDS)


def _rate(call: Callable[[], None], repeats: int) -> Callable[[], float]:
    def figure() -> float:
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        return repeats / (time.perf_counter() - started)

    return figure
