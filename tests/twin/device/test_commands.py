"""Controller commands: every type of the API reference, and refusals that change nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.commands import apply_command, set_cryo, set_readout_config
from twin.device.controller import ControllerState, cryo_view
from twin.device.device import Device
from twin.device.errors import CommandError

START = ControllerState()

# The examples of the API reference, "Command types", verbatim.
REFERENCE: list[tuple[str, dict[str, Any]]] = [
    (
        "inject_noise_override",
        {"gate_error_multiplier": 1.5, "readout_error_multiplier": 2.0, "exec_time_scale": 1.2},
    ),
    ("set_qubit_noise", {"qubit": 3, "t1_us": 80.0, "t2_us": 60.0, "readout_error": 0.05, "gate_error": 0.002}),
    ("reset_qubit_noise", {"qubit": 3}),
    ("set_scenario", {"scenario_name": "noisy_day"}),
    (
        "policy_update",
        {
            "gate_error_multiplier": 1.1,
            "readout_error_multiplier": 0.9,
            "drift_multiplier": 1.0,
            "exec_time_scale": 1.0,
        },
    ),
    ("set_pulse_schedule", {"error_multiplier": 1.3}),
    ("set_adc_gain", {"readout_error_multiplier": 1.8}),
    ("set_dac_bias", {"gate_error_multiplier": 1.2}),
    ("reset", {}),
]


def _applied(catalog: DeviceCatalog, device: Device, commands: list[tuple[str, dict[str, Any]]]) -> ControllerState:
    state = START
    for command_type, payload in commands:
        state = apply_command(state, device, catalog.scenarios, command_type, payload)
    return state


def test_apply_takes_every_reference_command(catalog: DeviceCatalog, jakarta: Device) -> None:
    state = _applied(catalog, jakarta, [*REFERENCE[:2], *REFERENCE[3:-1]])
    assert state.gate_error_multiplier == pytest.approx(1.5 * 1.1 * 1.3 * 1.2)
    assert state.readout_error_multiplier == pytest.approx(2.0 * 0.9 * 1.8)
    assert state.exec_time_scale == pytest.approx(1.2)
    assert state.scenario == "noisy_day"
    assert state.qubits[3].names() == ("t1_us", "t2_us", "readout_error", "gate_error")
    assert apply_command(state, jakarta, catalog.scenarios, "reset_qubit_noise", {"qubit": 3}).qubits == {}


def test_reset_takes_back_everything(catalog: DeviceCatalog, jakarta: Device) -> None:
    state = set_cryo(_applied(catalog, jakarta, REFERENCE[:-1]), {"temperature_mk": 50})
    state = set_readout_config(state, jakarta, {"integration_time_ns": 100.0})
    assert state != START
    assert apply_command(state, jakarta, catalog.scenarios, "reset", {}) == START


def test_state_survives_json(catalog: DeviceCatalog, jakarta: Device) -> None:
    state = set_cryo(_applied(catalog, jakarta, REFERENCE[:-1]), {"temperature_mk": 50, "stage": "still"})
    state = set_readout_config(state, jakarta, {"channels": [2, 0], "thresholds": {"0": 0.4}})
    assert ControllerState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_policy_keeps_what_it_does_not_name(catalog: DeviceCatalog, jakarta: Device) -> None:
    state = _applied(
        catalog,
        jakarta,
        [("policy_update", {"gate_error_multiplier": 2.0}), ("policy_update", {"readout_error_multiplier": 3.0})],
    )
    assert (state.policy.gate_error, state.policy.readout_error) == (2.0, 3.0)


def test_minus_one_reverts_a_qubit_field(catalog: DeviceCatalog, jakarta: Device) -> None:
    state = _applied(
        catalog,
        jakarta,
        [("set_qubit_noise", {"qubit": 3, "t1_us": 80, "t2_us": 60}), ("set_qubit_noise", {"qubit": 3, "t1_us": -1})],
    )
    assert state.qubits[3].names() == ("t2_us",)
    state = apply_command(state, jakarta, catalog.scenarios, "set_qubit_noise", {"qubit": 3, "t2_us": -1.0})
    assert state == START


def test_reset_qubit_noise_without_a_qubit_clears_all(catalog: DeviceCatalog, jakarta: Device) -> None:
    commands = [("set_qubit_noise", {"qubit": qubit, "t1_us": 80}) for qubit in (1, 2)]
    assert _applied(catalog, jakarta, [*commands, ("reset_qubit_noise", {})]).qubits == {}
    assert list(_applied(catalog, jakarta, [*commands, ("reset_qubit_noise", {"qubit": 1})]).qubits) == [2]


@pytest.mark.parametrize(
    ("command_type", "payload", "loc"),
    [
        ("melt", {}, ("command_type",)),
        ("policy_update", {"gate_error_multiplier": -1.0}, ("payload", "gate_error_multiplier")),
        ("policy_update", {"gate_error_multiplier": math.nan}, ("payload", "gate_error_multiplier")),
        ("policy_update", {"gate_error_multiplier": math.inf}, ("payload", "gate_error_multiplier")),
        ("policy_update", {"gate_error_multiplier": "2"}, ("payload", "gate_error_multiplier")),
        ("policy_update", {"gate_error_multiplier": True}, ("payload", "gate_error_multiplier")),
        ("policy_update", {"exec_time_scale": 0}, ("payload", "exec_time_scale")),
        ("policy_update", {"gate_error_multiplier": 2.0, "unknown": 1}, ("payload", "unknown")),
        ("policy_update", {}, ("payload",)),
        ("set_qubit_noise", {"t1_us": 80}, ("payload", "qubit")),
        ("set_qubit_noise", {"qubit": 7, "t1_us": 80}, ("payload", "qubit")),
        ("set_qubit_noise", {"qubit": -1, "t1_us": 80}, ("payload", "qubit")),
        ("set_qubit_noise", {"qubit": True, "t1_us": 80}, ("payload", "qubit")),
        ("set_qubit_noise", {"qubit": 3}, ("payload",)),
        ("set_qubit_noise", {"qubit": 3, "t1_us": 0}, ("payload", "t1_us")),
        ("set_qubit_noise", {"qubit": 3, "readout_error": 1.5}, ("payload", "readout_error")),
        ("set_qubit_noise", {"qubit": 3, "gate_error": math.nan}, ("payload", "gate_error")),
        ("reset_qubit_noise", {"qubit": 7}, ("payload", "qubit")),
        ("set_scenario", {"scenario_name": "sunny"}, ("payload", "scenario_name")),
        ("set_scenario", {}, ("payload", "scenario_name")),
        ("set_pulse_schedule", {}, ("payload", "error_multiplier")),
        ("set_adc_gain", {"gate_error_multiplier": 1.0}, ("payload", "readout_error_multiplier")),
        ("reset", {"all": True}, ("payload", "all")),
    ],
)
def test_apply_refuses_and_names_the_field(
    catalog: DeviceCatalog, jakarta: Device, command_type: str, payload: dict[str, Any], loc: tuple[str, ...]
) -> None:
    with pytest.raises(CommandError) as caught:
        apply_command(START, jakarta, catalog.scenarios, command_type, payload)
    assert loc in [fault.loc for fault in caught.value.faults]


def test_cryo_temperature_and_explicit_multipliers(jakarta: Device) -> None:
    state = set_cryo(START, {"temperature_mk": 30.0})
    view = cryo_view(state, jakarta)
    assert (view["temperature_mk"], view["t1_multiplier"], view["t2_multiplier"]) == (30.0, 0.85, 0.85)
    state = set_cryo(state, {"t1_multiplier": 0.5})
    assert state.cryo.effective_t1_multiplier == 0.5
    assert state.cryo.effective_t2_multiplier == 0.85
    assert set_cryo(state, {"t1_multiplier": -1, "temperature_mk": -1}) == START


@pytest.mark.parametrize("payload", [{}, {"temperature_mk": 0}, {"temperature_mk": math.nan}, {"kelvin": 1}])
def test_cryo_refuses(payload: dict[str, Any]) -> None:
    with pytest.raises(CommandError):
        set_cryo(START, payload)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"channels": [7]},
        {"channels": [0, 0]},
        {"integration_time_ns": 0},
        {"thresholds": {"9": 0.5}},
        {"thresholds": {"zero": 0.5}},
        {"thresholds": {"0": 9.0}},
        {"gain": 1},
    ],
)
def test_readout_config_refuses(jakarta: Device, payload: dict[str, Any]) -> None:
    with pytest.raises(CommandError):
        set_readout_config(START, jakarta, payload)


def test_readout_config_reverts(jakarta: Device) -> None:
    state = set_readout_config(
        START, jakarta, {"channels": [0, 1, 2], "integration_time_ns": 1000, "thresholds": {"0": 0.5, "1": 0.6}}
    )
    assert state.readout_config.channels == (0, 1, 2)
    state = set_readout_config(state, jakarta, {"channels": -1, "integration_time_ns": -1, "thresholds": {"1": -1}})
    assert state.readout_config.channels is None
    assert state.readout_config.integration_time_ns is None
    assert state.readout_config.thresholds == {0: 0.5}
