"""Readouts outside of jobs: a stored pulse schedule run for one shot, or synthetic outcomes."""

from __future__ import annotations

import secrets
from typing import Any

import orjson

from twin.backends import Backends
from twin.device.snapshot import NoiseSnapshot
from twin.errors import BusyError, ConflictError, DeadlineError
from twin.jobs.executor import Executor, ExecutorError, TimeLimitError, WorkerLostError
from twin.jobs.model import JobRequest
from twin.jobs.worker import circuit_seed


async def schedule_readout(
    executor: Executor, backends: Backends, backend_id: str, stored: dict[str, Any], round_index: int
) -> tuple[list[int], str]:
    """One outcome per qubit, index 0 first, and the id of the noise snapshot that it ran under.

    Raises ConflictError with the reason when it cannot be run, BusyError when nothing is there to run it.
    """
    seed = circuit_seed(stored["seed"], round_index)
    request = JobRequest(backend_id, (stored["circuit"],), 1, seed, True)
    task = await backends.run_task("readout", request)
    try:
        outcome = await executor.run_short(task)
    except TimeLimitError as error:
        raise DeadlineError(f"the schedule was {error}") from error
    except WorkerLostError as error:
        raise ConflictError(f"the schedule did not run: {error}; try again") from error
    except ExecutorError as error:
        raise BusyError(f"the schedule cannot be run now: {error}", 1.0) from error
    if outcome.document is None:
        raise ConflictError(f"the schedule did not run: {outcome.error}")
    document = orjson.loads(outcome.document)
    shot: str = document["results"][0]["memory"][0]
    return [int(bit) for bit in reversed(shot.replace(" ", ""))], document["snapshot_id"]


def bernoulli_readout(snapshot: NoiseSnapshot) -> list[int]:
    """One outcome per qubit in |0>: each 1 with the qubit's own p(1|0)."""
    generator = secrets.SystemRandom()
    return [int(generator.random() < qubit.prob_meas1_prep0) for qubit in snapshot.qubits]
