"""Boards reset or pulled, simulators and hosts killed, all in mid-run: no shot is lost, none counted twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge.adaptive.estimator import EstimatorSettings
from bridge.adaptive.policy import AdaptiveSettings
from bridge.decoders import Decoder, find_decoder
from bridge.errors import LoopError
from bridge.links.base import Deadlines
from bridge.loop import LoopRun, LoopSettings, run_loop, session_problem
from bridge.report import result
from qtwin.embedded import TwinAddress
from tests.bridge.boards import RunningBoard, running_board
from tests.bridge.test_foreign_rtl import write_decoder
from tests.qtwin.conftest import Qtwin
from twin.client import TwinClient

WAIT_S = 120.0
BYTE_STREAM = Path(__file__).resolve().parent.parent.parent / "docs" / "examples" / "byte-stream"
COMMON = {"code": "surface", "backend_id": "surface17_like", "noise": "uniform:0.01", "seed": 4}


class AtShot:
    """Does something once, when so many shots are done."""

    def __init__(self, shot: int, action: Callable[[], object]) -> None:
        self._shot = shot
        self._action: Callable[[], object] | None = action

    def stage(self, text: str) -> None:
        pass

    def shots(self, done: int, total: int) -> None:
        del total
        if done >= self._shot and self._action is not None:
            action, self._action = self._action, None
            action()


@pytest.fixture
def client(twin: TwinAddress) -> Iterator[TwinClient]:
    with TwinClient(twin.url, twin.email, twin.password) as connected:
        yield connected


@pytest.fixture
def decoder(client: TwinClient) -> Decoder:
    return find_decoder("table", session_problem(LoopSettings(**COMMON), client))  # type: ignore[arg-type]


@pytest.fixture
def board(decoder: Decoder, tmp_path: Path) -> Iterator[RunningBoard]:
    with running_board(decoder, tmp_path / "port") as running:
        yield running


def run(client: TwinClient, folder: Path, watcher: AtShot, link: str, shots: int = 600, **changes: Any) -> LoopRun:
    deadlines = Deadlines(exchange_s=60, register_s=2, reconnect_s=changes.pop("reconnect_s", 60))
    settings = LoopSettings(link=link, shots=shots, chunk_shots=100, deadlines=deadlines, **COMMON)  # type: ignore[arg-type]
    folder.mkdir(exist_ok=True)
    return run_loop(settings, client, watcher, folder)


def undisturbed(client: TwinClient, folder: Path, shots: int = 600) -> dict[str, Any]:
    found = run(client, folder, AtShot(shots + 1, int), "software", shots)
    assert found.error is None
    return result(found)


def check_same(found: LoopRun, expected: dict[str, Any], reconnects: int) -> None:
    assert found.error is None
    ours = result(found)
    assert ours["digests"] == expected["digests"]
    assert ours["qec_metrics"] == expected["qec_metrics"]
    assert ours["decoder_metrics"]["reconnects"] == reconnects
    assert found.ended is not None
    assert found.ended["stats"]["corrections_received"] == found.settings.shots


def test_a_board_that_is_reset_in_mid_run_is_taken_up_again(
    client: TwinClient, board: RunningBoard, tmp_path: Path
) -> None:
    found = run(client, tmp_path / "run", AtShot(200, board.port.press_reset), f"uart:{board.path}")
    check_same(found, undisturbed(client, tmp_path / "other"), reconnects=1)


def test_a_cable_that_is_pulled_and_put_back_costs_a_reconnection(
    client: TwinClient, board: RunningBoard, tmp_path: Path
) -> None:
    def pull() -> None:
        board.unplug()
        timer = threading.Timer(1.0, board.plug_in)
        timer.start()

    found = run(client, tmp_path / "run", AtShot(200, pull), f"uart:{board.path}")
    check_same(found, undisturbed(client, tmp_path / "other"), reconnects=1)


def test_a_cable_that_stays_away_stops_the_run_with_one_message_and_it_goes_on_later(
    client: TwinClient, board: RunningBoard, qtwin: Qtwin
) -> None:
    folder = qtwin.folder / "run"
    found = run(client, folder, AtShot(300, board.unplug), f"uart:{board.path}", reconnect_s=0.5)
    assert found.error is not None
    assert "is gone" in str(found.error)
    assert "could not be opened again within 0.5 s: there is no port" in str(found.error)
    assert not (folder / "result.json").exists()
    board.plug_in()
    outcome = qtwin.loop("--resume", str(folder))
    assert outcome.code == 0, outcome.errors
    assert outcome.result is not None
    expected = undisturbed(client, qtwin.folder / "other")
    assert outcome.result["digests"] == expected["digests"]
    assert outcome.result["qec_metrics"] == expected["qec_metrics"]
    again = qtwin.loop("--resume", str(folder))
    assert again.code == 1
    assert "holds no unfinished run" in again.message


@pytest.mark.parametrize("file", ["byte_decoder.sv", "way.vh", "decoder.yaml", "decide.h"])
def test_a_run_does_not_go_on_with_another_decoder(client: TwinClient, qtwin: Qtwin, file: str) -> None:
    own, folder = qtwin.folder / "own", qtwin.folder / "run"
    if file == "decide.h":  # of C that the RTL calls
        write_decoder(own, ("called.sv", "decide.c", file), None)
        (own / file).write_text("#define INVERTED 0\n")
    else:
        shutil.copytree(BYTE_STREAM, own)
        source, header = own / "byte_decoder.sv", own / "way.vh"
        source.write_text('`include "way.vh"\n' + source.read_text().replace("3'b001;", "`WAY;"))
        header.write_text("`define WAY 3'b001\n")
    folder.mkdir()

    def stop() -> None:
        raise LoopError("stopped here")

    settings = LoopSettings(
        code="repetition", decoder=str(own), backend_id="repetition29_like", noise="uniform:0.01", seed=4, shots=600,
        chunk_shots=100,
    )  # fmt: skip
    assert "stopped here" in str(run_loop(settings, client, AtShot(300, stop), folder).error)
    before = (own / file).read_text()
    changes = {"3'b001": "3'b110", "8'hA5": "8'hA4", "[7, 5,": "[5, 7,", "INVERTED 0": "INVERTED 1"}
    changed = before
    for old, new in changes.items():
        changed = changed.replace(old, new)
    (own / file).write_text(changed)
    assert (own / file).read_text() != before
    refused = qtwin.loop("--resume", str(folder))
    assert refused.code == 1
    assert "is not as it was when the run" in refused.message
    (own / file).write_text(before)
    outcome = qtwin.loop("--resume", str(folder))
    assert outcome.code == 0, outcome.errors


def test_a_link_that_is_lost_does_not_come_back_with_another_decoder(client: TwinClient, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(BYTE_STREAM, own)
    settings = LoopSettings(
        code="repetition", decoder=str(own), backend_id="repetition29_like", noise="uniform:0.01", seed=4, shots=3000,
        chunk_shots=100, link="faulty:disconnect=0.3,seed=6/verilated",
    )  # fmt: skip
    source = own / "byte_decoder.sv"

    def change() -> None:
        source.write_text(source.read_text().replace("3'b001;", "3'b110;"))

    found = run_loop(settings, client, AtShot(300, change), tmp_path / "run")
    assert "is not as it was when the run began" in str(found.error)


def test_faults_of_every_kind_at_once_lose_nothing(client: TwinClient, board: RunningBoard, tmp_path: Path) -> None:
    # The board's reset comes at a shot: a random one may come before the first, where nothing is taken up yet.
    faults = "ber=1e-4,lose=1e-4,double=1e-4,truncate=1e-3,late=0.01,stall=0.001,seed=2"
    link = f"faulty:{faults}/uart:{board.path}"
    found = run(client, tmp_path / "run", AtShot(200, board.port.press_reset), link)
    assert found.error is None, found.error
    assert found.reconnects > 0
    assert found.repeats > 0
    check_same(found, undisturbed(client, tmp_path / "other"), reconnects=found.reconnects)


def test_faults_of_a_link_of_words_lose_nothing(client: TwinClient, tmp_path: Path) -> None:
    found = run(client, tmp_path / "run", AtShot(601, int), "faulty:disconnect=0.3,reset=0.2,seed=6/verilated")
    assert found.reconnects > 0
    check_same(found, undisturbed(client, tmp_path / "other"), reconnects=found.reconnects)


def test_a_simulator_that_is_killed_is_started_again(client: TwinClient, tmp_path: Path) -> None:
    def kill() -> None:
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # another test's process that has just ended
                if any("bridge.links.cosim.simulate" in part for part in child.cmdline()):
                    os.killpg(child.pid, signal.SIGKILL)

    found = run(client, tmp_path / "run", AtShot(200, kill), "cocotb:verilator")
    check_same(found, undisturbed(client, tmp_path / "other"), reconnects=1)


ADAPTIVE = AdaptiveSettings(500, estimator=EstimatorSettings(2_000))


@pytest.mark.parametrize("shot", [400, 1500])  # before the first renewal, and right at one
def test_an_adaptive_run_that_was_stopped_goes_on_to_the_report_of_an_undisturbed_one(
    client: TwinClient, qtwin: Qtwin, shot: int
) -> None:
    asked = {"decoder": "union-find:loadable", "link": "verilated", "shots": 3_000, "chunk_shots": 100}
    settings = LoopSettings(adaptive=ADAPTIVE, **asked, **COMMON)  # type: ignore[arg-type]
    whole = run_loop(settings, client, AtShot(settings.shots + 1, int), qtwin.folder / "whole")
    assert whole.error is None
    expected = result(whole)
    assert expected["adaptive"]["renewals"] >= 2
    folder = qtwin.folder / "cut"

    def stop() -> None:
        raise LoopError("stopped by the test")

    cut = run_loop(settings, client, AtShot(shot, stop), folder)
    assert "stopped by the test" in str(cut.error)
    outcome = qtwin.loop("--resume", str(folder))
    assert outcome.code == 0, outcome.errors
    assert outcome.result is not None
    for part in ("adaptive", "digests", "qec_metrics"):
        assert outcome.result[part] == expected[part]
    for part in ("latency_cycles", "backlog"):
        assert outcome.result["decoder_metrics"][part] == expected["decoder_metrics"][part]


def test_a_host_that_is_killed_goes_on_where_it_was(client: TwinClient, qtwin: Qtwin) -> None:
    shots = 20_000
    options = ["--code", "surface", "--noise", "uniform:0.01", "--seed", "4", "--shots", str(shots), "--chunk", "50"]
    process = subprocess.Popen(
        [sys.executable, "-m", "qtwin", "loop", *options, "--link", "cocotb:verilator"],
        cwd=qtwin.folder,
        env=qtwin.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        state = wait_for_progress(qtwin.folder / "runs", process)
    finally:
        if process.poll() is None:
            host = psutil.Process(process.pid)
            for victim in (host, *host.children(recursive=True)):
                victim.kill()
        process.wait(WAIT_S)
    counted = json.loads(state.read_text())["tally"]["counts"]["num_shots"]
    assert 0 < counted < shots
    outcome = qtwin.loop("--resume", str(state.parent.parent), "--link", "verilated")
    assert outcome.code == 0, outcome.errors
    assert outcome.result is not None
    expected = undisturbed(client, qtwin.folder / "other", shots)
    assert outcome.result["digests"] == expected["digests"]
    assert outcome.result["qec_metrics"] == expected["qec_metrics"]
    assert outcome.result["decoder_metrics"]["latency_cycles"]["max"] == 4


def wait_for_progress(runs: Path, process: subprocess.Popen[bytes]) -> Path:
    """The state.json of the run that this process has begun."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = list(runs.glob("*/checkpoint/state.json"))
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no progress was written (exit {process.poll()})")


def test_resuming_what_is_no_unfinished_run_is_refused(qtwin: Qtwin) -> None:
    outcome = qtwin.loop("--resume", str(qtwin.folder))
    assert outcome.code == 1
    assert "holds no unfinished run" in outcome.message
    broken = qtwin.folder / "checkpoint" / "state.json"
    broken.parent.mkdir()
    broken.write_text("{")
    outcome = qtwin.loop("--resume", str(qtwin.folder))
    assert outcome.code == 1
    assert "cannot be read" in outcome.message
    assert "Traceback" not in outcome.message
