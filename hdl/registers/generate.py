"""Which files are generated from config/registers.rdl, and their text."""

from pathlib import Path

from hdl.registers.model import read_register_map
from hdl.registers.write_c import header_source
from hdl.registers.write_markdown import markdown_source
from hdl.registers.write_python import python_source
from hdl.registers.write_python_access import access_source
from hdl.registers.write_systemverilog import module_source, package_source

REPOSITORY = Path(__file__).resolve().parents[2]


def generated_files() -> dict[Path, str]:
    """Text of each generated file, by path in the checkout."""
    registers = read_register_map(REPOSITORY / "config" / "registers.rdl")
    return {
        REPOSITORY / "hdl" / "rtl" / "registers_pkg.sv": package_source(registers),
        REPOSITORY / "hdl" / "rtl" / "registers.sv": module_source(registers),
        REPOSITORY / "hdl" / "registers" / "map.py": python_source(registers),
        REPOSITORY / "hdl" / "registers" / "decoder_registers.py": access_source(registers),
        REPOSITORY / "hdl" / "registers" / "include" / "qtwin_registers.h": header_source(registers),
        REPOSITORY / "docs" / "registers.md": markdown_source(registers),
    }
