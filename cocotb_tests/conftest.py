"""Both simulators for every test that asks for one."""

import pytest

from hdl.build import verilator_environment
from hdl.errors import ToolMissingError
from hdl.toolchain import require


@pytest.fixture(params=["icarus", "verilator"])
def simulator(request: pytest.FixtureRequest) -> str:
    """Name of a simulator that is installed; the test is skipped with the remedy when it is not."""
    name: str = request.param
    try:
        if name == "icarus":
            require("iverilog")
        else:
            verilator_environment()
    except ToolMissingError as error:
        pytest.skip(str(error))
    return name
