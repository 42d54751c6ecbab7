"""Registers of the board's processor from which pynq works out and sets clocks and widths of ports.

Zynq-7000: UG585, appendix B, "slcr". Zynq UltraScale+: UG1087, modules CRL_APB, CRF_APB, FPD_SLCR, LPD_SLCR, AFIFM.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hdl.boards.vivado.board import VivadoBoard

BLOCK_BYTES = 0x1000
SLCR = 0xF800_0000
CRL_APB, CRF_APB = 0xFF5E_0000, 0xFD1A_0000
FPD_SLCR, LPD_SLCR = 0xFD61_5000, 0xFF41_9000
AXI_FS_AFTER_RESET = 0xA00
"""FPD_SLCR.AXI_FS: M_AXI_HPM0_FPD and M_AXI_HPM1_FPD of 128 bits."""
AFIFMS = (*(0xFD36_0000 + 0x1_0000 * index for index in range(6)), 0xFF9B_0000)
"""One for each port to memory; that of S_AXI_HP0_FPD is AFIFM2."""
AFIFM_RDCTRL, AFIFM_WRCTRL = 0x00, 0x14
ZYNQ_REFERENCE_MHZ, ULTRASCALE_REFERENCE_MHZ = 50.0, 33.333
"""What pynq takes the boards' oscillators for."""
BOOT_DIVISORS = 5, 2
"""Of the logic's clocks, as a boot image may leave them."""
NUM_CLOCKS = 4


@dataclass(frozen=True, slots=True)
class PortWidth:
    """A field with the width of a port, and the value that the design needs."""

    port: str
    address: int
    low: int
    bits_of_value: Mapping[int, int]
    needed_bits: int

    def set_bits(self, word: int) -> int | None:
        """The width that a register word says; None for a value without a meaning."""
        return self.bits_of_value.get(word >> self.low & 3)


class SystemRegisters:
    """The registers that pynq uses; those around them read 0.

    Attributes:
        blocks: where they are: address and length in bytes.
    """

    def __init__(self, board: VivadoBoard, boot_pll_mhz: float | None = None) -> None:
        """boot_pll_mhz: of the PLL that the logic's clock comes from; None = as the design has it."""
        pll_mhz = boot_pll_mhz or board.pll_mhz
        self._ports: tuple[PortWidth, ...] = ()
        self.blocks: tuple[tuple[int, int], ...] = ((SLCR, BLOCK_BYTES),)
        if board.processing_system == "processing_system7":
            self._values = _zynq_registers(pll_mhz)
        else:
            self._values = _ultrascale_registers(pll_mhz)
            self._ports = _ultrascale_ports(board)
            self.blocks = tuple((base, BLOCK_BYTES) for base in (CRL_APB, CRF_APB, FPD_SLCR, LPD_SLCR, *AFIFMS))

    def read(self, address: int) -> int:
        """Value of a register; 0 for those that are not modelled."""
        return self._values.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """Keep what was written."""
        self._values[address] = value

    def port_fault(self) -> str | None:
        """The first port whose width is not the design's, so that nothing comes right through it; None for none."""
        for port in self._ports:
            bits = port.set_bits(self.read(port.address))
            if bits != port.needed_bits:
                return (
                    f"the port {port.port} is set to {bits} bits (register 0x{port.address:08x}), "
                    f"the overlay's has {port.needed_bits}"
                )
        return None


def _zynq_registers(pll_mhz: float) -> dict[int, int]:
    """ARM, DDR and IO PLL with their feedback dividers; the processor's clock; FPGA0 to 3 from the IO PLL."""
    first, second = BOOT_DIVISORS
    plls = {0x100: 26, 0x104: 21, 0x108: round(pll_mhz / ZYNQ_REFERENCE_MHZ)}
    clocks = {0x170 + 16 * index: first << 8 | second << 20 for index in range(NUM_CLOCKS)}
    return {SLCR + offset: value << 12 for offset, value in plls.items()} | {
        SLCR + offset: value for offset, value in {0x120: 0x200, **clocks}.items()
    }


def _ultrascale_registers(pll_mhz: float) -> dict[int, int]:
    """Feedback dividers of the PLLs, halved outputs; the processor's clock; PL0 to 3 from IOPLL."""
    half = 1 << 16
    feedback = round(2 * pll_mhz / ULTRASCALE_REFERENCE_MHZ)
    plls = {CRL_APB + 0x20: feedback, CRL_APB + 0x30: 60, CRF_APB + 0x20: 72, CRF_APB + 0x2C: 64, CRF_APB + 0x38: 90}
    first, second = BOOT_DIVISORS
    enabled, from_io_pll = 1 << 24, 0
    clock = enabled | second << 16 | first << 8 | from_io_pll
    return {
        **{address: value << 8 | half for address, value in plls.items()},
        CRF_APB + 0x60: 1 << 8,
        **{CRL_APB + 0xC0 + 4 * index: clock for index in range(NUM_CLOCKS)},
        FPD_SLCR: AXI_FS_AFTER_RESET,
    }


def _ultrascale_ports(board: VivadoBoard) -> tuple[PortWidth, ...]:
    control, memory = {0: 32, 1: 64, 2: 128}, {2: 32, 1: 64, 0: 128}
    system, afifm = board.system, AFIFMS[2]
    return (
        PortWidth(system.control_bus, FPD_SLCR, 8, control, board.control_port_bits),
        PortWidth(system.memory_bus, afifm + AFIFM_RDCTRL, 0, memory, board.memory_port_bits),
        PortWidth(system.memory_bus, afifm + AFIFM_WRCTRL, 0, memory, board.memory_port_bits),
    )
