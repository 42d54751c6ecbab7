"""What the YAML files of the configuration may hold. Unknown keys are refused, in scenarios reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, field_validator, model_validator

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Period = Annotated[float, Field(ge=1e-3, le=1e9, description="seconds")]  # drift draws as often as their ratio halves
Sigma = Annotated[float, Field(ge=0.0, le=10.0)]
Index = Annotated[int, Field(ge=0)]
PairKey = Annotated[str, Field(pattern=r"^\d{1,9}-\d{1,9}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

MAX_QUBITS = 1024
MAX_BACKENDS = 256
MAX_PAIRS = 4 * MAX_QUBITS
MAX_UNKNOWN_KEYS = 20


T = TypeVar("T")
QuickList = Annotated[list[T], FailFast()]
"""A list that may be long: its first fault is told, not a million of them."""


def _at_most(limit: int) -> Callable[[Any], Any]:
    """Refuses a map with more keys, before work is put into each of them."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and len(value) > limit:
            raise ValueError(f"{len(value)} keys, expected at most {limit}")
        return value

    return check


class Strict(BaseModel):
    """A frozen model that refuses keys it does not know: each by its name, unless they are many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_number_of_keys(cls, value: Any) -> Any:
        return _at_most(len(cls.model_fields) + MAX_UNKNOWN_KEYS)(value)


class BackendEntry(Strict):
    """One line of backends.yaml: which files make the backend."""

    backend_id: Name
    device: Name
    noise: Name
    scheduler: Name = "default"
    operational: bool = True


class BackendsFile(Strict):
    """backends.yaml."""

    backends: QuickList[BackendEntry] = Field(min_length=1, max_length=MAX_BACKENDS)

    @field_validator("backends")
    @classmethod
    def _check_ids(cls, entries: list[BackendEntry]) -> list[BackendEntry]:
        names = [entry.backend_id for entry in entries]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"backend_id {', '.join(doubled)} is there twice")
        return entries


class DurationsModel(Strict):
    """How long the device's operations take. `rz` is virtual: 0 ns, no error."""

    single_qubit: Positive
    measure: Positive
    reset: Positive


class DeviceModel(Strict):
    """The fixed facts of a device: devices/*.yaml."""

    description: str = ""
    n_qubits: Annotated[int, Field(ge=1, le=MAX_QUBITS)]
    basis_gates: QuickList[Literal["cx", "cz", "id", "rz", "sx", "x"]] = Field(min_length=1)
    coupling_map: QuickList[tuple[Index, Index]]
    qubit_positions: QuickList[tuple[float, float]]
    max_shots: Annotated[int, Field(ge=1, le=10**9)]
    max_circuits_per_job: Annotated[int, Field(ge=1, le=10**6)]
    dt_ns: Positive = 1.0
    durations_ns: DurationsModel
    schedule: Literal["asap", "alap"] = "asap"


class DeviceFile(Strict):
    device: DeviceModel


class QubitModel(Strict):
    """Calibration of one qubit."""

    t1_us: Positive
    t2_us: Positive
    frequency_ghz: Positive = 5.0
    anharmonicity_ghz: float = -0.34
    prob_meas1_prep0: Probability
    prob_meas0_prep1: Probability
    gate_error: Probability = Field(description="average infidelity of one physical pulse (sx, x)")
    reset_error: Probability = 0.0


class QubitOverlay(Strict):
    """What one qubit has different from the device's `qubit` defaults."""

    t1_us: Positive | None = None
    t2_us: Positive | None = None
    frequency_ghz: Positive | None = None
    anharmonicity_ghz: float | None = None
    prob_meas1_prep0: Probability | None = None
    prob_meas0_prep1: Probability | None = None
    gate_error: Probability | None = None
    reset_error: Probability | None = None


class EdgeModel(Strict):
    """Calibration of one pair: average infidelity, and the duration forward (a-b) and backward (b-a)."""

    error: Probability
    duration_ns: Positive | tuple[Positive, Positive]


class DriftModel(Strict):
    """Ornstein-Uhlenbeck drift of the logarithms; sigma 0.1 is a wander of about 10%. sigma_t2: of pure dephasing."""

    enabled: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    correlation_time_s: Period = 3600.0
    step_s: Period = 60.0
    recalibration_interval_s: Period | None = None
    sigma_t1: Sigma = 0.1
    sigma_t2: Sigma = 0.1
    sigma_readout: Sigma = 0.1
    sigma_gate: Sigma = 0.1


class NoiseModel(Strict):
    """The calibration of a device: noise/*.yaml. `qubit` and `edge` are what those not listed have."""

    description: str = ""
    qubit: QubitModel | None = None
    edge: EdgeModel | None = None
    qubits: Annotated[dict[Index, QubitOverlay], BeforeValidator(_at_most(MAX_QUBITS))] = Field(default_factory=dict)
    edges: Annotated[dict[PairKey, EdgeModel], BeforeValidator(_at_most(MAX_PAIRS))] = Field(default_factory=dict)
    drift: DriftModel = DriftModel()


class NoiseFile(Strict):
    noise: NoiseModel


class SchedulerModel(Strict):
    """Queue and execution-time model of a backend: scheduler/*.yaml."""

    max_queued_jobs: Annotated[int, Field(ge=1)] = 10_000
    max_running_jobs: Annotated[int, Field(ge=1)] = 64
    order: Literal["fair", "fifo"] = "fair"
    queue_delay_s: NotNegative = 0.0
    exec_time_scale: NotNegative = Field(default=0.0, description="modelled run time times this is waited; 0: never")
    job_overhead_s: NotNegative = Field(default=0.0, description="loading and compiling, once a job")
    shot_overhead_us: NotNegative = Field(default=0.0, description="between two shots, beside the reset")


class SchedulerFile(Strict):
    scheduler: SchedulerModel


class ScenarioFactors(BaseModel):
    """Factors on the calibration. Unknown keys are kept aside and reported, not refused."""

    model_config = ConfigDict(frozen=True, extra="allow")

    t1: Positive = 1.0
    t2: Positive = 1.0
    gate_error: NotNegative = 1.0
    readout_error: NotNegative = 1.0


class ScenarioModel(BaseModel):
    """A noise overlay: scenarios/*.yaml."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Name | None = None
    description: str = ""
    multipliers: ScenarioFactors = ScenarioFactors()
    qubits: Annotated[dict[Index, ScenarioFactors], BeforeValidator(_at_most(MAX_QUBITS))] = Field(default_factory=dict)


class ScenarioFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    scenario: ScenarioModel
