"""Ctrl-C and SIGTERM, once or many times, at any moment: one line, how to go on, no traceback, no process left."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from qtwin.interrupts import PATIENCE_S, FirstInterrupt
from qtwin.loops import gone_if_useless
from tests.qtwin.conftest import Qtwin
from tests.qtwin.test_bad_input import wait_for

SIGNALS = [signal.SIGINT, signal.SIGTERM]
LOOP = ("loop", "--code", "repetition", "--noise", "uniform:0.01", "--shots", "5e6", "--chunk", "200")
BENCH = ("bench", "--run", "run", "--code", "repetition", "--noise", "uniform:0.01", "--max-errors", "0")
NEW_BENCH = ("bench", "--code", "repetition", "--noise", "uniform:0.01")
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

    def interrupt(self, times: int, pause_s: float, number: signal.Signals = signal.SIGINT) -> str:
        """Ctrl-C so many times; what it said, once it has ended with nothing left behind."""
        for _ in range(times):
            self._family |= set(psutil.Process(self._process.pid).children(recursive=True))
            os.killpg(self._process.pid, number)
            time.sleep(pause_s)
            if self._process.poll() is not None:
                break
        said, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 128 + number, said
        assert "Traceback" not in said
        assert [line for line in said.splitlines() if "interrupt" in line.lower()] == [
            line for line in said.splitlines() if line.startswith("qtwin: interrupted")
        ]
        assert said.count("qtwin: interrupted") == 1
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
    ("link", "times", "pause_s", "number"),
    [
        ("software", 1, 0.0, signal.SIGINT),
        ("software", 2, 0.2, signal.SIGTERM),
        ("cocotb:verilator", 30, 0.02, signal.SIGINT),
    ],
)
def test_a_loop_says_how_it_goes_on(
    qtwin: Qtwin, link: str, times: int, pause_s: float, number: signal.Signals
) -> None:
    with running(qtwin, *LOOP, "--link", link, "--runs-dir", "runs") as command:
        command.wait_until(lambda: has_progress(qtwin.folder))
        said = command.interrupt(times, pause_s, number)
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


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("arguments", [LOOP, ("demo",), NEW_BENCH], ids=lambda words: words[0])
@pytest.mark.parametrize(("times", "pause_s"), TIMES[1:])
def test_a_run_whose_twin_is_starting_leaves_no_folder(
    qtwin: Qtwin, arguments: tuple[str, ...], times: int, pause_s: float, number: signal.Signals
) -> None:
    with running(qtwin, *arguments, QTWIN_URL="") as command:
        command.wait_until(lambda: any(qtwin.folder.glob("runs/*/twin")))
        said = command.interrupt(times, pause_s, number)
    left = list(qtwin.folder.glob("runs/*"))
    assert left == [] or all(f"{folder.name}` goes on" in said for folder in left)
    assert (left == []) == (arguments is not NEW_BENCH)  # a sweep keeps its plan first


def test_a_folder_with_a_file_of_its_own_is_kept(tmp_path: Path) -> None:
    for name, is_kept in (
        (".lock", False),
        ("twin/twin.sqlite", False),
        ("surface/.lock", False),
        ("trace.fst", True),
        ("repetition/result.json", True),
        ("surface/checkpoint/state.json", True),
    ):
        folder = tmp_path / "run"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
        with pytest.raises(KeyboardInterrupt), gone_if_useless(partial(Path, folder)):
            raise KeyboardInterrupt
        assert folder.exists() == is_kept, name


COMMANDS = {
    ("loop",): "bridge.adaptive.policy",
    ("demo",): "twin.client",
    ("bench",): "bridge.sweep.sweep",
    ("decoder", "check", "table"): "bridge.doctor",
    ("serve", "--port", "0"): "uvicorn",
}
"""Each with a module that it imports only once it knows its options."""
IMPORTS = [(command, module) for command, late in COMMANDS.items() for module in ("qtwin.cli", late)]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(("arguments", "module"), IMPORTS)
def test_a_command_that_is_importing_is_stopped(
    qtwin: Qtwin, arguments: tuple[str, ...], module: str, number: signal.Signals
) -> None:
    """The moment is that of the import, on a machine of any speed."""
    hooks = qtwin.folder / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(TELL_IMPORT)
    seen = qtwin.folder / "seen"
    path = os.pathsep.join(filter(None, (str(hooks), os.environ.get("PYTHONPATH"))))
    with running(qtwin, *arguments, PYTHONPATH=path, QTWIN_URL="", TELL_IMPORT=f"{module} {seen}") as command:
        command.wait_until(seen.exists)
        command.interrupt(2, 0.05, number)
    assert not seen.with_name("seen.raised").exists()
    assert list(qtwin.folder.glob("runs/*/twin")) == []


TELL_IMPORT = """
import os, pathlib, sys, time

name, seen = os.environ.get("TELL_IMPORT", "- -").split()

class Teller:
    def find_spec(self, wanted, path, target=None):
        if wanted == name and not os.path.exists(seen):
            pathlib.Path(seen).touch()
            try:
                time.sleep(0.5)
            except KeyboardInterrupt:
                pathlib.Path(seen + ".raised").touch()  # where some modules would swallow it
                raise

sys.meta_path.insert(0, Teller())
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(("times", "pause_s"), [*TIMES, (10, 0.1)])
@pytest.mark.parametrize("mark", ["data", "port"])
def test_a_served_twin_stops_in_order(
    qtwin: Qtwin, mark: str, times: int, pause_s: float, number: signal.Signals
) -> None:
    with running(qtwin, "serve", "--port", "0", "--ready-file", "port") as command:
        command.wait_until((qtwin.folder / mark).exists)
        command.interrupt(times, pause_s, number)
    assert not (qtwin.folder / "data" / "twin.sqlite-wal").exists()  # the database was closed


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("times", "pause_s", "number"), [(2, 0.2, signal.SIGINT), (30, 0.02, signal.SIGINT), (2, 0.2, signal.SIGTERM)]
)
def test_a_sweep_says_how_it_goes_on(
    qtwin: Qtwin, workers: str, times: int, pause_s: float, number: signal.Signals
) -> None:
    with running(qtwin, *BENCH, *LONG, "--batch", "2000", "--workers", workers) as command:
        journal = qtwin.folder / "run" / "batches.journal"
        command.wait_until(lambda: journal.is_file() and journal.stat().st_size > 1000)
        said = command.interrupt(times, pause_s, number)
    assert "`qtwin bench --run run` goes on" in said


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(("times", "pause_s"), TIMES[1:])
def test_a_sweep_whose_workers_are_starting_stops_as_well(
    qtwin: Qtwin, times: int, pause_s: float, number: signal.Signals
) -> None:
    with running(qtwin, *BENCH, *LONG, "--workers", "2") as command:
        points = qtwin.folder / "run" / "points.json"
        command.wait_until(points.is_file)
        said = command.interrupt(times, pause_s, number)
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
    handler.is_tidying_up = True
    for moment, is_raised in ((0.0, True), (0.1, False), (PATIENCE_S - 0.1, False), (PATIENCE_S, True), (6.0, False)):
        now = moment
        if is_raised:
            with pytest.raises(KeyboardInterrupt):
                handler(signal.SIGINT, None)
        else:
            handler(signal.SIGINT, None)
