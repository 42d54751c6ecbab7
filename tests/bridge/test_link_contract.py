"""What every link must do, on every link."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.errors import DecoderSilentError, LinkError, RegisterError
from bridge.links import make_link
from bridge.links.base import Deadlines, Link
from hdl.compile.table import joint_distribution
from hdl.registers.map import ID_VALUE, Address
from qds1 import FaultCode, Kind, Message, decode_corrections, encode, parse
from tests.bridge.memory import Memory
from tests.tools import needs_simulator

UNKNOWN_KIND = 0x55
SCRATCH_VALUE = 0xDEADBEEF
UNMAPPED_ADDRESS = 0x7FC


def exact_flips(memory: Memory) -> NDArray[np.uint8]:
    """The likeliest flips given each shot's syndrome, from the error model's joint distribution."""
    graph = memory.problem.graph
    syndromes = graph.defects(memory.events) @ (1 << np.arange(graph.num_vertices))
    likeliest: NDArray[np.intp] = joint_distribution(graph)[:, syndromes].argmax(axis=0)
    return likeliest[:, None].astype(np.uint8)


def test_every_shot_is_answered_in_order_with_the_likeliest_flips(fresh_link: Link, memory: Memory) -> None:
    answers = decode_corrections(fresh_link.exchange(memory.words.ravel(), len(memory.words)), 1)
    assert answers.tags.tolist() == list(range(len(memory.words)))
    np.testing.assert_array_equal(answers.flips, exact_flips(memory))
    assert 0 < np.count_nonzero(answers.flips) < len(memory.words)


def test_answers_do_not_depend_on_how_shots_are_cut_into_calls(fresh_link: Link, memory: Memory) -> None:
    whole = fresh_link.exchange(memory.words.ravel(), len(memory.words))
    fresh_link.reset()
    pieces = [fresh_link.exchange(part.ravel(), len(part)) for part in np.split(memory.words, [1, 3, 50, 51, 200])]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_message_may_be_cut_between_calls(fresh_link: Link, memory: Memory) -> None:
    words = memory.words[:2].ravel()
    assert fresh_link.exchange(words[:5], 0).size == 0
    answers = decode_corrections(fresh_link.exchange(words[5:], 2), 1)
    np.testing.assert_array_equal(answers.flips, exact_flips(memory)[:2])


def test_clocked_links_report_the_same_fixed_latency(memory: Memory, fresh_link: Link) -> None:
    answers = decode_corrections(fresh_link.exchange(memory.words.ravel(), len(memory.words)), 1)
    info_is_clocked = not type(fresh_link).__name__.startswith("Software")
    assert set(answers.latency_cycles.tolist()) == ({4} if info_is_clocked else {0})


def test_registers_tell_who_the_decoder_is(fresh_link: Link, memory: Memory) -> None:
    assert fresh_link.read_register(Address.ID) == ID_VALUE
    assert fresh_link.read_register(Address.GRAPH_HASH) == memory.problem.graph.graph_hash
    assert fresh_link.read_register(Address.NUM_STABILIZERS) == 2
    assert fresh_link.read_register(Address.NUM_DATA_QUBITS) == 3
    assert fresh_link.read_register(Address.MAX_ROUNDS) == 3


def test_register_keeps_what_was_written(fresh_link: Link) -> None:
    fresh_link.write_register(Address.SCRATCH, SCRATCH_VALUE)
    assert fresh_link.read_register(Address.SCRATCH) == SCRATCH_VALUE


def test_unmapped_register_is_refused(fresh_link: Link) -> None:
    with pytest.raises(RegisterError, match="0x7fc"):
        fresh_link.read_register(UNMAPPED_ADDRESS)
    assert fresh_link.read_register(Address.ID) == ID_VALUE


def test_read_message_is_answered_with_data(fresh_link: Link) -> None:
    words = encode([Message(Kind.WRITE, 9, (Address.SCRATCH, 17)), Message(Kind.READ, 9, (Address.SCRATCH,))])
    assert parse(fresh_link.exchange(words, 1)) == [Message(Kind.DATA, 9, (Address.SCRATCH, 17))]


def test_unknown_kind_is_a_fault_and_the_next_shot_is_decoded(fresh_link: Link, memory: Memory) -> None:
    bad = np.array([UNKNOWN_KIND | 77 << 16], dtype=np.uint32)
    answers = parse(fresh_link.exchange(np.concatenate([bad, memory.words[0]]), 2))
    assert answers[0].kind == Kind.FAULT
    assert answers[0].payload == (FaultCode.UNKNOWN_KIND, int(bad[0]))
    assert answers[1].kind == Kind.CORRECTION
    assert answers[1].payload[0] == exact_flips(memory)[0, 0]
    assert fresh_link.read_register(Address.COUNT_FAULTS) == 1


def test_data_before_the_last_round_is_a_fault(fresh_link: Link, memory: Memory) -> None:
    early = memory.words[0][np.r_[0:2, 6:8]]  # one round, then the final readout
    answers = parse(fresh_link.exchange(np.concatenate([early, memory.words[1]]), 2))
    assert [answer.kind for answer in answers] == [Kind.FAULT, Kind.CORRECTION]
    assert answers[0].payload[0] == FaultCode.ILLEGAL_NOW
    assert answers[1].payload[0] == exact_flips(memory)[1, 0]


def test_a_new_tag_abandons_the_shot_in_progress_and_counts_it(fresh_link: Link, memory: Memory) -> None:
    abandoned = memory.words[0][:4]
    answers = parse(fresh_link.exchange(np.concatenate([abandoned, memory.words[1]]), 1))
    assert [(answer.kind, answer.tag) for answer in answers] == [(Kind.CORRECTION, 1)]
    assert answers[0].payload[0] == exact_flips(memory)[1, 0]
    assert fresh_link.read_register(Address.COUNT_ABANDONED) == 1
    assert fresh_link.read_register(Address.COUNT_SHOTS) == 1


def test_reset_forgets_the_shot_in_progress(fresh_link: Link, memory: Memory) -> None:
    fresh_link.exchange(memory.words[0][:3], 0)
    fresh_link.reset()
    answers = decode_corrections(fresh_link.exchange(memory.words[2], 1), 1)
    assert answers.flips[0, 0] == exact_flips(memory)[2, 0]
    assert fresh_link.read_register(Address.COUNT_ABANDONED) == 0


def test_waiting_for_more_answers_than_shots_ends_with_a_count(fresh_link: Link, memory: Memory) -> None:
    with pytest.raises(DecoderSilentError, match="2 of 3 answers"):
        fresh_link.exchange(memory.words[:2].ravel(), 3)


@pytest.mark.parametrize("name", ["software", "verilated", "cocotb:verilator", "uart", "pynq:simulated"])
def test_link_that_is_closed_refuses_words(name: str, memory: Memory, request: pytest.FixtureRequest) -> None:
    needs_simulator(name)
    if name == "uart":
        name = f"uart:{request.getfixturevalue('spare_board').path}"
    made = make_link(name, memory.decoder, memory.problem, Deadlines())
    with pytest.raises(LinkError, match="not open"):
        made.exchange(memory.words[0], 1)
    made.open()
    made.close()
    made.close()
    with pytest.raises(LinkError, match="not open"):
        made.exchange(memory.words[0], 1)
