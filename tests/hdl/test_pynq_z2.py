"""The PYNQ-Z2 project: its wrapper, its settings, and the steps that its script would take in Vivado."""

import shutil
import subprocess
import xml.etree.ElementTree as Xml
from dataclasses import dataclass
from pathlib import Path

import pytest
import stim

from hdl.boards.pynq_z2 import design
from hdl.boards.pynq_z2.project import fill_project, write_project
from hdl.compile.decoder import compile_decoder
from hdl.compile.layout import events_layout
from hdl.compile.manifest import DecoderFolder
from hdl.errors import ManifestError
from hdl.lint import lint
from hdl.registers.map import FIELDS

TIMEOUT_S = 60
CLOCK_MHZ = 50.0
VIVADO = r"""
# Stands in for Vivado: every command that Tcl does not know is written down. What the script asks back is answered.
set log [open [lindex $argv 1] w]
proc unknown {args} {
    global log actual_mhz slack progress here
    puts $log $args
    set command [lindex $args 0]
    if {$command eq "get_property"} {
        switch -- [lindex $args 1] {
            CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ {return $actual_mhz}
            STATS.WNS {return $slack}
            PROGRESS {return $progress}
            DIRECTORY {return [file join $here build fake]}
        }
    }
    if {$command eq "get_files"} {return [list a.sv b.sv]}
    if {$command eq "get_board_parts"} {return {}}
    return [string map {" " _} "<$command>"]
}
lassign [lrange $argv 2 end] actual_mhz slack progress
set here [file dirname [lindex $argv 0]]
if {[catch {source [lindex $argv 0]} message]} {
    puts stderr $message
    exit 1
}
"""
HANDOFF = '<EDKSYSTEM><MODULES><MODULE MODTYPE="processing_system7"><PARAMETERS><PARAMETER NAME="A" VALUE="1"/>' \
    "</PARAMETERS></MODULE></MODULES></EDKSYSTEM>"  # fmt: skip


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> DecoderFolder:
    circuit = stim.Circuit.generated("repetition_code:memory", distance=3, rounds=2, after_clifford_depolarization=0.01)
    model = circuit.detector_error_model(decompose_errors=True)
    folder = tmp_path_factory.mktemp("decoder") / "decoder"
    return compile_decoder(model, events_layout(model), folder, clock_mhz=CLOCK_MHZ)


@pytest.fixture(scope="module")
def project(decoder: DecoderFolder) -> DecoderFolder:
    return write_project(decoder, decoder.path / "pynq_z2")


@dataclass(frozen=True)
class Run:
    """What the script did in the stand-in: its commands, one a line, and its error."""

    code: int
    commands: list[str]
    errors: str

    def first(self, *beginnings: str) -> list[int]:
        """Where each kind of command stands first."""
        return [next(i for i, line in enumerate(self.commands) if line.startswith(start)) for start in beginnings]


def run_script(project: DecoderFolder, scratch: Path, mhz: float = CLOCK_MHZ, slack: float = 0.5) -> Run:
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("tclsh is not installed; on Debian or Ubuntu: apt-get install tcl")
    folder = scratch / "project"
    shutil.copytree(project.path, folder)
    fake = folder / "build" / "fake"
    (fake / "decoder.gen/sources_1/bd/decoder/hw_handoff").mkdir(parents=True)
    (fake / "decoder.gen/sources_1/bd/decoder/hw_handoff/decoder.hwh").write_text(HANDOFF)
    (fake / "decoder_wrapper.bit").write_bytes(b"bits")
    stub = scratch / "vivado.tcl"
    stub.write_text(VIVADO)
    log = scratch / "log"
    done = subprocess.run(
        [tclsh, str(stub), str(folder / "build.tcl"), str(log), str(mhz), str(slack), "100%"],
        capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    return Run(done.returncode, log.read_text().splitlines(), done.stderr)


def test_wrapper_is_free_of_lint(project: DecoderFolder) -> None:
    assert project.manifest.top == design.TOP
    assert lint(project) == ""


def test_wrapper_takes_a_user_s_top_and_parameters(decoder: DecoderFolder, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(decoder.path, folder, ignore=shutil.ignore_patterns("pynq_z2"))
    elsewhere = tmp_path / "elsewhere.sv"
    elsewhere.write_text("module my_top; endmodule\n")
    text = (folder / "decoder.yaml").read_text().replace("top: decoder_top", "top: my_top\nparameters: {Width: 3}")
    (folder / "decoder.yaml").write_text(text.replace("- decoder_pkg.sv", "- decoder_pkg.sv\n- ../elsewhere.sv"))
    target = tmp_path / "project"
    fill_project(DecoderFolder(folder), target)
    assert "  my_top #(.Width(3)) u_decoder (" in (target / "decoder_top_axi.v").read_text()
    assert "rtl/01_elsewhere.sv" in DecoderFolder(target).manifest.sources


def test_project_does_not_replace_what_it_did_not_write(decoder: DecoderFolder, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(ManifestError, match="not a project for this board"):
        write_project(decoder, tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_script_packages_then_designs_then_builds(project: DecoderFolder, tmp_path: Path) -> None:
    run = run_script(project, tmp_path)
    assert run.code == 0, run.errors
    steps = run.first(
        "create_project -force package_decoder", "ipx::package_project", "ipx::save_core", "close_project",
        "create_project -force decoder", "create_bd_design", "connect_bd_net", "connect_bd_intf_net",
        "assign_bd_address", "validate_bd_design", "save_bd_design", "make_wrapper", "launch_runs impl_1",
        "wait_on_run impl_1",
    )  # fmt: skip
    assert steps == sorted(steps)
    text = "\n".join(run.commands)
    assert "-vendor qtwin -library hdl" in text
    assert f"create_bd_cell -type ip -vlnv {design.DECODER_VLNV} decoder_0" in text
    assert f"create_bd_cell -type ip -vlnv {design.DMA_VLNV} axi_dma_0" in text
    assert "CONFIG.c_include_sg 0" in text
    assert f"CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ {CLOCK_MHZ:g}" in text
    assert "-offset 0x40400000 -range 0x10000" in text
    assert "-offset 0x43c00000 -range 0x1000" in text
    registers = [line.split()[1] for line in run.commands if line.startswith("ipx::add_register")]
    assert registers == [address.name for address in FIELDS]
    assert len([line for line in run.commands if line.startswith("ipx::add_field")]) == sum(map(len, FIELDS.values()))
    added = [line.split()[-1] for line in run.commands if line.startswith("add_files")]
    sources = [file.partition("/project/")[2].rstrip("}") for file in added]  # Tcl puts a path with a space into {}
    assert sources[: len(project.sources)] == list(project.manifest.sources)


def test_script_leaves_both_files_of_the_overlay(project: DecoderFolder, tmp_path: Path) -> None:
    assert run_script(project, tmp_path).code == 0
    assert (tmp_path / "project" / "decoder.bit").read_bytes() == b"bits"
    handoff = Xml.parse(tmp_path / "project" / "decoder.hwh").getroot()
    values = {p.get("NAME"): p.get("VALUE") for p in handoff.iter("PARAMETER")}
    assert values == {"A": "1", "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ": f"{CLOCK_MHZ:g}"}


@pytest.mark.parametrize(
    ("mhz", "slack", "message"),
    [(47.6, 0.5, "makes 47.6 MHz, not the 50 MHz"), (CLOCK_MHZ, -0.2, "timing is not met: worst slack -0.2 ns")],
)
def test_script_stops_at_a_wrong_clock_and_at_missed_timing(
    project: DecoderFolder, tmp_path: Path, mhz: float, slack: float, message: str
) -> None:
    run = run_script(project, tmp_path, mhz, slack)
    assert run.code == 1
    assert message in run.errors
    assert not (tmp_path / "project" / "decoder.bit").exists()
