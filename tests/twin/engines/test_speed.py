"""Speed against Qiskit Aer's density matrix with the same noise, engine to engine."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from qiskit_aer import AerSimulator

from tests.twin.engines.test_against_aer import CIRCUITS, HEADER, _noise_model, _rebuilt
from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import compose
from twin.engines import execution, prepare


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bell", "ghz"])
def test_exact_engine_is_30_times_faster_than_aer(name: str, catalog: DeviceCatalog, jakarta: Device) -> None:
    """1024 shots, circuit and noise model given; ours without the kept distribution, from program to counts."""
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    prepared = prepare(HEADER + CIRCUITS[name], jakarta)
    assert prepared.program is not None
    simulator = AerSimulator(method="density_matrix", noise_model=_noise_model(snapshot), max_parallel_threads=1)
    circuit = _rebuilt(prepared.program, snapshot)

    def ours() -> None:
        execution._kept_distribution.cache_clear()
        execution.execute(prepared, snapshot, 1024, seed=1)

    def aers() -> None:
        simulator.run(circuit, shots=1024, seed_simulator=1).result().get_counts()

    ratio = _median_s(aers, 15) / _median_s(ours, 100)
    print(f"{name}: {ratio:.0f} times Aer's speed")
    assert ratio > 30


def _median_s(call: Callable[[], None], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return sorted(times)[repeats // 2]
