"""Whatever goes wrong ends in one clear message and a non-zero exit, with what was done so far in the report."""

import contextlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from bridge.links.base import Deadlines
from bridge.loop import LoopRun, LoopSettings, run_loop
from qtwin.embedded import embedded_twin
from tests.qtwin.conftest import Qtwin
from tests.tools import needs_simulator
from twin.client import TwinClient

BROKEN = Path(__file__).parent.parent / "bridge" / "broken" / "broken.sv"
USAGE = 2
RUN = ("--code", "repetition", "--noise", "uniform:0.01", "--shots", "2000")


def broken_decoder(qtwin: Qtwin, mode: int, **changes: Any) -> Path:
    """A manifest around broken.sv that fits the repetition d=3 session of RUN."""
    good = qtwin.loop(*RUN, "--link", "software")
    assert good.result is not None
    graph_hash = int(good.result["decoder_metrics"]["graph_hash"], 16)
    manifest = {
        "name": "broken",
        "top": "broken",
        "sources": ["broken.sv"],
        "parameters": {"GraphHash": graph_hash, "Mode": mode},
        "graph_hash": graph_hash,
        "num_stabilizers": 2,
        "num_data_qubits": 3,
        "num_observables": 1,
        "rounds": 3,
        **changes,
    }
    folder = qtwin.folder / "broken"
    folder.mkdir()
    shutil.copy(BROKEN, folder)
    (folder / "decoder.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def test_unknown_decoder_is_named_with_those_there_are(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, "--decoder", "tabel")
    assert outcome.code == USAGE
    assert "there is no decoder 'tabel': expected table" in outcome.message
    assert "Traceback" not in outcome.errors


def test_unknown_link_is_named_with_those_there_are(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, "--link", "telepathy")
    assert outcome.code == USAGE
    assert "there is no link 'telepathy': expected one of software, verilated, cocotb" in outcome.message


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--decoder", "tabel"), "there is no decoder 'tabel'"),
        (("--link", "verilatd"), "there is no link 'verilatd'"),
        (("--noise", "unifrom:0.005"), "--noise 'unifrom:0.005': expected `device`, or `uniform:P`"),
        (("--shots", "0"), "--shots 0: expected at least 1"),
        (("--code", "surfac"), "--code 'surfac': expected 'repetition' or 'surface'"),
        (("--json", "."), "cannot write the result to .: it is a folder; name a file in it"),
        (("--json", "file/result.json"), "cannot write the result to file/result.json: there is no folder file"),
        (("--resume", "file"), "file holds no unfinished run"),
    ],
)
def test_what_needs_no_twin_is_refused_before_one_is_started(
    qtwin: Qtwin, wrong: tuple[str, str], message: str
) -> None:
    (qtwin.folder / "file").write_text("where a folder should be")
    outcome = qtwin.loop(*RUN, *wrong, QTWIN_URL="http://127.0.0.1:9")
    assert outcome.code == USAGE
    assert message in outcome.message
    assert not (qtwin.folder / "runs").exists()


def test_manifest_with_a_missing_file_names_the_file(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, "--decoder", str(broken_decoder(qtwin, 0, sources=["broken.sv", "lost.sv"])))
    assert outcome.code == USAGE
    assert "sources names 'lost.sv', but there is no file" in outcome.message


def test_manifest_with_an_unknown_key_names_the_key(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, "--decoder", str(broken_decoder(qtwin, 0, sauces=["broken.sv"])))
    assert outcome.code == USAGE
    assert "sauces: Extra inputs are not permitted" in outcome.message


def test_decoder_for_another_code_is_refused(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, "--decoder", str(broken_decoder(qtwin, 0)), "--rounds", "4")
    assert outcome.code == 1
    assert "made for another problem: rounds 3, not 4" in outcome.message


def test_decoder_whose_register_shows_another_graph_is_refused(qtwin: Qtwin) -> None:
    folder = broken_decoder(qtwin, 0)
    manifest = yaml.safe_load((folder / "decoder.yaml").read_text())
    manifest["parameters"]["GraphHash"] = 5
    (folder / "decoder.yaml").write_text(yaml.safe_dump(manifest))
    outcome = qtwin.loop(*RUN, "--decoder", str(folder))
    assert outcome.code == 1
    assert "was built for graph 0x00000005" in outcome.message


@pytest.mark.parametrize("link", ["verilated", "cocotb:verilator", "cocotb:icarus"])
def test_rtl_that_does_not_compile_shows_the_tool_s_error(qtwin: Qtwin, link: str) -> None:
    needs_simulator(link)
    folder = broken_decoder(qtwin, 0)
    source = folder / "broken.sv"
    source.write_text(source.read_text().replace("assign s_axis_tready = Mode != 1;", "assign s_axis_tready = Mode !="))
    outcome = qtwin.loop(*RUN, "--decoder", str(folder), "--link", link)
    assert outcome.code == 1
    assert "does not compile" in outcome.message
    assert "broken.sv" in outcome.message
    assert "Traceback" not in outcome.errors


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (0, "gave 0 of 2000 answers and took 16000 of 16000 words"),
        (1, "gave 0 of 2000 answers and took 0 of 16000 words"),
        (2, "is not qds1"),
        (3, "each answer must carry its shot's tag"),
    ],
)
def test_decoder_that_misbehaves_is_described(qtwin: Qtwin, mode: int, message: str) -> None:
    outcome = qtwin.loop(*RUN, "--decoder", str(broken_decoder(qtwin, mode)))
    assert outcome.code == 1
    assert message in outcome.message
    assert outcome.result is not None
    assert outcome.result["qec_metrics"]["shots"] == 0


def test_simulator_that_is_not_installed_is_named_with_the_remedy(qtwin: Qtwin, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    outcome = qtwin.loop(*RUN, "--link", "cocotb:icarus", PATH=str(tools))
    assert outcome.code == 1
    assert "Icarus Verilog is not installed; on Debian or Ubuntu: apt-get install iverilog" in outcome.message


def test_wrong_password_is_said_once(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, QTWIN_PASSWORD="wrong")
    assert outcome.code == 1
    assert "401" in outcome.message
    assert "Traceback" not in outcome.errors


def test_unknown_backend_is_named_with_those_there_are(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, "--backend", "foo")
    assert outcome.code == USAGE
    assert "--backend: there is no backend 'foo'; there are: ibm_jakarta_like, repetition29_like" in outcome.message


def test_address_that_is_none_is_said_without_a_number(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, QTWIN_URL="http://no-such-host.invalid")
    assert outcome.code == 1
    assert "no answer from the twin at http://no-such-host.invalid: " in outcome.message
    assert "is that its address, and does it run?" in outcome.message
    assert "Errno" not in outcome.message


def test_nobody_at_the_url_is_said_once(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, QTWIN_URL="http://127.0.0.1:9")
    assert outcome.code == 1
    assert "http://127.0.0.1:9" in outcome.message
    assert "Traceback" not in outcome.errors


def test_folder_for_reports_that_cannot_be_made_is_told_with_the_option(qtwin: Qtwin) -> None:
    (qtwin.folder / "file").write_text("where a folder should be")
    outcome = qtwin.loop(*RUN, "--runs-dir", "file")
    assert outcome.code == USAGE
    assert outcome.message == "qtwin: --runs-dir: file is a file; name a folder"


class KillAfter:
    """A watcher that ends a process once so many shots are done."""

    def __init__(self, num_shots: int, kill: Any) -> None:
        self._num_shots = num_shots
        self._kill = kill

    def stage(self, text: str) -> None:
        """Nothing to see."""

    def shots(self, done: int, total: int) -> None:
        """Kill when it is time."""
        del total
        if done >= self._num_shots and self._kill is not None:
            self._kill()
            self._kill = None


def small_run(**changes: Any) -> LoopSettings:
    fields: dict[str, Any] = {
        "code": "repetition",
        "backend_id": "repetition29_like",
        "noise": "uniform:0.01",
        "shots": 2000,
        "chunk_shots": 100,
        "deadlines": Deadlines(exchange_s=30),
    }
    return LoopSettings(**{**fields, **changes})


def kill_descendants(marker: str) -> None:
    """Kill every process below this one whose command line has the marker, and what it started."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(marker in argument for argument in process.cmdline()):
                for child in process.children(recursive=True):
                    child.kill()
                process.kill()


def test_twin_that_goes_away_leaves_the_shots_done_so_far(tmp_path: Path) -> None:
    def kill_twin() -> None:
        kill_descendants(str(tmp_path / "gone"))

    with (
        embedded_twin(tmp_path / "gone") as address,
        TwinClient(address.url, address.email, address.password) as client,
    ):
        run: LoopRun = run_loop(small_run(link="software"), client, KillAfter(500, kill_twin), tmp_path)
    assert run.error is not None
    assert "twin" in str(run.error)
    assert run.setup is not None
    assert 500 <= run.setup.tally.num_shots < 2000


def test_simulation_that_is_killed_for_good_leaves_the_shots_done_so_far(
    qtwin: Qtwin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_simulation() -> None:
        monkeypatch.setenv("QTWIN_CACHE_DIR", str(tmp_path / "no-folder" / "file"))
        (tmp_path / "no-folder").write_text("a file where the builds' folder should be")
        kill_descendants("bridge.links.cosim.simulate")

    settings = small_run(link="cocotb:verilator", deadlines=Deadlines(exchange_s=30, reconnect_s=0.5))
    with TwinClient(qtwin.address.url, qtwin.address.email, qtwin.address.password) as client:
        run = run_loop(settings, client, KillAfter(300, kill_simulation), tmp_path)
    assert "simulation ended" in str(run.error)
    assert "could not be opened again within 0.5 s" in str(run.error)
    assert run.setup is not None
    assert 300 <= run.setup.tally.num_shots < 2000


def test_command_that_is_killed_leaves_no_process_behind(qtwin: Qtwin) -> None:
    arguments = [sys.executable, "-m", "qtwin", "loop", *RUN, "--shots", "1000000", "--link", "cocotb:verilator"]
    environment = qtwin.environment()
    del environment["QTWIN_URL"]
    process = subprocess.Popen(arguments, cwd=qtwin.folder, env=environment, stdout=subprocess.DEVNULL)
    family = []
    try:
        wait_for(lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 4)
        family = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def wait_for(condition: Any, limit_s: float = 90.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def test_result_of_a_run_that_was_cut_short_says_why(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*RUN, "--decoder", str(broken_decoder(qtwin, 0)))
    (report,) = (path for path in (qtwin.folder / "runs").iterdir() if "broken" in path.name)
    result = json.loads((report / "result.json").read_text())
    assert result["error"]["type"] == "DecoderSilentError"
    assert outcome.result == result
