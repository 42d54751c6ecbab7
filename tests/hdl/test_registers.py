"""The generated register files are those of config/registers.rdl, and agree with what else names the registers."""

import re
from pathlib import Path

import pytest

pytest.importorskip("systemrdl", reason="systemrdl-compiler (dev extra) is not installed")

from hdl.registers import map as registers
from hdl.registers.generate import REPOSITORY, generated_files
from hdl.registers.model import RegisterSourceError, read_register_map
from hdl.registers.write_python import python_source
from hdl.registers.write_systemverilog import module_source
from qds1 import FaultCode

MINIMAL = """
addrmap small {{
    name = "small"; default regwidth = 32; default sw = rw; default hw = r;
    reg {{ field {{ {properties} }} value[7:0]{reset}; }} THING @ 0x10;
    external mem {{ mementries = 4; memwidth = 32; sw = r; read_cycles = 1; }} WINDOW @ 0x80;
}};
"""


def write_source(folder: Path, *, properties: str = "", reset: str = " = 8'h12") -> Path:
    properties_definition = "property read_cycles { type = longint unsigned; component = mem; };\n"
    source = folder / "small.rdl"
    source.write_text(properties_definition + MINIMAL.format(properties=properties, reset=reset))
    return source


def test_generated_files_are_those_of_the_source() -> None:
    different = [
        str(file.relative_to(REPOSITORY)) for file, text in generated_files().items() if file.read_text() != text
    ]
    assert different == [], "run `python -m hdl.registers` and commit the result"


def test_fault_codes_are_those_of_the_protocol() -> None:
    assert {code.name: code.value for code in registers.FaultCode if code} == {c.name: c.value for c in FaultCode}


def test_identity_reads_as_text() -> None:
    assert registers.ID_VALUE.to_bytes(4, "little") == b"QDS1"


def test_addresses_do_not_overlap() -> None:
    taken = [int(address) for address in registers.Address if address not in (registers.Address.TABLE,)]
    taken += range(registers.Address.HISTOGRAM + 4, registers.Address.HISTOGRAM + 4 * registers.HISTOGRAM_WORDS, 4)
    taken += range(registers.Address.TABLE, registers.Address.TABLE + 4 * registers.TABLE_WORDS, 4)
    assert len(set(taken)) == len(taken)
    assert max(taken) < 1 << 12


def test_bit_field_gets_and_sets() -> None:
    field = registers.BitField(low=8, width=4)
    assert field.get(0xABCD) == 0xB
    assert field.set(0xABCD, 0x3) == 0xA3CD


def test_new_register_reaches_every_output(tmp_path: Path) -> None:
    small = read_register_map(write_source(tmp_path))
    assert "    THING = 0x010" in python_source(small)
    source = module_source(small)
    assert "output logic [7:0]  thing_o" in source
    assert "thing_q <= 8'h12;" in source


def test_registers_of_statistics_are_there_with_them_only() -> None:
    """Those that docs/registers.md marks are those that module registers drops, and no others."""
    marked = {
        line.split("|")[2].strip()
        for line in (REPOSITORY / "docs" / "registers.md").read_text().splitlines()
        if line.endswith("‡ |")
    }
    counters = {name for name in registers.Address.__members__ if name.startswith(("COUNT_", "LATENCY_"))}
    assert marked == counters | {"HISTOGRAM", "HISTOGRAM_SHIFT"}
    source = (REPOSITORY / "hdl" / "rtl" / "registers.sv").read_text()
    assert {*re.findall(r"if \(Statistics\) begin  // (\w+)", source)} == marked - {"HISTOGRAM"}
    assert "assign in_histogram = Statistics && " in source


@pytest.mark.parametrize(
    ("properties", "reset", "message"),
    [
        ("sw = w;", " = 8'h0", "not supported"),
        ("", "", "reset value or reset_port"),
    ],
)
def test_source_beyond_the_generator_is_refused(tmp_path: Path, properties: str, reset: str, message: str) -> None:
    with pytest.raises(RegisterSourceError, match=message):
        read_register_map(write_source(tmp_path, properties=properties, reset=reset))
