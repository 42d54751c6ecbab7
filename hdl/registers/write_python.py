"""Register map -> hdl/registers/map.py."""

from hdl.registers.model import Enumeration, Field, RegisterMap

ACCESS_NAMES = {"r": "read-only", "rw": "read-write", "w1": "write-only"}


def python_source(registers: RegisterMap) -> str:
    """Text of a module of plain constants: addresses, fields, window sizes, enumerations."""
    lines = [
        '"""Addresses and fields of the decoder\'s registers. Generated from config/registers.rdl: do not edit."""',
        "",
        "from enum import IntEnum",
        "from typing import NamedTuple",
        "",
        "",
        "class BitField(NamedTuple):",
        '    """Where a field lies in its register."""',
        "",
        "    low: int",
        "    width: int",
        "",
        "    def get(self, word: int) -> int:",
        '        """The field\'s value in a register word."""',
        "        return word >> self.low & (1 << self.width) - 1",
        "",
        "    def set(self, word: int, value: int) -> int:",
        '        """The register word with the field replaced."""',
        "        mask = (1 << self.width) - 1 << self.low",
        "        return word & ~mask | value << self.low & mask",
        "",
        "",
        "class FieldFacts(NamedTuple):",
        '    """A field as IP-XACT describes it. access: read-only, read-write or write-only."""',
        "",
        "    name: str",
        "    low: int",
        "    width: int",
        "    access: str",
        "",
        "",
        "class Address(IntEnum):",
        '    """Byte addresses of the registers and of the first words of the windows."""',
        "",
    ]
    lines += [f"    {register.name} = 0x{register.address:03X}" for register in registers.registers]
    lines += [f"    {memory.name} = 0x{memory.address:03X}" for memory in registers.memories]
    if registers.link_registers:
        lines += ["", "", "class LinkAddress(IntEnum):"]
        lines += ['    """Byte addresses of the registers that a decoder behind a UART has in addition."""', ""]
        lines += [f"    {register.name} = 0x{register.address:03X}" for register in registers.link_registers]
    lines += ["", ""]
    for enumeration in registers.enumerations:
        lines += _enumeration(enumeration)
    lines += [f"{memory.name}_WORDS = {memory.num_words}" for memory in registers.memories]
    for register in (*registers.registers, *registers.link_registers):
        for field in register.fields:
            if len(register.fields) > 1 or field.width < 32:
                lines.append(f"{register.name}_{field.name.upper()} = BitField(low={field.low}, width={field.width})")
            if field.access == "r" and field.reset is not None:
                lines.append(f"{_constant_name(register.name, field)} = 0x{field.reset:X}")
    lines += ["", "RESET_VALUES = {"]
    for register in registers.registers:
        stored = [field for field in register.fields if field.access == "rw" and field.reset is not None]
        if stored:
            value = sum((field.reset or 0) << field.low for field in stored)
            lines.append(f"    Address.{register.name}: 0x{value:X},")
    lines += ["}", '"""Stored registers whose reset value does not depend on the decoder."""']
    lines += ["", "FIELDS: dict[Address, tuple[FieldFacts, ...]] = {"]
    for register in registers.registers:
        facts = [
            f'FieldFacts("{field.name}", {field.low}, {field.width}, "{ACCESS_NAMES[field.access]}")'
            for field in register.fields
        ]
        if len(facts) == 1:
            lines.append(f"    Address.{register.name}: ({facts[0]},),")
        else:
            lines += [f"    Address.{register.name}: (", *(f"        {fact}," for fact in facts), "    ),"]
    lines += ["}", '"""Fields of each register, from bit 0 up; windows have none."""', ""]
    return "\n".join(lines)


def _constant_name(register: str, field: Field) -> str:
    return f"{register}_VALUE" if field.width == 32 else f"{register}_{field.name.upper()}_VALUE"


def _enumeration(enumeration: Enumeration) -> list[str]:
    class_name = "".join(part.capitalize() for part in enumeration.name.split("_"))
    lines = [f"class {class_name}(IntEnum):", f'    """Values of `{enumeration.name}`."""', ""]
    for name, value, description in enumeration.members:
        lines += [f"    {name} = {value}", f'    """{description}"""']
    return [*lines, "", ""]
