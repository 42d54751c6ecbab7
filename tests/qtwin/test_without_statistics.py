"""A decoder built without statistics: made by the commands, and taken by the loop, the bench and the selftest."""

import json
import re
from typing import Any

import pytest

from bridge.counters import read_counters
from bridge.errors import RegisterError
from hdl.registers.map import Address
from tests.qtwin.conftest import Qtwin
from tests.qtwin.test_bench import run

SESSION = ("--code", "repetition", "--noise", "uniform:0.02")
SHOTS = ("--shots", "600", "--seed", "4")


@pytest.fixture
def small(qtwin: Qtwin) -> str:
    """Its folder. The board is one whose project is written without running any tool."""
    done = run(qtwin, "bitstream", "--board", "arty_a7", *SESSION, "--without", "statistics", "-o", "arty")
    assert done.exit_code == 0, done.stderr
    assert "| statistics | left out |" in done.stdout
    assert "cd arty && vivado -mode batch -source build.tcl" in done.stdout
    return str(qtwin.folder / "arty" / "decoder")


def test_the_loop_gives_the_same_and_reports_what_is_not_counted(qtwin: Qtwin, small: str) -> None:
    found: dict[str, dict[str, Any]] = {}
    for decoder in ("table", small):
        outcome = qtwin.loop("--decoder", decoder, *SESSION, *SHOTS)
        assert outcome.code == 0, outcome.errors
        assert outcome.result is not None
        found[decoder] = outcome.result
    assert found[small]["digests"] == found["table"]["digests"]
    assert found[small]["qec_metrics"]["logical_errors"] > 0
    assert found[small]["decoder_metrics"]["latency_cycles"]["max"] == 4
    counters = [(found[name]["decoder_metrics"]["stalls"], found[name]["decoder_metrics"]["faults"]) for name in found]
    assert counters == [(0, 0), (None, None)]


def test_the_bench_and_the_selftest_take_it(qtwin: Qtwin, small: str) -> None:
    arguments = ("--max-shots", "2000", "--max-errors", "0", "--batch", "1000", "--workers", "1", "--run", "swept")
    done = run(qtwin, "bench", "--decoder", small, "--distance", "3", *SESSION, *arguments)
    assert done.exit_code == 0, done.stderr
    (point,) = json.loads((qtwin.folder / "swept" / "summary.json").read_text())["points"]
    assert point["counts"]["shots"] == 2000
    assert not point["counts"].keys() & {"stalls", "faults"}
    done = run(qtwin, "selftest", "--decoder", small, *SESSION, "--link", "verilated")
    assert done.exit_code == 0, done.stdout
    assert re.search(r"error counters +faults are not counted", done.stdout)


class Registers:
    """A link with these registers; remembers what was read."""

    def __init__(self, **words: int) -> None:
        self._words = {Address[name]: word for name, word in words.items()}
        self.read: list[Address] = []

    def read_register(self, address: int) -> int:
        self.read.append(Address(address))
        if address not in self._words:
            raise RegisterError("there is none")
        return self._words[Address(address)]


def test_counters_are_asked_for_where_they_may_be() -> None:
    without = Registers(FEATURES=0b10)
    assert read_counters(without) == {"stalls": None, "faults": None}  # type: ignore[arg-type]
    assert without.read == [Address.FEATURES]  # a bus may answer a read of what is not there with a fault
    counting = Registers(FEATURES=0x2000, COUNT_STALLS=3, COUNT_FAULTS=0)
    assert read_counters(counting) == {"stalls": 3, "faults": 0}  # type: ignore[arg-type]
    assert read_counters(Registers(COUNT_FAULTS=1)) == {"stalls": None, "faults": 1}  # type: ignore[arg-type]


@pytest.mark.parametrize("command", [("bitstream", "--board", "hx8k"), ("compile", "memory.dem", "-o", "decoder")])
def test_what_cannot_be_left_out_is_refused(qtwin: Qtwin, command: tuple[str, ...]) -> None:
    done = run(qtwin, *command, "--without", "statistic")
    assert done.exit_code == 2
    assert "--without 'statistic': expected statistics; did you mean 'statistics'?" in done.stderr
