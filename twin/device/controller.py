"""What commands have changed on a backend: one frozen state, a function of the commands that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from twin.device.cryo import BASE_TEMPERATURE_MK, coherence_multiplier, excited_population
from twin.device.device import Device


@dataclass(frozen=True, slots=True)
class Multipliers:
    """Factors that one source (a noise injection, a closed-loop policy) has set. Sources multiply."""

    gate_error: float = 1.0
    readout_error: float = 1.0
    drift: float = 1.0
    exec_time_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class QubitOverride:
    """Absolute values for one qubit; None leaves the composed value. No multiplier touches them."""

    t1_us: float | None = None
    t2_us: float | None = None
    readout_error: float | None = None
    gate_error: float | None = None

    def names(self) -> tuple[str, ...]:
        """The fields that are overridden."""
        return tuple(name for name, value in asdict(self).items() if value is not None)


@dataclass(frozen=True, slots=True)
class CryoState:
    """What was set on the cryostat. None: as the temperature (or the default) says."""

    temperature_mk: float | None = None
    stage: str | None = None
    t1_multiplier: float | None = None
    t2_multiplier: float | None = None
    mixing_chamber_mk: float | None = None
    still_mk: float | None = None

    @property
    def effective_temperature_mk(self) -> float:
        return BASE_TEMPERATURE_MK if self.temperature_mk is None else self.temperature_mk

    @property
    def effective_t1_multiplier(self) -> float:
        """The explicit multiplier, else the temperature's."""
        curve = coherence_multiplier(self.effective_temperature_mk)
        return curve if self.t1_multiplier is None else self.t1_multiplier

    @property
    def effective_t2_multiplier(self) -> float:
        """The explicit multiplier, else the temperature's."""
        curve = coherence_multiplier(self.effective_temperature_mk)
        return curve if self.t2_multiplier is None else self.t2_multiplier


@dataclass(frozen=True, slots=True)
class ReadoutConfig:
    """Settings of the readout chain. None or empty: the calibrated ones.

    `thresholds` are positions between the two calibrated signal levels: 0 is |0>'s, 1 is |1>'s, 0.5 the calibrated
    decision. `channels` select what a readout returns, and whose integration time is set (None: every qubit's); all
    qubits are simulated.
    """

    channels: tuple[int, ...] | None = None
    integration_time_ns: float | None = None
    thresholds: Mapping[int, float] = field(default_factory=dict)

    def integration_ns(self, qubit: int, calibrated_ns: float) -> float:
        """How long a qubit's signal is integrated."""
        if self.integration_time_ns is None or (self.channels is not None and qubit not in self.channels):
            return calibrated_ns
        return self.integration_time_ns


@dataclass(frozen=True, slots=True)
class ControllerState:
    """Everything that commands and the cryo endpoint have changed on one backend."""

    injected: Multipliers = Multipliers()
    policy: Multipliers = Multipliers()
    pulse_error_multiplier: float = 1.0
    adc_readout_error_multiplier: float = 1.0
    dac_gate_error_multiplier: float = 1.0
    qubits: Mapping[int, QubitOverride] = field(default_factory=dict)
    scenario: str | None = None
    cryo: CryoState = CryoState()
    readout_config: ReadoutConfig = ReadoutConfig()

    @property
    def gate_error_multiplier(self) -> float:
        """Product of all sources."""
        return (
            self.injected.gate_error
            * self.policy.gate_error
            * self.pulse_error_multiplier
            * self.dac_gate_error_multiplier
        )

    @property
    def readout_error_multiplier(self) -> float:
        """Product of all sources."""
        return self.injected.readout_error * self.policy.readout_error * self.adc_readout_error_multiplier

    @property
    def drift_multiplier(self) -> float:
        return self.injected.drift * self.policy.drift

    @property
    def exec_time_scale(self) -> float:
        """Product of all sources; the scheduler's own scale comes on top."""
        return self.injected.exec_time_scale * self.policy.exec_time_scale

    def with_qubit(self, qubit: int, override: QubitOverride) -> Self:
        """The same with this qubit's override; an empty one is dropped."""
        qubits = {key: value for key, value in self.qubits.items() if key != qubit}
        if override.names():
            qubits[qubit] = override
        return replace(self, qubits=dict(sorted(qubits.items())))

    def to_dict(self) -> dict[str, Any]:
        """JSON form; `from_dict` undoes it. Products of all sources are added for the reader."""
        readout = self.readout_config
        return {
            "injected": asdict(self.injected),
            "policy": asdict(self.policy),
            "pulse_error_multiplier": self.pulse_error_multiplier,
            "adc_readout_error_multiplier": self.adc_readout_error_multiplier,
            "dac_gate_error_multiplier": self.dac_gate_error_multiplier,
            "qubits": {
                str(key): {name: getattr(value, name) for name in value.names()} for key, value in self.qubits.items()
            },
            "scenario": self.scenario,
            "cryo": asdict(self.cryo),
            "readout_config": {
                "channels": None if readout.channels is None else list(readout.channels),
                "integration_time_ns": readout.integration_time_ns,
                "thresholds": {str(key): value for key, value in readout.thresholds.items()},
            },
            "effective": {
                "gate_error_multiplier": self.gate_error_multiplier,
                "readout_error_multiplier": self.readout_error_multiplier,
                "drift_multiplier": self.drift_multiplier,
                "exec_time_scale": self.exec_time_scale,
                "t1_multiplier": self.cryo.effective_t1_multiplier,
                "t2_multiplier": self.cryo.effective_t2_multiplier,
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ControllerState:
        """Rebuild a state from its JSON form."""
        readout = data["readout_config"]
        channels = readout["channels"]
        return cls(
            injected=Multipliers(**data["injected"]),
            policy=Multipliers(**data["policy"]),
            pulse_error_multiplier=data["pulse_error_multiplier"],
            adc_readout_error_multiplier=data["adc_readout_error_multiplier"],
            dac_gate_error_multiplier=data["dac_gate_error_multiplier"],
            qubits={int(key): QubitOverride(**value) for key, value in data["qubits"].items()},
            scenario=data["scenario"],
            cryo=CryoState(**data["cryo"]),
            readout_config=ReadoutConfig(
                channels=None if channels is None else tuple(channels),
                integration_time_ns=readout["integration_time_ns"],
                thresholds={int(key): value for key, value in readout["thresholds"].items()},
            ),
        )


def cryo_view(state: ControllerState, device: Device) -> dict[str, object]:
    """The cryostat as the API shows it. `excited_population` is the mean over the qubits."""
    cryo = state.cryo
    temperature = cryo.effective_temperature_mk
    populations = [excited_population(qubit.frequency_ghz, temperature) for qubit in device.qubits]
    return {
        "temperature_mk": temperature,
        "stage": cryo.stage or "mixing_chamber",
        "t1_multiplier": cryo.effective_t1_multiplier,
        "t2_multiplier": cryo.effective_t2_multiplier,
        "mixing_chamber_mk": temperature if cryo.mixing_chamber_mk is None else cryo.mixing_chamber_mk,
        "still_mk": 800.0 if cryo.still_mk is None else cryo.still_mk,
        "excited_population": sum(populations) / len(populations),
        "excited_population_per_qubit": populations,
    }
