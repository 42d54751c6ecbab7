"""Puts the qds1 ports around a decoder with a stream of its own, or with parameters, as its manifest describes it."""

import re
from collections.abc import Iterable, Mapping
from enum import IntFlag
from functools import partial
from pathlib import Path
from typing import Literal

import yaml

from hdl.build import cached_build
from hdl.compile.decoder import RTL_FOLDER
from hdl.compile.manifest import (
    DATA_FIELDS,
    MANIFEST_NAME,
    PROTOCOL,
    DecoderFolder,
    Manifest,
    StreamFormat,
)
from hdl.design import SIZED_LITERAL, Design, beyond_key, literal, verilog_code, vhdl_code, vhdl_literal
from hdl.errors import BuildError, ManifestError
from hdl.ghdl import is_vhdl, spelled_names, verilog_of
from hdl.standalone import included_files
from hdl.verilator import look_over

WRAPPER_TOP = "qtwin_top"
ADAPTER = "qtwin_stream_adapter.sv"
WRAPPER_FILE = "qtwin_top.sv"
VHDL_ADAPTER = "qtwin_stream_adapter.vhd"
VHDL_WRAPPER_FILE = "qtwin_top.vhd"
PORT_WIDTH = re.compile(
    r"port connection '(\w+)' expects (\d+) bits on the pin connection, but .* generates (\d+) bits"
)
MISSING_PIN = re.compile(r"-PINMISSING: .*missing pin: '(\w+)'")


class AdapterStatus(IntFlag):
    """Status flags of a CORRECTION that qtwin_stream_adapter.sv sends; each stays up until reset."""

    WITHDRAWN = 1 << 8
    """out_valid fell before a word was taken."""
    CHANGED = 1 << 9
    """A word changed before it was taken."""
    MISPLACED_LAST = 1 << 10
    """out_last was not with an answer's last word."""
    LOST = 1 << 11
    """A word came when none was due: with no shot under way, or with no way to hold it up."""


STATUS_ADDRESS = 0xFF0
"""Register of the adapter with these flags."""


QDS1_PORTS = """\
    input  logic        clk_i,
    input  logic        rst_ni,
    input  logic [31:0] s_axis_tdata,
    input  logic        s_axis_tvalid,
    output logic        s_axis_tready,
    input  logic        s_axis_tlast,
    output logic [31:0] m_axis_tdata,
    output logic        m_axis_tvalid,
    input  logic        m_axis_tready,
    output logic        m_axis_tlast,
    input  logic [11:0] s_axil_awaddr,
    input  logic        s_axil_awvalid,
    output logic        s_axil_awready,
    input  logic [31:0] s_axil_wdata,
    input  logic [3:0]  s_axil_wstrb,
    input  logic        s_axil_wvalid,
    output logic        s_axil_wready,
    output logic [1:0]  s_axil_bresp,
    output logic        s_axil_bvalid,
    input  logic        s_axil_bready,
    input  logic [11:0] s_axil_araddr,
    input  logic        s_axil_arvalid,
    output logic        s_axil_arready,
    output logic [31:0] s_axil_rdata,
    output logic [1:0]  s_axil_rresp,
    output logic        s_axil_rvalid,
    input  logic        s_axil_rready"""


def with_qds1_ports(decoder: DecoderFolder, language: Literal["verilog", "vhdl"] = "verilog") -> DecoderFolder:
    """A decoder that has the qds1 ports, no parameters, and RTL in one language.

    That is the decoder itself, or a folder in the cache with a top around it, and with its VHDL as Verilog where
    Verilog is asked for.

    Raises:
        ToolMissingError: it is in VHDL, Verilog is asked for, and GHDL is not installed.
        BuildError: GHDL does not take its VHDL.
    """
    manifest = decoder.manifest
    if language == "vhdl" and not is_vhdl(decoder.design):
        return decoder  # the simulator says what it does not take
    if language == "verilog":
        design, converted = verilog_of(decoder.design), is_vhdl(decoder.design)
    else:
        design, converted = decoder.design, False
    if manifest.stream is None and not design.parameters and design is decoder.design:
        return decoder
    wrapped = manifest.stream is not None or bool(design.parameters)
    if converted:
        manifest = _spelled(manifest, spelled_names(design.sources[0].path))
    elif language == "vhdl":
        manifest = _spelled(manifest, {})
    adapter, file = (ADAPTER, WRAPPER_FILE) if language == "verilog" else (VHDL_ADAPTER, VHDL_WRAPPER_FILE)
    ours = {}
    if manifest.stream is not None:
        ours[adapter] = (RTL_FOLDER / adapter).read_text(encoding="utf-8")
    if wrapped:
        values = design.parameters
        write = wrapper_source if language == "verilog" else partial(vhdl_wrapper_source, decoder.design)
        ours[file] = write(manifest, values)
    content = manifest.model_dump(mode="json", exclude={"stream", *DATA_FIELDS})
    content |= {
        "protocol": PROTOCOL,
        "top": WRAPPER_TOP if wrapped else design.top,
        "parameters": {},
        "sources": [*({"file": str(each.path), "language": each.language} for each in design.sources), *ours],
        "include_dirs": [str(folder) for folder in design.include_dirs],
        "files": list(design.files),
    }

    def build(folder: Path) -> list[Path]:
        for name, text in ours.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / MANIFEST_NAME).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        design.put_files(folder)
        if language == "vhdl" or not wrapped:
            return []
        check_connections(manifest, DecoderFolder(folder).design)
        try:
            return beyond_key(design, included_files(design))  # a port's width may come from a header
        except BuildError:  # then nothing was compared, either
            return []

    key = {"what": "qds1 ports", "manifest": content, "ours": ours, "design": design.key()}
    return DecoderFolder(cached_build(key, build, design.search_dirs))


def check_connections(manifest: Manifest, design: Design) -> None:
    """Compare what a manifest says of its top with the top itself.

    What Verilator does not take is left to the simulator that is used.

    Args:
        design: the decoder with the top around it.

    Raises:
        ManifestError: a port has another width than the manifest says, an input is not connected, or a parameter is
            given a text that is a number in the RTL.
    """
    codes = verilog_code_of(design)
    for name, value in manifest.parameters.items():
        default = re.search(rf"\bparameter\b[^;)]*?\b{name}\s*=\s*([^,;)\n]+)", codes)
        if (
            default
            and isinstance(value, str)
            and not SIZED_LITERAL.fullmatch(value)
            and default[1].strip()[:1].isdigit()
        ):
            raise ManifestError(
                f"{manifest.name}: parameters gives {name} the text {value!r}, but it is a number in the RTL "
                f"({name} = {default[1].strip()})"
            )
    try:
        said = look_over(design, [f"-Wwarn-{code}" for code in ("WIDTHEXPAND", "WIDTHTRUNC", "PINMISSING")])
    except BuildError:
        return
    ties = manifest.stream.ties if manifest.stream is not None else {}
    for line in said.splitlines():
        if WRAPPER_FILE not in line:
            continue
        width, missing = PORT_WIDTH.search(line), MISSING_PIN.search(line)
        if width and width[1] not in ties:
            raise ManifestError(
                f"{manifest.name}: port {width[1]} of {manifest.top} has {width[2]} bits, what is connected to it has "
                f"{width[3]}; correct word_bits, or the names in ports"
            )
        if missing and re.search(rf"\binput\b(?:(?!\boutput\b|\binout\b)[^;])*?\b{missing[1]}\b", codes):
            raise ManifestError(
                f"{manifest.name}: nothing drives the input {missing[1]} of {manifest.top}; name it in ports, in ties "
                "with a constant, or in clocks"
            )


def verilog_code_of(design: Design) -> str:
    """All Verilog of a user, without comments and strings."""
    return "\n".join(verilog_code(path) for path in design.of("verilog") if path.name not in (ADAPTER, WRAPPER_FILE))


def _spelled(manifest: Manifest, names: Mapping[str, str]) -> Manifest:
    """The manifest with ports and top as they are declared: VHDL does not tell capitals from small letters.

    names: in small letters -> as declared; others become small.
    """

    def spelled(name: str) -> str:
        return names.get(name.lower(), name.lower())

    stream = manifest.stream
    if stream is not None:
        said = {key: value for key, value in stream.ports.model_dump().items() if key != "reset_active"}
        ports = {key: value and spelled(value) for key, value in said.items()}
        ties = {spelled(name): value for name, value in stream.ties.items()}
        stream = stream.model_copy(
            update={"ports": stream.ports.model_copy(update=ports), "ties": ties},
        )
    clocks = {spelled(name): ratio for name, ratio in manifest.clocks.items()}
    return manifest.model_copy(update={"top": spelled(manifest.top), "stream": stream, "clocks": clocks})


def wrapper_source(manifest: Manifest, parameters: Mapping[str, int | float | str]) -> str:
    """Text of the module around a decoder."""
    stream = manifest.stream
    clocks = "".join(f"    input  logic        {name},\n" for name in manifest.clocks)
    values = ", ".join(f".{name}({literal(value)})" for name, value in parameters.items())
    inside = _qds1_decoder(manifest) if stream is None else _adapter(manifest, stream)
    return f"""\
// The qds1 ports around {manifest.top}. Generated from its manifest.
`default_nettype none
module {WRAPPER_TOP} (
{clocks}{QDS1_PORTS}
);
{inside.replace("PARAMETERS", f" #({values})" if values else "")}
endmodule
`default_nettype wire
"""


def _qds1_decoder(manifest: Manifest) -> str:
    names = [*manifest.clocks, *(line.split()[-1].rstrip(",") for line in QDS1_PORTS.splitlines())]
    return f"  {manifest.top}PARAMETERS u_decoder (\n{_connected((name, name) for name in names)}\n  );"


def _connected(pins: Iterable[tuple[str, str]]) -> str:
    return ",\n".join(f"      .{pin}({net})" for pin, net in pins)


def _choices(manifest: Manifest, stream: StreamFormat) -> dict[str, int | bool]:
    """Parameters of the adapter: whole numbers and flags."""
    return {
        "WordBits": stream.word_bits,
        "ShotWords": stream.shot_words,
        "AnswerWords": stream.answer_words,
        "InFlight": stream.shots_in_flight,
        "Answers": 1 if stream.can_be_stalled else stream.shots_in_flight,
        "HasOutReady": stream.has("ready", "out"),
        "HasOutLast": stream.has("last", "out"),
        "HasOutValid": stream.has("valid", "out"),
        "Latency": stream.latency or 0,
        "GraphHash": manifest.graph_hash or 0,
        "ClockHz": round(1e6 * manifest.clock_mhz),
    }


def _adapter(manifest: Manifest, stream: StreamFormat) -> str:
    pins = [*((name, name) for name in manifest.clocks), *_stream_pins(stream)]
    choices = {
        name: f"1'b{int(value)}"
        if isinstance(value, bool)
        else f"32'h{value:08x}"
        if name == "GraphHash"
        else str(value)
        for name, value in _choices(manifest, stream).items()
    }
    missing = "".join(f"  assign {net} = 1'b{value};\n" for net, value in _missing(stream).items())
    return f"""\
  logic [{stream.word_bits - 1}:0] in_data, out_data;
  logic in_valid, in_ready, in_last, out_valid, out_ready, out_last;
  qtwin_stream_adapter #(
{_connected(choices.items())}
  ) u_adapter (
      .clk_i, .rst_ni,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready,
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast,
      .s_axil_awvalid, .s_axil_awready, .s_axil_wvalid, .s_axil_wready, .s_axil_bresp, .s_axil_bvalid, .s_axil_bready,
      .s_axil_araddr, .s_axil_arvalid, .s_axil_arready, .s_axil_rdata, .s_axil_rresp, .s_axil_rvalid, .s_axil_rready,
      .in_data_o(in_data), .in_valid_o(in_valid), .in_last_o(in_last), .in_ready_i(in_ready),
      .out_data_i(out_data), .out_valid_i(out_valid), .out_last_i(out_last), .out_ready_o(out_ready)
  );
{missing}\
  {manifest.top}PARAMETERS u_decoder (
{_connected(pins)}
  );
  logic unused;
  assign unused = ^{{s_axis_tlast, s_axil_awaddr, s_axil_wdata, s_axil_wstrb, in_valid, in_last, out_ready}};"""


def _stream_pins(stream: StreamFormat) -> list[tuple[str, str]]:
    """(port of the decoder, net) of its clock, reset, streams and tied inputs."""
    ports = stream.ports
    pins = [(ports.clock, "clk_i")]
    if ports.reset is not None:
        pins.append((ports.reset, "!rst_ni" if ports.reset_active == "high" else "rst_ni"))
    pins += [(ports.in_data, "in_data"), (ports.out_data, "out_data")]
    for signal in ("valid", "ready", "last"):
        for side in ("in", "out"):
            if stream.has(signal, side):
                pins.append((getattr(ports, f"{side}_{signal}"), f"{side}_{signal}"))
    if stream.has_keep:
        pins.append((ports.in_keep, f"{{{-(-stream.word_bits // 8)}{{1'b1}}}}"))
    # wide enough for any port: the upper bits of a constant are cut off
    return pins + [(name, f"{max(1, value.bit_length())}'h{value:x}") for name, value in stream.ties.items()]


def _missing(stream: StreamFormat) -> dict[str, int]:
    """What the adapter sees of signals that the decoder has not: net -> constant."""
    nets = {
        "in_ready": (stream.has("ready", "in"), 1),
        "out_valid": (stream.has("valid", "out"), 0),
        "out_last": (stream.has("last", "out"), 0),
    }
    return {net: value for net, (is_there, value) in nets.items() if not is_there}


def vhdl_wrapper_source(design: Design, manifest: Manifest, parameters: Mapping[str, int | float | str]) -> str:
    """Text of the entity around a decoder in VHDL.

    Raises:
        BuildError: a tied input is not found in the decoder's entity.
    """
    stream = manifest.stream
    names = [*manifest.clocks, *(line.split()[-1].rstrip(",") for line in QDS1_PORTS.splitlines())]
    ports = [f"    {name:14} : in  std_logic" for name in manifest.clocks]
    for line in QDS1_PORTS.splitlines():
        direction, _, *width, name = line.strip().rstrip(",").split()
        high = width[0].strip("[]").partition(":")[0] if width else ""
        kind = f"std_logic_vector({high} downto 0)" if width else "std_logic"
        ports.append(f"    {name:14} : {'in ' if direction == 'input' else 'out'} {kind}")
    values = [f"{name} => {vhdl_literal(value)}" for name, value in parameters.items()]
    generics = f"\n    generic map ({', '.join(values)})" if values else ""
    if stream is None:
        signals, inside, pins = "", "", [(name, name) for name in names]
    else:
        signals, inside, pins = _vhdl_adapter(design, manifest, stream)
    listed = ",\n".join(f"      {pin} => {net}" for pin, net in pins)
    return f"""\
-- The qds1 ports around {manifest.top}. Generated from its manifest.
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity {WRAPPER_TOP} is
  port (
{(";" + chr(10)).join(ports)}
  );
end entity;

architecture rtl of {WRAPPER_TOP} is
{signals}begin
{inside}  u_decoder : entity work.{manifest.top}{generics}
    port map (
{listed}
    );
end architecture;
"""


def _vhdl_adapter(design: Design, manifest: Manifest, stream: StreamFormat) -> tuple[str, str, list[tuple[str, str]]]:
    """Declarations, the adapter, and (port of the decoder, net)."""
    choices = {
        "word_bits": "WordBits", "shot_words": "ShotWords", "answer_words": "AnswerWords", "in_flight": "InFlight",
        "answers": "Answers", "has_out_ready": "HasOutReady", "has_out_last": "HasOutLast",
        "has_out_valid": "HasOutValid", "latency": "Latency", "graph_hash": "GraphHash", "clock_hz": "ClockHz",
    }  # fmt: skip
    values = _choices(manifest, stream)
    texts = {name: str(values[choice]).lower() for name, choice in choices.items()}
    texts["graph_hash"] = f'x"{values["GraphHash"]:08x}"'
    generics = ",\n".join(f"      {name} => {text}" for name, text in texts.items())
    unread = ("s_axis_tlast", "s_axil_awaddr", "s_axil_wdata", "s_axil_wstrb", "clk_i", "rst_ni")
    qds1 = [name for line in QDS1_PORTS.splitlines() if (name := line.split()[-1].rstrip(",")) not in unread]
    nets = ["in_valid", "in_last", "in_ready", "out_valid", "out_last", "out_ready"]
    side = {name: f"{name}_{'o' if name in ('in_valid', 'in_last', 'out_ready') else 'i'}" for name in nets}
    connected = ",\n".join(
        f"      {port} => {net}"
        for port, net in [
            ("clk_i", "clk_i"), ("rst_ni", "rst_ni"), *((name, name) for name in qds1),
            ("in_data_o", "in_data"), ("out_data_i", "out_data"), *((side[name], name) for name in nets),
        ]
    )  # fmt: skip
    top = stream.word_bits - 1
    signals = (
        f"  signal in_data, out_data : std_logic_vector({top} downto 0);\n"
        f"  signal {', '.join(nets)}, reset : std_logic;\n"
    )
    inside = "".join(f"  {net} <= '{value}';\n" for net, value in _missing(stream).items())
    inside += f"  reset <= {'not ' if stream.ports.reset_active == 'high' else ''}rst_ni;\n"
    inside += f"""\
  u_adapter : entity work.qtwin_stream_adapter
    generic map (
{generics}
    )
    port map (
{connected}
    );
"""
    data = {"in_data": "in_data", "out_data": "out_data"}
    if stream.word_bits == 1:  # a decoder has a plain bit there
        data = {name: f"{net}(0)" for name, net in data.items()}
    pins = [*((name, name) for name in manifest.clocks)]
    for port, net in _stream_pins(stream):
        if port in stream.ties:
            pins.append((port, _vhdl_constant(design, manifest.top, port, stream.ties[port])))
        elif net.endswith("rst_ni"):
            pins.append((port, "reset"))
        else:
            pins.append((port, "(others => '1')" if net.startswith("{") else data.get(net, net)))
    return signals, inside, pins


def _vhdl_constant(design: Design, top: str, port: str, value: int) -> str:
    """A constant for a tied input, of the type that the entity gives it."""
    for path in design.of("vhdl"):
        entity = re.search(rf"^\s*entity\s+{top}\s+is\b(.*?)\bend\b", vhdl_code(path), re.MULTILINE | re.DOTALL)
        found = entity and re.search(
            rf"\b{port}\b[^;:]*:\s*(?:in\s+)?(\w+)\s*(?:\(\s*(\d+)\s+(?:downto|to)\s+(\d+)\s*\))?", entity[1]
        )
        if found and found[2] is None and found[1] in ("std_logic", "std_ulogic"):
            return f"'{value & 1}'"
        if found and found[2] is not None:
            width = abs(int(found[2]) - int(found[3])) + 1
            return f'"{value & ((1 << width) - 1):0{width}b}"'
    raise BuildError(
        f"stream.ties: the entity {top} has no input {port} of std_logic, or of a vector with plain bounds such as "
        "std_logic_vector(7 downto 0)"
    )
