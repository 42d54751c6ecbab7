"""config/registers.rdl as plain dataclasses, checked for what the writers can express."""

from dataclasses import dataclass
from pathlib import Path

from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddrmapNode, FieldNode, MemNode, RegNode
from systemrdl.rdltypes.builtin_enums import AccessType
from systemrdl.rdltypes.user_enum import UserEnum

from hdl.errors import HdlError


class RegisterSourceError(HdlError):
    """config/registers.rdl uses something that the generator does not support."""


@dataclass(frozen=True, slots=True)
class Field:
    """Bits of a register.

    Attributes:
        access: "r", "rw" or "w1" (write 1: a pulse of one cycle, reads 0).
        reset: reset value; None where the hardware supplies the value (read-only) or the reset value (reset_port).
        hardware: whether the hardware sees the value (rw, w1) or supplies it (r).
        reset_port: the reset value of an rw field is an input.
        checked: the hardware decides whether a write is taken.
        encode: name of the enumeration that names the values, if any.
    """

    name: str
    description: str
    high: int
    low: int
    access: str
    reset: int | None
    hardware: bool
    reset_port: bool
    checked: bool
    encode: str | None

    @property
    def width(self) -> int:
        """Bits of the field."""
        return self.high - self.low + 1


@dataclass(frozen=True, slots=True)
class Register:
    """One 32-bit register; fields from bit 0 up. of_statistics: a decoder without statistics does not have it."""

    name: str
    description: str
    address: int
    fields: tuple[Field, ...]
    of_statistics: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """A window of 32-bit words onto a memory of the decoder.

    Attributes:
        read_cycles: from address to data.
        of_statistics: a decoder without statistics does not have it.
    """

    name: str
    description: str
    address: int
    num_words: int
    writable: bool
    read_cycles: int
    of_statistics: bool


@dataclass(frozen=True, slots=True)
class Enumeration:
    """Named values of a field: (name, value, description)."""

    name: str
    members: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """Everything that the writers need. link_registers: the external ones; a UART's side of the stream serves them."""

    name: str
    description: str
    registers: tuple[Register, ...]
    link_registers: tuple[Register, ...]
    memories: tuple[Memory, ...]
    enumerations: tuple[Enumeration, ...]


def read_register_map(source: Path) -> RegisterMap:
    """Compile a SystemRDL file.

    Raises:
        RegisterSourceError: a construct that the writers do not know.
        systemrdl.RDLCompileError: not valid SystemRDL.
    """
    compiler = RDLCompiler()
    compiler.compile_file(str(source))
    top = compiler.elaborate().top
    if not isinstance(top, AddrmapNode):
        raise RegisterSourceError(f"{source}: the top must be an addrmap, not {type(top).__name__}")
    enumerations: dict[str, Enumeration] = {}
    registers: list[Register] = []
    link_registers: list[Register] = []
    memories: list[Memory] = []
    for node in top.children():
        if isinstance(node, RegNode):
            (link_registers if node.external else registers).append(_register(node, enumerations))
        elif isinstance(node, MemNode):
            memories.append(_memory(node))
        else:
            raise RegisterSourceError(f"{source}: {node.inst_name} is neither a register nor a memory")
    return RegisterMap(
        name=str(top.get_property("name")),
        description=_text(top.get_property("desc")),
        registers=tuple(registers),
        link_registers=tuple(link_registers),
        memories=tuple(memories),
        enumerations=tuple(sorted(enumerations.values(), key=lambda enumeration: enumeration.name)),
    )


def _text(description: object) -> str:
    return " ".join(str(description or "").split())


def _register(node: RegNode, enumerations: dict[str, Enumeration]) -> Register:
    fields = tuple(_field(field, enumerations) for field in node.fields())
    return Register(
        name=node.inst_name,
        description=_text(node.get_property("desc")),
        address=node.absolute_address,
        fields=fields,
        of_statistics=_is_of_statistics(node),
    )


def _is_of_statistics(node: RegNode | MemNode) -> bool:
    return node.get_property("of_statistics", default=False) is True


def _field(node: FieldNode, enumerations: dict[str, Enumeration]) -> Field:
    software = node.get_property("sw")
    access = {AccessType.r: "r", AccessType.rw: "rw", AccessType.w: "w1"}.get(software)
    single_pulse = bool(node.get_property("singlepulse"))
    if access is None or (access == "w1") != single_pulse or (single_pulse and node.width != 1):
        raise RegisterSourceError(
            f"{node.get_path()}: sw={software.name} is not supported (write-only needs singlepulse, one bit)"
        )
    reset = node.get_property("reset")
    reset_port = node.get_property("reset_port", default=False) is True
    if access == "rw" and (reset is None) != reset_port:
        raise RegisterSourceError(f"{node.get_path()}: give either a reset value or reset_port")
    if reset is not None and not isinstance(reset, int):
        raise RegisterSourceError(f"{node.get_path()}: the reset value must be a number")
    encode = node.get_property("encode")
    if encode is not None:
        enumerations[encode.type_name] = _enumeration(encode)
    return Field(
        name=node.inst_name,
        description=_text(node.get_property("desc")),
        high=node.high,
        low=node.low,
        access=access,
        reset=reset,
        hardware=node.get_property("hw") is not AccessType.na,
        reset_port=reset_port,
        checked=node.get_property("checked", default=False) is True,
        encode=encode.type_name if encode is not None else None,
    )


def _enumeration(encode: type[UserEnum]) -> Enumeration:
    members = tuple((member.name, int(member.value), _text(member.rdl_desc)) for member in encode)
    return Enumeration(encode.type_name, members)


def _memory(node: MemNode) -> Memory:
    if node.get_property("memwidth") != 32:
        raise RegisterSourceError(f"{node.get_path()}: only memories of 32-bit words are supported")
    return Memory(
        name=node.inst_name,
        description=_text(node.get_property("desc")),
        address=node.absolute_address,
        num_words=int(node.get_property("mementries")),
        writable=node.get_property("sw") is AccessType.rw,
        read_cycles=int(node.get_property("read_cycles")),
        of_statistics=_is_of_statistics(node),
    )
