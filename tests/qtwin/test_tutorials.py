"""What the tutorials show is run here: the code on the page, the commands on the page."""

import contextlib
import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from bridge.testbench.run import installed_simulators, run_in_simulator
from hdl.compile.decoder import compile_decoder
from hdl.errors import SimulationError
from qtwin.cli import app
from qtwin.problems import MemoryChoice, pose
from tests.qtwin.conftest import Qtwin

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
OWN_NAMES = """\
// Somebody's own design: a decoder under other names, without a register port.
module my_design (
    input  logic        clk,
    input  logic        rst,
    input  logic [31:0] in_word,
    input  logic        in_valid,
    output logic        in_ready,
    output logic [31:0] out_word,
    output logic        out_valid,
    input  logic        out_ready
);
  decoder_top u_decoder (
      .clk_i(clk), .rst_ni(!rst),
      .s_axis_tdata(in_word), .s_axis_tvalid(in_valid), .s_axis_tready(in_ready), .s_axis_tlast(1'b0),
      .m_axis_tdata(out_word), .m_axis_tvalid(out_valid), .m_axis_tready(out_ready), .m_axis_tlast(),
      .s_axil_awaddr('0), .s_axil_awvalid(1'b0), .s_axil_awready(), .s_axil_wdata('0), .s_axil_wstrb('0),
      .s_axil_wvalid(1'b0), .s_axil_wready(), .s_axil_bresp(), .s_axil_bvalid(), .s_axil_bready(1'b0),
      .s_axil_araddr('0), .s_axil_arvalid(1'b0), .s_axil_arready(), .s_axil_rdata(), .s_axil_rresp(),
      .s_axil_rvalid(), .s_axil_rready(1'b0)
  );
endmodule
"""


def code_of(page: str) -> list[str]:
    """Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_testbench_on_the_page_runs(qtwin: Qtwin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, problem = pose(MemoryChoice("repetition"))
    folder = tmp_path / "design"
    compile_decoder(problem.error_model, problem.layout, folder)
    manifest = yaml.safe_load((folder / "decoder.yaml").read_text())
    manifest |= {"top": "my_design", "sources": [*manifest["sources"], "my_design.sv"]}
    (folder / "decoder.yaml").write_text(yaml.safe_dump(manifest))
    (folder / "my_design.sv").write_text(OWN_NAMES)
    (code,) = code_of("in-your-testbench.md")
    (folder / "tutorial_code.py").write_text(code)
    for name in ("QTWIN_URL", "QTWIN_EMAIL", "QTWIN_PASSWORD"):
        monkeypatch.setenv(name, qtwin.environment()[name])
    run_in_simulator(folder, "tutorial_code", installed_simulators()[0], tmp_path)
    log = (tmp_path / "simulation.log").read_text()
    assert re.search(r"\d+ logical errors in 200 shots", log)


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
    source.write_text(source.read_text().replace("assign flips_o = ", "assign flips_o = ~"))
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
