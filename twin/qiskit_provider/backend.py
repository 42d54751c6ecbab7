"""The provider and its backends."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from qiskit import QuantumCircuit
from qiskit.providers import BackendV2, Options
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.transpiler import Target

from twin.client import TwinClient
from twin.errors import Fault, InvalidError
from twin.qiskit_provider.circuits import to_qasm
from twin.qiskit_provider.job import TwinJob
from twin.qiskit_target import make_target

API_VERSION = "1.1"


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
        return Options(shots=1024, memory=False, seed_simulator=None)

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> TwinJob:
        """Queue circuits as one job of the twin, which runs them under its noise of the moment their turn comes.

        Args:
            run_input: circuits with measurements. Those that are not in the device's gates are transpiled there.
            options: `shots`, `memory` (every shot's bits), `seed_simulator`; else the backend's own options hold.

        Raises:
            InvalidError: an unknown option, or a circuit that cannot be written as OpenQASM 2.0.
            TwinApiError: the twin refused (422 names the circuit, 429 a full queue).
        """
        known = dict(self.options.items())
        if unknown := sorted(set(options) - set(known)):
            message = f"{self.name} has no option {', '.join(unknown)}; it has {', '.join(known)}"
            raise InvalidError(message, [Fault((name,), "unknown option") for name in unknown])
        values = known | {name: value for name, value in options.items() if value is not None}
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        sources = [to_qasm(circuit, self._details["dt_ns"]) for circuit in circuits]
        job = self._client.submit_job(
            self.name, sources, shots=values["shots"], seed=values["seed_simulator"], memory=values["memory"]
        )
        return TwinJob(self, self._client, job["job_id"], circuits)

    def retrieve_job(self, job_id: str) -> TwinJob:
        """A job that was submitted before, also from elsewhere. Raises TwinApiError (404)."""
        job = TwinJob(self, self._client, job_id)
        job.status()
        return job


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
