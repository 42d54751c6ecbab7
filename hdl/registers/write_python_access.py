"""Register map -> hdl/registers/decoder_registers.py."""

from collections.abc import Sequence

from hdl.registers.model import Register, RegisterMap

HEAD = '''"""The decoder's registers as attributes, over any link: `DecoderRegisters(link).control.enable = 1`.

Generated from config/registers.rdl: do not edit.
"""

from hdl.registers.access import Field, Register, RegisterBus, Window
'''


def access_source(registers: RegisterMap) -> str:
    """Text of a module with a class for each register that has fields, and one for all of them."""
    lines = HEAD.splitlines()
    for register in (*registers.registers, *registers.link_registers):
        if _has_fields(register):
            lines += _register_class(register)
    lines += _map_class("DecoderRegisters", registers.description, registers.registers)
    for memory in registers.memories:
        lines.append(
            f"        self.{memory.name.lower()} = "
            f"Window(bus, 0x{memory.address:03X}, num_words={memory.num_words}, writable={memory.writable})"
        )
    if registers.link_registers:
        what = "Registers that a decoder behind a UART has in addition."
        lines += _map_class("LinkRegisters", what, registers.link_registers)
    return "\n".join([*lines, ""])


def _has_fields(register: Register) -> bool:
    return len(register.fields) > 1 or register.fields[0].width < 32


def _class_name(register: Register) -> str:
    return "".join(part.capitalize() for part in register.name.split("_"))


def _register_class(register: Register) -> list[str]:
    lines = ["", "", f"class {_class_name(register)}(Register):", f'    """{register.description}"""', ""]
    for field in register.fields:
        writable = field.access != "r"
        lines.append(f"    {field.name} = Field(low={field.low}, width={field.width}, writable={writable})")
        lines.append(f'    """{field.description or register.description}"""')
    return lines


def _map_class(name: str, description: str, registers: Sequence[Register]) -> list[str]:
    lines = ["", "", f"class {name}:", f'    """{description}"""', ""]
    lines.append("    def __init__(self, bus: RegisterBus) -> None:")
    for register in registers:
        kind = _class_name(register) if _has_fields(register) else "Register"
        lines.append(f"        self.{register.name.lower()} = {kind}(bus, 0x{register.address:03X})")
    return lines
