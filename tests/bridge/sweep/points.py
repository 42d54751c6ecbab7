"""Points of a repetition d=3 memory that need no twin, and executors that need no processes."""

import random
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import stim

from bridge.errors import BridgeError
from bridge.links.base import Deadlines
from bridge.sweep.batch import BatchResult, BatchTask, run_batch
from bridge.sweep.memories import Memory
from bridge.sweep.package import pack
from bridge.sweep.plan import MemorySpec
from bridge.sweep.points import Point
from tests.bridge.memory import repetition_session

ROUNDS = 3
TIMES = ("started_s", "ended_s", "exchange_s")


def repetition_memory(prob: float = 0.03) -> Memory:
    """As a twin would describe it, from Stim's own circuit."""
    circuit = stim.Circuit.generated(
        "repetition_code:memory",
        distance=3,
        rounds=ROUNDS,
        after_clifford_depolarization=prob,
        before_round_data_depolarization=prob,
        before_measure_flip_probability=prob,
        after_reset_flip_probability=prob,
    )
    session = {
        **repetition_session(ROUNDS),
        "backend_id": "by_hand",
        "round_time_ns": 1000.0,
        "num_stabilizers": 2,
        "num_observables": 1,
    }
    spec = MemorySpec("repetition", 3, ROUNDS, "Z", f"uniform:{prob}", None)
    return Memory(spec, session, str(circuit), str(circuit.detector_error_model(decompose_errors=True)))


def repetition_point(decoder: str = "pymatching", link: str = "software", **changes: Any) -> Point:
    """A point of it; batches of 500 shots, at the most 5,000 shots or 100 errors."""
    memory = repetition_memory()
    settings: Mapping[str, Any] = {
        "seed": 5,
        "batch_shots": 500,
        "max_shots": 5000,
        "max_errors": 100,
        "archive_shots": 20,
        "deadline_ns": 1000.0,
        "deadlines": Deadlines(exchange_s=60),
        **changes,
    }
    return Point(memory=memory, package=pack(decoder, memory.problem), link=link, label=decoder, **settings)


def without_times(batch: BatchResult) -> dict[str, Any]:
    """Everything that depends on the task alone."""
    return {name: getattr(batch, name) for name in BatchResult.__dataclass_fields__ if name not in TIMES}


class ShuffledExecutor:
    """Runs batches in one thread, each time a random one of those that wait: they end in any order."""

    def __init__(self, seed: int, slots: int) -> None:
        self._random = random.Random(seed)
        self._slots = slots
        self._waiting: list[tuple[BatchTask, Future[BatchResult]]] = []
        self._thread = ThreadPoolExecutor(max_workers=1)

    def num_slots(self) -> int:
        """See `Executor.num_slots`."""
        return self._slots

    def submit(self, task: BatchTask) -> Future[BatchResult]:
        """See `Executor.submit`."""
        future: Future[BatchResult] = Future()
        self._waiting.append((task, future))
        self._thread.submit(self._run_one)
        return future

    def close(self) -> None:
        """See `Executor.close`."""
        self._thread.shutdown()

    def _run_one(self) -> None:
        task, future = self._waiting.pop(self._random.randrange(len(self._waiting)))
        try:
            future.set_result(run_batch(task))
        except BridgeError as error:
            future.set_exception(error)
