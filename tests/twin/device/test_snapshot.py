"""The four levels of noise, composed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.commands import apply_command, set_cryo
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, compose

Commands = list[tuple[str, dict[str, Any]]]


def _snapshot(
    catalog: DeviceCatalog, device: Device, commands: Commands, cryo: dict[str, Any] | None = None
) -> NoiseSnapshot:
    state = ControllerState()
    for command_type, payload in commands:
        state = apply_command(state, device, catalog.scenarios, command_type, payload)
    if cryo:
        state = set_cryo(state, cryo)
    return compose(device, catalog.scenarios, state)


def test_compose_without_changes_is_the_file(catalog: DeviceCatalog, jakarta: Device) -> None:
    snapshot = _snapshot(catalog, jakarta, [])
    for noise, file in zip(snapshot.qubits, jakarta.qubits, strict=True):
        assert (noise.t1_us, noise.t2_us, noise.calibrated_gate_error) == (file.t1_us, file.t2_us, file.gate_error)
        assert noise.readout_error == pytest.approx(file.readout_error)
    assert snapshot.edges[3, 5].calibrated_error == 0.006582


def test_levels_multiply_in_order(catalog: DeviceCatalog, jakarta: Device) -> None:
    commands: Commands = [
        ("set_scenario", {"scenario_name": "noisy_day"}),  # t1 0.7, t2 0.6, gates 2.0, readout 1.5
        ("policy_update", {"gate_error_multiplier": 3.0, "readout_error_multiplier": 0.5}),
    ]
    snapshot = _snapshot(catalog, jakarta, commands, {"temperature_mk": 30})  # 0.85
    file, noise = jakarta.qubits[0], snapshot.qubits[0]
    assert noise.t1_us == pytest.approx(file.t1_us * 0.7 * 0.85)
    assert noise.t2_us == pytest.approx(file.t2_us * 0.6 * 0.85)
    assert noise.calibrated_gate_error == pytest.approx(file.gate_error * 6)
    assert noise.prob_meas1_prep0 == pytest.approx(file.prob_meas1_prep0 * 0.75)
    assert noise.prob_meas0_prep1 > file.prob_meas0_prep1 * 0.75 * 1.1  # T1 is shorter
    assert snapshot.edges[0, 1].calibrated_error == pytest.approx(0.008914 * 6)


def test_override_is_absolute(catalog: DeviceCatalog, jakarta: Device) -> None:
    override = {"qubit": 3, "t1_us": 80.0, "t2_us": 60.0, "readout_error": 0.05, "gate_error": 0.002}
    commands: Commands = [
        ("set_qubit_noise", override),
        ("set_scenario", {"scenario_name": "noisy_day"}),
        ("inject_noise_override", {"gate_error_multiplier": 9.0, "readout_error_multiplier": 9.0}),
    ]
    noise = _snapshot(catalog, jakarta, commands, {"temperature_mk": 100}).qubits[3]
    assert (noise.t1_us, noise.t2_us) == (80.0, 60.0)
    assert noise.gate_error == pytest.approx(0.002)
    assert noise.readout_error == pytest.approx(0.05)
    assert noise.prob_meas1_prep0 / noise.prob_meas0_prep1 == pytest.approx(0.0114 / 0.0392)
    assert noise.overridden == ("t1_us", "t2_us", "readout_error", "gate_error")


@pytest.mark.parametrize("mean", [0.0, 0.3, 0.7, 1.0])
def test_readout_override_keeps_its_mean(catalog: DeviceCatalog, jakarta: Device, mean: float) -> None:
    noise = _snapshot(catalog, jakarta, [("set_qubit_noise", {"qubit": 0, "readout_error": mean})]).qubits[0]
    assert noise.readout_error == pytest.approx(mean)
    assert 0 <= noise.prob_meas1_prep0 <= 1
    assert 0 <= noise.prob_meas0_prep1 <= 1


def test_t2_is_clamped_to_twice_t1(catalog: DeviceCatalog, jakarta: Device) -> None:
    noise = _snapshot(catalog, jakarta, [("set_qubit_noise", {"qubit": 0, "t1_us": 10.0, "t2_us": 60.0})]).qubits[0]
    assert noise.t2_us == 20.0


def test_snapshot_id_is_the_content(catalog: DeviceCatalog, jakarta: Device) -> None:
    first = _snapshot(catalog, jakarta, [])
    assert first.snapshot_id == _snapshot(catalog, jakarta, [("reset", {})]).snapshot_id
    changed = _snapshot(catalog, jakarta, [("set_qubit_noise", {"qubit": 0, "t1_us": 81.0})])
    assert changed.snapshot_id != first.snapshot_id
    again = NoiseSnapshot.from_dict(json.loads(json.dumps(changed.to_dict())))
    assert again == changed
    assert again.to_dict() == changed.to_dict()


def test_drift_multiplier_worsens_everything(catalog: DeviceCatalog, jakarta: Device) -> None:
    base = _snapshot(catalog, jakarta, [])
    worse = _snapshot(catalog, jakarta, [("policy_update", {"drift_multiplier": 2.0})])
    assert worse.qubits[1].calibrated_gate_error == pytest.approx(2 * base.qubits[1].calibrated_gate_error)
    assert worse.qubits[1].gate_error > 1.9 * base.qubits[1].gate_error
    assert worse.qubits[1].t1_us == pytest.approx(base.qubits[1].t1_us / 2)
    assert worse.qubits[1].drift_multiplier == pytest.approx(2.0)


def test_deleted_scenario_counts_as_none(catalog: DeviceCatalog, jakarta: Device) -> None:
    state = apply_command(ControllerState(), jakarta, catalog.scenarios, "set_scenario", {"scenario_name": "noisy_day"})
    assert compose(jakarta, {}, state).qubits == compose(jakarta, {}, ControllerState()).qubits
