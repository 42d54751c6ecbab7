"""What is run outside of jobs while somebody waits: a stored pulse schedule for one shot, a session's error model."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from twin.backends import Backends
from twin.device.snapshot import NoiseSnapshot
from twin.errors import BusyError, ConflictError, DeadlineError
from twin.jobs.executor import Executor, ExecutorError, TimeLimitError, WorkerLostError
from twin.jobs.model import AnalysisTask, JobRequest
from twin.jobs.results import pieces
from twin.jobs.worker import circuit_seed


async def schedule_readout(
    executor: Executor, backends: Backends, backend_id: str, stored: dict[str, Any], round_index: int, user: str
) -> tuple[list[int], str]:
    """One outcome per qubit, index 0 first, and the id of the noise snapshot that it ran under.

    Raises ConflictError with the reason when it cannot be run, BusyError when nothing is there to run it.
    """
    seed = circuit_seed(stored["seed"], round_index)
    request = JobRequest(backend_id, (stored["circuit"],), 1, seed, True)
    task = await backends.run_task("readout", request)
    with _told("the schedule"):
        outcome = await executor.run_short(task, user)
    if outcome.document is None:
        raise ConflictError(f"the schedule did not run: {outcome.error}")
    document = orjson.loads(b"".join(pieces(outcome.document)))
    shot: str = document["results"][0]["memory"][0]
    return [int(bit) for bit in reversed(shot.replace(" ", ""))], document["snapshot_id"]


async def session_text(executor: Executor, task: AnalysisTask, user: str) -> str:
    """A session's circuit or error model in Stim's format; raises as `schedule_readout`."""
    with _told(f"the {task.kind.replace('_', ' ')}"):
        outcome = await executor.analyse(task, user)
    if outcome.text is None:
        raise ConflictError(f"the {task.kind.replace('_', ' ')} could not be made: {outcome.error}")
    return outcome.text


@contextmanager
def _told(what: str) -> Iterator[None]:
    """The executor's errors as those of somebody who waits."""
    try:
        yield
    except TimeLimitError as error:
        raise DeadlineError(f"{what} was {error}") from error
    except WorkerLostError as error:
        raise ConflictError(f"{what} did not run: {error}; try again") from error
    except ExecutorError as error:
        raise BusyError(f"{what} cannot be run now: {error}", 1.0) from error


def bernoulli_readout(snapshot: NoiseSnapshot) -> list[int]:
    """One outcome per qubit in |0>: each 1 with the qubit's own p(1|0)."""
    generator = secrets.SystemRandom()
    return [int(generator.random() < qubit.prob_meas1_prep0) for qubit in snapshot.qubits]
