"""Registers as attributes over a bus, and the C header against a C compiler."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hdl.registers import map as registers
from hdl.registers.decoder_registers import DecoderRegisters, LinkRegisters
from hdl.registers.map import Address, LinkAddress

INCLUDE = Path(registers.__file__).parent / "include"
HEADER = INCLUDE / "qtwin_registers.h"
C_FLAGS = ("-Wall", "-Wextra", "-Werror", "-pedantic")


class Bus:
    """Words by address; remembers what was written."""

    def __init__(self) -> None:
        self.words = {0x040: 0x0000_0101, 0x004: 0x0002_0007, 0x100: 11, 0x17C: 12}
        self.writes: list[tuple[int, int]] = []

    def read_register(self, address: int) -> int:
        return self.words.get(address, 0)

    def write_register(self, address: int, value: int) -> None:
        self.writes.append((address, value))
        self.words[address] = value


def test_fields_read_and_write_their_own_bits_only() -> None:
    bus = Bus()
    decoder = DecoderRegisters(bus)
    assert (decoder.version.major, decoder.version.minor) == (2, 7)
    assert (decoder.control.enable, decoder.control.input_mode) == (1, 1)
    decoder.control.enable = 0
    decoder.rounds.value = 5
    assert bus.writes == [(0x040, 0x100), (0x048, 5)]


def test_windows_are_indexed_by_word() -> None:
    bus = Bus()
    decoder = DecoderRegisters(bus)
    assert (decoder.histogram[0], decoder.histogram[31], len(decoder.histogram)) == (11, 12, 32)
    decoder.table[3] = 9
    assert bus.writes == [(0x80C, 9)]
    with pytest.raises(IndexError, match="words 0 to 31, not 32"):
        decoder.histogram[32]
    with pytest.raises(AttributeError, match="read-only"):
        decoder.histogram[0] = 1


def test_what_cannot_be_written_is_refused() -> None:
    decoder = DecoderRegisters(Bus())
    with pytest.raises(AttributeError, match=r"Version\.major is read-only"):
        decoder.version.major = 1
    with pytest.raises(ValueError, match=r"Control\.enable has 1 bit\(s\); 2 does not fit"):
        decoder.control.enable = 2


def test_every_register_is_an_attribute_at_its_address() -> None:
    found = {name.upper(): part.address for name, part in vars(DecoderRegisters(Bus())).items()}
    assert found == {address.name: address.value for address in Address}
    found = {name.upper(): part.address for name, part in vars(LinkRegisters(Bus())).items()}
    assert found == {address.name: address.value for address in LinkAddress}


@pytest.mark.parametrize("language", [("gcc", "c", "-std=c99"), ("g++", "c++", "-std=c++11")])
def test_c_header_has_every_address(tmp_path: Path, language: tuple[str, str, str]) -> None:
    compiler, kind, standard = language
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    names = [*Address.__members__, *LinkAddress.__members__]
    shown = "".join(f'    printf("{name} %u\\n", QTWIN_{name});\n' for name in names)
    source = tmp_path / f"show.{kind}"
    source.write_text(
        f"#include <stdio.h>\n#include <qtwin_registers.h>\nint main(void) {{\n{shown}    return 0;\n}}\n"
    )
    program = tmp_path / "show"
    command = [compiler, standard, *C_FLAGS, "-I", str(INCLUDE), "-x", kind, str(source), "-o", str(program)]
    subprocess.run(command, check=True, timeout=120)
    output = subprocess.run([program], check=True, capture_output=True, text=True, timeout=60).stdout
    found = {name: int(value) for name, value in (line.split() for line in output.splitlines())}
    assert found == {**Address.__members__, **LinkAddress.__members__}
    assert (found["ID"], found["GRAPH_HASH"], found["CONTROL"], found["TABLE"]) == (0, 8, 0x40, 0x800)


def test_c_header_fields_are_those_of_the_map() -> None:
    defined = dict(re.findall(r"^#define (QTWIN_\w+) (\w+?)u?$", HEADER.read_text(), re.MULTILINE))
    fields = {name: value for name, value in vars(registers).items() if isinstance(value, registers.BitField)}
    assert fields
    for name, field in fields.items():
        assert int(defined[f"QTWIN_{name}_SHIFT"]) == field.low
        assert int(defined[f"QTWIN_{name}_MASK"], 16) == field.set(0, (1 << field.width) - 1)
    assert int(defined["QTWIN_ID_VALUE"], 16) == registers.ID_VALUE
    assert int(defined["QTWIN_HISTOGRAM_WORDS"]) == registers.HISTOGRAM_WORDS
