"""`qtwin board --uart` as a user runs it: a process with a serial port, and `qtwin loop` and `qtwin selftest` on it."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.loop import LoopSettings
from qtwin.boards import loop_options
from qtwin.cli import app
from qtwin.embedded import TwinAddress
from tests.qtwin.conftest import Qtwin

WAIT_S = 240.0
PROBLEM = ("--code", "surface", "--noise", "uniform:0.01")
SAME = (*PROBLEM, "--shots", "300", "--seed", "11")


@dataclass(frozen=True)
class Board:
    """A board in a process of its own."""

    process: subprocess.Popen[bytes]
    port: Path
    log: Path


@pytest.fixture(scope="module")
def board(twin: TwinAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    folder = tmp_path_factory.mktemp("board")
    port = folder / "port"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "qtwin", "board", "--uart", *PROBLEM, "--port", str(port), "--clocks-per-bit", "4"],
            env=Qtwin(twin, folder).environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + WAIT_S
        while not port.exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield Board(process, port, folder / "log")
    finally:
        process.kill()
        process.wait(WAIT_S)


def test_results_and_latencies_are_those_of_the_other_links_however_the_host_cuts_and_the_line_errs(
    qtwin: Qtwin, board: Board
) -> None:
    found = {}
    for name, arguments in {
        "verilated": ("--link", "verilated"),
        "uart": ("--link", f"uart:{board.port}"),
        "small chunks": ("--link", f"uart:{board.port}", "--chunk", "7"),
        "noisy": ("--link", f"faulty:ber=2e-4,seed=3/uart:{board.port}"),
    }.items():
        outcome = qtwin.loop(*SAME, *arguments)
        assert outcome.code == 0, outcome.errors
        assert outcome.result is not None
        found[name] = outcome.result
    for result in found.values():
        assert result["digests"] == found["verilated"]["digests"]
        assert result["decoder_metrics"]["latency_cycles"] == found["verilated"]["decoder_metrics"]["latency_cycles"]
    assert [found[name]["decoder_metrics"]["repeats"] for name in ("uart", "small chunks")] == [0, 0]
    assert found["noisy"]["decoder_metrics"]["repeats"] > 0
    assert found["uart"]["decoder_metrics"]["link"] == "uart"


def test_the_board_says_how_it_is_used(board: Board) -> None:
    assert f"use it: qtwin loop --noise uniform:0.01 --link uart:{board.port}\n" in board.log.read_text()


def test_another_bitstream_than_the_sessions_is_refused(qtwin: Qtwin, board: Board) -> None:
    outcome = qtwin.loop("--code", "repetition", "--shots", "10", "--link", f"uart:{board.port}")
    assert outcome.code == 1
    assert "was built for graph 0x" in outcome.message
    assert "load the new bitstream onto a board" in outcome.message
    assert "Traceback" not in outcome.message


def test_selftest_of_the_board(qtwin: Qtwin, board: Board) -> None:
    def selftest(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["selftest", *arguments], env=qtwin.environment())
        return done.exit_code, done.stdout

    code, output = selftest(*PROBLEM, "--link", f"uart:{board.port}")
    assert (code, output.count("ok "), output.count("FAILED")) == (0, 7, 0), output
    code, output = selftest("--code", "repetition", "--link", f"uart:{board.port}")
    assert code == 1
    assert "FAILED identity" in output
    assert "what to do: load the bitstream" in output


def test_board_ends_cleanly_and_takes_its_port_away(board: Board) -> None:
    board.process.send_signal(signal.SIGTERM)
    assert board.process.wait(30) == 0
    assert not board.port.is_symlink()


def test_loop_options_name_what_is_not_the_default() -> None:
    settings = LoopSettings(code="repetition", distance=5, rounds=7, decoder="my decoder", basis="X")
    assert loop_options(settings, "willow_like") == (
        " --decoder 'my decoder' --code repetition --distance 5 --rounds 7 --basis X --backend willow_like"
    )
    assert loop_options(LoopSettings(distance=5, rounds=5), None) == " --distance 5"


@pytest.mark.parametrize("arguments", [(), ("--uart", "--pynq")])
def test_a_board_that_is_neither_or_both_is_refused(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["board", *arguments])
    assert done.exit_code == 2
    assert "say which board" in done.stderr
