"""A decoder that answers every shot twice: the links say so, and none waits for its deadline (uart: its delivery)."""

import pytest

from bridge.answers import checked_corrections
from bridge.decoders import Decoder, find_decoder
from bridge.errors import ProtocolError
from bridge.links import make_link
from bridge.links.base import Deadlines, Link, OpenedLink, TimedLink
from tests.bridge.ailing import ailing_decoder
from tests.bridge.memory import Memory

DEADLINES = Deadlines(idle_cycles=2000, exchange_s=60, register_s=10)
CHUNK = 100
ONCE = r"each (shot is answered once|answer must carry its shot's tag)"


@pytest.fixture(scope="module")
def decoder(memory: Memory, tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    folder = ailing_decoder(memory.problem, tmp_path_factory.mktemp("twice") / "decoder", "answers twice")
    return find_decoder(str(folder.path), memory.problem)


def stream(link: Link, memory: Memory, *, one_at_a_time: bool = False) -> None:
    """All shots in chunks, as a loop or a sweep moves them."""
    for first in range(0, len(memory.words), CHUNK):
        words = memory.words[first : first + CHUNK].ravel()
        if one_at_a_time:
            assert isinstance(link, TimedLink)
            answers, _ = link.exchange_timed(words, CHUNK, max_in_flight=1)
        else:
            answers = link.exchange(words, CHUNK)
        checked_corrections(answers, first, CHUNK, 1)


@pytest.mark.parametrize("name", ["verilated", "cocotb:verilator", "faulty:stall=0.1/verilated", "pynq:simulated"])
def test_second_answers_are_called_so(decoder: Decoder, memory: Memory, name: str) -> None:
    if name.startswith("pynq"):
        pytest.importorskip("grpc", reason="pynq is not installed: pip install 'qtwin[pynq]'")
    made = make_link(name, decoder, memory.problem, DEADLINES)
    with OpenedLink(made) as opened, pytest.raises(ProtocolError, match=ONCE):
        stream(opened.link, memory)


def test_second_answers_to_shots_one_at_a_time_are_called_so(decoder: Decoder, memory: Memory) -> None:
    made = make_link("verilated", decoder, memory.problem, DEADLINES)
    with OpenedLink(made) as opened, pytest.raises(ProtocolError, match=ONCE):
        stream(opened.link, memory, one_at_a_time=True)
