"""Options are judged before anything starts: one line each, by the name that the user wrote, and nothing is left."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from qtwin import loops
from qtwin.cli import app
from qtwin.commands.parsing import whole_number
from tests.qtwin.conftest import Qtwin
from twin.qec.spec import MAX_DISTANCE, MAX_ROUNDS
from twin.settings import Limits

USAGE = 2
LARGE = ("pymatching", "scipy", "matplotlib", "qiskit", "networkx", "pyarrow", "fastapi", "twin.client")
LINKS_THERE_ARE = "expected one of software, verilated, cocotb, uart, pynq, faulty"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder in which a twin that is started after all fails the test."""

    def no_twin(*_: object) -> None:
        raise AssertionError("a twin was started")

    monkeypatch.setattr(loops, "embedded_twin", no_twin)
    with contextlib.chdir(tmp_path):
        yield tmp_path


def qtwin_without_a_twin(*arguments: str) -> Result:
    done = CliRunner().invoke(app, arguments, env={"QTWIN_URL": None, "COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def check_refused(folder: Path, arguments: tuple[str, ...], *lines: str) -> None:
    """Exactly these lines, exit code 2, and no file that was not there before."""
    before = set(folder.rglob("*"))
    done = qtwin_without_a_twin(*arguments)
    said = done.stderr.splitlines()
    assert len(said) == len(lines), done.stderr
    for found, expected in zip(said, lines, strict=True):
        assert found.startswith(f"qtwin: {expected}")
    assert done.exit_code == USAGE
    assert set(folder.rglob("*")) == before


MEMORY = [
    (("--distance", "0"), "--distance 0: expected at least 2"),
    (("--distance", "1"), "--distance 1: expected at least 2"),
    (("--distance", "99"), f"--distance 99: expected at most {MAX_DISTANCE['surface']} for a surface code"),
    (("--rounds", "0"), "--rounds 0: expected at least 1"),
    (("--rounds", "1e9"), f"--rounds 1000000000: expected at most {MAX_ROUNDS:,}"),
    (("--basis", "Y"), "--basis 'Y': expected 'Z' or 'X'"),
    (("--basis", "X", "--code", "repetition"), "--basis 'X': expected Z, the only basis of a repetition code"),
    (("--code", "surfac"), "--code 'surfac': expected 'repetition' or 'surface'"),
    (("--noise", "unifrom:0.005"), "--noise 'unifrom:0.005': expected `device`, or `uniform:P`"),
    (("--noise", "uniform:0.7"), "--noise 'uniform:0.7': expected `device`, or `uniform:P` with 0 <= P < 0.5"),
]
BACKEND = [
    (("--backend", "foo"), "--backend: there is no backend 'foo'; there are: ibm_jakarta_like, repetition29_like"),
]
DECODER = [
    (("--decoder", "tabel"), "--decoder: there is no decoder 'tabel': expected table"),
    (("--decoder", "union-find:9"), "--decoder: weight_bits is 9; expected 1 to 6"),
    (("--decoder", "union-find:windo=3"), "--decoder: the decoder 'union-find:windo=3' has a choice 'windo=3'"),
    (("--distance", "4", "--decoder", "table"), "--distance 4 with --decoder table: a table needs 35 address bits"),
]
LINK = [
    (("--link", "verilator"), f"--link: there is no link 'verilator': {LINKS_THERE_ARE}"),
    (("--link", "verilated:fast"), "--link: there is no link 'verilated:fast': nothing stands after verilated"),
    (("--link", "cocotb:icaros"), "--link: there is no cocotb simulator 'icaros' here; expected verilator, icarus"),
    (("--link", "uart:/dev/ttyUSB9"), "--link: there is no port /dev/ttyUSB9."),
    (("--link", "uart:"), "--link: which port? Write uart:/dev/ttyUSB0"),
    (("--link", "uart:/dev/null,baud=x"), "--link: uart:/dev/null,baud=x: baud=x: expected a whole number from 1 to"),
    (("--link", "uart:."), "--link: . is not a serial port; name one such as /dev/ttyUSB0."),
    (("--link", "pynq:"), "--link: pynq: which board? Write pynq:ADDRESS"),
    (("--link", "pynq:no-such-board.invalid"), "--link: there is no board 'no-such-board.invalid'"),
    (("--link", "pynq:10.0.0.9,lost.bit"), "--link: there is no file lost.bit; name the .bit file of an overlay"),
    (("--link", "pynq:simulated:vcs"), "--link: there is no simulator 'vcs': expected one of verilated"),
    (("--link", "faulty:ber=2/uart:/dev/null"), "--link: faulty: ber='2' is not a probability"),
    (("--link", "faulty:ber=0.1"), "--link: faulty: what are the faults, and of which link?"),
    (("--link", "faulty:reset=0.1/verilatd"), f"--link: there is no link 'verilatd': {LINKS_THERE_ARE}"),
]
RUN = [
    (("--seed", "-1"), "--seed -1: expected at least 0"),
    (("--seed", str(2**53)), f"--seed {2**53}: expected less than {2**53:,}"),
    (("--shots", "0"), "--shots 0: expected at least 1"),
    (("--shots", "-5"), "--shots -5: expected at least 1"),
    (("--shots", "1e12"), f"--shots {10**12}: expected at most {Limits().max_session_shots:,}"),
    (("--shots", "1.5"), "--shots: expected a whole number such as 1000000, 1_000_000 or 1e6, got '1.5'"),
    (("--chunk", "0"), "--chunk: expected at least 1, got 0"),
    (("--chunk", "1e12"), "--chunk: expected at most 100,000, got 1e12"),
    (("--renew-every", "1e12"), "--renew-every: expected at most 10,000,000, got 1e12"),
    (("--timeout", "inf"), "--timeout: expected less than or equal to 1000000"),
    (("--reconnect", "1e400"), "--reconnect: expected less than or equal to 1000000"),
    (("--reconnect", "nan"), "--reconnect: expected less than or equal to 1000000"),
    (("--half-life", "inf"), "--half-life: expected a finite number, got inf"),
    (("--decoder", "union-find:window=1000000000"), "--decoder: window is 1000000000; expected at most 1024 layers"),
    (("--renew-every", "5"), "--renew-every: expected at least 100, got 5"),
    (("--timeout", "0"), "--timeout: expected greater than or equal to 0.1"),
    (("--trace", "7", "--shots", "7"), "--trace 7: expected a shot of the run, 0 to 6"),
    (("--trace", "7", "--decoder", "pymatching"), "--trace 7: the decoder pymatching is software"),
    (("--link", "verilated", "--decoder", "pymatching"), "--link verilated: the decoder pymatching is software"),
    (("--adaptive",), "--adaptive: the weights of table cannot be changed while it runs; use --decoder union-find:loa"),
    (("--json", "lost/x.json"), "--json: cannot write the result to lost/x.json: there is no folder lost; make it"),
    (("--json", "."), "--json: cannot write the result to .: it is a folder; name a file in it"),
    (("--resume", "lost"), "--resume: lost holds no unfinished run: there is no such folder"),
    (("--runs-dir", "/proc/x"), "--runs-dir: /proc/x: cannot write in /proc: "),
    (("--runs-dir", "/dev/null/x"), "--runs-dir: /dev/null/x: /dev/null is a file; name a folder"),
    (("--json", "/proc/x.json"), "--json: cannot write the result to /proc/x.json: "),
    (("--resume", "/dev/null"), "--resume: /dev/null holds no unfinished run"),
    (("--link", "uart:socket://127.0.0.1"), "--link: uart:socket://127.0.0.1: expected socket://HOST:PORT with a port"),
    (("--link", "uart:socket://h:70000"), "--link: uart:socket://h:70000: expected socket://HOST:PORT with a port"),
    (("--link", "uart:rfc2217://:x"), "--link: uart:rfc2217://:x: expected rfc2217://HOST:PORT with a port"),
    (("--link", "uart:spy://loop://"), "--link: uart:spy://loop://: spy:// takes a device such as /dev/ttyUSB0"),
    (("--link", "uart:foo://x"), "--link: uart:foo://x: foo:// is no kind of port"),
    (("--link", "uart:loop://x"), "--link: uart:loop://x: loop:// gives back what was sent to it"),
    (("--url", "127.0.0.1:8000"), "--url '127.0.0.1:8000': expected the address of a running twin"),
    (("--url", "ftp://x"), "--url 'ftp://x': expected the address of a running twin"),
    (("--url", "http://x:99999"), "--url 'http://x:99999': expected the address of a running twin"),
    (("--runs-dir", "~no-such-user/x"), "--runs-dir: ~no-such-user/x: there is no such user here"),
]
Case = tuple[tuple[str, ...], str]


@pytest.mark.parametrize(("options", "says"), [*MEMORY, *BACKEND, *DECODER, *LINK, *RUN])
def test_loop_names_the_option_at_fault(folder: Path, options: tuple[str, ...], says: str) -> None:
    check_refused(folder, ("loop", *options), says)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        *MEMORY[:4],
        *MEMORY[5:7],
        *MEMORY[9:],
        *BACKEND,
        *DECODER,
        *LINK,
        (("--code", "surfac"), "--code 'surfac': expected 'surface' or 'repetition'"),
        (("--noise", "drifted:0"), "--noise 'drifted:0': expected drifted:X with a factor X > 0"),
        (("--rounds", "3e"), "--rounds '3e' is not a number of rounds: expected one such as 10, d or 3d"),
        (("--max-shots", "0"), "--max-shots 0: expected at least 1"),
        (("--max-errors", "-1"), "--max-errors: expected at least 0, got -1"),
        (("--batch", "1e9"), "--batch 1000000000: expected at most 1,000,000"),
        (("--workers", "0"), "--workers: expected at least 1, got 0"),
        (("--workers", "1e9"), "--workers: expected at most 1,024, got 1e9"),
        (("--max-shots", "1e12"), "--max-shots 1000000000000: expected at most 10,000,000,000"),
        (("--max-errors", "1e12"), "--max-errors 1000000000000: expected at most 10,000,000,000"),
        (("--deadline-ns", "inf"), "--deadline-ns: expected a finite number, got inf"),
        (("--scheduler", "foo"), "--scheduler 'foo': expected a Dask scheduler's address such as tcp://HOST:8786"),
        (("--runs-dir", "/proc/x"), "--runs-dir: /proc/x: cannot write in /proc: "),
        (("--url", "ftp://x"), "--url 'ftp://x': expected the address of a running twin"),
        (("--shots-over", "cocotb"), "--shots-over 'cocotb': expected a link and a number of shots"),
        (("--seed", "-1"), "--seed -1: expected at least 0"),
        (("lost.yaml",), "cannot read the sweep lost.yaml: No such file or directory"),
    ],
)
def test_bench_names_the_option_at_fault(folder: Path, options: tuple[str, ...], says: str) -> None:
    if options[0] == "--rounds" and says.startswith("--rounds 0"):  # rounds of a sweep are text, such as 3d
        says = "--rounds '0' is not a number of rounds"
    check_refused(folder, ("bench", *options), says)


@pytest.mark.parametrize("command", [("board", "--uart"), ("bitstream",), ("selftest",), ("decoder", "new", "mine")])
@pytest.mark.parametrize(("options", "says"), MEMORY)
def test_every_command_about_a_memory_names_the_option_at_fault(
    folder: Path, command: tuple[str, ...], options: tuple[str, ...], says: str
) -> None:
    check_refused(folder, (*command, *options), says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("board", "--uart", "--decoder", "tabel"), "--decoder: there is no decoder 'tabel'"),
        (("board", "--uart", "--decoder", "pymatching"), "--decoder: the decoder pymatching is software"),
        (
            ("board", "--uart", "--gates", "ulx3"),
            "--gates: there is no board 'ulx3': expected arty_a7, colorlight_i5, hx8k, icebreaker, ulx3s",
        ),
        (("board", "--pynq", "--simulator", "vcs"), "--simulator 'vcs': expected verilated or verilator or icarus"),
        (("board", "--uart", "--address", "1.2.3.4"), "--address: is for --pynq, not for this board"),
        (("board", "--pynq", "--port", "p"), "--port: is for --uart, not for this board"),
        (("board", "--pynq", "--overlay", "/dev/null"), "--overlay: /dev/null is a file; name a folder"),
        (("board", "--pynq", "--project", "/dev/null"), "--project: /dev/null is a file; name a folder"),
        (("bitstream", "--output", "/dev/null"), "--output: /dev/null is a file; name a folder"),
        (("compile", "x.dem", "-o", "/dev/null"), "--output: /dev/null is a file; name a folder"),
        (("decoder", "new", "/dev/null"), "PATH: /dev/null is a file; name a folder"),
        (("serve", "--data-dir", "/dev/null"), "--data-dir: /dev/null is a file; name a folder"),
        (("loop", "--noise", "uniform: 0.1"), "--noise 'uniform: 0.1': expected `device`, or `uniform:P`"),
        (("board",), "say which board: --uart or --pynq"),
        (
            ("bitstream", "--board", "hx8"),
            "--board: there is no board 'hx8': expected arty_a7, colorlight_i5, hx8k, icebreaker, ulx3s",
        ),
        (("bitstream", "--clock", "3"), "--clock: ULX3S 85F has no clock of 3 MHz; choose one of 50, 25"),
        (("selftest", "--link", "verilator"), "--link: there is no link 'verilator'"),
        (("selftest", "--backend", "foo"), "--backend: there is no backend 'foo'"),
        (("replay", ".", "3", "--link", "verilator"), "--link: there is no link 'verilator'"),
        (("compare", ".", ".", "--json", "lost/x"), "--json: cannot write the result to lost/x: there is no folder"),
        (("decoder", "new", "mine", "--style", "adaptor"), "--style 'adaptor': expected core or adapter"),
        (("decoder", "new", "mine", "--clock-mhz", "0"), "--clock-mhz 0: expected more than 0"),
        (("decoder", "check", "lost"), "PATH: there is no decoder 'lost'"),
        (("decoder", "check", "table", "--shots", "1"), "--shots: expected at least 500, got 1"),
        (("decoder", "check", "table", "--shots", "1e12"), "--shots: expected at most 1,000,000, got 1e12"),
        (("decoder", "check", "table", "--rounds", "-1"), "--rounds -1: expected at least 1"),
        (("decoder", "check", "table", "--seed", "1e25"), f"--seed {10**25}: expected less than {2**53:,}"),
        (("decoder", "check", "table", "--noise", "foo"), "--noise 'foo': expected `device`"),
        (("decoder", "check", "table", "--deadline-ns", "inf"), "--deadline-ns: expected a finite number, got inf"),
        (("decoder", "check", "table", "--json", "lost/x"), "--json: cannot write the result to lost/x"),
        (("serve", "--port", "99999"), "--port: expected less than or equal to 65535"),
        (("serve", "--executor", "foo"), "--executor (or QTWIN_EXECUTOR): expected local, or a Dask scheduler's"),
        (("serve", "--config-dir", "lost"), "--config-dir: there is no folder lost"),
        (("twin", "--replica", "a b"), "--replica (or QTWIN_REPLICA): "),
        (("gateway", "--upstream", "host:1"), "an upstream is the URL of a twin, such as http://127.0.0.1:8001"),
        (("serve", "--tls-cert", "lost.pem", "--tls-key", "/dev/null"), "--tls-cert: there is no file lost.pem"),
        (("serve", "--workers", "1000000"), "--workers: expected less than or equal to 1024"),
        (("serve", "--workers", "0"), "--workers: expected greater than or equal to 1"),
        (("demo", "--shots", "1e12"), "--shots: expected at most 10,000,000, got 1e12"),
        (("compile", "x.dem", "-o", "y", "--core", "union-find", "--window", "1e9"), "--window: window is 1000000000"),
        (("demo", "--shots", "0"), "--shots: expected at least 1, got 0"),
    ],
)
def test_other_commands_name_the_option_at_fault(folder: Path, arguments: tuple[str, ...], says: str) -> None:
    check_refused(folder, arguments, says)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        *[
            (("loop", name, ""), name)
            for name in ("--runs-dir", "--json", "--resume", "--url", "--email", "--password")
        ],
        *[(("bench", name, ""), name) for name in ("--run", "--scheduler", "--link", "--decoder")],
        *[(("serve", name, ""), name) for name in ("--host", "--data-dir", "--config-dir", "--database-url")],
        *[(("board", "--uart", name, ""), name) for name in ("--port", "--address", "--overlay", "--project")],
        (("replay", "run", "1", "--output", ""), "--output"),
        (("bitstream", "-o", ""), "--output"),
        (("compile", "x.dem", "-o", ""), "--output"),
        (("user", "add", "a@b.c", "--password", ""), "--password"),
    ],
)
def test_an_empty_value_is_refused(folder: Path, arguments: tuple[str, ...], name: str) -> None:
    check_refused(folder, arguments, f"{name}: expected something, got an empty text")


def test_an_empty_argument_is_refused(folder: Path) -> None:
    done = qtwin_without_a_twin("decoder", "new", "")
    assert done.exit_code == USAGE
    assert "got an empty text" in done.stderr
    assert list(folder.iterdir()) == []


def test_what_the_user_wrote_is_not_made_a_picture(folder: Path) -> None:
    check_refused(folder, ("loop", "--resume", ":car: d"), "--resume: :car: d holds no unfinished run")
    check_refused(folder, ("loop", "--link", "telepathy:x:"), "--link: there is no link 'telepathy:x:'")


@pytest.mark.parametrize("command", ["loop", "bench", "board", "bitstream", "selftest", "compile", "serve", "replay"])
def test_help_has_no_picture(command: str) -> None:
    pictures = [each for each in qtwin_without_a_twin(command, "--help").stdout if ord(each) >= ord("\u2600")]
    assert pictures == []


def test_a_folder_of_another_kind_is_made_no_run_s(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "letter.txt").write_text("not a run")
    check_refused(folder, ("bench", "--run", "mine"), "--run: mine is no run's folder and is not empty")


def test_version_needs_no_command() -> None:
    done = qtwin_without_a_twin("--version")
    assert (done.exit_code, done.stdout) == (0, f"qtwin {version('qtwin')}\n")


def test_every_fault_is_told_at_once(folder: Path) -> None:
    check_refused(
        folder,
        ("loop", "--seed", "-1", "--distance", "1", "--link", "verilator", "--json", "lost/x"),
        "--distance 1: expected at least 2",
        "--seed -1: expected at least 0",
        "--link: there is no link 'verilator'",
        "--json: cannot write the result to lost/x",
    )


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (("--decoder", "unionfind"), "union-find"),
        (("--link", "verilator"), "verilated"),
        (("--link", "cocotb:icaros"), "icarus"),
        (("--backend", "surface17like"), "surface17_like"),
    ],
)
def test_what_is_nearly_a_name_is_asked_for(folder: Path, options: tuple[str, ...], meant: str) -> None:
    done = qtwin_without_a_twin("loop", *options)
    assert done.stderr.rstrip().endswith(f"; did you mean {meant!r}?")
    assert list(folder.iterdir()) == []


def test_a_sweep_s_file_is_named_with_its_key(folder: Path) -> None:
    plan = {"decoders": ["tabel"], "noize": ["device"], "distances": [3, 1], "seed": 3}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(plan))
    check_refused(
        folder,
        ("bench", "sweep.yaml", "--seed", "-1"),
        "sweep.yaml: distances 1: expected at least 2",
        "--seed -1: expected at least 0",
        "sweep.yaml: noize: there is no such key; did you mean 'noise'?",
    )
    plan.pop("noize")
    (folder / "sweep.yaml").write_text(yaml.safe_dump({**plan, "distances": [3]}))
    check_refused(folder, ("bench", "sweep.yaml"), "sweep.yaml: decoders: there is no decoder 'tabel'")


@pytest.mark.parametrize("command", ["loop", "bench"])
def test_a_twin_elsewhere_is_asked_for_its_backends_before_a_folder_is_made(qtwin: Qtwin, command: str) -> None:
    with contextlib.chdir(qtwin.folder):
        done = CliRunner().invoke(app, [command, "--backend", "foo"], env=qtwin.environment())
    assert done.exit_code == USAGE
    assert "--backend: there is no backend 'foo'; there are: ibm_jakarta_like" in done.stderr
    assert list(qtwin.folder.iterdir()) == []


@pytest.mark.parametrize("command", ["loop", "bench"])
@pytest.mark.parametrize("changes", [{"QTWIN_PASSWORD": "wrong"}, {"QTWIN_URL": "http://127.0.0.1:9"}])
def test_a_twin_elsewhere_that_cannot_be_used_leaves_no_folder(
    qtwin: Qtwin, command: str, changes: dict[str, str]
) -> None:
    with contextlib.chdir(qtwin.folder):
        done = CliRunner().invoke(app, [command], env=qtwin.environment(**changes))
    assert done.exit_code == 1
    assert list(qtwin.folder.iterdir()) == []


@pytest.mark.parametrize("arguments", [("loop", "--seed", "-1"), ("bench", "--seed", "-1"), ("loop", "--help")])
def test_a_wrong_option_is_told_before_anything_large_is_imported(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    program = (
        "import sys\nfrom qtwin.cli import main\n"
        "try:\n    main()\n"
        f"finally:\n    print('large:', *[name for name in {LARGE!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if "--help" in arguments else USAGE)
    assert done.stdout.splitlines()[-1] == "large:"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e6", 10**6), ("1_000_000", 10**6), ("1000000", 10**6), ("2.5e3", 2500), ("-7", -7), ("1E3", 1000)],
)
def test_whole_numbers_are_taken_as_people_write_them(text: str, value: int) -> None:
    assert whole_number(text) == value


@pytest.mark.parametrize("text", ["1.5", "1e-3", "inf", "nan", "", "abc", "1e999999999", "0x10"])
def test_what_is_no_whole_number_is_shown(text: str) -> None:
    with pytest.raises(Exception, match="expected a whole number such as 1000000, 1_000_000 or 1e6, got") as found:
        whole_number(text)
    assert repr(text) in str(found.value)


@pytest.mark.parametrize(("option", "asked"), [("--distance", "5"), ("--rounds", "4"), ("--basis", "X")])
def test_a_decoder_for_another_memory_is_told_by_the_option(folder: Path, option: str, asked: str) -> None:
    assert qtwin_without_a_twin("decoder", "new", "mine").exit_code == 0
    rest = () if option == "--rounds" else ("--rounds", "3")
    done = qtwin_without_a_twin("loop", "--decoder", "mine", option, asked, *rest)
    assert done.exit_code == USAGE
    assert done.stderr.startswith(f"qtwin: {option} {int(asked) if asked.isdigit() else asked!r}: the decoder mine (")
    assert "was made for another problem" in done.stderr
    assert {path.name for path in folder.iterdir()} == {"mine"}
