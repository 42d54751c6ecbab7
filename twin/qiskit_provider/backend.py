"""The provider and its backends."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from qiskit import QuantumCircuit
from qiskit.providers import BackendV2, JobStatus, Options
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.transpiler import Target

from twin.client import TwinClient
from twin.errors import Fault
from twin.qiskit_provider.circuits import to_qasm
from twin.qiskit_provider.errors import TwinProviderError, as_qiskit_errors
from twin.qiskit_provider.job import SHOWN_AS, STATUS, TwinJob, shown_as
from twin.qiskit_provider.properties import TwinProperties
from twin.qiskit_target import make_target

API_VERSION = "1.1"
MAX_PAGE = 100
_FIXED: dict[str, Any] = {"meas_level": 2, "meas_return": "single", "init_qubits": True}
"""Options of Qiskit's backends whose one value here is what the twin does: classified shots from fresh qubits."""


class TwinBackend(BackendV2):  # type: ignore[misc]  # Qiskit has no types
    """One device of a twin. Made by `TwinProvider`.

    `target` is asked for afresh whenever it is used: it is the calibration that the device reports at that moment,
    with controller overrides, scenario and cryostat. What the device does not know of its own drift is not in it.
    """

    def __init__(self, provider: TwinProvider, client: TwinClient, details: dict[str, Any]) -> None:
        super().__init__(
            provider=provider,
            name=details["backend_id"],
            description=details["description"],
            backend_version=API_VERSION,
        )
        self._client = client
        self._details = details
        self._target: tuple[str, Target] | None = None

    @property
    @as_qiskit_errors()
    def target(self) -> Target:
        details = self._client.backend(self.name)
        snapshot_id = details["reported_snapshot_id"]
        if self._target is None or self._target[0] != snapshot_id:
            gate = "cx" if "cx" in details["basis_gates"] else "cz"
            target = make_target(
                details["qubits"], details["two_qubit_gates"], gate, details["durations_ns"], details["dt_ns"]
            )
            target.description = details["description"]
            self._target = (snapshot_id, target)
        return self._target[1]

    def properties(self) -> TwinProperties:
        """The same calibration under the names that IBM's backends have for it."""
        return TwinProperties(self.target)

    @property
    def num_qubits(self) -> int:
        return int(self._details["n_qubits"])

    @property
    def max_circuits(self) -> int:
        return int(self._details["max_circuits_per_job"])

    @property
    def max_shots(self) -> int:
        return int(self._details["max_shots"])

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=1024, memory=False, seed_simulator=None, **_FIXED)

    @as_qiskit_errors()
    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> TwinJob:
        """Queue circuits as one job of the twin, which runs them under its noise of the moment their turn comes.

        Args:
            run_input: circuits with measurements. Those that are not in the device's gates are transpiled there.
            options: `shots`, `memory` (every shot's bits), `seed_simulator`; else the backend's own options hold.
                `meas_level` (2), `meas_return` ("single") and `init_qubits` (True) are taken with the values that say
                what the twin does anyway.

        Raises:
            TwinProviderError: an option that there is not, or a circuit that cannot be written as OpenQASM 2.0.
            TwinRefusedError: the twin refused (422 names the circuit, 429 a full queue).
            TwinConnectionError: no answer.
        """
        values = self._run_values(options)
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        sources = [to_qasm(circuit, self._details["dt_ns"]) for circuit in circuits]
        job = self._client.submit_job(
            self.name,
            sources,
            shots=_whole("shots", values["shots"]),
            seed=None if values["seed_simulator"] is None else _whole("seed_simulator", values["seed_simulator"]),
            memory=bool(values["memory"]),
            metadata={SHOWN_AS: [shown_as(circuit) for circuit in circuits]},
        )
        return TwinJob(self, self._client, job["job_id"], circuits)

    def _run_values(self, options: dict[str, Any]) -> dict[str, Any]:
        known = dict(self.options.items())
        if unknown := sorted(set(options) - set(known)):
            message = f"{self.name} has no option {', '.join(unknown)}; it has {', '.join(known)}"
            raise TwinProviderError(message, [Fault((name,), "unknown option") for name in unknown])
        values = known | {name: value for name, value in options.items() if value is not None}
        for name, only in _FIXED.items():
            if values[name] != only:
                message = f"{name}: got {values[name]!r}; {self.name} takes {only!r} only"
                raise TwinProviderError(message, [Fault((name,), message)])
        return values

    @as_qiskit_errors()
    def jobs(self, limit: int | None = 10, status: JobStatus | str | Sequence[JobStatus | str] = ()) -> list[TwinJob]:
        """Your jobs on this backend, newest first.

        Args:
            limit: how many at most; None for all that the twin keeps.
            status: only those in one of these states, Qiskit's or their names.
        """
        states = _twin_states(status)
        found: list[TwinJob] = []
        cursor = None
        while limit is None or len(found) < limit:
            num = MAX_PAGE if limit is None else min(MAX_PAGE, limit - len(found))
            page = self._client.jobs(backend_id=self.name, state=states, limit=num, cursor=cursor)
            found += [TwinJob(self, self._client, each["job_id"]) for each in page["jobs"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return found

    @as_qiskit_errors()
    def retrieve_job(self, job_id: str) -> TwinJob:
        """A job of this backend that was submitted before, also from elsewhere.

        Raises TwinRefusedError (404), TwinProviderError for a job of another backend.
        """
        job = TwinJob(self, self._client, job_id)
        if (where := job.details()["backend_id"]) != self.name:
            raise TwinProviderError(f"job {job_id} is one of {where}, not of {self.name}: ask that backend for it")
        return job


def _twin_states(status: JobStatus | str | Sequence[JobStatus | str]) -> list[str]:
    """The twin's names of Qiskit's states. Raises TwinProviderError for one that there is not."""
    given = [status] if isinstance(status, JobStatus | str) else list(status)
    names = {kind.name: name for name, kind in STATUS.items()}
    asked = [each.name if isinstance(each, JobStatus) else each.upper() for each in given]
    if unknown := [name for name in asked if name not in names]:
        message = f"status: got {unknown[0]!r}; expected one of {', '.join(names)}"
        raise TwinProviderError(message, [Fault(("status",), message)])
    return [names[name] for name in asked]


def _whole(name: str, value: object) -> int:
    """A whole number, also one of NumPy."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]  # what has no index is told
    except TypeError:
        message = f"{name}: got {value!r}; expected a whole number"
        raise TwinProviderError(message, [Fault((name,), message)]) from None


class TwinProvider:
    """The backends of one twin.

    Args:
        url: the gateway's address, such as http://localhost:8000.
        email: account to log in with.
        password: its password.
        options: further arguments of `TwinClient`, such as `access_token` or `verify`.
    """

    def __init__(self, url: str, email: str | None = None, password: str | None = None, **options: Any) -> None:
        self._client = TwinClient(url, email, password, **options)

    @as_qiskit_errors()
    def backends(self, name: str | None = None) -> list[TwinBackend]:
        """Every operational backend, or the one of that name."""
        ids = [each["backend_id"] for each in self._client.backends()["backends"]]
        return [
            TwinBackend(self, self._client, self._client.backend(each)) for each in ids if name is None or each == name
        ]

    def get_backend(self, name: str) -> TwinBackend:
        """Raises QiskitBackendNotFoundError for a name that there is not."""
        found = self.backends(name)
        if not found:
            raise QiskitBackendNotFoundError(f"the twin has no backend {name!r}")
        return found[0]

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
