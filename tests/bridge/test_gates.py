"""What Yosys makes of a decoder for a board, simulated gate by gate on its serial line, answers as in software."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from bridge.boards.uart_line import gates_line
from bridge.boards.uart_port import SimulatedPort
from bridge.decoders import Decoder, find_decoder
from bridge.errors import RegisterError
from bridge.links import make_link
from bridge.links.base import Deadlines, Link
from hdl.boards.bitstream import build_bitstream
from hdl.boards.board import find_board
from hdl.errors import ToolMissingError
from hdl.registers.map import FEATURES_NO_STATISTICS, Address, LinkAddress
from qds1 import decode_corrections
from qds1.shots import Words
from tests.bridge.boards import STOP_S
from tests.bridge.memory import Memory
from tests.bridge.surface import event_words, surface_problem, take_events

TIMEOUT_S = 1500
TABLE_CYCLES = 4
SLOWLY = Deadlines(exchange_s=600, register_s=120)
"""A loaded machine simulates some ten bytes of the line a second."""


@contextmanager
def link_to_gates(board_name: str, decoder: Decoder, *, statistics: bool = True) -> Iterator[Link]:
    """A link to the netlist of a board's bitstream behind a pseudo-terminal."""
    board = find_board(board_name)
    assert decoder.folder is not None
    try:
        bitstream = build_bitstream(board, decoder.folder, statistics=statistics)
    except ToolMissingError as error:
        pytest.skip(str(error))
    stopped = threading.Event()
    with SimulatedPort(gates_line(bitstream)) as port:
        thread = threading.Thread(target=port.serve, args=(stopped.is_set,))
        thread.start()
        link = make_link(f"uart:{port.path},baud={bitstream.clock.baud}", decoder, decoder.problem, SLOWLY)
        try:
            link.open()
            yield link
        finally:
            link.close()
            stopped.set()
            thread.join(STOP_S)


def check(link: Link, decoder: Decoder, words: Words, software_link: Link) -> None:
    """Identity, the shots' flips, and a line without errors."""
    assert link.read_register(Address.GRAPH_HASH) == decoder.graph_hash
    answers = decode_corrections(link.exchange(words.ravel(), len(words)), 1)
    expected = decode_corrections(software_link.exchange(words.ravel(), len(words)), 1)
    assert answers.tags.tolist() == list(range(len(words)))
    np.testing.assert_array_equal(answers.flips, expected.flips)
    assert 0 < np.count_nonzero(answers.flips) < len(words)
    if decoder.name.startswith("table"):
        assert set(answers.latency_cycles.tolist()) == {TABLE_CYCLES}
    if FEATURES_NO_STATISTICS.get(link.read_register(Address.FEATURES)):
        with pytest.raises(RegisterError, match="no such register"):
            link.read_register(Address.COUNT_SHOTS)
    else:
        assert link.read_register(Address.COUNT_SHOTS) == len(words)
    counters = (LinkAddress.LINK_BAD_CRC, LinkAddress.LINK_BAD_FRAMES, LinkAddress.LINK_FRAMING_ERRORS)
    assert [link.read_register(counter) for counter in counters] == [0, 0, 0]


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize(
    ("board", "shots"),
    [("ulx3s", 24), pytest.param("hx8k", 100, marks=pytest.mark.slow)],
)
def test_gates_of_the_smallest_decoder_answer_as_software(board: str, shots: int, memory: Memory) -> None:
    software = make_link("software", memory.decoder, memory.problem, Deadlines())
    software.open()
    with link_to_gates(board, memory.decoder) as link:
        check(link, memory.decoder, memory.words[:shots], software)


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("board", ["icebreaker", "colorlight_i5"])
def test_gates_without_statistics_answer_as_software(board: str, memory: Memory) -> None:
    software = make_link("software", memory.decoder, memory.problem, Deadlines())
    software.open()
    with link_to_gates(board, memory.decoder, statistics=False) as link:
        check(link, memory.decoder, memory.words[:24], software)


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("name", ["table", "union-find", "union-find:loadable"])
def test_gates_of_the_surface_code_answer_as_software(name: str) -> None:
    decoder = find_decoder(name, surface_problem(3))
    software = make_link("software", decoder, decoder.problem, Deadlines())
    software.open()
    with link_to_gates("ulx3s", decoder) as link:
        check(take_events(link), decoder, event_words(3, 100, seed=5), take_events(software))
