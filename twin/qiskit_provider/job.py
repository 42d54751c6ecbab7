"""A job in the twin's queue as a Qiskit job, and its result as a Qiskit result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.providers import JobStatus, JobV1
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from twin.client import JobFailedError, TwinApiError, TwinClient
from twin.client.types import CircuitResult, JobResult
from twin.client.types import JobStatus as TwinStatus

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


class TwinJobError(QiskitError):  # type: ignore[misc]  # Qiskit has no types
    """The job failed or was cancelled; the message has the reason."""


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

    def details(self) -> TwinStatus:
        """Everything that the twin tells of the job: timeline, attempts, metadata, reason of a failure."""
        return self._client.job(self.job_id())

    def queue_position(self) -> int | None:
        """1 for the backend's next job; None for one that does not wait."""
        return self.details()["queue_position"]

    def error_message(self) -> str | None:
        """Why the job failed; None for one that did not."""
        return self.details()["error"]

    def cancel(self) -> bool:
        """Cancel the job while it waits; False when it runs or is over."""
        try:
            self._client.cancel_job(self.job_id())
        except TwinApiError as error:
            if error.status != 409:
                raise
            return False
        return True

    def result(self, timeout: float = DEFAULT_TIMEOUT_S) -> Result:
        """Wait for the result, at most `timeout` seconds.

        Raises:
            TwinJobError: the job failed or was cancelled.
            DeadlineError: there is no result yet.
        """
        try:
            document = self._client.wait_for_job(self.job_id(), timeout)
        except JobFailedError as error:
            raise TwinJobError(str(error)) from error
        name, version = self.backend().name, self.backend().backend_version
        results = [self._experiment(document, each) for each in document["results"]]
        return Result(
            backend_name=name,
            backend_version=version,
            job_id=self.job_id(),
            success=True,
            status=document["status"],
            results=results,
            snapshot_id=document["snapshot_id"],
        )

    def _experiment(self, document: JobResult, result: CircuitResult) -> ExperimentResult:
        index, counts = result["circuit_index"], result["counts"]
        data: dict[str, Any] = {"counts": {_hexadecimal(key): count for key, count in counts.items()}}
        if "memory" in result:
            data["memory"] = [_hexadecimal(shot) for shot in result["memory"]]
        circuit = self._circuits[index] if self._circuits else None
        return ExperimentResult(
            shots=result["shots"],
            success=True,
            data=ExperimentResultData(**data),
            status="DONE",
            seed=document["seed"],
            header=_header(circuit, next(iter(counts))),
        )


def _header(circuit: QuantumCircuit | None, key: str) -> dict[str, Any]:
    """What Qiskit formats counts by: names and sizes of the classical registers, first one first."""
    sizes = [len(part) for part in reversed(key.split(" "))]
    names = [f"c{index}" for index in range(len(sizes))]
    if circuit is not None and [register.size for register in circuit.cregs] == sizes:
        names = [register.name for register in circuit.cregs]
    return {
        "name": None if circuit is None else circuit.name,
        "metadata": {} if circuit is None else circuit.metadata,
        "creg_sizes": [list(pair) for pair in zip(names, sizes, strict=True)],
        "memory_slots": sum(sizes),
    }


def _hexadecimal(key: str) -> str:
    return hex(int(key.replace(" ", ""), 2))
