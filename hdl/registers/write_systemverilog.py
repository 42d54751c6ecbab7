"""Register map -> hdl/rtl/registers_pkg.sv and hdl/rtl/registers.sv.

The register file has flat ports and stays within the SystemVerilog that Icarus 11, Verilator and Yosys share.
"""

from collections.abc import Iterator

from hdl.registers.model import Field, Memory, Register, RegisterMap

GENERATED = "// Generated from config/registers.rdl: do not edit."


def package_source(registers: RegisterMap) -> str:
    """Text of registers_pkg.sv: values of the enumerations, sizes of the windows, addresses of the link registers."""
    lines = [
        GENERATED,
        "/* verilator lint_off UNUSEDPARAM */  // not every module needs every constant",
        "package registers_pkg;",
    ]
    for enumeration in registers.enumerations:
        prefix = _camel(enumeration.name)
        width = max(8, max(value for _, value, _ in enumeration.members).bit_length())
        for name, value, _ in enumeration.members:
            lines.append(f"  localparam logic [{width - 1}:0] {prefix}{_camel(name.lower())} = {width}'d{value};")
    for memory in registers.memories:
        lines.append(f"  localparam int {_camel(memory.name.lower())}Words = {memory.num_words};")
    for register in registers.link_registers:
        lines.append(f"  localparam logic [31:0] Address{_camel(register.name.lower())} = 32'h{register.address:03x};")
    return "\n".join([*lines, "endpackage", "/* verilator lint_on UNUSEDPARAM */", ""])


def module_source(registers: RegisterMap) -> str:
    """Text of registers.sv: storage, address decoding and the bus's state machine."""
    return "\n".join(
        [
            GENERATED,
            "// One access at a time: bus_valid_i holds with its payload until bus_ready_o, a pulse with rdata and",
            "// error. A register access takes 2 cycles, a read of a memory window as many more as the memory takes.",
            "`default_nettype none",
            "module registers #(",
            "    parameter bit Statistics = 1'b1  // 0: the registers of the statistics do not exist",
            ") (",
            ",\n".join(_ports(registers)),
            ");",
            *_bus_logic(registers),
            *_storage(registers),
            "endmodule",
            "`default_nettype wire",
            "",
        ]
    )


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _signal(register: Register, field: Field) -> str:
    """Name of the field's signals: the register's own name where it has only this field."""
    name = register.name.lower()
    return name if len(register.fields) == 1 else f"{name}_{field.name}"


def _range(width: int) -> str:
    return f"[{width - 1}:0]".ljust(7) if width > 1 else " " * 7


def _fields(registers: RegisterMap, *accesses: str) -> Iterator[tuple[Register, Field]]:
    for register in registers.registers:
        for field in register.fields:
            if field.access in accesses:
                yield register, field


def _memory_address_bits(memory: Memory) -> int:
    return (memory.num_words - 1).bit_length()


def _ports(registers: RegisterMap) -> list[str]:
    ports = [
        "    input  logic        clk_i",
        "    input  logic        rst_ni",
        "    input  logic        bus_valid_i",
        "    input  logic        bus_write_i",
        "    input  logic [31:0] bus_address_i",
        "    input  logic [31:0] bus_wdata_i",
        "    input  logic [3:0]  bus_wstrb_i",
        "    output logic        bus_ready_o",
        "    output logic [31:0] bus_rdata_o",
        "    output logic        bus_error_o",
    ]
    for register, field in _fields(registers, "r", "rw", "w1"):
        name, bits = _signal(register, field), _range(field.width)
        if field.access == "r" and field.hardware:
            ports.append(f"    input  logic {bits}{name}_i")
        elif field.access != "r" and field.hardware:
            ports.append(f"    output logic {bits}{name}_o")
        if field.reset_port:
            ports.append(f"    input  logic {bits}{name}_reset_i")
        if field.checked:
            ports.append(f"    output logic {bits}{name}_next_o")
            ports.append(f"    input  logic        {name}_legal_i")
    for memory in registers.memories:
        name, bits = memory.name.lower(), _range(_memory_address_bits(memory))
        ports.append(f"    output logic {bits}{name}_address_o")
        ports.append(f"    input  logic [31:0] {name}_rdata_i")
        if memory.writable:
            ports.append(f"    output logic        {name}_write_o")
            ports.append(f"    output logic [31:0] {name}_wdata_o")
    return ports


def _bus_logic(registers: RegisterMap) -> list[str]:
    wait_bits = max(memory.read_cycles for memory in registers.memories).bit_length()
    lines = [
        "  localparam logic [1:0] StIdle = 2'd0;",
        "  localparam logic [1:0] StWait = 2'd1;",
        "  localparam logic [1:0] StDone = 2'd2;",
        "  logic [1:0] state_q;",
        f"  logic [{wait_bits - 1}:0] wait_q;",
        "  logic [31:0] rdata_q;",
        "  logic error_q;",
        "  logic start;",
        "  logic write;",
        "  logic aligned;",
        "  logic [31:0] mask;",
        "  logic [11:0] address;",
        "  assign address = bus_address_i[11:0];",
        "  assign start = bus_valid_i && state_q == StIdle;",
        "  assign write = start && bus_write_i && aligned;",
        "  assign aligned = bus_address_i[31:12] == '0 && bus_address_i[1:0] == '0;",
        "  assign mask = {{8{bus_wstrb_i[3]}}, {8{bus_wstrb_i[2]}}, {8{bus_wstrb_i[1]}}, {8{bus_wstrb_i[0]}}};",
        "",
    ]
    for register, field in _fields(registers, "rw", "w1"):
        lines.append(f"  logic {_range(field.width)}{_signal(register, field)}_q;")
    lines += ["", "  // which address this is, what it reads, whether it can be written"]
    for memory in registers.memories:
        name, low_bits = memory.name.lower(), _memory_address_bits(memory) + 2
        lines += [
            f"  logic in_{name};",
            f"  assign in_{name} = {_of_statistics(memory)}address[11:{low_bits}] == "
            f"{12 - low_bits}'h{memory.address >> low_bits:x};",
            f"  assign {name}_address_o = address[{low_bits - 1}:2];",
        ]
        if memory.writable:
            lines += [
                f"  assign {name}_write_o = write && in_{name} && bus_wstrb_i == 4'hf;",
                f"  assign {name}_wdata_o = bus_wdata_i;",
            ]
    lines += [
        "  logic known;",
        "  logic writable;",
        "  logic [31:0] value;",
        "  always_comb begin",
        "    known = 1'b1;",
        "    writable = 1'b0;",
        "    value = '0;",
        "    case (address)",
    ]
    for register in registers.registers:
        there = "if (Statistics) " if register.of_statistics else ""
        lines.append(f"      12'h{register.address:03x}: {there}begin  // {register.name}")
        if any(field.access != "r" for field in register.fields):
            lines.append("        writable = 1'b1;")
        for field in register.fields:
            if field.access != "w1":
                part = "" if field.width == 32 else f"[{_bits(field)}]"
                lines.append(f"        value{part} = {_read_value(register, field)};")
        lines.append("      end else known = 1'b0;" if register.of_statistics else "      end")
    windows = " || ".join(f"in_{memory.name.lower()}" for memory in registers.memories)
    writable_windows = [f"in_{m.name.lower()} && bus_wstrb_i == 4'hf" for m in registers.memories if m.writable]
    lines += [
        "      default: begin",
        f"        known = {windows};",
        f"        writable = {' || '.join(writable_windows) or chr(49) + chr(39) + 'b0'};",
        "      end",
        "    endcase",
        "  end",
        "",
        "  always_ff @(posedge clk_i) begin",
        "    if (!rst_ni) begin",
        "      state_q <= StIdle;",
        "    end else begin",
        "      case (state_q)",
        "        StIdle: begin",
        "          error_q <= !known || !aligned || (bus_write_i && !writable);",
        "          rdata_q <= aligned ? value : '0;",
        "          if (bus_valid_i) state_q <= StDone;",
    ]
    for memory in registers.memories:
        lines += [
            f"          if (bus_valid_i && !bus_write_i && aligned && in_{memory.name.lower()}) begin",
            f"            wait_q <= {wait_bits}'d{memory.read_cycles - 1};",
            "            state_q <= StWait;",
            "          end",
        ]
    lines += ["        end", "        StWait: begin", "          wait_q <= wait_q - 1'b1;"]
    for memory in registers.memories:
        lines.append(f"          if (in_{memory.name.lower()}) rdata_q <= {memory.name.lower()}_rdata_i;")
    lines += [
        "          if (wait_q == '0) state_q <= StDone;",
        "        end",
        "        default: state_q <= StIdle;",
        "      endcase",
        "    end",
        "  end",
        "  assign bus_ready_o = state_q == StDone;",
        "  assign bus_rdata_o = rdata_q;",
        "  assign bus_error_o = error_q;",
        "",
    ]
    return lines


def _of_statistics(part: Register | Memory) -> str:
    """The condition under which a register or a window is there."""
    return "Statistics && " if part.of_statistics else ""


def _bits(field: Field) -> str:
    return f"{field.high}:{field.low}" if field.width > 1 else str(field.low)


def _read_value(register: Register, field: Field) -> str:
    if field.access == "rw":
        return f"{_signal(register, field)}_q"
    if field.hardware:
        return f"{_signal(register, field)}_i"
    return f"{field.width}'h{field.reset or 0:x}"


def _storage(registers: RegisterMap) -> list[str]:
    lines: list[str] = []
    for register, field in _fields(registers, "rw", "w1"):
        name, bits = _signal(register, field), _bits(field)
        selected = f"write && {_of_statistics(register)}address == 12'h{register.address:03x}"
        lines += [f"  // {register.name}.{field.name}"]
        if field.access == "w1":
            lines += [
                "  always_ff @(posedge clk_i) begin",
                f"    {name}_q <= rst_ni && {selected} && bus_wstrb_i[{field.low // 8}] && bus_wdata_i[{bits}];",
                "  end",
            ]
        else:
            reset = f"{name}_reset_i" if field.reset_port else f"{field.width}'h{field.reset or 0:x}"
            part = "" if field.width == 32 else f"[{bits}]"
            merged = f"({name}_q & ~mask{part}) | (bus_wdata_i{part} & mask{part})"
            if field.checked:
                lines.append(f"  assign {name}_next_o = {merged};")
                merged, selected = f"{name}_next_o", f"{selected} && {name}_legal_i"
            lines += [
                "  always_ff @(posedge clk_i) begin",
                "    if (!rst_ni) begin",
                f"      {name}_q <= {reset};",
                f"    end else if ({selected}) begin",
                f"      {name}_q <= {merged};",
                "    end",
                "  end",
            ]
        if field.hardware:
            lines.append(f"  assign {name}_o = {name}_q;")
    return lines
