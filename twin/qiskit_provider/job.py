"""A job in the twin's queue as a Qiskit job, and its result as a Qiskit result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit
from qiskit.providers import JobStatus, JobV1
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from twin.client import TwinApiError, TwinClient
from twin.client.types import CircuitResult, JobResult
from twin.client.types import JobStatus as TwinStatus
from twin.qiskit_provider.circuits import registers
from twin.qiskit_provider.errors import TwinJobError, as_qiskit_errors

if TYPE_CHECKING:
    from twin.qiskit_provider.backend import TwinBackend

STATUS = {
    "QUEUED": JobStatus.QUEUED,
    "RUNNING": JobStatus.RUNNING,
    "COMPLETED": JobStatus.DONE,
    "FAILED": JobStatus.ERROR,
    "CANCELLED": JobStatus.CANCELLED,
}
DEFAULT_TIMEOUT_S = 600.0
POLL_S = 0.1
SHOWN_AS = "qiskit"
"""The key of a job's metadata that holds what a result is shown with: names, of circuits and of their registers."""


class TwinJob(JobV1):  # type: ignore[misc]  # Qiskit has no types
    """One job of the twin. `circuits` are those that were submitted, empty for a job that is looked up again."""

    def __init__(
        self, backend: TwinBackend, client: TwinClient, job_id: str, circuits: Sequence[QuantumCircuit] = ()
    ) -> None:
        super().__init__(backend, job_id)
        self._client = client
        self._circuits = tuple(circuits)

    def submit(self) -> None:
        """Jobs are in the queue from the moment they exist. Raises TwinJobError."""
        raise TwinJobError(f"job {self.job_id()} was submitted by backend.run()")

    def status(self) -> JobStatus:
        return STATUS[self.details()["status"]]

    @as_qiskit_errors()
    def details(self) -> TwinStatus:
        """Everything that the twin tells of the job: timeline, attempts, metadata, reason of a failure."""
        return self._client.job(self.job_id())

    def queue_position(self) -> int | None:
        """1 for the backend's next job; None for one that does not wait."""
        return self.details()["queue_position"]

    def error_message(self) -> str | None:
        """Why the job failed; None for one that did not."""
        return self.details()["error"]

    @as_qiskit_errors()
    def cancel(self) -> bool:
        """Cancel the job, which may wait or run; False when it is over."""
        try:
            self._client.cancel_job(self.job_id())
        except TwinApiError as error:
            if error.status != 409:
                raise
            return False
        return True

    def wait_for_final_state(
        self, timeout: float | None = None, wait: float = POLL_S, callback: Callable[..., None] | None = None
    ) -> None:
        """As Qiskit's, which asks every five seconds. Raises JobTimeoutError."""
        super().wait_for_final_state(timeout, wait, callback)

    @as_qiskit_errors()
    def result(self, timeout: float | None = DEFAULT_TIMEOUT_S) -> Result:
        """Wait for the result, at most `timeout` seconds (None: as long as it takes).

        Raises:
            TwinJobError: the job failed or was cancelled.
            TwinTimeoutError: there is no result yet.
            TwinConnectionError: the twin did not answer within that time.
        """
        document = self._client.wait_for_job(self.job_id(), math.inf if timeout is None else timeout)
        name, version = self.backend().name, self.backend().backend_version
        shown = self._shown()
        results = [self._experiment(document, each, shown) for each in document["results"]]
        return Result(
            backend_name=name,
            backend_version=version,
            job_id=self.job_id(),
            success=True,
            status=document["status"],
            results=results,
            snapshot_id=document["snapshot_id"],
        )

    def _shown(self) -> Sequence[object]:
        """What `shown_as` said of each circuit; of a job from elsewhere, what its metadata has."""
        if self._circuits:
            return [shown_as(circuit) for circuit in self._circuits]
        told = self.details()["metadata"].get(SHOWN_AS)
        return told if isinstance(told, list) else []

    def _experiment(self, document: JobResult, result: CircuitResult, shown: Sequence[object]) -> ExperimentResult:
        index, counts = result["circuit_index"], result["counts"]
        data: dict[str, Any] = {"counts": {_hexadecimal(key): count for key, count in counts.items()}}
        if "memory" in result:
            data["memory"] = [_hexadecimal(shot) for shot in result["memory"]]
        header = _header(shown[index] if index < len(shown) else None, next(iter(counts)))
        return ExperimentResult(
            shots=result["shots"],
            success=True,
            data=ExperimentResultData(**data),
            status="DONE",
            seed=document["seed"],
            header=header | ({"metadata": self._circuits[index].metadata} if self._circuits else {}),
        )


def shown_as(circuit: QuantumCircuit) -> dict[str, Any]:
    """A circuit's name, and names and sizes of its classical registers, first one first."""
    return {"name": circuit.name, "creg_sizes": [list(pair) for pair in registers(circuit)]}


def _header(shown: object, key: str) -> dict[str, Any]:
    """What Qiskit formats counts by. Where nobody said (rightly) what a job's registers are called: c0, c1, ..."""
    sizes = [len(part) for part in reversed(key.split(" "))]
    header: dict[str, Any] = {
        "name": None,
        "metadata": {},
        "creg_sizes": [[f"c{index}", size] for index, size in enumerate(sizes)],
        "memory_slots": sum(sizes),
    }
    match shown:
        case {"name": str(name), "creg_sizes": [*pairs]} if _num_bits(pairs) == sum(sizes):
            header |= {"name": name, "creg_sizes": pairs}
    return header


def _num_bits(pairs: Sequence[object]) -> int | None:
    """How many bits the registers have together; None for what are no registers."""
    sizes = []
    for pair in pairs:
        match pair:
            case [str(), int(size)]:
                sizes.append(size)
            case _:
                return None
    return sum(sizes)


def _hexadecimal(key: str) -> str:
    return hex(int(key.replace(" ", ""), 2))
