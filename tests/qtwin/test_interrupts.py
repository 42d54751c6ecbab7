"""Ctrl-C, once or many times, at any moment: one message, the command that goes on, no traceback, no process left."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from qtwin.interrupts import PATIENCE_S, FirstInterrupt
from tests.qtwin.conftest import Qtwin
from tests.qtwin.test_bad_input import wait_for

INTERRUPTED = 130
LOOP = ("loop", "--code", "repetition", "--noise", "uniform:0.01", "--shots", "5e6", "--chunk", "200")
BENCH = ("bench", "--run", "run", "--code", "repetition", "--noise", "uniform:0.01", "--max-errors", "0")
LONG = ("--max-shots", "1e9", "--decoder", "pymatching")


class Running:
    """A command in a process group of its own, as a terminal has it."""

    def __init__(self, qtwin: Qtwin, arguments: tuple[str, ...], **variables: str) -> None:
        self.folder = qtwin.folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qtwin", *arguments],
            cwd=qtwin.folder,
            env=qtwin.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._family: set[psutil.Process] = {psutil.Process(self._process.pid)}

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait for something that shows how far it is."""
        wait_for(lambda: self._process.poll() is not None or condition())
        assert self._process.poll() is None, self._process.communicate()[0]

    def interrupt(self, times: int, pause_s: float) -> str:
        """Ctrl-C so many times; what it said, once it has ended with nothing left behind."""
        for _ in range(times):
            self._family |= set(psutil.Process(self._process.pid).children(recursive=True))
            os.killpg(self._process.pid, signal.SIGINT)
            time.sleep(pause_s)
            if self._process.poll() is not None:
                break
        said, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == INTERRUPTED, said
        assert "Traceback" not in said
        _, alive = psutil.wait_procs(self._family, timeout=20)
        assert alive == []
        return said

    def kill(self) -> None:
        """Whatever a failed test leaves."""
        for process in self._family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()


@contextmanager
def running(qtwin: Qtwin, *arguments: str, **variables: str) -> Iterator[Running]:
    command = Running(qtwin, arguments, **variables)
    try:
        yield command
    finally:
        command.kill()


def has_progress(folder: Path) -> bool:
    return any(folder.glob("runs/*/checkpoint/state.json"))


TIMES = [(1, 0.0), (2, 0.2), (30, 0.02)]


@pytest.mark.parametrize(
    ("link", "times", "pause_s"), [("software", 1, 0.0), ("software", 2, 0.2), ("cocotb:verilator", 30, 0.02)]
)
def test_a_loop_says_how_it_goes_on(qtwin: Qtwin, link: str, times: int, pause_s: float) -> None:
    with running(qtwin, *LOOP, "--link", link, "--runs-dir", "runs") as command:
        command.wait_until(lambda: has_progress(qtwin.folder))
        said = command.interrupt(times, pause_s)
    assert said.count("interrupted.") == 1
    go_on = said.partition("Go on with: ")[2].splitlines()[0]
    assert shlex.split(go_on)[:3] == ["qtwin", "loop", "--resume"]
    with running(qtwin, *shlex.split(go_on)[1:]) as command:
        command.wait_until(lambda: True)
        state = qtwin.folder / shlex.split(go_on)[3] / "checkpoint" / "state.json"
        before = state.stat().st_mtime_ns
        command.wait_until(lambda: state.stat().st_mtime_ns != before)
        second = qtwin.loop(*shlex.split(go_on)[2:])
        assert second.code == 1
        assert "another `qtwin loop` is running in runs/" in second.message
        assert "start a new run" in second.message
        assert "Go on with" in command.interrupt(1, 0.0)


@pytest.mark.parametrize(("times", "pause_s"), TIMES[1:])
def test_a_loop_with_a_twin_of_its_own_leaves_none_behind(qtwin: Qtwin, times: int, pause_s: float) -> None:
    with running(qtwin, *LOOP, "--link", "software", QTWIN_URL="") as command:
        command.wait_until(lambda: has_progress(qtwin.folder))
        assert "Go on with: qtwin loop --resume" in command.interrupt(times, pause_s)


@pytest.mark.parametrize(("times", "pause_s"), TIMES[1:])
def test_a_loop_whose_twin_is_starting_says_that_it_was_interrupted(qtwin: Qtwin, times: int, pause_s: float) -> None:
    with running(qtwin, *LOOP, QTWIN_URL="") as command:
        command.wait_until(lambda: any(qtwin.folder.glob("runs/*/twin")))
        assert "qtwin: interrupted" in command.interrupt(times, pause_s)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(("times", "pause_s"), TIMES[1:])
def test_a_sweep_says_how_it_goes_on(qtwin: Qtwin, workers: str, times: int, pause_s: float) -> None:
    with running(qtwin, *BENCH, *LONG, "--batch", "2000", "--workers", workers) as command:
        journal = qtwin.folder / "run" / "batches.journal"
        command.wait_until(lambda: journal.is_file() and journal.stat().st_size > 1000)
        said = command.interrupt(times, pause_s)
    assert "`qtwin bench --run run` goes on" in said


@pytest.mark.parametrize(("times", "pause_s"), TIMES[1:])
def test_a_sweep_whose_workers_are_starting_stops_as_well(qtwin: Qtwin, times: int, pause_s: float) -> None:
    with running(qtwin, *BENCH, *LONG, "--workers", "2") as command:
        points = qtwin.folder / "run" / "points.json"
        command.wait_until(points.is_file)
        said = command.interrupt(times, pause_s)
    assert "`qtwin bench --run run` goes on" in said


def test_a_batch_under_way_in_the_only_process_is_not_waited_for(qtwin: Qtwin) -> None:
    slow = (
        "--decoder",
        "table",
        "--link",
        "cocotb:verilator",
        "--max-shots",
        "1e6",
        "--batch",
        "1e6",
        "--workers",
        "1",
    )
    with running(qtwin, *BENCH, *slow) as command:
        command.wait_until((qtwin.folder / "run" / "results.csv").is_file)
        time.sleep(3)
        begun = time.monotonic()
        command.interrupt(1, 0.0)
    assert time.monotonic() - begun < 30  # the batch takes minutes


def test_only_the_first_interrupt_of_several_at_once_counts() -> None:
    now = 0.0
    handler = FirstInterrupt(lambda: now)
    for moment, is_raised in ((0.0, True), (0.1, False), (PATIENCE_S - 0.1, False), (PATIENCE_S, True), (6.0, False)):
        now = moment
        if is_raised:
            with pytest.raises(KeyboardInterrupt):
                handler(signal.SIGINT, None)
        else:
            handler(signal.SIGINT, None)
