"""The execution-time model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.commands import apply_command
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import compose
from twin.engines import execute, modelled_time, prepare

BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'


def test_bell_takes_what_the_calibration_says(catalog: DeviceCatalog, jakarta: Device) -> None:
    """sx 35.56 + cx 234.7 + readout 5518.2 ns a shot, and a reset of 5553.8 ns before the next; half a second once."""
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    result = execute(prepare(BELL, jakarta), snapshot, 1000, seed=1)
    assert result.duration_ns == pytest.approx(35.56 + 234.7 + 5518.2)
    expected_s = 0.5 + 1000 * (35.56 + 234.7 + 5518.2 + 5553.8) * 1e-9
    assert modelled_time([result], snapshot, jakarta).execution_s == pytest.approx(expected_s)
    assert modelled_time([result], snapshot, jakarta).hold_s == 0.0


def test_scales_stretch_and_hold(catalog: DeviceCatalog, jakarta: Device) -> None:
    state = apply_command(
        ControllerState(), jakarta, catalog.scenarios, "inject_noise_override", {"exec_time_scale": 2.0}
    )
    snapshot = compose(jakarta, catalog.scenarios, state)
    result = execute(prepare(BELL, jakarta), snapshot, 1000, seed=1)
    real_time = replace(jakarta, scheduler=replace(jakarta.scheduler, exec_time_scale=1.0))
    modelled = modelled_time([result], snapshot, real_time, simulated_s=0.25)
    assert modelled.execution_s == pytest.approx(2 * (0.5 + 1000 * 11342.26e-9))
    assert modelled.hold_s == pytest.approx(modelled.execution_s - 0.25)
