"""Families: those that a board's folder brings along, and the scripts for a vendor's tool."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hdl.boards.bitstream import build_bitstream, has_statistics
from hdl.boards.board import Board, find_board
from hdl.boards.families import FAMILIES, OpenFamily
from hdl.boards.gates import gate_sources
from hdl.boards.project import write_project
from hdl.boards.report import summary
from hdl.compile.manifest import DecoderFolder
from hdl.errors import BoardError, BuildError, ToolMissingError
from hdl.synth.toolbox import run_tool
from tests.hdl.test_boards import BUILD_TIMEOUT_S, ICE40_PREAMBLE, board_folder, needs

OWN = {
    "synthesis": "synth_mine -fast",
    "place_and_route": ["my-pnr", "{device}", "--in", "{netlist}", "--pins={constraints}", "--out", "{placed}",
                        "--report", "{report}", "--freq", "{mhz}"],
    "packer": ["my-pack", "{placed}", "{bitstream}"],
    "suffix": ".fs",
    "cells": {"LUT4": "LUT"},
}  # fmt: skip
TOOL = """\
#!{python}
import json, sys
from pathlib import Path
name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
if arguments == ["--version"]:
    sys.exit(print(name, "1.2"))
with open("commands.txt", "a") as log:
    print(name, *arguments, file=log)
{body}
"""
BODIES = {
    "yosys": "Path('netlist.json').write_text('{}')",
    "my-pnr": "Path('placed.txt').touch(); Path('report.json').write_text(json.dumps("
    "{'fmax': {'clk': {'achieved': 40.0}}, 'utilization': {'LUT': {'used': 7, 'available': 90}}}))",
    "my-pack": "Path(arguments[1]).write_bytes(b'bits')",
}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH with the tools of a family that nobody has heard of, and a Yosys that knows it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in BODIES.items():
        write_tool(folder / name, body)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("hdl.synth.toolbox.find_spec", lambda _: None)  # of the packages from PyPI
    monkeypatch.setenv("QTWIN_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def write_tool(file: Path, body: str) -> None:
    file.write_text(TOOL.format(python=sys.executable, body=body))
    file.chmod(0o755)


def own_board(folder: Path, in_file: bool = False, **changes: Any) -> Board:
    """A board with a family of its own, in board.yaml or beside it."""
    family = {name: value for name, value in {**OWN, **changes}.items() if value is not None}
    board_folder(folder, family=None if in_file else family, device=["--big", "--package", "q1"])
    if in_file:
        (folder / "family.yaml").write_text(yaml.safe_dump(family))
    return find_board(str(folder))


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("in_file", [False, True])
def test_a_board_builds_with_a_family_of_its_own(tmp_path: Path, decoder: DecoderFolder, in_file: bool) -> None:
    bitstream = build_bitstream(own_board(tmp_path / "mine", in_file), decoder)
    assert bitstream.file.read_bytes() == b"bits"
    yosys, place_and_route, pack = (bitstream.folder / "commands.txt").read_text().splitlines()
    assert "hierarchy -top a_top -chparam ClocksPerBit 25; synth_mine -fast -top a_top -json netlist.json" in yosys
    assert place_and_route == (
        "my-pnr --big --package q1 --in netlist.json --pins=pins.lpf --out placed.txt --report report.json --freq 25"
    )
    assert pack == "my-pack placed.txt bitstream"
    facts = summary(bitstream)
    assert facts["utilisation"] == {"LUT4": {"used": 7, "available": 90}}
    assert facts["fmax_mhz"] == 40.0
    assert facts["tools"] == ["yosys 1.2", "my-pnr 1.2", "my-pack 1.2"]
    assert facts["load"] == f"load mine-{decoder.manifest.name}.fs"


@pytest.mark.parametrize(
    ("tool", "body", "message"),
    [
        ("my-pnr", "pass", "my-pnr wrote no report as nextpnr's --report writes it"),
        ("my-pnr", "Path('report.json').write_text('[1]')", "my-pnr wrote no report as nextpnr's"),
        ("my-pnr", "Path('report.json').write_text('{\"fmax\": {}, \"utilization\": {}}')", "tells no Fmax"),
        ("my-pnr", BODIES["my-pnr"].replace("'LUT'", "'SLICE'"), "cells name LUT, my-pnr reports SLICE; correct them"),
        ("my-pnr", BODIES["my-pnr"].replace("40.0", "20.0"), "reaches 20.0 MHz on the A board, not 25 MHz"),
        ("my-pnr", "sys.exit('ERROR: no room')", "my-pnr failed: ERROR: no room"),
        ("my-pack", "pass", "my-pack ended without error and wrote no bitstream"),
    ],
)
def test_what_a_familys_tools_do_wrong_is_named(
    tmp_path: Path, tools: Path, decoder: DecoderFolder, tool: str, body: str, message: str
) -> None:
    write_tool(tools / tool, body)
    with pytest.raises(BuildError, match=re.escape(message)):
        build_bitstream(own_board(tmp_path / "mine"), decoder)


def test_a_tool_that_is_not_there_is_named_with_where_it_comes_from(
    tmp_path: Path, tools: Path, decoder: DecoderFolder
) -> None:
    (tools / "my-pack").unlink()
    with pytest.raises(ToolMissingError, match="my-pack is not installed; install it, so that it is on your PATH"):
        build_bitstream(own_board(tmp_path / "mine"), decoder)
    board = own_board(tmp_path / "packaged", packages={"my-pack": "my-tools"})
    with pytest.raises(ToolMissingError, match="my-pack is not installed; pip install my-tools"):
        build_bitstream(board, decoder)


@pytest.mark.usefixtures("tools")
def test_gates_without_models_are_refused(tmp_path: Path, decoder: DecoderFolder) -> None:
    with pytest.raises(BuildError, match="gates of the A board cannot be simulated: its family names no models"):
        gate_sources(build_bitstream(own_board(tmp_path / "mine"), decoder))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"packer": None}, "does not describe a family: packer: Field required"),
        ({"speed": 3}, "does not describe a family: speed: Extra inputs"),
        ({"packer": []}, "packer: Tuple should have at least 1 item"),
        ({"packer": ["p", "{placed}"]}, "packer: Value error, the command has to name {bitstream}"),
        ({"packer": ["p", "{placed}", "{bitstream}", "{seeds}"]}, "packer: Value error, {seeds} stands for nothing"),
        ({"packer": ["p", "{placed}", "{bitstream}", "{"]}, "packer: Value error, "),
        ({"packer": ["p", "--x={device}", "{placed}", "{bitstream}"]}, "it has to be a word of its own"),
        ({"place_and_route": ["p", "{netlist}", "{placed}"]}, "the command has to name {report}"),
        ({"suffix": "bin"}, "suffix: String should match"),
    ],
)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_family_that_cannot_be_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str, in_file: bool
) -> None:
    with pytest.raises(BoardError, match=re.escape(message)) as refused:
        own_board(tmp_path / "mine", in_file, **changes)
    assert str(refused.value).startswith(str(tmp_path / "mine" / ("family.yaml" if in_file else "board.yaml")))


def test_no_family_and_two_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r"name one of ecp5, ice40, describe one, or put a family\.yaml beside it"):
        Board(board_folder(tmp_path / "none", family=None))
    folder = board_folder(tmp_path / "two")
    (folder / "family.yaml").write_text(yaml.safe_dump(OWN))
    with pytest.raises(BoardError, match=r"there is a family\.yaml beside it; remove one of them"):
        Board(folder)
    script = {"script": "absent.tcl", "command": "vendor absent.tcl"}
    with pytest.raises(BoardError, match=r"names 'absent\.tcl', but there is no file"):
        Board(board_folder(tmp_path / "script", family=script))


EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "tang_nano_9k"


def test_the_board_of_the_docs_is_whole() -> None:
    page = (EXAMPLE.parents[1] / "boards.md").read_text()
    (shown,) = re.findall(r"^```yaml\n(synthesis: .*?)^```$", page, re.MULTILINE | re.DOTALL)
    board = find_board(str(EXAMPLE))
    assert isinstance(board.family, OpenFamily)
    assert board.family == OpenFamily.model_validate(yaml.safe_load(shown))
    assert board.family.tools == ("yosys", "nextpnr-himbaechel-gowin", "gowin_pack")


@pytest.mark.slow
@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_the_board_of_the_docs_makes_a_bitstream(decoder: DecoderFolder) -> None:
    board = find_board(str(EXAMPLE))
    assert isinstance(board.family, OpenFamily)
    try:
        bitstream = build_bitstream(board, decoder, statistics=False)
    except ToolMissingError as error:
        pytest.skip(str(error))
    facts = summary(bitstream)
    assert facts["fmax_mhz"] >= facts["clock_mhz"] == 27
    assert facts["utilisation"]["LUT4"]["available"] == 8640


@pytest.mark.slow
@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_a_family_spelled_out_in_a_folder_anywhere_makes_a_real_bitstream(
    tmp_path: Path, decoder: DecoderFolder
) -> None:
    needs("yosys", "nextpnr-ice40", "icepack")
    ours = FAMILIES["ice40"]
    assert isinstance(ours, OpenFamily)
    folder = tmp_path / "mine"
    shutil.copytree(find_board("icebreaker").constraints.parent, folder)
    file = folder / "board.yaml"
    description = yaml.safe_load(file.read_text())
    description["family"] = {**ours.model_dump(mode="json"), "name": "spelled out"}
    file.write_text(yaml.safe_dump(description))
    bitstream = build_bitstream(find_board(str(folder)), decoder, statistics=False)
    assert ICE40_PREAMBLE in bitstream.file.read_bytes()[:16]


# ---- a vendor's tool

VIVADO = (
    "read_verilog", "read_xdc", "synth_design", "opt_design", "place_design", "phys_opt_design", "route_design",
    "report_utilization", "report_timing_summary", "get_timing_paths", "write_bitstream",
)  # fmt: skip
STAND_IN = "\n".join(
    [
        # each command of Vivado says what it was told; paths have the slack that the test wants
        *(f"proc {name} args {{ puts [list {name} {{*}}$args] }}" for name in VIVADO),
        "proc get_property args { return $::env(SLACK) }",
        "source build.tcl",
    ]
)


def run_script(folder: Path, slack: str) -> tuple[int, list[str], str]:
    """Run build.tcl in tclsh, with words in place of Vivado: exit code, commands, errors."""
    if shutil.which("tclsh") is None:
        pytest.skip("tclsh is not installed (package tcl)")
    (folder / "stand_in.tcl").write_text(STAND_IN)
    done = subprocess.run(
        ["tclsh", "stand_in.tcl"],
        cwd=folder, env={**os.environ, "SLACK": slack}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("statistics", [True, False])
def test_the_arty_a7_gets_a_script_that_reads_everything_and_writes_the_bitstream(
    tmp_path: Path, decoder: DecoderFolder, statistics: bool
) -> None:
    target = tmp_path / "arty with a space"
    command = write_project(find_board("arty_a7"), decoder, target, statistics=statistics)
    assert command == f"cd '{target}' && vivado -mode batch -source build.tcl"
    code, commands, errors = run_script(target, "0.3")
    assert (code, errors) == (0, "")
    first = {line.split()[0]: line for line in reversed(commands)}
    assert [*dict.fromkeys(line.split()[0] for line in commands if line.split()[0] in VIVADO)] == [*VIVADO]
    assert "-top arty_a7_top -part xc7a35ticsg324-1L" in first["synth_design"]
    assert "-generic ClockDivide=20 -generic ClocksPerBit=25" in first["synth_design"]
    assert first["read_xdc"] == "read_xdc arty_a7.xdc"
    read = re.findall(r"[\w./-]+\.sv", first["read_verilog"])
    text = "".join((target / file).read_text() for file in read)
    modules = {*re.findall(r"^(?:module|package) (\w+)", text, re.MULTILINE)}
    assert {
        "arty_a7_top",
        "decoder_top_uart",
        "decoder_top",
        "decoder_core",
        "decoder_pkg",
        "qtwin_board_reset",
    } <= modules
    assert first["write_bitstream"] == f"write_bitstream -force arty_a7-{decoder.manifest.name}.bit"
    built = DecoderFolder(target / "decoder")
    assert built.manifest.clock_mhz == 50
    assert has_statistics(built) == statistics
    report = (target / "report.md").read_text()
    assert "| build it | `vivado -mode batch -source build.tcl` in this folder |" in report
    assert "Fmax" not in report


@pytest.mark.parametrize("slack", ["-0.01", ""])
def test_the_script_writes_no_bitstream_that_misses_its_clock(
    tmp_path: Path, decoder: DecoderFolder, slack: str
) -> None:
    write_project(find_board("arty_a7"), decoder, tmp_path / "arty", 25.0)
    code, commands, errors = run_script(tmp_path / "arty", slack)
    assert code != 0
    assert "does not reach 25 MHz" in errors
    assert not any(line.startswith("write_bitstream") for line in commands)


def test_a_project_and_a_bitstream_are_not_taken_for_one_another(tmp_path: Path, decoder: DecoderFolder) -> None:
    message = "`qtwin bitstream --board arty_a7` writes its sources with a script, and `vivado -mode batch"
    with pytest.raises(BoardError, match=message):
        build_bitstream(find_board("arty_a7"), decoder)
    with pytest.raises(BoardError, match="the iCEBreaker is built with open tools"):
        write_project(find_board("icebreaker"), decoder, tmp_path / "icebreaker")
    with pytest.raises(BoardError, match="choose one of 50, 25"):
        write_project(find_board("arty_a7"), decoder, tmp_path / "arty", 30.0)


def test_a_decoder_of_before_cannot_do_without_statistics(tmp_path: Path, decoder: DecoderFolder) -> None:
    folder = tmp_path / "older"
    shutil.copytree(decoder.path, folder)
    package = folder / "decoder_pkg.sv"
    package.write_text(re.sub(r".*Statistics.*\n", "", package.read_text()))
    with pytest.raises(BoardError, match=r"does not set the constant Statistics \(once\); compile the decoder again"):
        write_project(find_board("arty_a7"), DecoderFolder(folder), tmp_path / "arty", statistics=False)
    assert not (tmp_path / "arty").exists()


@pytest.mark.slow
@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_yosys_takes_the_sources_of_the_arty_a7(tmp_path: Path, decoder: DecoderFolder) -> None:
    """Not Vivado, but another synthesis for the same part."""
    needs("yosys")
    write_project(find_board("arty_a7"), decoder, tmp_path / "arty")
    sources = " ".join(re.findall(r"[\w./-]+\.sv", (tmp_path / "arty" / "design.tcl").read_text()))
    script = (
        f"read_verilog -sv {sources}; synth_xilinx -family xc7 -flatten -top arty_a7_top; tee -q -o stat stat -json"
    )
    run_tool("yosys", ["-q", "-p", script], tmp_path / "arty")
    cells = json.loads((tmp_path / "arty" / "stat").read_text())["design"]["num_cells_by_type"]
    assert cells["PLLE2_BASE"] == 1
    assert 1000 < sum(count for name, count in cells.items() if name.startswith("LUT")) < 0.2 * 20_800
