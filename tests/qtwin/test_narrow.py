"""In a narrow terminal no figure and no name is cut."""

import re
import subprocess
import sys

import pytest
from rich.console import Console

from qtwin.console import Figures
from tests.qtwin.conftest import Qtwin
from tests.qtwin.test_bench import bench, run

SMALL = ("--code", "repetition", "--noise", "uniform:0.01", "--link", "software")
RATE = re.compile(r"\d\.\d+e-\d+")


def table() -> Figures:
    found = Figures("decoder", "errors", "a shot")
    found.add_row("union-find:window=10,commit=5", "1,234,567", "8.800e-03")
    found.add_row("[bold]table", "7", "")
    return found


def printed(width: int) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        table().print(console)
    return capture.get()


def test_figures_are_a_list_where_the_table_would_be_too_wide() -> None:
    needed = next(width for width in range(20, 100) if "┏" in printed(width))
    assert all(figure in printed(needed) for figure in ("1,234,567", "8.800e-03", "union-find:win", "[bold]table"))
    assert printed(needed - 1) == (
        "decoder: union-find:window=10,commit=5\n  errors: 1,234,567\n  a shot: 8.800e-03\n"
        "decoder: [bold]table\n  errors: 7\n"
    )


@pytest.mark.parametrize("columns", ["20", "30", "40"])
def test_a_loop_prints_the_same_figures_in_any_terminal(qtwin: Qtwin, columns: str) -> None:
    narrow = qtwin.loop(*SMALL, "--shots", "2000", COLUMNS=columns)
    assert narrow.code == 0, narrow.errors
    wide = qtwin.loop(*SMALL, "--shots", "2000", COLUMNS="200")
    assert len(RATE.findall(wide.output)) == 8
    assert RATE.findall(narrow.output) == RATE.findall(wide.output)
    assert "…" not in narrow.output
    assert re.search(r"^report: runs/\S+/$", narrow.output, re.MULTILINE)


def test_a_sweep_prints_the_same_figures_in_any_terminal(qtwin: Qtwin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qtwin, "environment", lambda: {**Qtwin.environment(qtwin), "COLUMNS": "30"})
    bench(qtwin, "run", *SMALL, "--decoder", "table", "--max-shots", "2000", "--batch", "2000", "--workers", "1")
    for command in (("bench", "--run", "run"), ("compare", "run", "run"), ("replay", "run", "3")):
        done = run(qtwin, *command)
        assert done.exit_code == 0, done.stderr
        assert "…" not in done.stdout


@pytest.mark.parametrize("columns", ["40", "80"])
def test_help_names_every_choice_in_full(columns: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qtwin", "loop", "--help"],
        env={"COLUMNS": columns, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "…" not in done.stdout
    words = "".join(re.sub(r"[│\s]", "", line) for line in done.stdout.splitlines())
    for name in ("--compare-fresh", "union-find:window=10,commit=5,loadable", "pynq:simulated", "faulty:FAULTS/LINK"):
        assert name in words
