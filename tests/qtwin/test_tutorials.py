"""What the tutorials show is run here: the code on the page, the commands on the page."""

import contextlib
import json
import math
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pymatching
import pytest
import stim
from typer.testing import CliRunner

from bridge.testbench.run import installed_simulators, run_in_simulator
from hdl.errors import SimulationError
from hdl.places import is_plain
from qtwin.cli import app
from tests.qtwin.conftest import Qtwin
from tests.tools import needs

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
KEPT = ("QTWIN_CACHE_DIR",)
TESTBENCH_FILES = {"decoder.sv": "systemverilog", "test_decoder.py": "python", "run.py": "python", "Makefile": "make"}
TESTBENCH_TIMEOUT_S = 500
READY_S = 60
WAIT_FOR_TWIN = f"""
for _ in $(seq {5 * READY_S}); do grep -q 'qtwin app: http' twin.log && break; kill -0 $!; sleep 0.2; done
grep 'qtwin app: http' twin.log
"""


def blocks(page: str, language: str) -> list[str]:
    """Fenced blocks of a page in one language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("name", "language"), TESTBENCH_FILES.items())
def test_the_testbench_page_shows_its_files(name: str, language: str) -> None:
    file = DOCS / "examples" / "in-your-testbench" / name
    assert file.read_text(encoding="utf-8") in blocks("in-your-testbench.md", language)


@pytest.mark.timeout(TESTBENCH_TIMEOUT_S + 60)
@pytest.mark.skipif("verilator" not in installed_simulators(), reason="cocotb cannot run Verilator here")
def test_the_testbench_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """Every command of the page in one shell; only the checkout's place and the twin's port are this machine's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = ["set -eu", "trap 'kill $(jobs -p)' EXIT"]
    for block in blocks("in-your-testbench.md", "sh"):
        if "qtwin serve" in block:  # in a terminal of its own
            lines.append(f"{block.strip()} >twin.log 2>&1 &\n{WAIT_FOR_TWIN}")
        elif '"make"' not in block or (is_plain(tmp_path) and is_plain(Path(sys.prefix))):
            lines.append(block)
    if "icarus" in installed_simulators():
        lines.append("python run.py icarus")
    script = "\n".join(lines).replace("path/to/checkout/.venv", shlex.quote(sys.prefix)).replace("8000", str(port))
    script = script.replace("path/to/checkout", shlex.quote(str(DOCS.parent)))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path, env=plain_environment(), capture_output=True, text=True, check=False, timeout=TESTBENCH_TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    num_runs = script.count("python run.py") + script.count("execvpe")
    assert num_runs >= 1
    assert len(re.findall(r"[1-9]\d* logical errors in 2000 shots", done.stdout)) == num_runs


def plain_environment() -> dict[str, str]:
    """This process's environment without what names a twin."""
    return {name: value for name, value in os.environ.items() if not name.startswith("QTWIN_") or name in KEPT}


@pytest.fixture(name="new_decoder_folder")
def _new_decoder_folder(tmp_path: Path) -> Path:
    with contextlib.chdir(tmp_path):
        done = CliRunner().invoke(app, ["decoder", "new", "mine", "--code", "repetition"])
    assert done.exit_code == 0, done.stderr
    return tmp_path / "mine"


def test_new_decoder_runs_edited_and_unedited(new_decoder_folder: Path, qtwin: Qtwin, tmp_path: Path) -> None:
    """The tutorial's way: new, check, edit one line, loop; latency falls and no correction changes."""
    source = new_decoder_folder / "decode.sv"
    before, after = re.findall(
        r"```systemverilog\n(.*?)\n```", (DOCS / "bring-your-own-decoder.md").read_text(), re.DOTALL
    )[:2]
    results = []
    for text in (source.read_text(), source.read_text().replace(before.strip(), after.strip())):
        source.write_text(text)
        outcome = qtwin.loop("--decoder", str(new_decoder_folder), "--code", "repetition", "--shots", "2000")
        assert outcome.code == 0, outcome.errors
        results.append(outcome.result)
    first, edited = results
    assert first is not None
    assert edited is not None
    assert edited["digests"] == first["digests"]
    assert edited["decoder_metrics"]["latency_cycles"]["p50"] < first["decoder_metrics"]["latency_cycles"]["p50"] / 2
    assert edited["qec_metrics"]["logical_errors"] < 2 * first["reference"]["logical_errors"] + 20
    json_file = tmp_path / "check.json"
    command = ["decoder", "check", str(new_decoder_folder), "--shots", "2000", "--json", str(json_file)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stdout
    assert json.loads(json_file.read_text())["healthy"] is True
    source.write_text(source.read_text().replace("assign flips_o = ", "assign flips_o = '0; // "))
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "constant output" in done.stdout
    assert "constant output" in json.loads(json_file.read_text())["diagnoses"]


def test_new_decoder_keeps_what_is_there(new_decoder_folder: Path) -> None:
    done = CliRunner().invoke(app, ["decoder", "new", str(new_decoder_folder)])
    assert done.exit_code == 1
    assert "exists" in done.stderr


def test_cocotb_tests_of_a_new_decoder_pass_and_can_fail(new_decoder_folder: Path, tmp_path: Path) -> None:
    simulator = installed_simulators()[-1]
    run_in_simulator(new_decoder_folder, "simulated", simulator, tmp_path)
    source = new_decoder_folder / "decode.sv"
    source.write_text(re.sub(r"assign flips_o = (.*);", r"assign flips_o = ~(\1);", source.read_text()))
    with pytest.raises(SimulationError, match="simulated"):
        run_in_simulator(new_decoder_folder, "simulated", simulator, tmp_path)


def test_adapter_style_closes_the_loop(qtwin: Qtwin, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["decoder", "new", str(tmp_path / "own"), "--code", "repetition", "--style", "adapter"]
    )
    assert done.exit_code == 0, done.stderr
    outcome = qtwin.loop("--decoder", str(tmp_path / "own"), "--code", "repetition", "--shots", "2000")
    assert outcome.code == 0, outcome.errors
    assert outcome.result is not None
    assert outcome.result["qec_metrics"]["agreement"] > 0.9


OWN_RTL = {
    "byte-stream": ["--code", "repetition"],
    "tiny-tapeout": ["--code", "repetition", "--rounds", "1"],
    "vhdl-decoder": ["--code", "repetition"],
    "padded-layers": ["--code", "repetition", "--distance", "5", "--rounds", "4"],
}
OWN_RTL_SHOTS, OWN_RTL_NOISE = 20_000, 0.01


def independent_errors(distance: int, rounds: int) -> tuple[int, int]:
    """Logical errors of majority over the final syndrome, and of PyMatching, in Stim's own circuit."""
    circuit = stim.Circuit.generated(
        "repetition_code:memory", distance=distance, rounds=rounds, after_clifford_depolarization=OWN_RTL_NOISE,
        before_round_data_depolarization=OWN_RTL_NOISE, before_measure_flip_probability=OWN_RTL_NOISE,
        after_reset_flip_probability=OWN_RTL_NOISE,
    )  # fmt: skip
    sampler = circuit.compile_detector_sampler(seed=11)
    events, observables = sampler.sample(OWN_RTL_SHOTS, separate_observables=True)
    syndrome = np.bitwise_xor.reduce(events.reshape(OWN_RTL_SHOTS, rounds + 1, distance - 1), axis=1)
    flipped = np.concatenate([np.zeros((OWN_RTL_SHOTS, 1)), np.cumsum(syndrome, axis=1) % 2], axis=1)
    flips = (flipped[:, -1] == 1) ^ (flipped.sum(axis=1) * 2 > distance)
    matching = pymatching.Matching.from_detector_error_model(circuit.detector_error_model(decompose_errors=True))
    matched = matching.decode_batch(events)[:, 0]
    return int((flips != observables[:, 0]).sum()), int((matched != observables[:, 0]).sum())


def agree(ours: int, theirs: int) -> bool:
    """Whether two counts of errors in as many shots are within three standard deviations."""
    return abs(ours - theirs) <= 3 * math.sqrt(ours + theirs)


@pytest.mark.parametrize("name", OWN_RTL)
def test_examples_of_own_rtl_are_on_the_page_and_run(name: str, tmp_path: Path, qtwin: Qtwin) -> None:
    """Through loop, bench and the doctor; errors as in a Stim circuit that qtwin has not written."""
    if name == "vhdl-decoder":
        needs("ghdl")
    folder, memory = DOCS / "examples" / name, OWN_RTL[name]
    page = (DOCS / "own-rtl.md").read_text(encoding="utf-8")
    assert f"| [`{name}`](examples/{name}) |" in page
    assert f"| `{' '.join(memory)}` |" in page
    if name == "tiny-tapeout":
        for file, language in (("decoder.yaml", "yaml"), ("codec.py", "python")):
            assert (folder / file).read_text(encoding="utf-8") in blocks("own-rtl.md", language)
    choice = [*memory, "--noise", f"uniform:{OWN_RTL_NOISE}"]
    done = qtwin.loop("--decoder", str(folder), *choice, "--shots", str(OWN_RTL_SHOTS), "--seed", "5")
    assert done.code == 0, done.errors
    assert done.result is not None
    options = dict(zip(memory[::2], memory[1::2], strict=True))
    distance = int(options.get("--distance", 3))
    errors, matched = independent_errors(distance, int(options.get("--rounds", distance)))
    assert agree(done.result["qec_metrics"]["logical_errors"], errors)
    assert agree(done.result["reference"]["logical_errors"], matched)
    with contextlib.chdir(tmp_path):
        bench = CliRunner().invoke(app, ["bench", "--decoder", str(folder), *choice, "--max-shots", "2000"])
        assert bench.exit_code == 0, bench.output
        check = CliRunner().invoke(app, ["decoder", "check", str(folder), *memory, "--json", "findings.json"])
        findings = json.loads(Path("findings.json").read_text())
    assert check.exit_code == (0 if findings["healthy"] else 1), check.output
    # all of them look at the final syndrome alone, which is all there is after one round
    assert findings["healthy"] or name != "tiny-tapeout", findings["diagnoses"]
