"""A decoder that answers shots twice: the links say so, and none waits for its deadline (uart: its delivery)."""

from collections.abc import Mapping

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
ONCE = r"each shot is answered once"
ALL, SOME = "answers all twice", "answers twice"  # the latter one shot in a hundred


@pytest.fixture(scope="module")
def decoders(memory: Memory, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Decoder]:
    folder = tmp_path_factory.mktemp("twice")
    found = {ailment: ailing_decoder(memory.problem, folder / ailment, ailment) for ailment in (ALL, SOME)}
    return {ailment: find_decoder(str(made.path), memory.problem) for ailment, made in found.items()}


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


@pytest.mark.parametrize(
    ("ailment", "name"),
    [
        (ALL, "verilated"),
        (SOME, "verilated"),
        (ALL, "cocotb:verilator"),
        (ALL, "faulty:stall=0.1/verilated"),
        (ALL, "pynq:simulated"),
    ],
)
def test_second_answers_are_called_so(decoders: Mapping[str, Decoder], memory: Memory, ailment: str, name: str) -> None:
    if name.startswith("pynq"):
        pytest.importorskip("grpc", reason="pynq is not installed: pip install 'qtwin[pynq]'")
    made = make_link(name, decoders[ailment], memory.problem, DEADLINES)
    with OpenedLink(made) as opened, pytest.raises(ProtocolError, match=ONCE):
        stream(opened.link, memory)


def test_second_answers_in_one_large_packet_are_called_so(decoders: Mapping[str, Decoder], memory: Memory) -> None:
    pytest.importorskip("grpc", reason="pynq is not installed: pip install 'qtwin[pynq]'")
    made = make_link("pynq:simulated", decoders[ALL], memory.problem, DEADLINES)
    with (
        OpenedLink(made) as opened,
        pytest.raises(ProtocolError, match="400 answers came before"),
    ):
        opened.link.exchange(memory.words.ravel(), len(memory.words))


def test_second_answers_to_shots_one_at_a_time_are_called_so(decoders: Mapping[str, Decoder], memory: Memory) -> None:
    made = make_link("verilated", decoders[ALL], memory.problem, DEADLINES)
    with OpenedLink(made) as opened, pytest.raises(ProtocolError, match=ONCE):
        stream(opened.link, memory, one_at_a_time=True)
