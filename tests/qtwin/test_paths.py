"""Folders of any name, `~` in any path, and commands that can be pasted as they are printed."""

import contextlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from bridge.links import check_link
from bridge.links.pynq.choice import parse_choice
from bridge.links.uart.line import uart_address
from hdl.compile.manifest import DecoderFolder, Manifest
from hdl.compile.skeleton import decoder_name
from qtwin.cli import app
from tests.qtwin.conftest import Qtwin

SMALL = ("--code", "repetition", "--noise", "uniform:0.01", "--shots", "200", "--link", "software")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, and another folder to work in; a folder called `~` fails the test."""
    place, work = tmp_path / "home of mine", tmp_path / "work"
    place.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(place))
    with contextlib.chdir(work):
        yield place
    assert not (work / "~").exists()


def qtwin_here(*arguments: str, **variables: str) -> Result:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", **variables})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_every_path_of_a_loop_may_begin_with_a_tilde(qtwin: Qtwin, home: Path) -> None:
    made = qtwin_here("compile", str(shipped_model(home)), "-o", "~/my decoder")
    assert made.exit_code == 0
    variables = qtwin.environment(HOME=str(home))
    done = qtwin_here("loop", *SMALL, "--json", "~/found.json", "--runs-dir=~/my runs", **variables)
    assert done.exit_code == 0, done.stderr
    assert (home / "found.json").is_file()
    (run,) = (home / "my runs").iterdir()
    assert (run / "result.json").is_file()
    bench = ("--max-shots", "200", "--batch", "200", "--workers", "1", "--code", "repetition")
    done = qtwin_here("bench", "--decoder", "pymatching", *bench, "--run=~/sweep", **variables)
    assert done.exit_code == 0, done.stderr
    done = qtwin_here("replay", "~/sweep", "3", **variables)
    assert done.exit_code == 0, done.stderr


def shipped_model(folder: Path) -> Path:
    file = folder / "model.dem"
    file.write_text("error(0.1) D0 L0\nerror(0.1) D0 D1\nerror(0.1) D1\ndetector(0, 0) D0\ndetector(1, 0) D1\n")
    return file


def test_users_and_decoders_are_found_below_a_tilde(home: Path) -> None:
    done = qtwin_here(
        "user", "add", "a@b.c", "--create", "--data-dir=~/data", QTWIN_NEW_PASSWORD="long enough, this is"
    )
    assert done.exit_code == 0, done.stderr
    assert (home / "data").is_dir()
    done = qtwin_here("decoder", "new", "~/mine", "--code", "repetition")
    assert done.exit_code == 0, done.stderr
    assert (home / "mine" / "decoder.yaml").is_file()
    done = qtwin_here("loop", "--decoder", "~/mine", "--code", "repetition", "--rounds", "4")
    assert f"the decoder mine ({home / 'mine'}) was made for another problem" in done.stderr


def test_a_tilde_in_a_link_is_expanded(home: Path) -> None:
    assert uart_address("~/port,baud=9600").url == str(home / "port")
    assert parse_choice("10.0.0.9,~/x.bit").overlay == home / "x.bit"
    with pytest.raises(Exception, match=f"there is no port {home / 'port'}"):
        check_link("uart:~/port", is_here=True)


def test_a_tilde_in_a_manifest_is_expanded(home: Path) -> None:
    assert qtwin_here("decoder", "new", "mine", "--code", "repetition").exit_code == 0
    shutil.move("mine/decode.sv", home / "decode.sv")
    manifest = yaml.safe_load(Path("mine/decoder.yaml").read_text())
    manifest["sources"] = [name if name != "decode.sv" else "~/decode.sv" for name in manifest["sources"]]
    Path("mine/decoder.yaml").write_text(yaml.safe_dump(manifest))
    assert home / "decode.sv" in DecoderFolder(Path("mine")).sources


def test_commands_that_are_printed_can_be_pasted(home: Path) -> None:
    done = qtwin_here("decoder", "new", "mein dekoder", "--code", "repetition", "--basis", "Z")
    assert done.exit_code == 0, done.stderr
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[1:])
    assert shlex.split(lines["edit"]) == ["mein dekoder/decode.sv"]
    assert shlex.split(lines["test"]) == ["pytest", "mein dekoder"]
    assert shlex.split(lines["check"]) == ["qtwin", "decoder", "check", "mein dekoder"]
    command = shlex.split(lines["run"])
    assert command[:4] == ["qtwin", "loop", "--decoder", "mein dekoder"]
    wrong = qtwin_here(*command[1:], "--seed", "-1")  # nothing else is wrong with it
    assert wrong.stderr == "qtwin: --seed -1: expected at least 0\n"
    assert home.exists()


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("mine", "mine"),
        ("mein dekoder", "mein-dekoder"),
        ("überdekoder 2", "uberdekoder-2"),
        ("-x-", "x"),
        ("***", "decoder"),
        ("解码器", "decoder"),
    ],
)
def test_a_decoder_s_name_comes_from_a_folder_of_any_name(folder: str, name: str) -> None:
    assert decoder_name(Path(folder)) == name
    facts: dict[str, Any] = {"top": "t", "sources": ("s",), "rounds": 1, "num_stabilizers": 1, "num_data_qubits": 1}
    assert Manifest(name=name, num_observables=1, **facts).name == name


def test_a_decoder_may_have_a_name_of_its_own(home: Path) -> None:
    assert qtwin_here("decoder", "new", "a b", "--name", "greedy.1", "--code", "repetition").exit_code == 0
    assert DecoderFolder(Path("a b")).manifest.name == "greedy.1"
    assert home.exists()


def test_tests_of_a_new_decoder_begin_without_a_warning(home: Path) -> None:
    assert qtwin_here("decoder", "new", "mein dekoder", "--code", "repetition").exit_code == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "mein dekoder"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr
    assert home.exists()
