"""The overlay of a simulated board: a hardware handoff as from Vivado, and a bitstream that says what it stands for."""

import hashlib
import json
import struct
import xml.etree.ElementTree as Xml
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.boards.pynq.registers import NUM_CLOCKS
from hdl.boards.vivado import design
from hdl.boards.vivado.board import VivadoBoard
from hdl.boards.vivado.project import LONGEST, register_access
from hdl.compile.manifest import DecoderFolder
from hdl.registers.map import FIELDS

BUS_VLNV = "xilinx.com:interface:aximm:1.0"
PS_VERSION = {"processing_system7": "5.5", "zynq_ultra_ps_e": "3.5"}
PS_ARCHITECTURE = {"processing_system7": "zynq", "zynq_ultra_ps_e": "zynquplus"}
BIT_PREAMBLE = bytes.fromhex("0009 0ff00ff00ff00ff000 0001".replace(" ", ""))


@dataclass(frozen=True, slots=True)
class Overlay:
    """Both files, and what the bitstream configures: text for people, padded to whole words."""

    handoff: str
    bitstream: bytes
    payload: bytes


def simulated_overlay(project: DecoderFolder, board: VivadoBoard) -> Overlay:
    """The overlay of a decoder's project for a board (see `hdl.boards.vivado.project`).

    The payload carries a hash of RTL and handoff: pynq keeps what it has read of a handoff under the hash of the
    bitstream alone, so two overlays that differ at all must have bitstreams that differ.
    """
    handoff = handoff_source(project, board)
    digest = hashlib.sha256(handoff.encode())
    for source in project.sources:
        digest.update(source.read_bytes())
    manifest = project.manifest
    facts = {
        "simulated": board.name,
        "decoder": manifest.name,
        "graph_hash": f"0x{manifest.graph_hash or 0:08x}",
        "sha256": digest.hexdigest(),
    }
    payload = json.dumps(facts).encode()
    payload += b" " * (-len(payload) % 4)
    return Overlay(handoff, _bitstream(manifest.name, board.part, payload), payload)


def write_overlay(overlay: Overlay, folder: Path) -> Path:
    """Write decoder.hwh and decoder.bit, each in one step; returns the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    bitstream = folder / f"{design.OVERLAY}.bit"
    for file, data in ((bitstream.with_suffix(".hwh"), overlay.handoff.encode()), (bitstream, overlay.bitstream)):
        if file.exists() and file.read_bytes() == data:
            continue
        new = file.with_name(f".{file.name}.new")
        new.write_bytes(data)
        new.replace(file)
    return bitstream


def payload_facts(payload: bytes) -> dict[str, Any] | None:
    """What a simulated overlay's payload says; None for anything else, such as a real bitstream."""
    try:
        facts = json.loads(payload)
    except ValueError:
        return None
    return facts if isinstance(facts, dict) and "simulated" in facts else None


def _bitstream(name: str, part: str, payload: bytes) -> bytes:
    """A .bit file: tagged header fields a to d, then e with the length of all that follows."""
    parts = [BIT_PREAMBLE]
    for tag, text in ((b"a", f"{name};simulated"), (b"b", part), (b"c", "2000/01/01"), (b"d", "00:00:00")):
        field = text.encode() + b"\0"
        parts.append(tag + struct.pack(">H", len(field)) + field)
    return b"".join([*parts, b"e", struct.pack(">I", len(payload)), payload])


# ---- the hardware handoff


def handoff_source(project: DecoderFolder, board: VivadoBoard) -> str:
    """Text of decoder.hwh: processing system, AXI DMA and decoder with their addresses, parameters and registers.

    Raises:
        BuildError: the processing system cannot make the manifest's clock.
    """
    kind = board.system.kind
    device, _, package = board.part.removeprefix("xc" if kind == "processing_system7" else "").partition("-")
    system = Xml.Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="2022.1")
    Xml.SubElement(
        system, "SYSTEMINFO", ARCH=PS_ARCHITECTURE[kind], DEVICE=device, NAME=design.OVERLAY, PACKAGE=package
    )
    Xml.SubElement(system, "EXTERNALPORTS")
    modules = Xml.SubElement(system, "MODULES")
    _add_processing_system(modules, board, project.manifest.clock_mhz)
    _add_slave(modules, design.DMA_NAME, design.DMA_VLNV, "S_AXI_LITE", _dma_parameters(board))
    decoder = _add_slave(
        modules, design.DECODER_NAME, design.DECODER_VLNV, design.DECODER_BUS, project.manifest.options[LONGEST]
    )
    _add_registers(decoder)
    Xml.indent(system)
    return Xml.tostring(system, encoding="unicode", xml_declaration=True) + "\n"


def _dma_parameters(board: VivadoBoard) -> dict[str, object]:
    """As build.tcl sets them; the rest as Vivado's defaults are."""
    return {
        "c_include_mm2s": 1,
        "c_include_s2mm": 1,
        "c_include_sg": 0,
        "c_micro_dma": 0,
        "c_include_mm2s_dre": 0,
        "c_include_s2mm_dre": 0,
        "c_m_axi_mm2s_data_width": board.dma_bits,
        "c_m_axi_s2mm_data_width": board.dma_bits,
        "c_mm2s_burst_size": 16,
        "c_s2mm_burst_size": 16,
        "c_sg_length_width": design.DMA_LENGTH_BITS,
    }


def _clock_parameters(board: VivadoBoard, clock_mhz: float) -> dict[str, object]:
    first, second = board.clock_divisors(clock_mhz)
    if board.processing_system == "processing_system7":
        # pynq 4.0.0 looks for the achieved clock under its name on UltraScale+, and cannot do without it.
        values: dict[str, object] = {design.CLOCK_PARAMETER: f"{clock_mhz:g}"}
        for index in range(NUM_CLOCKS):
            values |= {
                f"PCW_FPGA_FCLK{index}_ENABLE": int(index == 0),
                f"PCW_FCLK{index}_PERIPHERAL_CLKSRC": "IO PLL",
                f"PCW_FCLK{index}_PERIPHERAL_DIVISOR0": first,
                f"PCW_FCLK{index}_PERIPHERAL_DIVISOR1": second,
            }
        return values
    values = {}
    for index in range(NUM_CLOCKS):
        control = f"PSU__CRL_APB__PL{index}_REF_CTRL"
        values |= {
            f"PSU__FPGA_PL{index}_ENABLE": int(index == 0),
            f"{control}__SRCSEL": "IOPLL",
            f"{control}__DIVISOR0": first,
            f"{control}__DIVISOR1": second,
            f"{control}__ACT_FREQMHZ": f"{clock_mhz:.6f}",
        }
    return values


def _width_parameters(board: VivadoBoard) -> dict[str, object]:
    """Of every port, as Vivado writes them on UltraScale+; pynq sets each port of the processor to its width."""
    if board.processing_system == "processing_system7":
        return {"PCW_S_AXI_HP0_DATA_WIDTH": board.memory_port_bits}
    control = (board.control_port_bits, 128, 32)
    memory = [board.memory_port_bits if index == 2 else 128 for index in range(7)]
    return {
        **{f"C_MAXIGP{index}_DATA_WIDTH": bits for index, bits in enumerate(control)},
        **{f"C_SAXIGP{index}_DATA_WIDTH": bits for index, bits in enumerate(memory)},
    }


def _add_processing_system(modules: Xml.Element, board: VivadoBoard, clock_mhz: float) -> None:
    system = board.system
    module = _add_module(modules, system.cell, f"xilinx.com:ip:{system.kind}:{PS_VERSION[system.kind]}")
    module.set("IS_PL", "FALSE")  # how pynq before 3.1 knows it
    _add_parameters(module, _clock_parameters(board, clock_mhz) | _width_parameters(board))
    buses = Xml.SubElement(module, "BUSINTERFACES")
    Xml.SubElement(buses, "BUSINTERFACE", NAME=system.control_bus, TYPE="MASTER", VLNV=BUS_VLNV)
    memory_map = Xml.SubElement(module, "MEMORYMAP")
    for name, bus, base, num_bytes in (
        (design.DMA_NAME, "S_AXI_LITE", board.dma_base, design.DMA_BYTES),
        (design.DECODER_NAME, design.DECODER_BUS, board.decoder_base, design.DECODER_BYTES),
    ):
        Xml.SubElement(
            memory_map,
            "MEMRANGE",
            ADDRESSBLOCK="reg0",
            BASEVALUE=f"{base:#010x}",
            HIGHVALUE=f"{base + num_bytes - 1:#010x}",
            INSTANCE=name,
            MASTERBUSINTERFACE=system.control_bus,
            MEMTYPE="REGISTER",
            SLAVEBUSINTERFACE=bus,
        )


def _add_module(modules: Xml.Element, name: str, vlnv: str) -> Xml.Element:
    kind = vlnv.split(":")[2]
    return Xml.SubElement(modules, "MODULE", INSTANCE=name, FULLNAME=f"/{name}", MODTYPE=kind, VLNV=vlnv)


def _add_slave(modules: Xml.Element, name: str, vlnv: str, bus: str, values: dict[str, Any]) -> Xml.Element:
    module = _add_module(modules, name, vlnv)
    _add_parameters(module, values)
    buses = Xml.SubElement(module, "BUSINTERFACES")
    Xml.SubElement(buses, "BUSINTERFACE", NAME=bus, TYPE="SLAVE", VLNV=BUS_VLNV)
    return module


def _add_parameters(module: Xml.Element, values: dict[str, Any]) -> None:
    parameters = Xml.SubElement(module, "PARAMETERS")
    for name, value in values.items():
        Xml.SubElement(parameters, "PARAMETER", NAME=name, VALUE=str(value))


def _add_registers(module: Xml.Element) -> None:
    blocks = Xml.Element("ADDRESSBLOCKS")
    module.insert(0, blocks)
    block = Xml.SubElement(
        blocks, "ADDRESSBLOCK", NAME="reg0", USAGE="register", ACCESS="", INTERFACE=design.DECODER_BUS
    )
    registers = Xml.SubElement(block, "REGISTERS")
    for address, fields in FIELDS.items():
        access = register_access([field.access for field in fields])
        register = Xml.SubElement(registers, "REGISTER", NAME=address.name)
        _add_properties(register, ADDRESS_OFFSET=f"{address.value:#x}", SIZE=32, ACCESS=access, IS_ENABLED="true")
        parts = Xml.SubElement(register, "FIELDS")
        for field in fields:
            part = Xml.SubElement(parts, "FIELD", NAME=field.name)
            _add_properties(part, BIT_OFFSET=field.low, BIT_WIDTH=field.width, ACCESS=field.access)


def _add_properties(element: Xml.Element, **values: object) -> None:
    for name, value in values.items():
        Xml.SubElement(element, "PROPERTY", NAME=name, VALUE=str(value))
