"""The self-test passes on a good decoder and names the stage at which a bad one fails."""

from collections.abc import Callable

import numpy as np
import pytest

from bridge.links import make_link
from bridge.links.base import Deadlines, Link, LinkInfo
from bridge.selftest import Outcome, Subject, run_selftest
from hdl.registers.map import Address
from qds1.shots import Words
from tests.bridge.boards import RunningBoard
from tests.bridge.memory import Memory

STAGES = ["open", "identity", "registers", "loopback", "known shots", "throughput", "error counters"]


class DoctoredLink:
    """A link to the software decoder, with something wrong at the other end."""

    def __init__(
        self,
        link: Link,
        read: Callable[[int, int], int] = lambda _address, value: value,
        answer: Callable[[Words], Words] = lambda words: words,
    ) -> None:
        self._link = link
        self._read = read
        self._answer = answer

    def open(self) -> LinkInfo:
        return self._link.open()

    def exchange(self, words: Words, num_answers: int) -> Words:
        return self._answer(self._link.exchange(words, num_answers))

    def read_register(self, address: int) -> int:
        return self._read(address, self._link.read_register(address))

    def write_register(self, address: int, value: int) -> None:
        self._link.write_register(address, value)

    def reset(self) -> None:
        self._link.reset()

    def close(self) -> None:
        self._link.close()

    def abort(self) -> None:
        self._link.abort()


def outcomes(link: Link, memory: Memory) -> list[Outcome]:
    return list(run_selftest(Subject(link, memory.decoder)))


def software(memory: Memory) -> Link:
    return make_link("software", memory.decoder, memory.problem, Deadlines())


def instead(wanted: Address, value: int) -> Callable[[int, int], int]:
    return lambda address, found: value if address == wanted else found


def test_a_good_decoder_passes_every_stage(memory: Memory) -> None:
    found = outcomes(software(memory), memory)
    assert [outcome.stage for outcome in found] == STAGES
    assert all(outcome.passed and not outcome.remedy for outcome in found)
    assert found[4].finding == "200 decoded as in software"


def test_a_board_on_a_serial_line_passes_every_stage(memory: Memory, spare_board: RunningBoard) -> None:
    link = make_link(f"uart:{spare_board.path}", memory.decoder, memory.problem, Deadlines())
    found = outcomes(link, memory)
    assert [(outcome.stage, outcome.passed) for outcome in found] == [(stage, True) for stage in STAGES], found


def test_a_noisy_line_is_found_out_by_its_counters(memory: Memory, spare_board: RunningBoard) -> None:
    name = f"faulty:ber=3e-4,seed=4/uart:{spare_board.path}"
    found = outcomes(make_link(name, memory.decoder, memory.problem, Deadlines()), memory)
    assert [outcome.stage for outcome in found] == STAGES
    assert [outcome.passed for outcome in found] == [True] * 6 + [False]
    assert "had to be sent again" in found[-1].finding
    assert "LINK_BAD_CRC" in found[-1].remedy


@pytest.mark.parametrize(
    ("stage", "read", "remedy"),
    [
        ("identity", instead(Address.GRAPH_HASH, 0x1234), "load the bitstream"),
        ("identity", instead(Address.VERSION, 2 << 16), "load the bitstream"),
        ("identity", instead(Address.ID, 0), "load the bitstream"),
        ("registers", instead(Address.NUM_DATA_QUBITS, 9), "compile the decoder"),
        ("registers", instead(Address.CONTROL, 0), "CONTROL.enable"),
        ("loopback", lambda address, value: value | 0x100 if address == Address.SCRATCH else value, "stuck or swapped"),
        ("error counters", instead(Address.COUNT_FAULTS, 3), "STATUS.last_fault"),
    ],
)
def test_a_bad_register_fails_its_stage_with_a_remedy(
    memory: Memory, stage: str, read: Callable[[int, int], int], remedy: str
) -> None:
    last = outcomes(DoctoredLink(software(memory), read=read), memory)[-1]
    assert (last.stage, last.passed) == (stage, False)
    assert remedy in last.remedy


def test_wrong_flips_fail_the_known_shots(memory: Memory) -> None:
    def flipped(words: Words) -> Words:
        changed = words.copy()
        changed[1 :: 4 * 50] ^= 1  # the flips of every fiftieth answer
        return changed

    last = outcomes(DoctoredLink(software(memory), answer=flipped), memory)[-1]
    assert (last.stage, last.passed) == ("known shots", False)
    assert last.finding.startswith("4 of 200 shots")


def test_lost_answers_fail_the_known_shots(memory: Memory) -> None:
    last = outcomes(DoctoredLink(software(memory), answer=lambda words: np.delete(words, np.s_[:4])), memory)[-1]
    assert (last.stage, last.passed) == ("known shots", False)
    assert "reset" in last.remedy
