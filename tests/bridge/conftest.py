"""Every link to one compiled decoder."""

from collections.abc import Iterator

import pytest

from bridge.links import make_link
from bridge.links.base import Deadlines, Link
from hdl.build import find_icarus
from hdl.errors import ToolMissingError
from tests.bridge.memory import Memory, sampled_memory

LINK_NAMES = ("software", "verilated", "cocotb:verilator", "cocotb:icarus")


@pytest.fixture(scope="session")
def memory() -> Memory:
    return sampled_memory(num_shots=400, seed=7)


@pytest.fixture(scope="module", params=LINK_NAMES)
def link(request: pytest.FixtureRequest, memory: Memory) -> Iterator[Link]:
    if request.param == "cocotb:icarus":
        try:
            find_icarus()
        except ToolMissingError as error:
            pytest.skip(str(error))
    made = make_link(request.param, memory.decoder, memory.problem, Deadlines(idle_cycles=2000, exchange_s=60))
    made.open()
    yield made
    made.close()


@pytest.fixture
def fresh_link(link: Link) -> Link:
    """The link, reset."""
    link.reset()
    return link
