"""Register map -> docs/registers.md."""

from hdl.registers.model import Field, Memory, Register, RegisterMap

ACCESS_NAMES = {"r": "read", "rw": "read, write", "w1": "write 1"}


def markdown_source(registers: RegisterMap) -> str:
    """Text of the documentation page: an overview, each register's fields, the windows, the enumerations."""
    lines = [
        "<!-- Generated from config/registers.rdl: do not edit. -->",
        "# Registers",
        "",
        registers.description,
        "An access to an address that is not listed, or a write to one that cannot be written, is answered by",
        "SLVERR on AXI4-Lite and by a FAULT message on the stream. Byte lanes of `wstrb` are honoured in registers;",
        "the windows take whole words only.",
        "",
        "A decoder that is built without statistics (`--without statistics`) says so in FEATURES.no_statistics; what",
        "is marked ‡ is not in it, and an access to that is answered as one to an address that does not exist.",
        "",
        "From the same source: `hdl/registers/include/qtwin_registers.h` for C, and for Python over any link",
        "`DecoderRegisters(link).control.enable = 1` (`hdl.registers.decoder_registers`).",
        "",
        "| address | register | access | what |",
        "| --- | --- | --- | --- |",
    ]
    for register in registers.registers:
        lines.append(f"| 0x{register.address:03X} | {register.name} | {_access(register)} | {_what(register)} |")
    for memory in registers.memories:
        last = memory.address + 4 * memory.num_words - 4
        access = "read, write" if memory.writable else "read"
        lines.append(f"| 0x{memory.address:03X}-0x{last:03X} | {memory.name} | {access} | {_what(memory)} |")
    if registers.link_registers:
        lines += ["", "A decoder behind a UART has these in addition, as WRITE and READ messages only:", ""]
        lines += ["| address | register | access | what |", "| --- | --- | --- | --- |"]
    for register in registers.link_registers:
        lines.append(f"| 0x{register.address:03X} | {register.name} | {_access(register)} | {register.description} |")
    lines += ["", "## Fields", ""]
    lines += ["| register | bits | field | access | reset | what |", "| --- | --- | --- | --- | --- | --- |"]
    for register in (*registers.registers, *registers.link_registers):
        lines += [_field_row(register, field) for field in sorted(register.fields, key=lambda field: -field.low)]
    for enumeration in registers.enumerations:
        lines += [
            "",
            f"## Values of {enumeration.name}",
            "",
            "| value | name | meaning |",
            "| --- | --- | --- |",
        ]
        lines += [f"| {value} | {name} | {description} |" for name, value, description in enumeration.members]
    return "\n".join([*lines, ""])


def _what(part: Register | Memory) -> str:
    return f"{part.description} ‡" if part.of_statistics else part.description


def _field_row(register: Register, field: Field) -> str:
    bits = str(field.low) if field.width == 1 else f"{field.high}:{field.low}"
    reset = "set by the decoder" if field.reset is None else f"{field.reset:#X}" if field.reset > 9 else field.reset
    what = field.description or register.description
    if field.encode:
        what += f" Values: {field.encode}."
    return f"| {register.name} | {bits} | {field.name} | {ACCESS_NAMES[field.access]} | {reset} | {what} |"


def _access(register: Register) -> str:
    kinds = dict.fromkeys(ACCESS_NAMES[field.access] for field in register.fields)
    return "; ".join(kinds)
