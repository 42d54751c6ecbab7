"""Writes the Vivado project of a decoder for a Zynq board: its RTL under an AXI top, the settings, and the script that
builds both files of a PYNQ overlay."""

import shutil
import tempfile
from pathlib import Path

import yaml

from hdl.boards.vivado import design, systems
from hdl.boards.vivado.board import VivadoBoard
from hdl.compile.manifest import DATA_FIELDS, MANIFEST_NAME, DecoderFolder
from hdl.errors import ManifestError
from hdl.registers import map as map_module
from hdl.registers.map import FIELDS

HERE = Path(__file__).parent
WRAPPER = HERE / "decoder_top_axi.v"
SCRIPT = HERE / "build.tcl"
INPUTS = (
    WRAPPER,
    SCRIPT,
    Path(__file__),
    Path(design.__file__),
    Path(systems.__file__),
    Path(map_module.__file__),
)
"""What a project is made from, besides the decoder and the board."""
SETTINGS = "settings.tcl"
INSTANCE = "decoder_top u_decoder ("


def write_project(decoder: DecoderFolder, board: VivadoBoard, output: Path) -> DecoderFolder:
    """Write a self-contained project: `vivado -mode batch -source output/build.tcl` makes an overlay in it.

    It is a decoder folder as well, with `decoder_top_axi` as its top, so that the same sources can be simulated.

    Args:
        decoder: any decoder folder with the ports of docs/decoders.md.
        board: where it shall run.
        output: folder to create; one that already holds such a project is replaced, any other is left alone.

    Raises:
        ManifestError: `output` is a folder with something else in it.
    """
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


def fill_project(decoder: DecoderFolder, board: VivadoBoard, folder: Path) -> None:
    """Write the project's files into a folder that is new or empty; see `write_project`."""
    sources = [_copied(decoder, source, folder) for source in decoder.sources]
    (folder / WRAPPER.name).write_text(wrapper_source(decoder), encoding="utf-8")
    sources.append(WRAPPER.name)
    left_out = {"top", "sources", "parameters", *DATA_FIELDS}
    manifest = decoder.manifest.model_dump(exclude=left_out, exclude_none=True)
    manifest |= {"top": design.TOP, "sources": sources}
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    (folder / SETTINGS).write_text(_settings(decoder, board, sources), encoding="utf-8")
    shutil.copyfile(SCRIPT, folder / SCRIPT.name)


def wrapper_source(decoder: DecoderFolder) -> str:
    """Text of decoder_top_axi.v around the decoder's own top and its parameters."""
    manifest = decoder.manifest
    values = ", ".join(f".{name}({value})" for name, value in sorted(manifest.parameters.items()))
    instance = f"{manifest.top} #({values}) u_decoder (" if values else f"{manifest.top} u_decoder ("
    return WRAPPER.read_text(encoding="utf-8").replace(INSTANCE, instance)


def _copied(decoder: DecoderFolder, source: Path, folder: Path) -> str:
    """Copy a source into the folder; its path there. Sources from elsewhere may share a name: they get a number."""
    name = f"rtl/{decoder.sources.index(source):02}_{source.name}"
    if source.is_relative_to(decoder.path) and ".." not in source.parts:
        name = str(source.relative_to(decoder.path))
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return name


def _settings(decoder: DecoderFolder, board: VivadoBoard, sources: list[str]) -> str:
    """Text of settings.tcl: what build.tcl needs to know, as plain Tcl variables."""
    manifest, system = decoder.manifest, board.system
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
        "set sources {",
        *(f"    {{{source}}}" for source in sources),
        "}",
        "# name, offset, access, and the fields: name, lowest bit, bits, access",
        "set registers {",
        *_register_lines(),
        "}",
        "",
    ]
    return "\n".join(lines)


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
