"""RTL that others wrote: streams of every shape, languages, headers, tables, parameters, and nothing stale."""

import re
import shutil
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bridge.decoders import find_decoder
from bridge.errors import BridgeError, LinkError, LinkOpenError, LoopError
from bridge.links import make_link
from bridge.links.base import Deadlines, OpenedLink
from bridge.sweep.package import pack
from hdl.build import MAX_VARIANTS
from hdl.compile.manifest import MANIFEST_NAME
from qds1 import Corrections, decode_corrections
from qds1.shots import Bits
from qtwin.problems import MemoryChoice, pose
from tests.bridge.memory import Memory
from tests.tools import needs_simulator

FOREIGN = Path(__file__).parent / "foreign"
SHOTS = 60
VERILOG_LINKS = ("verilated", "cocotb:verilator", "cocotb:icarus")


def expected_flips(events: Bits) -> Bits:
    """Flips of all the decoders here: data qubit 2, where stabilizer 1 alone is left over in the readout."""
    parity = events.reshape(len(events), -1, 2).sum(axis=1) & 1
    return np.asarray((parity[:, 1] == 1) & (parity[:, 0] == 0), dtype=np.uint8)[:, None]


def write_decoder(folder: Path, rtl: tuple[str, ...], stream: Mapping[str, Any] | None, **fields: Any) -> Path:
    """A decoder's folder, as its owner would write it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in rtl:
        shutil.copy(FOREIGN / name, folder / name)
    sources = [name for name in rtl if not name.endswith(".h")]
    manifest = {
        "name": folder.name, "protocol": "stream/1", "top": Path(rtl[0]).stem if rtl else "top", "sources": sources,
        "num_stabilizers": 2, "num_data_qubits": 3, "num_observables": 1, "rounds": 3,
        "stream": {"word_bits": 8, "shot_words": 1, "answer_words": 1, **(stream or {})},
    }  # fmt: skip
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump({**manifest, **fields}))
    return folder


def answers_of(folder: Path, memory: Memory, link_name: str = "verilated", shots: int = SHOTS) -> Corrections:
    """What the decoder answers to the memory's first shots."""
    needs_simulator(link_name)
    decoder = find_decoder(str(folder), memory.problem)
    with OpenedLink(make_link(link_name, decoder, memory.problem, Deadlines(exchange_s=60))) as opened:
        return decode_corrections(opened.link.exchange(memory.words[:shots].ravel(), shots), 1)


def check_answers(folder: Path, memory: Memory, link_name: str = "verilated", *, inverted: bool = False) -> Corrections:
    """The answers, which have to be right (or all of them wrong)."""
    answers = answers_of(folder, memory, link_name)
    expected = expected_flips(memory.events[:SHOTS])
    assert expected.any()
    np.testing.assert_array_equal(answers.flips, expected ^ np.uint8(inverted))
    assert answers.tags.tolist() == list(range(SHOTS))
    return answers


def serial_stream(width: int, answers: int) -> dict[str, Any]:
    """How serial.sv is connected."""
    return {
        "word_bits": width,
        "shot_words": -(-8 // width),
        "answer_words": answers,
        "observables": [[(answers - 1) * width]],
        "has_last": "out",
    }


def serial_parameters(width: int, answers: int) -> dict[str, int]:
    return {"Width": width, "Words": -(-8 // width), "Answers": answers}


SHAPES = [(1, 1), (3, 5), (8, 273), (12, 4), (33, 2), (64, 1), (512, 3)]


@pytest.mark.parametrize(("width", "answers"), SHAPES)
def test_streams_of_any_width_and_answers_of_any_length(
    width: int, answers: int, memory: Memory, tmp_path: Path
) -> None:
    folder = write_decoder(
        tmp_path / "serial", ("serial.sv",), serial_stream(width, answers), parameters=serial_parameters(width, answers)
    )
    found = check_answers(folder, memory)
    assert not found.status.any()
    # one cycle for the shot, one for each word of the answer, one to begin to send it; later shots wait for a turn
    assert found.latency_cycles[0] == found.latency_cycles.min() == 2 + answers
    if width in (3, 512):
        again = check_answers(folder, memory, "cocotb:icarus")
        np.testing.assert_array_equal(again.latency_cycles, found.latency_cycles)


@pytest.mark.parametrize(("width", "answers"), [(3, 5), (8, 1), (33, 2)])
def test_vhdl_is_simulated_as_it_is_and_by_way_of_verilog(
    width: int, answers: int, memory: Memory, tmp_path: Path
) -> None:
    needs_simulator("cocotb:ghdl")
    folder = write_decoder(
        tmp_path / "serial",
        ("serial.vhd",),
        serial_stream(width, answers),
        parameters=serial_parameters(width, answers),
    )
    links = ["verilated", "cocotb:ghdl"] + (["cocotb:icarus"] if width == 8 else [])
    cycles = [check_answers(folder, memory, name).latency_cycles for name in links]
    for other in cycles[1:]:
        np.testing.assert_array_equal(other, cycles[0])


@pytest.mark.parametrize("link_name", ["cocotb:ghdl", "cocotb:nvc"])
def test_adapters_in_both_languages_agree_cycle_for_cycle(link_name: str, memory: Memory, tmp_path: Path) -> None:
    """The VHDL decoder behind the VHDL adapter, and the SystemVerilog decoder behind the other one."""
    for width, answers in ((8, 2), (64, 1)):
        stream, parameters = serial_stream(width, answers), serial_parameters(width, answers)
        vhdl = write_decoder(tmp_path / f"v{width}", ("serial.vhd",), stream, parameters=parameters)
        verilog = write_decoder(tmp_path / f"s{width}", ("serial.sv",), stream, parameters=parameters)
        ours, theirs = answers_of(vhdl, memory, link_name), answers_of(verilog, memory)
        for field in ("flips", "latency_cycles", "status", "tags"):
            np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))


TINY_PORTS = {"clock": "clk", "reset": "rst_n", "reset_active": "low", "in_data": "ui_in", "out_data": "uo_out"}


@pytest.mark.parametrize("link_name", ["verilated", "cocotb:icarus"])
def test_pins_without_any_handshake(link_name: str, memory: Memory, tmp_path: Path) -> None:
    stream = {
        "has_valid": False, "has_ready": False, "latency": 0, "detectors": [[0, 2, 4, 6], [1, 3, 5, 7]],
        "observables": [[2]], "ties": {"ena": 1, "uio_in": 0x40}, "ports": TINY_PORTS,
    }  # fmt: skip
    folder = write_decoder(tmp_path / "tiny", ("tiny.sv",), stream, top="tt_um_tiny")
    check_answers(folder, memory, link_name)


@pytest.mark.parametrize("timed", [False, True])
def test_pipeline_that_cannot_be_held_up(timed: bool, memory: Memory, tmp_path: Path) -> None:
    stream: dict[str, Any] = {"has_ready": False, "in_flight": 5}
    if timed:
        stream |= {"has_valid": "in", "latency": 4}
    folder = write_decoder(tmp_path / "pipeline", ("pipeline.sv",), stream, parameters={"Depth": 4})
    found = check_answers(folder, memory)
    assert not found.status.any()


def test_answers_are_lost_where_the_latency_is_wrong(memory: Memory, tmp_path: Path) -> None:
    stream = {"has_ready": False, "in_flight": 5, "has_valid": "in", "latency": 2}
    folder = write_decoder(tmp_path / "pipeline", ("pipeline.sv",), stream, parameters={"Depth": 4})
    flips = answers_of(folder, memory).flips
    assert (flips != expected_flips(memory.events[:SHOTS])).any()


def test_last_in_the_wrong_place_is_flagged(memory: Memory, tmp_path: Path) -> None:
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), serial_stream(8, 2), parameters=serial_parameters(8, 2))
    source = folder / "serial.sv"
    source.write_text(source.read_text().replace("assign out_last = last_answer", "assign out_last = !last_answer"))
    with pytest.raises(LinkError, match="out_last with another word"):
        answers_of(folder, memory)


@pytest.mark.parametrize("link_name", ["verilated", "cocotb:icarus", "cocotb:ghdl"])
def test_more_words_than_announced_are_an_error(link_name: str, memory: Memory, tmp_path: Path) -> None:
    needs_simulator(link_name)
    source = "serial.vhd" if link_name == "cocotb:ghdl" else "serial.sv"
    stream = {**serial_stream(8, 2), "answer_words": 1, "observables": [[0]], "has_last": False}
    folder = write_decoder(tmp_path / "serial", (source,), stream, parameters=serial_parameters(8, 2))
    with pytest.raises(LinkError, match="more words than answer_words"):
        answers_of(folder, memory, link_name)


def test_fewer_words_than_announced_are_said_in_the_manifests_terms(memory: Memory, tmp_path: Path) -> None:
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), {"answer_words": 2})
    with pytest.raises(LinkError, match="compare shot_words, answer_words"):
        answers_of(folder, memory)


RATIO_CODEC = """
import numpy as np

class Codec:
    def __init__(self, problem):
        pass

    def encode(self, events):
        return (events @ (1 << np.arange(8)))[:, None].astype("uint32")

    def decode(self, answers):
        rises = answers.astype(int) & 0x7F
        assert (abs(rises - RISES) <= 1).all(), rises
        return (answers >> 7).astype("uint8")
"""


@pytest.mark.parametrize("ratio", ["2", "1/4", "3/2"])
def test_second_clock_runs_at_its_ratio(ratio: str, memory: Memory, tmp_path: Path) -> None:
    needs_simulator("cocotb:icarus")
    folder = write_decoder(tmp_path / "ratio", ("ratio.sv",), {"codec": "codec.py:Codec"}, clocks={"other_clk": ratio})
    (folder / "codec.py").write_text(RATIO_CODEC.replace("RISES", str(24 * Fraction(ratio))))
    cycles = [check_answers(folder, memory, name).latency_cycles for name in ("verilated", "cocotb:icarus")]
    assert cycles[0].tolist() == cycles[1].tolist()


def wild_decoder(folder: Path) -> Path:
    """wild.sv with all that it reads, in places of their own."""
    write_decoder(
        folder, ("wild.sv", "wild_pkg.sv"), None, include_dirs=["first", "second"],
        files=["tables/flips.mem"], defines={"FROM_MANIFEST": "1'b0"},
    )  # fmt: skip
    for name in ("first", "second", "tables"):
        (folder / name).mkdir()
    (folder / "second" / "settings.vh").write_text("`define SETTING 1'b0\n")
    write_table(folder, inverted=False)
    return folder


def write_table(folder: Path, *, inverted: bool) -> None:
    flips = [bin(i & 0xAA).count("1") & 1 and not bin(i & 0x55).count("1") & 1 for i in range(256)]
    (folder / "tables" / "flips.mem").write_text("".join(f"{int(bool(flip) != inverted)}\n" for flip in flips))


@pytest.mark.parametrize("link_name", VERILOG_LINKS)
def test_whatever_a_build_read_is_read_again_when_it_has_changed(
    link_name: str, memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = wild_decoder(tmp_path / "elsewhere" / "wild")
    check_answers(folder, memory, link_name)
    header, package = folder / "second" / "settings.vh", folder / "wild_pkg.sv"
    header.write_text("`define SETTING 1'b1\n")
    check_answers(folder, memory, link_name, inverted=True)
    package.write_text(package.read_text().replace("1'b0", "1'b1"))
    check_answers(folder, memory, link_name)
    write_table(folder, inverted=True)
    check_answers(folder, memory, link_name, inverted=True)
    # a header of the same name in a folder that is searched earlier
    (folder / "first" / "settings.vh").write_text("`define SETTING 1'b0\n")
    check_answers(folder, memory, link_name)
    (folder / "first" / "settings.vh").unlink()
    check_answers(folder, memory, link_name, inverted=True)


def signed_decoder(folder: Path, sign: str) -> Path:
    """serial.sv, whose answers a wire inverts that `sign` drives."""
    folder = write_decoder(folder, ("serial.sv",), None, include_dirs=["first"])
    source, answer = folder / "serial.sv", "(odd && !even)"
    text = source.read_text().replace("  logic odd,", f"  logic sign;\n{sign}\n  logic odd,")
    source.write_text(text.replace(answer, f"{answer} ^ sign"))
    (folder / "first").mkdir()
    (folder / "inner").mkdir()
    return folder


def helper(sign: int) -> str:
    return f"module helper (output logic sign); assign sign = 1'b{sign}; endmodule\n"


@pytest.mark.parametrize("link_name", VERILOG_LINKS)
def test_module_that_comes_to_be_found_earlier(link_name: str, memory: Memory, tmp_path: Path) -> None:
    """In another folder and under the other suffix; but in one folder there may not be two."""
    folder = signed_decoder(tmp_path / "serial", "helper u_helper (.sign(sign));")
    (folder / "helper.sv").write_text(helper(0))
    check_answers(folder, memory, link_name)
    (folder / "first" / "helper.v").write_text(helper(1))
    check_answers(folder, memory, link_name, inverted=True)
    (folder / "first" / "helper.sv").write_text(helper(0))
    with pytest.raises(LinkOpenError, match=r"module helper.*first/helper\.sv and .*first/helper\.v; rename"):
        answers_of(folder, memory, link_name)


@pytest.mark.parametrize("link_name", VERILOG_LINKS)
def test_header_that_comes_to_lie_beside_the_one_that_includes_it(
    link_name: str, memory: Memory, tmp_path: Path
) -> None:
    """Icarus takes that one first and Verilator last: two that differ are an error."""
    folder = signed_decoder(tmp_path / "serial", '`include "../serial/inner/outer.vh"')
    (folder / "inner" / "outer.vh").write_text('`include "sign.vh"\n')
    (folder / "first" / "sign.vh").write_text("assign sign = 1'b1;\n")
    check_answers(folder, memory, link_name, inverted=True)
    (folder / "inner" / "sign.vh").write_text("assign sign = 1'b1;\n")
    check_answers(folder, memory, link_name, inverted=True)
    (folder / "inner" / "sign.vh").write_text("assign sign = 1'b0;\n")
    with pytest.raises(LinkOpenError, match=r"outer\.vh includes sign\.vh.*inner/sign\.vh and .*first/sign\.vh"):
        answers_of(folder, memory, link_name)
    (folder / "first" / "sign.vh").unlink()
    check_answers(folder, memory, link_name)


VHDL_TABLE = """library ieee; use ieee.std_logic_1164.all; use std.textio.all;
package sign_pkg is
  impure function sign_in(name : string) return std_logic;
end package;
package body sign_pkg is
  impure function sign_in(name : string) return std_logic is
    file table : text open read_mode is name;
    variable row : line;
    variable sign : integer;
  begin
    readline(table, row);
    read(row, sign);
    if sign = 1 then return '1'; else return '0'; end if;
  end function;
end package body;
"""


def vhdl_with_table(folder: Path, name: str, **fields: Any) -> Path:
    """serial.vhd, inverted where the file that the VHDL expression `name` names holds a 1."""
    folder = write_decoder(folder, ("serial.vhd",), None, sources=["sign_pkg.vhd", "serial.vhd"], **fields)
    (folder / "sign_pkg.vhd").write_text(VHDL_TABLE)
    source = folder / "serial.vhd"
    text = source.read_text().replace("architecture", "use work.sign_pkg.all;\narchitecture", 1)
    text = re.sub(r"(?m)^begin", f"  constant sign : std_logic := sign_in({name});\nbegin", text, count=1)
    source.write_text(text.replace("odd and not even", "(odd and not even) xor sign"))
    return folder


@pytest.mark.parametrize("link_name", ["verilated", "cocotb:ghdl", "cocotb:nvc"])
def test_table_of_vhdl_is_read_again(link_name: str, memory: Memory, tmp_path: Path) -> None:
    needs_simulator("cocotb:ghdl")
    folder = vhdl_with_table(tmp_path / "serial", '"tables/" & "sign" & ".txt"', files=["tables/sign.txt"])
    (folder / "tables").mkdir()
    for sign in (0, 1):
        (folder / "tables" / "sign.txt").write_text(f"{sign}\n")
        check_answers(folder, memory, link_name, inverted=bool(sign))


@pytest.mark.parametrize("link_name", ["verilated", "cocotb:ghdl"])
@pytest.mark.parametrize("name", ["sign.txt", "../serial/sign.txt"])
def test_table_of_vhdl_that_no_list_names(name: str, link_name: str, memory: Memory, tmp_path: Path) -> None:
    """GHDL would find it beside the source, and nothing would know of it."""
    needs_simulator("cocotb:ghdl")
    folder = vhdl_with_table(tmp_path / "serial", f'"{name}"')
    (folder / "sign.txt").write_text("0\n")
    with pytest.raises((LinkOpenError, LinkError), match=r"sign\.txt"):
        answers_of(folder, memory, link_name)


def with_row(folder: Path, name: str, **fields: Any) -> Path:
    """signed_decoder, inverted where the file that the Verilog expression `name` names holds a 1."""
    read = f"logic row [1]; initial $readmemb({name}, row); assign sign = row[0];"
    folder = signed_decoder(folder, read)
    manifest = yaml.safe_load((folder / MANIFEST_NAME).read_text())
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump({**manifest, **fields}))
    return folder


@pytest.mark.parametrize(
    "kind",
    ["literal", "parameter", "macro", "joined", "slash", "octal", "above", "stringified", "opened", "header", "vhdl",
     "vhdl joined"],
)  # fmt: skip
def test_data_outside_of_the_files_is_refused(kind: str, memory: Memory, tmp_path: Path) -> None:
    """No build would follow it, and it would not travel with a sweep; not even Icarus reads it."""
    needs_simulator("cocotb:icarus")
    data, folder = tmp_path / "sign.mem", tmp_path / "serial"
    data.write_text("1\n")
    tail = str(data)[1:]
    match kind:
        case "literal":
            with_row(folder, f'"{data}"')
        case "parameter":
            with_row(folder, "FLIP", parameters={"FLIP": str(data)})
        case "macro":
            with_row(folder, "`FILE", defines={"FILE": f'"{data}"'})
        case "joined":
            with_row(folder, f'{{"{tmp_path}/si", "gn.mem"}}')
        case "slash":
            with_row(folder, f'{{"/", "{tail}"}}')
        case "octal":
            with_row(folder, f'"\\057{tail}"')
        case "above":
            with_row(folder, f'"../../../../../../../../{tail}"')
        case "stringified":
            with_row(folder, f"`NAME({data})")
            source = folder / "serial.sv"
            source.write_text('`define NAME(x) `"x`"\n' + source.read_text())
        case "opened":
            read = f'logic s; integer f, n; initial begin f = $fopen("{data}", "r"); n = $fscanf(f, "%b", s); end'
            signed_decoder(folder, f"{read} assign sign = s;")
        case "header":
            signed_decoder(folder, '`include "row.vh"')
            (folder / "row.vh").write_text(f'logic row [1]; initial $readmemb("{data}", row); assign sign = row[0];\n')
        case "vhdl":
            vhdl_with_table(folder, f'"{data}"')
        case "vhdl joined":
            vhdl_with_table(folder, f'"/" & "{tail}"')
    with pytest.raises(LinkOpenError, match=r"names data with .*`files`"):
        answers_of(folder, memory, "verilated" if "vhdl" in kind else "cocotb:icarus")


def test_files_that_are_written_and_texts_that_are_no_names_are_taken(memory: Memory, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    folder = signed_decoder(
        tmp_path / "serial",
        f"""// not $readmemh("/tmp/x", row)
        integer log; initial begin log = $fopen("{log}", "w"); $fdisplay(log, "/etc"); $fclose(log); end
        logic row [1]; initial $readmemb("lut..mem", row); assign sign = row[0] ^ ("//" != "//");""",
    )
    manifest = yaml.safe_load((folder / MANIFEST_NAME).read_text())
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump({**manifest, "files": ["lut..mem"]}))
    (folder / "lut..mem").write_text("0\n")
    for _ in range(2):
        check_answers(folder, memory)
        assert log.read_text() == "/etc\n"


@pytest.mark.parametrize("line", ['`define NAME "sign.vh"\n`include `NAME', '`include"sign.vh"'])
def test_header_of_two_files_is_seen_however_it_is_included(line: str, memory: Memory, tmp_path: Path) -> None:
    folder = signed_decoder(tmp_path / "serial", f'localparam Comment = "/*";\n{line}\n/* */')
    (folder / "first" / "sign.vh").write_text("assign sign = 1'b0;\n")
    check_answers(folder, memory)
    (folder / "sign.vh").write_text("assign sign = 1'b1;\n")
    with pytest.raises(LinkOpenError, match=r"serial\.sv includes sign\.vh.*rename or remove"):
        answers_of(folder, memory)


def test_data_behind_a_name_that_is_made_at_run_time_is_refused(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "sign.mem").write_text("1\n")
    folder = with_row(tmp_path / "serial", f'{{8\'h2f, "{str(tmp_path)[1:]}/sign.mem"}}')
    with pytest.raises(LinkOpenError, match=r"sign\.mem, which is none of the decoder's `files`"):
        answers_of(folder, memory)


@pytest.mark.parametrize("link_name", VERILOG_LINKS)
def test_table_that_is_not_there_is_an_error(link_name: str, memory: Memory, tmp_path: Path) -> None:
    folder = wild_decoder(tmp_path / "wild")
    manifest = yaml.safe_load((folder / MANIFEST_NAME).read_text())
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump({**manifest, "files": []}))
    with pytest.raises(LinkOpenError, match=r"(?s)flips\.mem.*`files`"):
        answers_of(folder, memory, link_name)


@pytest.mark.parametrize("link_name", ["verilated", "cocotb:verilator"])
def test_functions_in_c(link_name: str, memory: Memory, tmp_path: Path) -> None:
    folder = write_decoder(tmp_path / "called", ("called.sv", "decide.c", "decide.h"), None)
    check_answers(folder, memory, link_name)
    (folder / "decide.h").write_text("#define INVERTED 1\n")
    check_answers(folder, memory, link_name, inverted=True)


def test_icarus_says_who_takes_c(memory: Memory, tmp_path: Path) -> None:
    folder = write_decoder(tmp_path / "called", ("called.sv", "decide.c", "decide.h"), None)
    with pytest.raises(LinkOpenError, match=r"icarus does not take decide\.c.*verilated"):
        answers_of(folder, memory, "cocotb:icarus")


@pytest.mark.parametrize("link_name", VERILOG_LINKS)
def test_parameters_are_given_and_unknown_ones_refused(link_name: str, memory: Memory, tmp_path: Path) -> None:
    for index, parameters in enumerate(({"FLIP": "inverted"}, {"Threshold": 1.5})):
        folder = write_decoder(tmp_path / f"serial{index}", ("serial.sv",), None, parameters=parameters)
        check_answers(folder, memory, link_name, inverted=True)
    folder = write_decoder(tmp_path / "unknown", ("serial.sv",), None, parameters={"Nonsense": 1})
    with pytest.raises(LinkOpenError, match="no parameter Nonsense"):
        answers_of(folder, memory, link_name)


def test_unknown_generic_of_vhdl_is_refused(memory: Memory, tmp_path: Path) -> None:
    needs_simulator("cocotb:ghdl")
    folder = write_decoder(tmp_path / "serial", ("serial.vhd",), None, parameters={"Nonsense": 1})
    for link_name, message in (("verilated", "no parameter nonsense"), ("cocotb:ghdl", "(?i)nonsense")):
        with pytest.raises(LinkOpenError, match=message):
            answers_of(folder, memory, link_name)


@pytest.mark.parametrize("link_name", VERILOG_LINKS)
@pytest.mark.parametrize("kind", ["capitals", "link", "told"])
def test_suffixes_that_say_little(kind: str, link_name: str, memory: Memory, tmp_path: Path) -> None:
    source: Any = "Serial.SV"
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), None)
    if kind == "capitals":
        (folder / "serial.sv").rename(folder / source)
    elif kind == "link":
        source = "serial.sv"
        (folder / "serial.sv").rename(tmp_path / "0123abcd")
        (folder / source).symlink_to(tmp_path / "0123abcd")
    else:
        source = {"file": "serial.rtl", "language": "verilog"}
        (folder / "serial.sv").rename(folder / "serial.rtl")
    manifest = yaml.safe_load((folder / MANIFEST_NAME).read_text())
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump({**manifest, "sources": [source]}))
    check_answers(folder, memory, link_name)


def test_one_manifest_serves_memories_of_several_sizes(tmp_path: Path) -> None:
    stream = {"shot_words": "({rounds}+1)*(({d}-1+7)//8)", "layers": {"stabilizers": "all"}}
    sizes = {"num_stabilizers": "{d}-1", "num_data_qubits": "{d}", "rounds": "{rounds}"}
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), stream, parameters={"Words": "{rounds}+1"}, **sizes)
    for distance, rounds in ((3, 2), (5, 4)):
        _, problem = pose(MemoryChoice(code="repetition", distance=distance, rounds=rounds, noise="uniform:0.05"))
        decoder = find_decoder(str(folder), problem)
        assert decoder.folder is not None
        assert decoder.folder.manifest.rounds == rounds
        from bridge.crafting import ShotCrafter

        events = problem.error_model.compile_sampler(seed=1).sample(SHOTS)[0].astype(np.uint8)
        words = ShotCrafter(problem).words(events)
        with OpenedLink(make_link("verilated", decoder, problem, Deadlines())) as opened:
            flips = decode_corrections(opened.link.exchange(words.ravel(), SHOTS), 1).flips
        layers = problem.layout.events_by_layer(events.astype(bool))
        odd, even = layers[:, :, 1::2].sum(axis=(1, 2)) & 1, layers[:, :, ::2].sum(axis=(1, 2)) & 1
        np.testing.assert_array_equal(flips[:, 0], (odd == 1) & (even == 0))


def test_undriven_output_is_named_in_four_states(memory: Memory, tmp_path: Path) -> None:
    needs_simulator("cocotb:icarus")
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), None)
    source = folder / "serial.sv"
    text = source.read_text().replace("out_data[0] = ", "out_data[0] = unset ^ ")
    source.write_text(text.replace("  logic odd,", "  logic unset;\n  logic odd,"))
    with pytest.raises(LinkError, match="X in m_axis_tdata"):
        answers_of(folder, memory, "cocotb:icarus")


def test_two_modules_of_one_name_are_an_error(memory: Memory, tmp_path: Path) -> None:
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), None, sources=["serial.sv", "again.sv"])
    (folder / "again.sv").write_text((folder / "serial.sv").read_text())
    with pytest.raises(LinkOpenError, match="MODDUP"):
        answers_of(folder, memory)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stream": {"word_bits": 513}}, "word_bits.*512"),
        ({"stream": {"answer_words": 2000}}, "8096 bits"),
        ({"stream": {"has_valid": False}}, "latency"),
        ({"stream": {"latency": 3}}, "latency"),
        ({"stream": {"has_valid": False, "latency": 1, "answer_words": 2}}, "answer_words"),
        ({"stream": {"detectors": [0], "layers": {}}}, "detectors and layers"),
        ({"parameters": {"Width": True}}, "true and false"),
        ({"clocks": {"other": 17}}, "ratio"),
        ({"clocks": {"other": "fast"}}, "clocks.other"),
        ({"include_dirs": ["nowhere"]}, "include_dirs names 'nowhere'"),
        ({"files": ["lut.hex"]}, "files names 'lut.hex'"),
        ({"sources": ["serial.txt"]}, "there is no file"),
        ({"rounds": "{rounds}+{x}"}, "{x}.* is not known"),
        ({"rounds": "{rounds}//0"}, "has no value"),
    ],
)
def test_manifest_that_cannot_be_is_refused(
    fields: dict[str, Any], message: str, memory: Memory, tmp_path: Path
) -> None:
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), fields.pop("stream", None), **fields)
    with pytest.raises(BridgeError, match=message):
        find_decoder(str(folder), memory.problem)


def test_icarus_says_who_takes_an_interface(memory: Memory, tmp_path: Path) -> None:
    """Icarus has no ports of interface type; Verilator has."""
    needs_simulator("cocotb:icarus")
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), None, sources=["serial.sv", "wires.sv"])
    (folder / "wires.sv").write_text(
        "interface wires; logic w; modport drive(output w); endinterface\n"
        "module driver (input logic d, wires.drive out); assign out.w = d; endmodule\n"
    )
    source = folder / "serial.sv"
    instances = "  wires u_wires ();\n  driver u_driver (.d(rst), .out(u_wires));\n"
    source.write_text(source.read_text().replace("  logic odd,", f"{instances}  logic odd,"))
    check_answers(folder, memory, "verilated")
    with pytest.raises(LinkOpenError, match=r"(?s)wires\.sv.*Verilator takes it"):
        answers_of(folder, memory, "cocotb:icarus")


def test_rtl_from_outside_its_folder_travels_with_a_sweep(memory: Memory, tmp_path: Path) -> None:
    """Sources, headers, a table and a module that no list names; all of them are gone where the decoder is opened."""
    there = tmp_path / "there"
    wild_decoder(there / "rtl")
    for name in ("wild.sv", "wild_pkg.sv"):
        text = (there / "rtl" / name).read_text()
        (there / "rtl" / name).write_text(text.replace("module sync_fifo", "module unused_fifo"))
    (there / "rtl" / "sync_fifo.sv").write_text(
        "module sync_fifo (input logic clk, d, output logic q); assign q = d ^ `OTHER; endmodule\n"
    )
    (there / "second").mkdir()
    shutil.move(there / "rtl" / "second" / "settings.vh", there / "second" / "settings.vh")
    with (there / "second" / "settings.vh").open("a") as header:
        header.write('`include "deeper/other.vh"\n')
    (there / "second" / "deeper").mkdir()
    (there / "second" / "deeper" / "other.vh").write_text("`define OTHER 1'b0\n")
    folder = write_decoder(
        there / "decoder", (), None, top="wild", sources=["../rtl/wild_pkg.sv", "../rtl/wild.sv"],
        include_dirs=["../second"], files=["../rtl/tables/flips.mem"], defines={"FROM_MANIFEST": "1'b0"},
    )  # fmt: skip
    source = there / "rtl" / "wild.sv"
    source.write_text(source.read_text().replace("tables/flips.mem", "flips.mem"))
    check_answers(folder, memory)
    package = pack(str(folder), memory.problem)
    shutil.rmtree(there)
    unpacked = package.unpacked()
    assert not unpacked.is_relative_to(there)
    check_answers(unpacked, memory)


@pytest.mark.parametrize("kind", ["header of C", "by macro", "hidden folder", "Icarus alone"])
def test_whatever_lies_elsewhere_travels_with_a_sweep(kind: str, memory: Memory, tmp_path: Path) -> None:
    there, link_name = tmp_path / "there", "cocotb:icarus" if kind == "Icarus alone" else "verilated"
    folder, sign = there / "decoder", "assign sign = 1'b1;\n"
    (there / "common").mkdir(parents=True)
    if kind == "header of C":
        write_decoder(folder, ("called.sv", "decide.c"), None, include_dirs=["../common"])
        (there / "common" / "decide.h").write_text("#define INVERTED 1\n")
    else:
        place = "../common" if kind != "hidden folder" else ".generated"
        line = {
            "by macro": '`define NAME "sign.svh"\n`include `NAME',
            "hidden folder": '`include "sign.svh"',
            "Icarus alone": '`ifdef __ICARUS__\n`include "sign.svh"\n`else\nassign sign = 0;\n`endif',
        }[kind]
        signed_decoder(folder, line)
        (folder / place).mkdir(exist_ok=True)
        (folder / place / "sign.svh").write_text(sign)
        manifest = yaml.safe_load((folder / MANIFEST_NAME).read_text())
        (folder / MANIFEST_NAME).write_text(yaml.safe_dump({**manifest, "include_dirs": [place]}))
    unpacked = pack(str(folder), memory.problem).unpacked()
    shutil.rmtree(there)
    check_answers(unpacked, memory, link_name, inverted=True)


def test_what_travels_with_a_sweep_is_bounded(memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = signed_decoder(tmp_path / "serial", "assign sign = 0;")
    monkeypatch.setattr("bridge.sweep.package.MAX_FILES_IN_REACH", 3)
    with pytest.raises(LoopError, match="more than 3 files lie in its include_dirs and beside its sources"):
        pack(str(folder), memory.problem)
    monkeypatch.undo()
    with (folder / "notes.bin").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(LoopError, match="more than 64 MiB; move what is not part of the decoder elsewhere"):
        pack(str(folder), memory.problem)


@pytest.mark.parametrize("link_name", ["verilated", "cocotb:icarus", "cocotb:ghdl"])
def test_vhdl_names_in_any_letters(link_name: str, memory: Memory, tmp_path: Path) -> None:
    needs_simulator("cocotb:ghdl")
    folder = write_decoder(
        tmp_path / "serial",
        ("serial.vhd",),
        {"ports": {"clock": "CLK", "reset": "Rst", "in_data": "IN_DATA"}},
        top="SERIAL",
    )
    source = folder / "serial.vhd"
    text = source.read_text()
    for name in ("in_data", "out_valid", "rst"):
        text = re.sub(rf"\b{name}\b", name.upper(), text)
    source.write_text(text.replace("entity serial is", "entity Serial is"))
    check_answers(folder, memory, link_name)


def test_headers_above_a_source_travel_with_a_sweep(memory: Memory, tmp_path: Path) -> None:
    """`include "../../common/..." from a source outside the folder, and a header that includes another by "../"."""
    there = tmp_path / "there"
    folder = write_decoder(there / "decoder", (), None, top="serial", sources=["../rtl/core/deep/serial.sv"])
    for name, text in {
        "rtl/core/deep/serial.sv": '`include "../../common/a/first.vh"\n' + (FOREIGN / "serial.sv").read_text(),
        "rtl/common/a/first.vh": '`include "../b/second.vh"\n',
        "rtl/common/b/second.vh": "`define SECOND 1'b1\n",
    }.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_text(text.replace("(odd && !even)", "(odd && !even) ^ `SECOND"))
    check_answers(folder, memory, inverted=True)
    unpacked = pack(str(folder), memory.problem).unpacked()
    shutil.rmtree(there)
    check_answers(unpacked, memory, inverted=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"parameters": {"Width": 16}}, "port in_data of serial has 16 bits.* has 8; correct word_bits"),
        ({"stream": {"has_ready": "in", "in_flight": 1}}, "nothing drives the input out_ready of serial"),
        ({"parameters": {"Words": "many"}}, "Words the text 'many', but it is a number"),
    ],
)
def test_manifest_is_compared_with_the_ports(
    fields: dict[str, Any], message: str, memory: Memory, tmp_path: Path
) -> None:
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), fields.pop("stream", None), **fields)
    with pytest.raises(LinkOpenError, match=message):
        answers_of(folder, memory)


def test_a_header_may_change_often_in_one_process(memory: Memory, tmp_path: Path) -> None:
    """More often than builds are kept: a library of before must not be taken for the new one."""
    folder = wild_decoder(tmp_path / "wild")
    header = folder / "second" / "settings.vh"
    for index in range(MAX_VARIANTS + 3):
        header.write_text(f"// {index}\n`define SETTING 1'b{int(index >= MAX_VARIANTS)}\n")
        check_answers(folder, memory, inverted=index >= MAX_VARIANTS)


def test_a_width_that_a_header_changes_is_compared_again(memory: Memory, tmp_path: Path) -> None:
    folder = write_decoder(tmp_path / "serial", ("serial.sv",), None)
    source, header = folder / "serial.sv", folder / "width.vh"
    source.write_text('`ifndef W `include "width.vh"\n`endif\n' + source.read_text().replace("Width = 8", "Width = `W"))
    for width, message in ((8, None), (6, "port in_data of serial has 6 bits"), (8, None)):
        header.write_text(f"`define W {width}\n")
        if message is None:
            check_answers(folder, memory)
            continue
        with pytest.raises(LinkOpenError, match=message):
            answers_of(folder, memory)
