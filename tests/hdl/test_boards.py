"""Boards: their descriptions, and a real bitstream of the smallest decoder."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from hdl.boards import bitstream as bitstream_module
from hdl.boards.bitstream import Bitstream, build_bitstream
from hdl.boards.board import Board, boards, find_board
from hdl.boards.report import report_text, summary, write_bitstream
from hdl.compile.manifest import DecoderFolder
from hdl.errors import BoardError, BuildError, ToolMissingError
from hdl.synth import toolbox

BUILD_TIMEOUT_S = 1500
ECP5_PREAMBLE = b"\xff\xff\xbd\xb3"
"""Lattice FPGA-TN-02039, ECP5 sysCONFIG: the preamble after the comment."""
LFE5U_85_IDCODE = 0x41113043
"""Lattice FPGA-TN-02039, table of device identifiers."""
LFE5U_25_IDCODE = 0x41111043
"""The same table."""
ICE40_PREAMBLE = b"\x7e\xaa\x99\x7e"
"""Lattice FPGA-TN-02001, iCE40 Programming and Configuration: the synchronisation word."""


def needs(*tools: str) -> None:
    for tool in tools:
        try:
            toolbox.tool_version(tool)
        except ToolMissingError as error:
            pytest.skip(str(error))


def board_folder(folder: Path, **changes: object) -> Path:
    """A board.yaml with its files; a change of None leaves the key out."""
    description: dict[str, object] = {
        "name": "A board",
        "family": "ecp5",
        "device": ["--25k"],
        "top": "a_top",
        "pins": {"clock": "clk", "receive": "rx", "transmit": "tx"},
        "sources": ["a_top.sv"],
        "constraints": "pins.lpf",
        "clocks": [{"mhz": 25, "baud": 1_000_000}],
        "load": "load {bitstream}",
        **changes,
    }
    folder.mkdir()
    (folder / "a_top.sv").touch()
    (folder / "pins.lpf").touch()
    text = yaml.safe_dump({key: value for key, value in description.items() if value is not None})
    (folder / "board.yaml").write_text(text)
    return folder


def test_every_board_is_whole() -> None:
    assert {"arty_a7", "colorlight_i5", "hx8k", "icebreaker", "ulx3s"} <= {*boards()}
    for name in boards():
        board = find_board(name)
        pins = board.constraints.read_text()
        top = next(source for source in board.sources if source.stem == board.file.top).read_text()
        lines = [line.partition("//")[0].split() for line in top.splitlines()]
        ports = [line[-1].rstrip(",") for line in lines if line and line[0] in ("input", "output")]
        assert ports
        assert [port for port in ports if port not in pins] == []


PINS = {
    # Digilent's Arty-A7-35-Master.xdc for Rev. D and E
    "arty_a7": {
        "clk_100mhz": "E3", "uart_txd_in": "A9", "uart_rxd_out": "D10", "reset_n": "C2",
        "led[0]": "H5", "led[1]": "J5", "led[2]": "T9", "led[3]": "T10",
    },
    # wuxx/Colorlight-FPGA-Projects, and litex-boards' platform for revision 7.0
    "colorlight_i5": {"clk_25mhz": "P3", "uart_tx": "J17", "uart_rx": "H18", "reset_n": "K18", "led_n": "U16"},
    # icebreaker-fpga's icebreaker.pcf: CLK, RX, TX, BTN_N, LEDR_N, LEDG_N
    "icebreaker": {
        "clk_12mhz": "35", "ftdi_txd": "6", "ftdi_rxd": "9", "btn_n": "10", "led_red_n": "11", "led_green_n": "37",
    },
}  # fmt: skip
PIN_PATTERNS = {
    ".pcf": r"^set_io (?:-pullup yes )?(?P<port>\S+) (?P<pin>\S+)$",
    ".lpf": r'^LOCATE COMP "(?P<port>\S+)" SITE "(?P<pin>\S+)";$',
    ".xdc": r"PACKAGE_PIN (?P<pin>\S+) .*\[get_ports \{?(?P<port>[^\s}]+)\}?\]$",
}


@pytest.mark.parametrize("name", PINS)
def test_pins_are_those_of_the_boards_documentation(name: str) -> None:
    constraints = find_board(name).constraints
    found = re.finditer(PIN_PATTERNS[constraints.suffix], constraints.read_text(), re.MULTILINE)
    assert {match["port"]: match["pin"] for match in found} == PINS[name]


def test_board_outside_the_package_is_a_folder(tmp_path: Path) -> None:
    assert find_board(str(board_folder(tmp_path / "mine"))).file.name == "A board"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "stratix"}, "family 'stratix' is not known; expected one of ecp5, ice40"),
        ({"top": None}, "top: Field required"),
        ({"colour": 3}, "colour: Extra inputs"),
        ({"pins": {"clock": "clk"}}, "pins.receive: Field required"),
        ({"constraints": "other.lpf"}, "names 'other.lpf', but there is no file"),
        ({"clocks": [{"mhz": 25, "baud": 3_000_000}]}, "3000000 baud cannot be made from 25 MHz"),
        ({"clocks": [{"mhz": 10, "baud": 5_000_000}]}, "4 clock cycles or more"),
    ],
)
def test_wrong_description_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(BoardError, match=message):
        Board(board_folder(tmp_path / "mine", **changes))


def test_unknown_board_and_clock_name_the_choices() -> None:
    with pytest.raises(BoardError, match="expected arty_a7, colorlight_i5, hx8k, icebreaker, ulx3s"):
        find_board("artix")
    with pytest.raises(BoardError, match="choose one of 50, 25"):
        find_board("ulx3s").clock(100.0)


def test_missing_tool_is_named_with_the_remedy(decoder: DecoderFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissingError, match=r"yosys is not installed; pip install 'qtwin\[fpga\]'"):
        build_bitstream(find_board("ulx3s"), decoder)


def test_decoder_with_another_top_is_refused(decoder: DecoderFolder) -> None:
    class Other:
        manifest = decoder.manifest.model_copy(update={"top": "my_decoder"})
        sources = decoder.sources

    with pytest.raises(BoardError, match="this one has the top my_decoder"):
        build_bitstream(find_board("ulx3s"), Other())  # type: ignore[arg-type]


def placed(folder: Path, decoder: DecoderFolder, fmax_mhz: float) -> Bitstream:
    """What a place and route that ended at this frequency leaves."""
    cells = {name: {"used": 1, "available": 10} for name in ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD", "EHXPLLL")}
    report = {"fmax": {"clk": {"achieved": fmax_mhz, "constraint": 50.0}}, "utilization": cells}
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "bitstream").write_bytes(b"bits")
    (folder / "place_and_route.log").write_text("log")
    board = find_board("ulx3s")
    return Bitstream(folder, board, board.clock(None), decoder)


def test_missed_clock_is_refused_with_the_slower_one(tmp_path: Path, decoder: DecoderFolder) -> None:
    message = r"reaches 31\.4 MHz on the ULX3S 85F, not 50 MHz: no bitstream is written; build for 25 MHz"
    with pytest.raises(BuildError, match=message):
        bitstream_module.check_timing(placed(tmp_path, decoder, 31.4))
    bitstream_module.check_timing(placed(tmp_path, decoder, 50.0))


def test_written_folder_replaces_only_its_own_kind(tmp_path: Path, decoder: DecoderFolder) -> None:
    needs("yosys", "nextpnr-ecp5")
    (tmp_path / "built").mkdir()
    bitstream = placed(tmp_path / "built", decoder, 60.0)
    target = tmp_path / "out"
    file = write_bitstream(bitstream, target)
    assert file == write_bitstream(bitstream, target)
    assert file.read_bytes() == b"bits"
    assert DecoderFolder(target / "decoder").manifest == decoder.manifest
    (tmp_path / "precious").mkdir()
    with pytest.raises(BoardError, match="exists and holds no bitstream"):
        write_bitstream(bitstream, tmp_path / "precious")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "out", "precious"]


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_ulx3s_bitstream_of_the_smallest_decoder(decoder: DecoderFolder) -> None:
    needs("yosys", "nextpnr-ecp5", "ecppack")
    bitstream = build_bitstream(find_board("ulx3s"), decoder)
    facts = summary(bitstream)
    assert facts["fmax_mhz"] >= facts["clock_mhz"] == 50
    assert facts["clocks_per_bit"] * facts["baud"] == 50_000_000
    assert facts["utilisation"]["PLL"]["used"] == 1
    assert facts["utilisation"]["LUT4"]["available"] == 83_640
    assert f"{facts['fmax_mhz']:.1f} MHz" in report_text(facts)
    contents = bitstream.file.read_bytes()
    assert ECP5_PREAMBLE in contents[:200]
    assert LFE5U_85_IDCODE.to_bytes(4, "big") in contents[:200]
    assert bitstream.decoder.manifest.clock_mhz == 50
    assert "ClockHz = 50000000;" in bitstream.decoder.file("rtl/decoder_pkg.sv").read_text()


@pytest.mark.slow
@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_hx8k_bitstream_of_the_smallest_decoder(decoder: DecoderFolder) -> None:
    needs("yosys", "nextpnr-ice40", "icepack")
    bitstream = build_bitstream(find_board("hx8k"), decoder)
    facts = summary(bitstream)
    assert facts["fmax_mhz"] >= facts["clock_mhz"] == 12
    assert ICE40_PREAMBLE in bitstream.file.read_bytes()[:16]


@pytest.mark.slow
@pytest.mark.timeout(BUILD_TIMEOUT_S)
@pytest.mark.parametrize(
    ("board", "cells", "most"), [("icebreaker", "logic cells", 0.8 * 5280), ("colorlight_i5", "LUT4", 0.2 * 24_288)]
)
def test_small_boards_hold_a_decoder_without_statistics(
    decoder: DecoderFolder, board: str, cells: str, most: float
) -> None:
    needs("yosys", "nextpnr-ecp5", "nextpnr-ice40")
    bitstream = build_bitstream(find_board(board), decoder, statistics=False)
    facts = summary(bitstream)
    assert facts["fmax_mhz"] >= facts["clock_mhz"]
    assert 1000 < facts["utilisation"][cells]["used"] < most
    assert "| statistics | left out |" in report_text(facts)
    start = bitstream.file.read_bytes()[:200]
    assert (ICE40_PREAMBLE if board == "icebreaker" else LFE5U_25_IDCODE.to_bytes(4, "big")) in start


def test_make_bitstream_shows_what_can_be_chosen() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        ["make", "--dry-run", "bitstream", "BOARD=hx8k", "CODE=repetition", "DISTANCE=5", "DECODER=union-find"],
        cwd=root, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "qtwin bitstream --board hx8k --code repetition --distance 5 --decoder union-find" in done.stdout
