"""A device and a scenario as the rest of the twin sees them: frozen facts, no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class QubitCalibration:
    """Calibration of one qubit as its file says."""

    t1_us: float
    t2_us: float
    frequency_ghz: float
    anharmonicity_ghz: float
    prob_meas1_prep0: float
    prob_meas0_prep1: float
    gate_error: float
    reset_error: float

    @property
    def readout_error(self) -> float:
        """Mean assignment error."""
        return (self.prob_meas1_prep0 + self.prob_meas0_prep1) / 2


@dataclass(frozen=True, slots=True)
class EdgeCalibration:
    """Calibration of the two-qubit gate on one directed pair."""

    error: float
    duration_ns: float


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations of the operations that are the same for every qubit."""

    single_qubit_ns: float
    measure_ns: float
    reset_ns: float


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """Ornstein-Uhlenbeck drift on the logarithm of T1, pure dephasing (sigma_t2), readout and gate error."""

    enabled: bool = False
    seed: int = 0
    correlation_time_s: float = 3600.0
    step_s: float = 60.0
    recalibration_interval_s: float | None = None
    sigma_t1: float = 0.1
    sigma_t2: float = 0.1
    sigma_readout: float = 0.1
    sigma_gate: float = 0.1


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """Queue limit, concurrency, order, and the execution-time model."""

    max_queued_jobs: int = 10_000
    max_running_jobs: int = 64
    order: str = "fair"
    queue_delay_s: float = 0.0
    exec_time_scale: float = 0.0
    job_overhead_s: float = 0.0
    shot_overhead_us: float = 0.0


@dataclass(frozen=True, eq=False)
class Device:
    """One backend: its public facts, its calibration, its scheduler.

    `edges` and `coupling_map` have both directions of every pair. Compared by identity.
    """

    backend_id: str
    description: str
    n_qubits: int
    basis_gates: tuple[str, ...]
    coupling_map: tuple[tuple[int, int], ...]
    qubit_positions: tuple[tuple[float, float], ...]
    max_shots: int
    max_circuits_per_job: int
    operational: bool
    dt_ns: float
    durations: Durations
    qubits: tuple[QubitCalibration, ...]
    edges: Mapping[tuple[int, int], EdgeCalibration]
    schedule: str = "asap"
    drift: DriftSettings = field(default_factory=DriftSettings)
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)

    @property
    def two_qubit_gate(self) -> str:
        """The device's native entangling gate: `cx` or `cz`."""
        return "cx" if "cx" in self.basis_gates else "cz"

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """For every qubit the qubits it is coupled to, ascending."""
        found: list[set[int]] = [set() for _ in range(self.n_qubits)]
        for a, b in self.coupling_map:
            found[a].add(b)
            found[b].add(a)
        return tuple(tuple(sorted(each)) for each in found)

    @property
    def durations_ns(self) -> dict[str, float]:
        """Duration of each kind of operation; those of two-qubit gates go by pair."""
        durations = self.durations
        return {
            "single_qubit": durations.single_qubit_ns,
            "rz": 0.0,
            "measure": durations.measure_ns,
            "reset": durations.reset_ns,
        }

    def summary(self) -> dict[str, object]:
        """The facts that a list of backends shows."""
        return {
            "backend_id": self.backend_id,
            "description": self.description,
            "n_qubits": self.n_qubits,
            "basis_gates": list(self.basis_gates),
            "coupling_map": [list(pair) for pair in self.coupling_map],
            "max_shots": self.max_shots,
            "max_circuits_per_job": self.max_circuits_per_job,
            "operational": self.operational,
        }

    def details(self) -> dict[str, object]:
        """`summary` with positions, durations and the file's calibration."""
        return self.summary() | {
            "qubit_positions": [list(position) for position in self.qubit_positions],
            "dt_ns": self.dt_ns,
            "schedule": self.schedule,
            "durations_ns": self.durations_ns,
            "calibration": {
                "qubits": [
                    {"qubit": index, **asdict(qubit), "readout_error": qubit.readout_error}
                    for index, qubit in enumerate(self.qubits)
                ],
                "edges": [{"qubits": list(pair), **asdict(edge)} for pair, edge in sorted(self.edges.items())],
            },
        }


@dataclass(frozen=True, slots=True)
class Factors:
    """What a scenario multiplies the calibration by."""

    t1: float = 1.0
    t2: float = 1.0
    gate_error: float = 1.0
    readout_error: float = 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named overlay on the calibration. `ignored_keys` are in its file and mean nothing to the twin."""

    name: str
    description: str
    multipliers: Factors
    qubits: Mapping[int, Factors]
    recognized_keys: tuple[str, ...]
    ignored_keys: tuple[str, ...]

    def factors(self, qubit: int) -> Factors:
        """The factors on one qubit: the scenario's own, times those it has for this qubit."""
        own = self.qubits.get(qubit)
        if own is None:
            return self.multipliers
        base = self.multipliers
        return Factors(
            base.t1 * own.t1,
            base.t2 * own.t2,
            base.gate_error * own.gate_error,
            base.readout_error * own.readout_error,
        )
