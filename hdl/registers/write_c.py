"""Register map -> hdl/registers/include/qtwin_registers.h, for software on a board's own processor."""

from hdl.registers.model import Field, Memory, Register, RegisterMap

PREFIX = "QTWIN"


def header_source(registers: RegisterMap) -> str:
    """Text of a C99 header of macros: byte addresses, windows, and each field's shift, mask and constant value."""
    lines = [
        "/* Addresses and fields of the decoder's registers. Generated from config/registers.rdl: do not edit.",
        " *",
        " * All are 32-bit words at byte addresses from the base of the AXI4-Lite slave:",
        f" *   *(volatile uint32_t *)(base + {PREFIX}_CONTROL) |= {PREFIX}_CONTROL_ENABLE_MASK;",
        " */",
        f"#ifndef {PREFIX}_REGISTERS_H",
        f"#define {PREFIX}_REGISTERS_H",
    ]
    for register in registers.registers:
        lines += _register(register)
    for memory in registers.memories:
        lines += _memory(memory)
    if registers.link_registers:
        lines += ["", "/* Only behind a UART, as WRITE and READ messages: */"]
    for register in registers.link_registers:
        lines += _register(register)
    for enumeration in registers.enumerations:
        lines += ["", f"/* Values of {enumeration.name}. */", f"enum {PREFIX.lower()}_{enumeration.name} {{"]
        for index, (name, value, description) in enumerate(enumeration.members):
            comma = "," if index + 1 < len(enumeration.members) else ""
            lines.append(f"    {PREFIX}_{enumeration.name.upper()}_{name} = {value}{comma} /* {description} */")
        lines.append("};")
    return "\n".join([*lines, "", f"#endif /* {PREFIX}_REGISTERS_H */", ""])


def _register(register: Register) -> list[str]:
    name = f"{PREFIX}_{register.name}"
    lines = ["", f"/* {register.description} */", f"#define {name} 0x{register.address:03X}u"]
    for field in register.fields:
        whole = field.width == 32
        field_name = name if whole else f"{name}_{field.name.upper()}"
        if not whole:
            lines.append(f"#define {field_name}_SHIFT {field.low}")
            lines.append(f"#define {field_name}_MASK 0x{_mask(field):08X}u")
        if field.access == "r" and field.reset is not None:
            lines.append(f"#define {field_name}_VALUE 0x{field.reset:X}u")
    return lines


def _mask(field: Field) -> int:
    return (1 << field.width) - 1 << field.low


def _memory(memory: Memory) -> list[str]:
    name = f"{PREFIX}_{memory.name}"
    comment = f"/* {memory.description} */"
    return ["", comment, f"#define {name} 0x{memory.address:03X}u", f"#define {name}_WORDS {memory.num_words}u"]
