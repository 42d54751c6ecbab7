"""The overlay of a simulated board: a hardware handoff as from Vivado, and a bitstream that says what it stands for."""

import hashlib
import json
import struct
import xml.etree.ElementTree as Xml
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdl.boards.pynq_z2 import BOARD_NAME, design
from hdl.boards.pynq_z2.project import register_access
from hdl.compile.manifest import DecoderFolder
from hdl.errors import BuildError
from hdl.registers.map import FIELDS

BUS_VLNV = "xilinx.com:interface:aximm:1.0"
IO_PLL_MHZ = 1000.0
PS_NAME = "processing_system7_0"
PS_VLNV = "xilinx.com:ip:processing_system7:5.5"
NUM_CLOCKS = 4
BIT_PREAMBLE = bytes.fromhex("0009 0ff00ff00ff00ff000 0001".replace(" ", ""))
BIT_PART = design.PART.rpartition("-")[0]
DMA_PARAMETERS = {
    "c_include_mm2s": 1,
    "c_include_s2mm": 1,
    "c_include_sg": 0,
    "c_micro_dma": 0,
    "c_include_mm2s_dre": 0,
    "c_include_s2mm_dre": 0,
    "c_m_axi_mm2s_data_width": 32,
    "c_m_axi_s2mm_data_width": 32,
    "c_mm2s_burst_size": 16,
    "c_s2mm_burst_size": 16,
    "c_sg_length_width": design.DMA_LENGTH_BITS,
}


@dataclass(frozen=True, slots=True)
class Overlay:
    """Both files, and what the bitstream configures: text for people, padded to whole words."""

    handoff: str
    bitstream: bytes
    payload: bytes


def simulated_overlay(project: DecoderFolder) -> Overlay:
    """The overlay of a decoder's project (see `hdl.boards.pynq_z2.project`).

    The payload carries a hash of RTL and handoff: pynq keeps what it has read of a handoff under the hash of the
    bitstream alone, so two overlays that differ at all must have bitstreams that differ.
    """
    handoff = handoff_source(project)
    digest = hashlib.sha256(handoff.encode())
    for source in project.sources:
        digest.update(source.read_bytes())
    manifest = project.manifest
    facts = {
        "simulated": BOARD_NAME,
        "decoder": manifest.name,
        "graph_hash": f"0x{manifest.graph_hash or 0:08x}",
        "sha256": digest.hexdigest(),
    }
    payload = json.dumps(facts).encode()
    payload += b" " * (-len(payload) % 4)
    return Overlay(handoff, _bitstream(manifest.name, payload), payload)


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


def _bitstream(name: str, payload: bytes) -> bytes:
    """A .bit file: tagged header fields a to d, then e with the length of all that follows."""
    parts = [BIT_PREAMBLE]
    for tag, text in ((b"a", f"{name};simulated"), (b"b", BIT_PART), (b"c", "2000/01/01"), (b"d", "00:00:00")):
        field = text.encode() + b"\0"
        parts.append(tag + struct.pack(">H", len(field)) + field)
    return b"".join([*parts, b"e", struct.pack(">I", len(payload)), payload])


# ---- the hardware handoff


def handoff_source(project: DecoderFolder) -> str:
    """Text of decoder.hwh: processing system, AXI DMA and decoder with their addresses, parameters and registers.

    Raises:
        BuildError: the processing system cannot make the manifest's clock.
    """
    system = Xml.Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="2022.1")
    Xml.SubElement(system, "SYSTEMINFO", ARCH="zynq", DEVICE="7z020", NAME=design.OVERLAY, PACKAGE="clg400")
    Xml.SubElement(system, "EXTERNALPORTS")
    modules = Xml.SubElement(system, "MODULES")
    _add_processing_system(modules, project.manifest.clock_mhz)
    _add_slave(modules, design.DMA_NAME, design.DMA_VLNV, "S_AXI_LITE", DMA_PARAMETERS)
    decoder = _add_slave(modules, design.DECODER_NAME, design.DECODER_VLNV, design.DECODER_BUS, {})
    _add_registers(decoder)
    Xml.indent(system)
    return Xml.tostring(system, encoding="unicode", xml_declaration=True) + "\n"


def clock_divisors(clock_mhz: float) -> tuple[int, int]:
    """Both divisors, of at most 63, from the IO PLL to a clock; raises BuildError when there are none."""
    for first in range(1, 64):
        second = round(IO_PLL_MHZ / clock_mhz / first)
        if 1 <= second <= 63 and abs(IO_PLL_MHZ / first / second - clock_mhz) < 1e-3 * clock_mhz:
            return first, second
    nearest = IO_PLL_MHZ / round(IO_PLL_MHZ / clock_mhz)
    raise BuildError(
        f"a PYNQ-Z2 cannot make a clock of {clock_mhz:g} MHz from its {IO_PLL_MHZ:g} MHz; "
        f"compile the decoder for another, for example --clock-mhz {nearest:g}"
    )


def _add_processing_system(modules: Xml.Element, clock_mhz: float) -> None:
    module = _add_module(modules, PS_NAME, PS_VLNV)
    # pynq 4.0.0 looks for the achieved clock under its name on UltraScale+, and cannot do without it.
    values: dict[str, object] = {"PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ": f"{clock_mhz:g}"}
    first, second = clock_divisors(clock_mhz)
    for index in range(NUM_CLOCKS):
        values |= {
            f"PCW_FPGA_FCLK{index}_ENABLE": int(index == 0),
            f"PCW_FCLK{index}_PERIPHERAL_CLKSRC": "IO PLL",
            f"PCW_FCLK{index}_PERIPHERAL_DIVISOR0": first,
            f"PCW_FCLK{index}_PERIPHERAL_DIVISOR1": second,
        }
    _add_parameters(module, values)
    buses = Xml.SubElement(module, "BUSINTERFACES")
    Xml.SubElement(buses, "BUSINTERFACE", NAME="M_AXI_GP0", TYPE="MASTER", VLNV=BUS_VLNV)
    memory_map = Xml.SubElement(module, "MEMORYMAP")
    for name, bus, base, num_bytes in (
        (design.DMA_NAME, "S_AXI_LITE", design.DMA_BASE, design.DMA_BYTES),
        (design.DECODER_NAME, design.DECODER_BUS, design.DECODER_BASE, design.DECODER_BYTES),
    ):
        Xml.SubElement(
            memory_map,
            "MEMRANGE",
            ADDRESSBLOCK="reg0",
            BASEVALUE=f"{base:#010x}",
            HIGHVALUE=f"{base + num_bytes - 1:#010x}",
            INSTANCE=name,
            MASTERBUSINTERFACE="M_AXI_GP0",
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
