"""Every link to one compiled decoder."""

from collections.abc import Iterator

import pytest

from bridge.links import make_link
from bridge.links.base import Deadlines, Link
from tests.bridge.boards import RunningBoard, running_board
from tests.bridge.memory import Memory, sampled_memory
from tests.tools import needs_simulator

LINK_NAMES = ("software", "verilated", "cocotb:verilator", "cocotb:icarus", "uart", "pynq:simulated")


@pytest.fixture(scope="session")
def memory() -> Memory:
    return sampled_memory(num_shots=400, seed=7)


@pytest.fixture(scope="session")
def uart_board(memory: Memory) -> Iterator[RunningBoard]:
    """The memory's decoder behind a pseudo-terminal."""
    with running_board(memory.decoder) as board:
        yield board


@pytest.fixture
def spare_board(memory: Memory) -> Iterator[RunningBoard]:
    """Another such board: a port is opened by one program at a time."""
    with running_board(memory.decoder) as board:
        yield board


@pytest.fixture(scope="module", params=LINK_NAMES)
def link(request: pytest.FixtureRequest, memory: Memory) -> Iterator[Link]:
    name = request.param
    needs_simulator(name)
    if name == "uart":
        name = f"uart:{request.getfixturevalue('uart_board').path}"
    made = make_link(name, memory.decoder, memory.problem, Deadlines(idle_cycles=2000, exchange_s=60))
    made.open()
    yield made
    made.close()


@pytest.fixture
def fresh_link(link: Link) -> Link:
    """The link, reset."""
    link.reset()
    return link
