"""Vivado projects of Zynq boards: the wrapper, the settings, and the steps that their script would take in Vivado."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as Xml
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stim
import yaml

from bridge.errors import RegisterError
from bridge.links.base import Deadlines, OpenedLink
from bridge.links.verilated import VerilatedLink
from hdl.boards.vivado import design
from hdl.boards.vivado.board import VivadoBoard, boards, find_board
from hdl.boards.vivado.project import fill_project, longest_messages, write_project
from hdl.boards.vivado.systems import SYSTEMS, SystemKind
from hdl.compile.decoder import compile_decoder
from hdl.compile.layout import events_layout
from hdl.compile.manifest import DecoderFolder
from hdl.design import verilator_arguments
from hdl.errors import BoardError, BuildError, ManifestError
from hdl.lint import lint, lint_top
from hdl.registers.map import FIELDS
from qds1 import parse

TIMEOUT_S = 60
CLOCK_MHZ = 50.0
RESPONSES_PER_PACKET = 0x04C
VIVADO = r"""
# Stands in for Vivado: every command that Tcl does not know is written down. What the script asks back is answered.
set log [open [lindex $argv 1] w]
proc unknown {args} {
    global log actual_mhz slack progress versions here
    puts $log $args
    set command [lindex $args 0]
    if {$command eq "get_property"} {
        switch -- [lindex $args 1] {
            CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ {return $actual_mhz}
            CONFIG.PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ {return $actual_mhz}
            STATS.WNS {return $slack}
            PROGRESS {return $progress}
            DIRECTORY {return [file join $here build fake]}
        }
    }
    if {$command eq "get_board_parts"} {return {}}
    if {$command eq "get_ipdefs"} {return $versions}
    return [string map {" " _} "<$command>"]
}
lassign [lrange $argv 2 end] actual_mhz slack progress versions
set here [file dirname [lindex $argv 0]]
if {[catch {source [lindex $argv 0]} message]} {
    puts stderr $message
    exit 1
}
"""
HANDOFF = '<EDKSYSTEM><MODULES><MODULE MODTYPE="%s"><PARAMETERS><PARAMETER NAME="A" VALUE="1"/>%s' \
    "</PARAMETERS></MODULE></MODULES></EDKSYSTEM>"  # fmt: skip
PS_VERSIONS = "xilinx.com:ip:zynq_ultra_ps_e:3.5 xilinx.com:ip:zynq_ultra_ps_e:3.10 xilinx.com:ip:zynq_ultra_ps_e:3.4"
ULTRASCALE_CLOCK = "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ"
EXPECTED = {  # part, DMA, decoder, port to registers, pin of the clock, port to memory, its addresses
    "pynq_z2": ("xc7z020clg400-1", 0x40400000, 0x43C00000, "M_AXI_GP0", "FCLK_CLK0", "S_AXI_HP0",
                "S_AXI_HP0/HP0_DDR_LOWOCM"),
    "zcu104": ("xczu7ev-ffvc1156-2-e", 0xA0000000, 0xA0010000, "M_AXI_HPM0_FPD", "pl_clk0", "S_AXI_HP0_FPD",
               "SAXIGP2/HP0_DDR_LOW"),
    "kv260": ("xck26-sfvc784-2LV-c", 0xA0000000, 0xA0010000, "M_AXI_HPM0_FPD", "pl_clk0", "S_AXI_HP0_FPD",
              "SAXIGP2/HP0_DDR_LOW"),
    "rfsoc4x2": ("xczu48dr-ffvg1517-2-e", 0xA0000000, 0xA0010000, "M_AXI_HPM0_FPD", "pl_clk0", "S_AXI_HP0_FPD",
                 "SAXIGP2/HP0_DDR_LOW"),
    "zcu216": ("xczu49dr-ffvf1760-2-e", 0xA0000000, 0xA0010000, "M_AXI_HPM0_FPD", "pl_clk0", "S_AXI_HP0_FPD",
               "SAXIGP2/HP0_DDR_LOW"),
}  # fmt: skip
OWN = """
name: My-Board
part: xczu3eg-sbva484-1-i
board_part: "*:mine:*"
processing_system: zynq_ultra_ps_e
pll_mhz: 1000
memory_mb: 1024
"""


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> DecoderFolder:
    circuit = stim.Circuit.generated("repetition_code:memory", distance=3, rounds=2, after_clifford_depolarization=0.01)
    model = circuit.detector_error_model(decompose_errors=True)
    folder = tmp_path_factory.mktemp("decoder") / "decoder"
    return compile_decoder(model, events_layout(model), folder, clock_mhz=CLOCK_MHZ)


@pytest.fixture(scope="module", params=boards())
def board(request: pytest.FixtureRequest) -> VivadoBoard:
    return find_board(request.param)


@pytest.fixture(scope="module")
def project(decoder: DecoderFolder, board: VivadoBoard) -> DecoderFolder:
    return write_project(decoder, board, decoder.path / board.key)


@dataclass(frozen=True)
class Run:
    """What the script did in the stand-in: its commands, one a line, and its error."""

    code: int
    commands: list[str]
    errors: str

    def first(self, *beginnings: str) -> list[int]:
        """Where each kind of command stands first."""
        return [next(i for i, line in enumerate(self.commands) if line.startswith(start)) for start in beginnings]


def run_script(
    project: DecoderFolder,
    board: VivadoBoard,
    scratch: Path,
    mhz: float = CLOCK_MHZ,
    slack: float = 0.5,
    versions: str = PS_VERSIONS,
) -> Run:
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("tclsh is not installed; on Debian or Ubuntu: apt-get install tcl")
    folder = scratch / "project"
    shutil.copytree(project.path, folder)
    fake = folder / "build" / "fake"
    achieved = f'<PARAMETER NAME="{ULTRASCALE_CLOCK}" VALUE="{mhz}"/>'
    kind = board.processing_system
    handoff = (kind, achieved if kind == "zynq_ultra_ps_e" else "")
    (fake / "decoder.gen/sources_1/bd/decoder/hw_handoff").mkdir(parents=True)
    (fake / "decoder.gen/sources_1/bd/decoder/hw_handoff/decoder.hwh").write_text(HANDOFF % handoff)
    (fake / "decoder_wrapper.bit").write_bytes(b"bits")
    stub = scratch / "vivado.tcl"
    stub.write_text(VIVADO)
    log = scratch / "log"
    done = subprocess.run(
        [tclsh, str(stub), str(folder / "build.tcl"), str(log), str(mhz), str(slack), "100%", versions],
        capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    return Run(done.returncode, log.read_text().splitlines(), done.stderr)


def test_wrapper_is_free_of_lint(decoder: DecoderFolder, tmp_path: Path) -> None:
    project = write_project(decoder, find_board("pynq_z2"), tmp_path / "project")
    assert project.manifest.top == design.TOP
    assert lint(project) == ""


OWN_TOP = """
`include "sub/widths.svh"
module my_top #(parameter int Width = 1, parameter Table = "") (
    input logic clk, rst, input logic [7:0] in_data, input logic in_valid, output logic in_ready,
    output logic [7:0] out_data, output logic out_valid, input logic out_ready
);
  logic [`BYTE-1:0] mem[0:3];
  initial $readmemh(Table, mem);
  helper #(.Width(Width)) u_helper (.clk, .rst, .in_data(in_data ^ `MASK), .in_valid, .in_ready,
                                    .out_data, .out_valid, .out_ready, .entry(mem[0]));
endmodule
"""
HELPER = """
module helper #(parameter int Width = 1) (
    input logic clk, rst, input logic [7:0] in_data, entry, input logic in_valid, output logic in_ready,
    output logic [7:0] out_data, output logic out_valid, input logic out_ready
);
  always_ff @(posedge clk)
    if (rst) out_valid <= 1'b0;
    else if (!out_valid && in_valid) begin
      out_valid <= 1'b1;
      out_data <= {7'b0, in_data[Width]} ^ entry;
    end else if (out_ready) out_valid <= 1'b0;
  assign in_ready = !out_valid;
endmodule
"""
OWN_MANIFEST = """
name: mine
protocol: stream/1
top: my_top
sources: [../elsewhere/my_top.sv]
include_dirs: [../headers]
defines: {MASK: "8'h02", UNUSED: null}
files: [table.hex]
parameters: {Width: 1, Table: table.hex}
stream: {shot_words: 1, answer_words: 1}
num_stabilizers: 2
num_data_qubits: 3
num_observables: 1
rounds: 2
"""


@pytest.fixture
def own(tmp_path: Path) -> DecoderFolder:
    """RTL as it is in the wild: includes that include, a macro, a table, a module that no list names."""
    for name, text in {
        "elsewhere/my_top.sv": OWN_TOP,
        "elsewhere/helper.sv": HELPER,
        "elsewhere/tb.sv": "module tb; endmodule\n",
        "headers/sub/widths.svh": '`include "byte.svh"\n// `include "commented.svh"\n',
        "headers/sub/byte.svh": "`define BYTE 8\n",
        "headers/other.svh": "`define OTHER\n",
        "own/table.hex": "01 00 00 00\n",
        "own/decoder.yaml": OWN_MANIFEST,
    }.items():
        file = tmp_path / "there" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return DecoderFolder(tmp_path / "there" / "own")


def test_project_holds_all_that_the_rtl_names(own: DecoderFolder, tmp_path: Path) -> None:
    project = write_project(own, find_board("kv260"), tmp_path / "written")
    shutil.rmtree(tmp_path / "there")
    text = (project.path / "settings.tcl").read_text()
    names = {file.relative_to(project.path).as_posix() for file in project.path.rglob("*") if file.is_file()}
    assert {
        "rtl/include/0/sub/widths.svh",
        "rtl/include/0/sub/byte.svh",
        "table.hex",
        "rtl/qtwin_stream_adapter.sv",
    } <= names
    assert {"rtl/my_top.sv", "rtl/helper.sv"} <= names
    assert not any("tb.sv" in name or "other.svh" in name for name in names)
    for name in names - {"settings.tcl", "build.tcl", "decoder.yaml"}:
        assert f"    {{{name}}}" in text, name
    assert "integer LongestAnswerWords = 4," in (project.path / "decoder_top_axi.v").read_text()  # 1 of its own
    written = DecoderFolder(project.path).design
    assert lint_top(written.top, written.of("verilog"), verilator_arguments(written)) == ""
    run = run_script(project, find_board("kv260"), tmp_path, mhz=100.0)
    assert run.code == 0, run.errors
    assert any(re.match(r"set_property include_dirs \S*/rtl/include/0 ", line) for line in run.commands)
    kinds, file = {}, ""
    for line in run.commands:
        if line.startswith("get_files"):
            file = Path(line.split()[-1]).name
        elif found := re.match(r"set_property file_type (\{.*?\}|\w+)", line):
            kinds[file] = found[1]
    assert (kinds["my_top.sv"], kinds["decoder_top_axi.v"]) == ("SystemVerilog", "Verilog")
    assert (kinds["byte.svh"], kinds["table.hex"]) == ("{Verilog Header}", "{Memory File}")


@pytest.mark.parametrize(
    ("changes", "answer_words", "frame_words"),
    [
        ({"core": "table"}, 4, 0),  # header, flips, latency, status
        ({"core": "table", "num_observables": 40}, 5, 0),
        ({"core": "union-find", "options": {"window": 6}}, 4, 5),
        ({"core": "union-find", "options": {"window": 0}}, 4, 0),
        ({"core": "user"}, 4, 5),  # it may send FRAMEs
    ],
)
def test_longest_messages_are_known_beforehand(
    decoder: DecoderFolder, changes: dict[str, Any], answer_words: int, frame_words: int
) -> None:
    found = longest_messages(decoder.manifest.model_copy(update=changes))
    assert found == {"LongestAnswerWords": answer_words, "LongestFrameWords": frame_words}


def test_wide_answers_of_a_stream_are_counted(own: DecoderFolder) -> None:
    assert own.manifest.stream is not None
    stream = own.manifest.stream.model_copy(update={"word_bits": 64, "answer_words": 3})
    assert longest_messages(own.manifest.model_copy(update={"stream": stream}))["LongestAnswerWords"] == 1 + 3 * 2 + 2


def test_project_simulates_as_the_decoder_does(own: DecoderFolder, tmp_path: Path) -> None:
    """Each answer is bit 1 of the shot's byte, inverted by the macro's mask and once more by the table's entry."""
    fill_project(own, find_board("pynq_z2"), tmp_path / "project")
    shots = np.array([0x00, 0x02, 0xFD, 0xFF], dtype=np.uint32)
    link = VerilatedLink(DecoderFolder(tmp_path / "project"), Deadlines())
    with OpenedLink(link):
        answers = parse(link.exchange(shots, len(shots)))
        assert [answer.payload[0] for answer in answers] == [0, 1, 0, 1]
        assert link.read_register(RESPONSES_PER_PACKET) == 1
        assert link.read_register(0x000) == 0x31534451
        for responses, packet_words in ((1, 4), (3, 12), (4, 16), (0, None)):
            link.write_register(RESPONSES_PER_PACKET, responses)
            assert link.read_register(RESPONSES_PER_PACKET) == responses
            done = link.transfer(shots, 100, idle_cycles=500, max_cycles=100_000)
            assert (done.received.size, done.ended) == ((16, False) if packet_words is None else (packet_words, True))
            rest = link.transfer(shots[:0], 100, idle_cycles=500, max_cycles=100_000).received.size
            link.reset()
            assert rest <= 16 - done.received.size
        with pytest.raises(RegisterError, match="0x01c"):
            link.read_register(0x01C)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("clocks: {fast_clk: 2}", "has a clock of its own"),
        ("sources: [model.c, decoder_pkg.sv]", "calls C in simulation"),
    ],
)
def test_what_no_zynq_project_can_hold_is_refused(
    decoder: DecoderFolder, tmp_path: Path, line: str, message: str
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(decoder.path, folder, ignore=shutil.ignore_patterns(*boards()))
    (folder / "model.c").write_text("int f(void) { return 0; }\n")
    kept = yaml.safe_load((folder / "decoder.yaml").read_text())
    (folder / "decoder.yaml").write_text(yaml.safe_dump(kept | yaml.safe_load(line)))
    with pytest.raises(BoardError, match=message):
        write_project(DecoderFolder(folder), find_board("kv260"), tmp_path / "project")
    assert not (tmp_path / "project").exists()


def test_project_does_not_replace_what_it_did_not_write(decoder: DecoderFolder, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(ManifestError, match="not a project for this board"):
        write_project(decoder, find_board("pynq_z2"), tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_script_packages_then_designs_then_builds(project: DecoderFolder, board: VivadoBoard, tmp_path: Path) -> None:
    run = run_script(project, board, tmp_path)
    assert run.code == 0, run.errors
    steps = run.first(
        "create_project -force package_decoder", "ipx::package_project", "ipx::save_core", "close_project",
        "create_project -force decoder", "create_bd_design", "connect_bd_net", "connect_bd_intf_net",
        "assign_bd_address", "validate_bd_design", "save_bd_design", "make_wrapper", "launch_runs impl_1",
        "wait_on_run impl_1",
    )  # fmt: skip
    assert steps == sorted(steps)
    text = "\n".join(run.commands)
    part, dma, decoder, control, clock, memory, segment = EXPECTED[board.key]
    assert f"create_project -force decoder {tmp_path}/project/build/project -part {part}" in text
    assert f"get_bd_pins {board.processing_system}_0/{clock}" in text
    assert f"get_bd_intf_pins {board.processing_system}_0/{control}" in text
    assert f"get_bd_intf_pins {board.processing_system}_0/{memory}" in text
    assert f"get_bd_addr_segs {board.processing_system}_0/{segment}" in text
    assert "-vendor qtwin -library hdl" in text
    assert f"create_bd_cell -type ip -vlnv {design.DECODER_VLNV} decoder_0" in text
    assert f"create_bd_cell -type ip -vlnv {design.DMA_VLNV} axi_dma_0" in text
    assert "CONFIG.c_include_sg 0" in text
    assert re.search(rf"CONFIG\.\w*(PCW_FPGA0_PERIPHERAL|PL0_REF_CTRL_)_FREQMHZ \{{{CLOCK_MHZ:g}\}}", text)
    assert f"-offset {dma:#010x} -range 0x10000" in text
    assert f"-offset {decoder:#010x} -range 0x1000" in text
    registers = [line.split()[1] for line in run.commands if line.startswith("ipx::add_register")]
    assert registers == [address.name for address in FIELDS]
    assert len([line for line in run.commands if line.startswith("ipx::add_field")]) == sum(map(len, FIELDS.values()))
    added = [line.split()[-1] for line in run.commands if line.startswith("add_files")]
    # Tcl puts a path with a space into {}; the wrapper of the design has no path here.
    sources = [file.partition("/project/")[2].rstrip("}") for file in added if "/project/" in file]
    assert sorted(sources) == sorted(path.relative_to(project.path).as_posix() for path in project.sources)


def test_script_leaves_both_files_of_the_overlay(project: DecoderFolder, board: VivadoBoard, tmp_path: Path) -> None:
    assert run_script(project, board, tmp_path).code == 0
    assert (tmp_path / "project" / "decoder.bit").read_bytes() == b"bits"
    handoff = Xml.parse(tmp_path / "project" / "decoder.hwh").getroot()
    values = {p.get("NAME"): p.get("VALUE") for p in handoff.iter("PARAMETER")}
    assert {name: float(value or "") for name, value in values.items()} == {"A": 1, ULTRASCALE_CLOCK: CLOCK_MHZ}
    assert len(list(handoff.iter("PARAMETER"))) == 2


@pytest.mark.parametrize(
    ("mhz", "slack", "message"),
    [(47.6, 0.5, "makes 47.6 MHz, not the 50 MHz"), (CLOCK_MHZ, -0.2, "timing is not met: worst slack -0.2 ns")],
)
def test_script_stops_at_a_wrong_clock_and_at_missed_timing(
    project: DecoderFolder, board: VivadoBoard, tmp_path: Path, mhz: float, slack: float, message: str
) -> None:
    run = run_script(project, board, tmp_path, mhz, slack)
    assert run.code == 1
    assert message in run.errors
    assert not (tmp_path / "project" / "decoder.bit").exists()


def test_every_board_is_expected_here() -> None:
    assert sorted(EXPECTED) == boards()


@pytest.mark.parametrize(
    ("versions", "name", "message"),
    [
        (PS_VERSIONS, "zynq_ultra_ps_e:3.10 zynq_ultra_ps_e_0", ""),
        ("", "", "this Vivado has no xilinx.com:ip:zynq_ultra_ps_e; install it with the devices of which xczu7ev"),
    ],
)
def test_script_takes_the_newest_processing_system_of_its_vivado(
    decoder: DecoderFolder, tmp_path: Path, versions: str, name: str, message: str
) -> None:
    board = find_board("zcu104")
    project = write_project(decoder, board, tmp_path / "written")
    run = run_script(project, board, tmp_path, versions=versions)
    assert run.code == (1 if message else 0)
    assert message in run.errors
    made = [line for line in run.commands if line.startswith("create_bd_cell") and "zynq_ultra_ps_e" in line]
    assert [line.endswith(name) for line in made] == ([] if message else [True])


@pytest.mark.parametrize(
    ("kind", "handoff", "port"), [("processing_system7", "resizer", "HP0"), ("zynq_ultra_ps_e", "rfsoc_sam", "HP2")]
)
def test_names_of_the_processing_system_are_those_in_handoffs_that_vivado_wrote(
    kind: SystemKind, handoff: str, port: str
) -> None:
    """Two handoffs come with pynqmetadata; the design of the second uses another port to memory, called alike."""
    metadata = pytest.importorskip("pynqmetadata", reason="pynq is not installed: pip install 'qtwin[pynq]'")
    file = Path(metadata.__file__).parent / "tests" / "hwhs" / f"{handoff}.hwh"
    root = Xml.parse(file).getroot()
    (module,) = (found for found in root.iter("MODULE") if found.get("MODTYPE") == kind)
    parameters, pins, buses = (
        {found.get("NAME") for found in module.iter(tag)} for tag in ("PARAMETER", "PORT", "BUSINTERFACE")
    )
    system = SYSTEMS[kind]
    assert {*system.settings(100.0, 32, 64), system.actual_clock} <= parameters
    named = (system.control_clock, system.memory_clock, system.clock, system.reset)
    assert {name.replace("hp0", port.lower()) for name in named} <= pins
    assert {name.replace("HP0", port) for name in (system.control_bus, system.memory_bus)} <= buses
    segments = {found.get("ADDRESSBLOCK") for found in root.iter("MEMRANGE")}
    assert system.memory_segment.partition("/")[2].replace("HP0", port) in segments
    if system.version is not None:
        assert module.get("VLNV") == system.vlnv


def test_ports_of_another_width_are_in_the_design(decoder: DecoderFolder, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(OWN + "control_bits: 32\nmemory_bits: 64\ndma_bits: 64\ndma_address: 0xa8000000\n")
    board = find_board(str(file))
    text = "\n".join(run_script(write_project(decoder, board, tmp_path / "p"), board, tmp_path).commands)
    for wanted in (
        "CONFIG.PSU__MAXIGP0__DATA_WIDTH {32}", "CONFIG.PSU__SAXIGP2__DATA_WIDTH {64}",
        "CONFIG.c_m_axi_mm2s_data_width 64", "CONFIG.c_m_axi_s2mm_data_width 64",
        "CONFIG.c_m_axis_mm2s_tdata_width 32", "-offset 0xa8000000 -range 0x10000",
    ):  # fmt: skip
        assert wanted in text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("processing_system: versal_cips\n", "processing_system: Input should be 'processing_system7' or"),
        ("colour: red\n", "colour: Extra inputs are not permitted"),
        ("control_bits: 48\n", "control_bits: 48, expected 32 or 64 or 128"),
        ("dma_bits: 16\n", "dma_bits: 16, expected 32 or 64 or 128"),
        ("memory_mb: 4096\n", "memory_mb: Input should be less than or equal to 2048"),
        ("dma_address: 0x40400000\n", "dma_address: 0x40400000, expected a multiple of 0x10000 within 0xa0000000"),
        ("decoder_address: 0xa0000800\n", "decoder_address: 0xa0000800, expected a multiple of 0x1000"),
        ("decoder_address: 0xa0001000\n", "the registers overlap"),
        ("part: [1]\n", "part: Input should be a valid string"),
        ("- a\n", "is not YAML"),
    ],
)
def test_board_that_cannot_be_is_refused_by_file_and_field(tmp_path: Path, changed: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    name = changed.partition(":")[0]
    file.write_text("\n".join(line for line in OWN.splitlines() if not line.startswith(name)) + f"\n{changed}")
    with pytest.raises(BoardError, match=re.escape(message)) as refused:
        find_board(str(file))
    assert str(file) in str(refused.value)


def test_unknown_board_is_refused_with_the_choices(tmp_path: Path) -> None:
    for name in ("kv26", str(tmp_path / "no.yaml"), str(tmp_path)):
        with pytest.raises(
            BoardError, match=r"expected one of kv260, pynq_z2, rfsoc4x2, zcu104, zcu216, or a file \.yaml"
        ):
            find_board(name)


def test_zynq_7000_boards_keep_the_width_that_their_boot_image_sets(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(OWN.replace("zynq_ultra_ps_e", "processing_system7") + "memory_bits: 32\n")
    with pytest.raises(BoardError, match="memory_bits: 32, expected 64"):
        find_board(str(file))


@pytest.mark.parametrize(("name", "pll_mhz"), [("pynq_z2", 1000), ("kv260", 1000), ("zcu104", 1500), ("zcu216", 1500)])
def test_clock_is_divided_from_the_pll_or_refused_with_one_that_can_be(name: str, pll_mhz: float) -> None:
    board = find_board(name)
    for clock_mhz in (pll_mhz / 7, 100.0, 50.0, 12.5):
        first, second = board.clock_divisors(clock_mhz)
        assert pll_mhz / first / second == pytest.approx(clock_mhz)
        assert 1 <= first <= 63 >= second >= 1
    for clock_mhz in (pll_mhz / 10.6, 2 * pll_mhz, 0.01):
        with pytest.raises(BuildError, match=r"--clock-mhz") as refused:
            board.clock_divisors(clock_mhz)
        board.clock_divisors(float(str(refused.value).split()[-1]))
