"""The shipped devices."""

from __future__ import annotations

import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.device import Device
from twin.settings import default_config_dir


@pytest.fixture(scope="session")
def catalog() -> DeviceCatalog:
    return DeviceCatalog.load(default_config_dir())


@pytest.fixture(scope="session")
def jakarta(catalog: DeviceCatalog) -> Device:
    return catalog.devices["ibm_jakarta_like"]
