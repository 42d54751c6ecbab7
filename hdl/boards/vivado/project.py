"""Writes the Vivado project of a decoder for a Zynq board: its RTL under an AXI top, the settings, and the script that
builds both files of a PYNQ overlay."""

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from hdl import standalone
from hdl.boards.vivado import design, systems
from hdl.boards.vivado.board import VivadoBoard
from hdl.compile.manifest import DATA_FIELDS, MANIFEST_NAME, DecoderFolder, Manifest
from hdl.compile.stream_wrapper import with_qds1_ports
from hdl.errors import BoardError, ManifestError
from hdl.registers import map as map_module
from hdl.registers.map import FIELDS
from hdl.standalone import Copied, copy_design
from qds1 import CORRECTION_TRAILER_WORDS, correction_words

HERE = Path(__file__).parent
WRAPPER = HERE / "decoder_top_axi.v"
SCRIPT = HERE / "build.tcl"
INPUTS = (
    WRAPPER,
    SCRIPT,
    Path(__file__),
    Path(design.__file__),
    Path(standalone.__file__),
    Path(systems.__file__),
    Path(map_module.__file__),
)
"""What a project is made from, besides the decoder and the board."""
SETTINGS = "settings.tcl"
INSTANCE = "decoder_top u_decoder ("
USER_CORE = "user"
LONGEST = "longest_messages"
"""In a project's manifest: the parameters of its top."""
LONGEST_OTHER_ANSWER_WORDS = 3
"""FAULT and DATA."""


def write_project(decoder: DecoderFolder, board: VivadoBoard, output: Path) -> DecoderFolder:
    """Write a self-contained project: `vivado -mode batch -source output/build.tcl` makes an overlay in it.

    It is a decoder folder as well, with `decoder_top_axi` as its top, so that the same sources can be simulated.

    Args:
        decoder: any decoder folder. One with a stream of its own gets the ports that it lacks, and VHDL becomes
            Verilog: the project has what is simulated.
        board: where it shall run.
        output: folder to create; one that already holds such a project is replaced, any other is left alone.

    Raises:
        ManifestError: `output` is a folder with something else in it.
        BoardError: the decoder cannot be put into logic, or has a second clock.
        ToolMissingError, BuildError: its VHDL cannot be made into Verilog.
    """
    in_c = [str(path) for path in decoder.design.of("c")]
    if in_c:
        raise BoardError(
            f"the decoder {decoder.manifest.name} calls C in simulation ({', '.join(in_c)}), which no FPGA can; "
            "write that part as RTL"
        )
    if output.exists() and not (output / SETTINGS).is_file():
        raise ManifestError(
            f"{output} exists and is not a project for this board; name a folder that does not exist yet"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        new = Path(scratch) / "new"
        fill_project(decoder, board, new)
        if output.exists():
            output.rename(Path(scratch) / "old")
        new.rename(output)
    return DecoderFolder(output)


def fill_project(decoder: DecoderFolder, board: VivadoBoard, folder: Path) -> tuple[Path, ...]:
    """Write the project's files into a folder that is new or empty; see `write_project`.

    Returns:
        The files that it read besides those that the manifest names.
    """
    if decoder.design.clocks:
        raise BoardError(
            f"the decoder {decoder.manifest.name} has a clock of its own ({', '.join(decoder.design.clocks)}), which "
            "the block design of a Zynq board does not make; run it over verilated or cocotb"
        )
    longest = longest_messages(decoder.manifest)
    decoder = with_qds1_ports(decoder)
    copied = copy_design(decoder.design, folder, write_macros=True)
    (folder / WRAPPER.name).write_text(wrapper_source(decoder.manifest.top, longest), encoding="utf-8")
    left_out = {"top", "sources", "include_dirs", "defines", "files", "parameters", *DATA_FIELDS}
    manifest = decoder.manifest.model_dump(mode="json", exclude=left_out, exclude_none=True)
    manifest |= {
        "top": design.TOP,
        **copied.manifest(),
        "options": {**decoder.manifest.options, LONGEST: longest},
    }
    manifest["sources"] = [*manifest["sources"], WRAPPER.name]
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    (folder / SETTINGS).write_text(_settings(decoder, board, copied), encoding="utf-8")
    shutil.copyfile(SCRIPT, folder / SCRIPT.name)
    return copied.read


def longest_messages(manifest: Manifest) -> dict[str, int]:
    """The parameters of the decoder's block with their values."""
    if manifest.stream is not None:
        return {
            design.LONGEST_ANSWER: 1 + manifest.stream.answer_beats + CORRECTION_TRAILER_WORDS,
            design.LONGEST_FRAME: 0,
        }
    correction = correction_words(manifest.num_observables)
    may_have_frames = manifest.core == USER_CORE or bool(manifest.options.get("window"))
    return {
        design.LONGEST_ANSWER: max(correction, LONGEST_OTHER_ANSWER_WORDS),
        design.LONGEST_FRAME: correction + 1 if may_have_frames else 0,
    }


def wrapper_source(top: str, parameters: Mapping[str, int]) -> str:
    """Text of decoder_top_axi.v around a decoder's own top, with values of its parameters."""
    text = WRAPPER.read_text(encoding="utf-8").replace(INSTANCE, f"{top} u_decoder (")
    for name, value in parameters.items():
        text = re.sub(rf"(parameter integer {name} = )\d+", rf"\g<1>{value}", text)
    return text


def _settings(decoder: DecoderFolder, board: VivadoBoard, copied: Copied) -> str:
    """Text of settings.tcl: what build.tcl needs to know, as plain Tcl variables."""
    manifest, system = decoder.manifest, board.system
    verilog = [str(source.path) for source in copied.sources if source.language == "verilog"]
    ps_settings = system.settings(manifest.clock_mhz, board.control_port_bits, board.memory_port_bits)
    values = {
        "part": board.part,
        "board_part": board.board_part,
        "clock_mhz": f"{manifest.clock_mhz:g}",
        "clock_tolerance": f"{design.CLOCK_TOLERANCE:g}",
        "vlnv": design.DECODER_VLNV,
        "top": design.TOP,
        "overlay": design.OVERLAY,
        "decoder_cell": design.DECODER_NAME,
        "decoder_base": f"{board.decoder_base:#010x}",
        "decoder_bytes": f"{design.DECODER_BYTES:#x}",
        "dma_vlnv": design.DMA_VLNV,
        "dma_cell": design.DMA_NAME,
        "dma_base": f"{board.dma_base:#010x}",
        "dma_bytes": f"{design.DMA_BYTES:#x}",
        "dma_length_bits": str(design.DMA_LENGTH_BITS),
        "dma_bits": str(board.dma_bits),
        "stream_bits": str(design.STREAM_BITS),
        "ps_vlnv": system.vlnv,
        "ps_kind": system.kind,
        "ps_cell": system.cell,
        "ps_automation": f"{{{system.automation}}}",
        "ps_clock": system.clock,
        "ps_reset": system.reset,
        "ps_control_bus": system.control_bus,
        "ps_control_clock": system.control_clock,
        "ps_memory_bus": system.memory_bus,
        "ps_memory_clock": system.memory_clock,
        "ps_memory_segment": system.memory_segment,
        "ps_actual_clock": system.actual_clock,
        "clock_parameter": design.CLOCK_PARAMETER,
    }
    lines = [
        f"# The decoder {manifest.name} for a {board.name}. Written by qtwin; build.tcl reads it.",
        *(f"set {name} {value}" for name, value in values.items()),
        "# of the processing system",
        "set ps_settings {",
        *(f"    CONFIG.{name} {{{value}}}" for name, value in ps_settings.items()),
        "}",
        *_list("systemverilog_sources", [name for name in verilog if not name.endswith(".v")]),
        *_list("verilog_sources", [*(name for name in verilog if name.endswith(".v")), WRAPPER.name]),
        *_list("headers", copied.headers),
        *_list("include_dirs", copied.include_dirs),
        *_list("data_files", copied.files),
        "# name, offset, access, and the fields: name, lowest bit, bits, access",
        "set registers {",
        *_register_lines(),
        "}",
        "",
    ]
    return "\n".join(lines)


def _list(name: str, values: Iterable[str]) -> list[str]:
    return [f"set {name} {{", *(f"    {{{value}}}" for value in values), "}"]


def register_access(accesses: list[str]) -> str:
    """Access of a whole register from that of its fields."""
    return accesses[0] if len(set(accesses)) == 1 else "read-write"


def _register_lines() -> list[str]:
    lines = []
    for address, fields in FIELDS.items():
        facts = " ".join(f"{{{field.name} {field.low} {field.width} {field.access}}}" for field in fields)
        access = register_access([field.access for field in fields])
        lines.append(f"    {{{address.name} {address.value:#05x} {access} {{{facts}}}}}")
    return lines
