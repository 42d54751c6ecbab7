"""What happens inside a worker process: limits, then checks and runs. Imports the engines only there.

Every function returns plain data: an exception class need not survive the way back to the twin.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from twin.errors import TwinError
from twin.integers import INTEGER_LIMIT
from twin.jobs.model import (
    AnalysisOutcome,
    AnalysisTask,
    CheckOutcome,
    CheckTask,
    Circuit,
    CircuitFault,
    RunOutcome,
    RunTask,
    RunTime,
)
from twin.jobs.results import packed

if TYPE_CHECKING:
    from twin.device.device import Device
    from twin.device.snapshot import NoiseSnapshot
    from twin.engines import PreparedCircuit

NICENESS, JOB_NICENESS = 5, 10
"""The service comes first, then what somebody waits for, then jobs."""
SEED_STEP = 0x9E3779B97F4A7C15  # spreads consecutive indices over the seeds (golden ratio, 64 bits)
PARENT_CHECK_INTERVAL_S = 1.0
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def start(memory_bytes: int) -> None:
    """Set up a worker process: polite, single-threaded, bounded, and gone when its twin is gone."""
    for name in ONE_THREAD:  # before numpy is imported: the other core has a worker of its own
        os.environ[name] = "1"
    os.environ["QISKIT_PARALLEL"] = "FALSE"
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the twin ends its workers
    _, hard_limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, hard_limit))
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    _load()


def _load() -> None:
    """What a first task would wait for: the engines, and Qiskit with what its transpiler loads when it is first used.

    Before that task, for it must not count against its time limit: on a busy machine it takes many seconds.
    """
    from qiskit import QuantumCircuit, transpile

    import twin.engines.qiskit_front  # noqa: F401

    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    transpile(circuit, basis_gates=["rz", "sx", "cz"], coupling_map=[[0, 1]])


def check(task: CheckTask) -> CheckOutcome:
    """Parse and transpile each circuit."""
    faults, times = [], []
    for index, circuit in enumerate(task.circuits):
        try:
            prepared = _prepared(task.device, circuit)
            times.append(
                RunTime(
                    prepared.fixed_s,
                    prepared.shot_s,
                    prepared.key_chars,
                    prepared.packed_bits,
                    prepared.recorded_bits,
                )
            )
        except TwinError as error:
            faults.append(CircuitFault(index, str(error)))
        except MemoryError:
            faults.append(CircuitFault(index, "needs more memory than a worker may use"))
    return CheckOutcome(tuple(faults), tuple(times))


def run(task: RunTask) -> RunOutcome:
    """Run a job's circuits under one snapshot."""
    from twin.engines import execute

    begun = time.perf_counter()
    device_time_s, results = 0.0, []
    try:
        snapshot = _snapshot(task.snapshot)
        for index, circuit in enumerate(task.circuits):
            prepared = _prepared(task.device, circuit)
            seed = circuit_seed(task.seed, index)
            outcome = execute(prepared, snapshot, task.shots, seed, task.memory)
            device_time_s += task.shots * (outcome.duration_ns + snapshot.reset_ns) * 1e-9
            results.append({"circuit_index": index, **outcome.to_dict()})
        body = _document(task, snapshot, results)
    except TwinError as error:
        return RunOutcome(error=str(error), duration_s=time.perf_counter() - begun)
    except MemoryError:
        return RunOutcome(
            error="the job needs more memory than a worker may use", duration_s=time.perf_counter() - begun
        )
    return RunOutcome(body, None, time.perf_counter() - begun, device_time_s)


def analyse(task: AnalysisTask) -> AnalysisOutcome:
    """A session's circuit or error model. Stim holds Python's lock while it makes one, which stops a whole process."""
    from twin.qec.memory import Memory

    try:
        memory = Memory(task.spec, _device(task.device))
        make = memory.circuit if task.kind == "circuit" else memory.detector_error_model
        return AnalysisOutcome(str(make(_snapshot(task.snapshot), task.rounds)))
    except TwinError as error:
        return AnalysisOutcome(error=str(error))
    except MemoryError:
        return AnalysisOutcome(error="needs more memory than a worker may use")


def run_job(task: RunTask) -> RunOutcome:
    """`run`, in a process that from now on gives way to checks and readouts."""
    _give_way()
    return run(task)


@lru_cache(maxsize=1)
def _give_way() -> None:
    """Once: niceness adds up, and only root takes it back."""
    os.nice(JOB_NICENESS - NICENESS)


def circuit_seed(seed: int, index: int) -> int:
    """The seed of one circuit of a job; the first one's is the job's own."""
    return (seed + index * SEED_STEP) % INTEGER_LIMIT


def _document(task: RunTask, snapshot: NoiseSnapshot, results: list[dict[str, object]]) -> bytes:
    """The job's result as the store keeps it; made here, where time is not the service's."""
    document = {
        "job_id": task.job_id,
        "backend_id": snapshot.backend_id,
        "status": "COMPLETED",
        "shots": task.shots,
        "seed": task.seed,
        "snapshot_id": snapshot.snapshot_id,
        "results": results,
    }
    return packed(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))


@lru_cache(maxsize=32)
def _device(pickled: bytes) -> Device:
    device: Device = pickle.loads(pickled)
    return device


@lru_cache(maxsize=32)
def _snapshot(pickled: bytes) -> NoiseSnapshot:
    snapshot: NoiseSnapshot = pickle.loads(pickled)
    return snapshot


@lru_cache(maxsize=128)
def _prepared(device: bytes, circuit: bytes) -> PreparedCircuit:
    from twin.engines import prepare

    parsed: Circuit = orjson.loads(circuit)
    return prepare(parsed, _device(device))


def _die_with(parent: int) -> None:
    """A twin that is killed cannot stop its workers: each looks for itself."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_INTERVAL_S)
    os._exit(1)
