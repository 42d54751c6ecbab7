"""Controller commands: each payload is checked as a whole, then makes a new state from the old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from twin.bodies import WHOLE, Body, QuickList
from twin.device.controller import ControllerState, CryoState, Multipliers, QubitOverride, ReadoutConfig
from twin.device.device import Device, Scenario
from twin.device.errors import CommandError, described, faults_of
from twin.device.schema import MAX_QUBITS, NotNegative
from twin.errors import Fault

REVERT = -1
MAX_MULTIPLIER = 1e6


@dataclass(frozen=True, slots=True)
class _OrRevert:
    """A number from low to high, or REVERT."""

    low: float
    high: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        in_range = {"type": "number", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [in_range, {"const": REVERT, "description": "reverts it"}]}

    def _check(self, value: float) -> float:
        if value != REVERT and not self.low <= value <= self.high:
            raise ValueError(f"must be from {self.low:g} to {self.high:g}, or {REVERT} to revert; got {value:g}")
        return value


Index = Annotated[int, Field(ge=0), WHOLE]
Multiplier = Annotated[NotNegative, Field(le=MAX_MULTIPLIER)]
Scale = Annotated[float, Field(gt=0.0, le=MAX_MULTIPLIER, allow_inf_nan=False)]
Key = Annotated[int, Field(ge=0, strict=False)]  # JSON has text for keys
Finite = Annotated[float, Field(allow_inf_nan=False)]
Time = Annotated[Finite, _OrRevert(1e-3, 1e9)]
Share = Annotated[Finite, _OrRevert(0.0, 1.0)]
Temperature = Annotated[Finite, _OrRevert(0.1, 300_000.0)]
CoherenceFactor = Annotated[Finite, _OrRevert(1e-6, MAX_MULTIPLIER)]
Integration = Annotated[Finite, _OrRevert(1.0, 1e7)]
Threshold = Annotated[Finite, _OrRevert(-0.9, 1.9)]
AnyPayload = TypeVar("AnyPayload", bound=Body)


class _AtLeastOne(Body):
    """A payload that must say something."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _check_not_empty(self) -> _AtLeastOne:
        if not self.model_fields_set:
            raise ValueError(f"give at least one of {', '.join(type(self).model_fields)}")
        return self


class InjectNoiseOverride(_AtLeastOne):
    gate_error_multiplier: Multiplier | None = None
    readout_error_multiplier: Multiplier | None = None
    drift_multiplier: Multiplier | None = None
    exec_time_scale: Scale | None = None


class PolicyUpdate(InjectNoiseOverride):
    pass


class SetQubitNoise(Body):
    """Absolute values for one qubit; -1 reverts one. A T2 above 2 T1 counts as 2 T1, and `notes` says so."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2})

    qubit: Index
    t1_us: Time | None = None
    t2_us: Time | None = None
    readout_error: Share | None = None
    gate_error: Share | None = None

    @model_validator(mode="after")
    def _check_not_empty(self) -> SetQubitNoise:
        if self.model_fields_set <= {"qubit"}:
            raise ValueError("give at least one of t1_us, t2_us, readout_error, gate_error")
        return self


class ResetQubitNoise(Body):
    qubit: Index | None = None


class SetScenario(Body):
    scenario_name: str | None


class SetPulseSchedule(Body):
    error_multiplier: Multiplier


class SetAdcGain(Body):
    readout_error_multiplier: Multiplier


class SetDacBias(Body):
    gate_error_multiplier: Multiplier


class Reset(Body):
    pass


class Recalibrate(Body):
    """Changes no noise, only what the device reports of it."""


class SetCryo(_AtLeastOne):
    temperature_mk: Temperature | None = None
    stage: Annotated[str, Field(max_length=64)] | Literal[-1] | None = None
    t1_multiplier: CoherenceFactor | None = None
    t2_multiplier: CoherenceFactor | None = None
    mixing_chamber_mk: Temperature | None = None
    still_mk: Temperature | None = None


def _few_thresholds(value: Any) -> Any:
    """Before each is looked at: a fault for every one of a million keys is work."""
    if isinstance(value, dict) and len(value) > MAX_QUBITS:
        raise PydanticCustomError(
            "too_many_keys",
            "has {num_keys} keys, expected at most {limit}",
            {"num_keys": len(value), "limit": MAX_QUBITS},
        )
    return value


class SetReadoutConfig(_AtLeastOne):
    channels: Annotated[QuickList[Index], Field(min_length=1)] | Literal[-1] | None = None
    integration_time_ns: Integration | None = None
    thresholds: (
        Annotated[
            dict[Key, Threshold],
            BeforeValidator(_few_thresholds),
            Field(max_length=MAX_QUBITS, json_schema_extra={"propertyNames": {"pattern": "^[0-9]+$"}}),
        ]
        | None
    ) = None


RECALIBRATE = "recalibrate"
PAYLOADS: Mapping[str, type[Body]] = {
    "inject_noise_override": InjectNoiseOverride,
    "set_qubit_noise": SetQubitNoise,
    "reset_qubit_noise": ResetQubitNoise,
    "set_scenario": SetScenario,
    "policy_update": PolicyUpdate,
    "set_pulse_schedule": SetPulseSchedule,
    "set_adc_gain": SetAdcGain,
    "set_dac_bias": SetDacBias,
    "reset": Reset,
    RECALIBRATE: Recalibrate,
}


def apply_command(
    state: ControllerState,
    device: Device,
    scenarios: Mapping[str, Scenario],
    command_type: str,
    payload: Mapping[str, Any],
) -> ControllerState:
    """The state after one command of the API reference, "Command types".

    Raises:
        CommandError: unknown command or key, a value out of range, a qubit or scenario that is not there.
    """
    if command_type not in PAYLOADS:
        known = ", ".join(PAYLOADS)
        fault = Fault(("command_type",), f"{command_type!r} is not one of {known}")
        raise CommandError(f"unknown command_type {command_type!r}; known: {known}", [fault])
    command = _checked(PAYLOADS[command_type], payload)
    match command:
        case PolicyUpdate():
            return replace(state, policy=_multipliers(state.policy, command))
        case InjectNoiseOverride():
            return replace(state, injected=_multipliers(state.injected, command))
        case SetQubitNoise():
            _check_qubit(device, command.qubit, ("payload", "qubit"))
            return state.with_qubit(command.qubit, _override(state, command))
        case ResetQubitNoise(qubit=None):
            return replace(state, qubits={})
        case ResetQubitNoise(qubit=int(qubit)):
            _check_qubit(device, qubit, ("payload", "qubit"))
            return state.with_qubit(qubit, QubitOverride())
        case SetScenario():
            return replace(state, scenario=_known_scenario(scenarios, command.scenario_name))
        case SetPulseSchedule():
            return replace(state, pulse_error_multiplier=command.error_multiplier)
        case SetAdcGain():
            return replace(state, adc_readout_error_multiplier=command.readout_error_multiplier)
        case SetDacBias():
            return replace(state, dac_gate_error_multiplier=command.gate_error_multiplier)
        case Recalibrate():
            return state
    return ControllerState()


def set_cryo(state: ControllerState, payload: Mapping[str, Any]) -> ControllerState:
    """The state after cryostat settings; -1 reverts a field, keys that are not given stay as they are.

    Raises:
        CommandError: unknown key or a value out of range.
    """
    changes = _changes(_checked(SetCryo, payload))
    current = {item.name: getattr(state.cryo, item.name) for item in fields(CryoState)}
    return replace(state, cryo=CryoState(**(current | changes)))


def set_readout_config(state: ControllerState, device: Device, payload: Mapping[str, Any]) -> ControllerState:
    """The state after readout settings; -1 reverts a field (or one threshold), keys not given stay.

    Raises:
        CommandError: unknown key, a value out of range, a channel that is not a qubit of the device, or one twice.
    """
    model = _checked(SetReadoutConfig, payload)
    current = state.readout_config
    channels, integration_time_ns = current.channels, current.integration_time_ns
    thresholds = dict(current.thresholds)
    if isinstance(model.channels, list):
        for position, channel in enumerate(model.channels):
            _check_qubit(device, channel, ("channels", position))
        if len(set(model.channels)) < len(model.channels):
            raise CommandError("a channel is there twice", [Fault(("channels",), "a channel is there twice")])
        channels = tuple(model.channels)
    elif model.channels == REVERT:
        channels = None
    if model.integration_time_ns is not None:
        reverted = model.integration_time_ns == REVERT
        integration_time_ns = None if reverted else model.integration_time_ns
    for qubit, threshold in (model.thresholds or {}).items():
        _check_qubit(device, qubit, ("thresholds", qubit))
        thresholds.pop(qubit, None)
        if threshold != REVERT:
            thresholds[qubit] = threshold
    return replace(state, readout_config=ReadoutConfig(channels, integration_time_ns, dict(sorted(thresholds.items()))))


def _checked(model: type[AnyPayload], payload: Mapping[str, Any]) -> AnyPayload:
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        faults = faults_of(error, ("payload",))
        raise CommandError(described(faults), faults) from error


def _changes(command: Body) -> dict[str, Any]:
    """Fields that were given a value; REVERT becomes None."""
    given = {name: getattr(command, name) for name in command.model_fields_set}
    return {name: None if value == REVERT else value for name, value in given.items() if value is not None}


def _multipliers(current: Multipliers, command: InjectNoiseOverride) -> Multipliers:
    given = _changes(command)
    names = {
        "gate_error_multiplier": "gate_error",
        "readout_error_multiplier": "readout_error",
        "drift_multiplier": "drift",
        "exec_time_scale": "exec_time_scale",
    }
    return replace(current, **{names[name]: float(value) for name, value in given.items()})


def _override(state: ControllerState, command: SetQubitNoise) -> QubitOverride:
    current = state.qubits.get(command.qubit, QubitOverride())
    changes = {name: value for name, value in _changes(command).items() if name != "qubit"}
    return replace(current, **changes)


def _check_qubit(device: Device, qubit: int, loc: tuple[str | int, ...]) -> None:
    if qubit >= device.n_qubits:
        message = f"{device.backend_id} has qubits 0 to {device.n_qubits - 1}, got {qubit}"
        raise CommandError(message, [Fault(loc, message)])


def _known_scenario(scenarios: Mapping[str, Scenario], name: str | None) -> str | None:
    if name is not None and name not in scenarios:
        message = f"no scenario {name!r}; known: {', '.join(sorted(scenarios)) or 'none'}"
        raise CommandError(message, [Fault(("payload", "scenario_name"), message)])
    return name
