"""What the YAML files of the configuration may hold. Unknown keys are refused, in scenarios reported."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Index = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

MAX_QUBITS = 1024


class Strict(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BackendEntry(Strict):
    """One line of backends.yaml: which files make the backend."""

    backend_id: Name
    device: Name
    noise: Name
    scheduler: Name = "default"
    operational: bool = True


class BackendsFile(Strict):
    """backends.yaml."""

    backends: list[BackendEntry] = Field(min_length=1)

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
    basis_gates: list[Literal["cx", "cz", "id", "rz", "sx", "x"]] = Field(min_length=1)
    coupling_map: list[tuple[Index, Index]]
    qubit_positions: list[tuple[float, float]]
    max_shots: Annotated[int, Field(ge=1)]
    max_circuits_per_job: Annotated[int, Field(ge=1)]
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
    correlation_time_s: Positive = 3600.0
    step_s: Positive = 60.0
    recalibration_interval_s: Positive | None = None
    sigma_t1: NotNegative = 0.1
    sigma_t2: NotNegative = 0.1
    sigma_readout: NotNegative = 0.1
    sigma_gate: NotNegative = 0.1


class NoiseModel(Strict):
    """The calibration of a device: noise/*.yaml. `qubit` and `edge` are what those not listed have."""

    description: str = ""
    qubit: QubitModel | None = None
    edge: EdgeModel | None = None
    qubits: dict[Index, QubitOverlay] = Field(default_factory=dict)
    edges: dict[Annotated[str, Field(pattern=r"^\d+-\d+$")], EdgeModel] = Field(default_factory=dict)
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
    qubits: dict[Index, ScenarioFactors] = Field(default_factory=dict)


class ScenarioFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    scenario: ScenarioModel
