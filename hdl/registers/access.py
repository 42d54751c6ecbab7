"""Registers as attributes, over anything that reads and writes words: what `decoder_registers` is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, overload

if TYPE_CHECKING:
    from typing import Self  # Python 3.10, which boards have, does not have it

WORD_BYTES = 4


class RegisterBus(Protocol):
    """Reads and writes 32-bit words at byte addresses; every link of the bridge is one."""

    def read_register(self, address: int) -> int:
        """Value of the register."""

    def write_register(self, address: int, value: int) -> None:
        """Write the register."""


class Register:
    """One register; `value` is the whole word, the fields are attributes of the subclasses."""

    def __init__(self, bus: RegisterBus, address: int) -> None:
        self._bus = bus
        self.address = address

    @property
    def value(self) -> int:
        """The word, read now."""
        return self._bus.read_register(self.address)

    @value.setter
    def value(self, word: int) -> None:
        self._bus.write_register(self.address, word)

    def __repr__(self) -> str:
        """Name, address and the word as it reads now."""
        return f"<{type(self).__name__} at 0x{self.address:03X}: 0x{self.value:08X}>"


class Field:
    """A field as an attribute of a `Register`: reading reads the register, writing leaves the other fields alone."""

    def __init__(self, low: int, width: int, writable: bool) -> None:
        self.low, self.width, self.writable = low, width, writable
        self._name = ""

    def __set_name__(self, owner: type[Register], name: str) -> None:
        """Remember what it is called."""
        self._name = f"{owner.__name__}.{name}"

    @overload
    def __get__(self, register: None, owner: type[Register]) -> Self: ...
    @overload
    def __get__(self, register: Register, owner: type[Register]) -> int: ...
    def __get__(self, register: Register | None, owner: type[Register]) -> Self | int:
        """The field's value, read now."""
        if register is None:
            return self
        return register.value >> self.low & (1 << self.width) - 1

    def __set__(self, register: Register, value: int) -> None:
        """Read the register, replace the field, write; ValueError for a value that does not fit."""
        if not self.writable:
            raise AttributeError(f"{self._name} is read-only")
        if not 0 <= value < 1 << self.width:
            raise ValueError(f"{self._name} has {self.width} bit(s); {value} does not fit")
        mask = (1 << self.width) - 1 << self.low
        register.value = register.value & ~mask | value << self.low


class Window:
    """A window onto a memory of the decoder: words by index."""

    def __init__(self, bus: RegisterBus, address: int, num_words: int, writable: bool) -> None:
        self._bus = bus
        self.address, self.writable = address, writable
        self._num_words = num_words

    def __len__(self) -> int:
        """Words of the window."""
        return self._num_words

    def __getitem__(self, index: int) -> int:
        """A word, read now."""
        return self._bus.read_register(self._address_of(index))

    def __setitem__(self, index: int, value: int) -> None:
        """Write a word."""
        if not self.writable:
            raise AttributeError(f"the window at 0x{self.address:03X} is read-only")
        self._bus.write_register(self._address_of(index), value)

    def _address_of(self, index: int) -> int:
        if not 0 <= index < self._num_words:
            raise IndexError(f"the window at 0x{self.address:03X} has words 0 to {self._num_words - 1}, not {index}")
        return self.address + WORD_BYTES * index
