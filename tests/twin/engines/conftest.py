"""The shipped devices."""

from __future__ import annotations

import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.commands import apply_command
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, compose
from twin.settings import default_config_dir


@pytest.fixture(scope="session")
def catalog() -> DeviceCatalog:
    return DeviceCatalog.load(default_config_dir())


@pytest.fixture(scope="session")
def jakarta(catalog: DeviceCatalog) -> Device:
    return catalog.devices["ibm_jakarta_like"]


@pytest.fixture(scope="session")
def quiet(catalog: DeviceCatalog) -> NoiseSnapshot:
    """`jakarta` without noise."""
    return noiseless(catalog, "ibm_jakarta_like")


def noiseless(catalog: DeviceCatalog, backend_id: str) -> NoiseSnapshot:
    """A shipped device without errors and, as good as, without decay."""
    device, state = catalog.devices[backend_id], ControllerState()
    none = {"gate_error_multiplier": 0.0, "readout_error_multiplier": 0.0}
    state = apply_command(state, device, catalog.scenarios, "inject_noise_override", none)
    perfect = {"t1_us": 1e9, "t2_us": 1e9, "readout_error": 0.0, "gate_error": 0.0}
    for qubit in range(device.n_qubits):
        state = apply_command(state, device, catalog.scenarios, "set_qubit_noise", {"qubit": qubit, **perfect})
    return compose(device, catalog.scenarios, state)
