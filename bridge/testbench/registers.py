"""A decoder's registers in a cocotb testbench, by the names of the register map."""

from typing import Any

from hdl.registers.map import Address


class RegisterError(AssertionError):
    """The design refused an access; the message names the register."""


class RegisterMaster:
    """AXI4-Lite access through cocotb-bus, on ports with a common prefix.

    Example:
        registers = RegisterMaster(dut, "s_axil", dut.clk)
        assert await registers.read(Address.GRAPH_HASH) == expected
    """

    def __init__(self, dut: Any, prefix: str, clock: Any) -> None:
        """Raises ImportError: cocotb-bus is not installed; says what to install."""
        try:
            from cocotb_bus.drivers.amba import AXI4LiteMaster, AXIProtocolError
        except ImportError as error:
            raise ImportError("RegisterMaster needs cocotb-bus: pip install 'qtwin[testbench]'") from error
        self._master: Any = AXI4LiteMaster(dut, prefix, clock, case_insensitive=True)
        self._refused: type[Exception] = AXIProtocolError

    async def read(self, address: int) -> int:
        """The 32-bit word of a register, by `Address` or number of its first byte; raises RegisterError."""
        try:
            return int(await self._master.read(address))
        except self._refused as error:
            raise RegisterError(f"reading {_name(address)}: {error}") from error

    async def write(self, address: int, value: int) -> None:
        """Write a whole 32-bit word; raises RegisterError."""
        try:
            await self._master.write(address, value)
        except self._refused as error:
            raise RegisterError(f"writing 0x{value:08x} to {_name(address)}: {error}") from error


def _name(address: int) -> str:
    return Address(address).name if address in list(Address) else f"0x{address:03x}"
