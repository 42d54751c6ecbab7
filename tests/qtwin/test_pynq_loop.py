"""`qtwin board --pynq` and a loop over it, two programs: pynq's download, registers and DMA between them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hdl.boards.vivado.board import boards
from qtwin.cli import app
from tests.qtwin.conftest import Qtwin

SHOTS = 1000
TABLE_LATENCY_CYCLES = 4
MEMORY = ("--code", "surface", "--noise", "uniform:0.01")
START_S = 240.0
STOP_S = 30.0


@dataclass(frozen=True)
class ServedBoard:
    """A running `qtwin board --pynq` and what it has said."""

    process: subprocess.Popen[str]
    address: str
    decoder: str


@pytest.fixture
def board(qtwin: Qtwin) -> Iterator[ServedBoard]:
    pytest.importorskip("grpc", reason="pynq is not installed: pip install 'qtwin[pynq]'")
    with tempfile.TemporaryDirectory(prefix="qtwin-") as folder:
        command = [sys.executable, "-m", "qtwin", "board", "--pynq", *MEMORY, "--address", f"unix:{folder}/board"]
        log = Path(folder) / "log"
        with (
            log.open("w") as out,
            subprocess.Popen(
                command, env={**qtwin.environment(), "PYTHONUNBUFFERED": "1"}, stdout=out, stderr=out, text=True
            ) as process,
        ):
            try:
                said = _wait_for(log, process)
                yield ServedBoard(process, said["board"], said["decoder"])
            finally:
                process.kill()


def _wait_for(log: Path, process: subprocess.Popen[str]) -> dict[str, str]:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        said = dict(line.split(": ", 1) for line in log.read_text().splitlines() if ": " in line)
        if "use it" in said:
            return said
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_loop_over_a_served_board_is_posted_and_equals_the_software(qtwin: Qtwin, board: ServedBoard) -> None:
    arguments = (*MEMORY, "--shots", str(SHOTS), "--seed", "11")
    outcomes = {
        name: qtwin.loop(*arguments, "--link", link)
        for name, link in (("pynq", f"pynq:{board.address}"), ("software", "software"))
    }
    for outcome in outcomes.values():
        assert outcome.code == 0, outcome.errors
    found, expected = outcomes["pynq"].result, outcomes["software"].result
    assert found is not None
    assert expected is not None
    assert found["telemetry"]["metric_source"] == "decoder"
    assert found["decoder_metrics"]["link"] == "pynq"
    assert found["decoder_metrics"]["simulator"].startswith("verilator")
    assert found["decoder_metrics"]["faults"] == 0
    assert found["qec_metrics"]["shots"] == SHOTS
    assert found["digests"] == expected["digests"]
    latency = found["decoder_metrics"]["latency_cycles"]
    assert latency["min"] == latency["max"] == TABLE_LATENCY_CYCLES
    wrong = qtwin.loop("--code", "repetition", "--shots", "10", "--link", f"pynq:{board.address}")
    assert wrong.code == 1
    assert "pynq_z2_simulated/decoder.bit" in wrong.message
    overlay = Path(board.decoder) / "pynq_z2_simulated" / "decoder.bit"
    wrong = qtwin.loop("--code", "repetition", "--shots", "10", "--link", f"pynq:{board.address},{overlay}")
    assert wrong.code == 1
    assert "was built for graph" in wrong.message
    os.kill(board.process.pid, signal.SIGTERM)
    assert board.process.wait(STOP_S) == 0
    gone = qtwin.loop(*arguments, "--link", f"pynq:{board.address}")
    assert gone.code == 1
    assert "no board answers" in gone.message


def test_loop_over_another_simulated_board_equals_the_software(qtwin: Qtwin) -> None:
    pytest.importorskip("grpc", reason="pynq is not installed: pip install 'qtwin[pynq]'")
    arguments = ("--code", "repetition", "--noise", "uniform:0.01", "--shots", "200", "--seed", "3")
    found = qtwin.loop(*arguments, "--link", "pynq:simulated,board=kv260,server=3.1")
    expected = qtwin.loop(*arguments, "--link", "software")
    assert found.result is not None, found.errors
    assert expected.result is not None, expected.errors
    assert found.result["digests"] == expected.result["digests"]


def test_decoder_with_a_stream_of_its_own_runs_on_a_board(qtwin: Qtwin) -> None:
    pytest.importorskip("grpc", reason="pynq is not installed: pip install 'qtwin[pynq]'")
    memory = ("--code", "repetition", "--noise", "uniform:0.02")
    made = CliRunner().invoke(app, ["decoder", "new", str(qtwin.folder / "mine"), "--stream", *memory])
    assert made.exit_code == 0, made.output
    arguments = ("--decoder", str(qtwin.folder / "mine"), *memory, "--shots", "300", "--seed", "3")
    results = []
    for link in ("pynq:simulated,board=zcu104", "verilated"):
        outcome = qtwin.loop(*arguments, "--link", link)
        assert outcome.result is not None, outcome.errors
        results.append([outcome.result["digests"], outcome.result["decoder_metrics"]["latency_cycles"]])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("board", "part"),
    [((), "xc7z020clg400-1"), (("--board", "kv260"), "xck26-sfvc784-2LV-c")],
    ids=["default", "kv260"],
)
def test_project_for_a_real_board_is_one_command(
    qtwin: Qtwin, tmp_path: Path, board: tuple[str, ...], part: str
) -> None:
    folder = tmp_path / "project"
    done = subprocess.run(
        [sys.executable, "-m", "qtwin", "board", "--pynq", *board, *MEMORY, "--project", str(folder)],
        env=qtwin.environment(), capture_output=True, text=True, check=False, timeout=START_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"vivado -mode batch -source {folder}/build.tcl" in done.stdout
    assert {"build.tcl", "settings.tcl", "decoder_top_axi.v", "decoder.yaml"} <= {f.name for f in folder.iterdir()}
    assert f"set part {part}\n" in (folder / "settings.tcl").read_text()


def test_boards_are_named_by_the_help_and_by_the_error() -> None:
    shown = CliRunner().invoke(app, ["board", "--help"], env={"COLUMNS": "200"})
    wrong = CliRunner().invoke(app, ["board", "--pynq", "--board", "kv26"], env={"COLUMNS": "200"})
    assert wrong.exit_code != 0
    for name in boards():
        assert name in shown.output
        assert name in wrong.output
    assert "did you mean 'kv260'?" in wrong.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("board", "--pynq", "--server", "3.2"), "--server '3.2': expected 4.0 or 3.1"),
        (("board", "--uart", "--board", "kv260"), "--board: is for --pynq, not for this board"),
        (("loop", "--link", "pynq:simulated,board=kv26"), "--link: there is no Zynq board 'kv26'"),
        (("loop", "--link", "pynq:simulated,server=3.2"), "--link: there is no server '3.2': expected one of 4.0, 3.1"),
        (("loop", "--link", "pynq:simulated,kv260"), "--link: pynq:simulated: 'kv260' is not for it"),
    ],
)
def test_board_that_there_is_not_is_refused_at_the_door(arguments: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert done.exit_code != 0
    assert says in " ".join(done.output.split())
