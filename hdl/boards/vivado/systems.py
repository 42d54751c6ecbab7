"""The processing systems of Zynq chips: names of their ports and settings in Vivado, and where they map the logic."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

SystemKind = Literal["processing_system7", "zynq_ultra_ps_e"]


@dataclass(frozen=True, slots=True)
class ProcessingSystem:
    """One kind of processing system.

    Attributes:
        kind: its name in Vivado's catalogue, and MODTYPE in a hardware handoff.
        versions: of its IP; None where Vivado's releases differ, then the installed one is taken.
        arch: what Linux on it calls its processor.
        control_bus, control_clock, control_window: the port to the registers, and the addresses behind it.
        control_bits, memory_bits: widths that its ports can have; the first is the one that it has after a reset.
        memory_bus, memory_clock, memory_segment, memory_base: the DMA's port to the memory.
        clock, reset: pins of the logic's clock and reset.
        actual_clock: property with the clock in MHz that comes out.
        automation: arguments of Vivado's block automation, besides the board's preset.
        max_divisor: of each of the two dividers from the PLL to the clock.
    """

    kind: SystemKind
    version: str | None
    arch: Literal["armv7l", "aarch64"]
    control_bus: str
    control_clock: str
    control_window: tuple[int, int]
    control_bits: tuple[int, ...]
    memory_bus: str
    memory_clock: str
    memory_segment: str
    memory_base: int
    memory_bits: tuple[int, ...]
    clock: str
    reset: str
    actual_clock: str
    automation: str
    dma_address: int
    decoder_address: int
    max_divisor: int = 63

    @property
    def vlnv(self) -> str:
        """Vendor, library, name, and the version where it is the same in every Vivado."""
        return f"xilinx.com:ip:{self.kind}" + (f":{self.version}" if self.version else "")

    @property
    def cell(self) -> str:
        """What it is called in the block design."""
        return f"{self.kind}_0"

    def settings(self, clock_mhz: float, control_bits: int, memory_bits: int) -> dict[str, str]:
        """Its parameters in the block design: one clock with its reset, one port to registers, one to memory."""
        if self.kind == "processing_system7":
            return {
                "PCW_USE_M_AXI_GP0": "1",
                "PCW_USE_S_AXI_HP0": "1",
                "PCW_S_AXI_HP0_DATA_WIDTH": str(memory_bits),
                "PCW_EN_CLK0_PORT": "1",
                "PCW_EN_RST0_PORT": "1",
                "PCW_FCLK0_PERIPHERAL_CLKSRC": "IO PLL",
                "PCW_FPGA0_PERIPHERAL_FREQMHZ": f"{clock_mhz:g}",
            }
        return {
            "PSU__USE__M_AXI_GP0": "1",  # HPM0_FPD; presets may have the other two, whose clocks nothing drives here
            "PSU__USE__M_AXI_GP1": "0",
            "PSU__USE__M_AXI_GP2": "0",
            "PSU__MAXIGP0__DATA_WIDTH": str(control_bits),
            "PSU__USE__S_AXI_GP2": "1",  # HP0_FPD
            "PSU__SAXIGP2__DATA_WIDTH": str(memory_bits),
            "PSU__FPGA_PL0_ENABLE": "1",
            "PSU__USE__FABRIC__RST": "1",
            "PSU__NUM_FABRIC_RESETS": "1",
            "PSU__CRL_APB__PL0_REF_CTRL__SRCSEL": "IOPLL",
            "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": f"{clock_mhz:g}",
        }


# Names of pins, ports, segments and parameters: as in the base designs of PYNQ (boards/Pynq-Z2, boards/ZCU104) and of
# RFSoC-PYNQ (boards/RFSoC4x2), which Vivado 2022.1 and 2024.1 exported. Addresses: UG585, table "System-Level Address
# Map" (M_AXI_GP0 has 0x4000_0000 to 0x7FFF_FFFF), and UG1085, chapter "System Addresses" (M_AXI_HPM0_FPD has
# 0xA000_0000 to 0xAFFF_FFFF). Of Zynq-7000's HP ports the boot image sets the width, 64 bits, and pynq never does.
SYSTEMS: Mapping[SystemKind, ProcessingSystem] = MappingProxyType(
    {
        "processing_system7": ProcessingSystem(
            kind="processing_system7",
            version="5.5",
            arch="armv7l",
            control_bus="M_AXI_GP0",
            control_clock="M_AXI_GP0_ACLK",
            control_window=(0x4000_0000, 0x4000_0000),
            control_bits=(32,),
            memory_bus="S_AXI_HP0",
            memory_clock="S_AXI_HP0_ACLK",
            memory_segment="S_AXI_HP0/HP0_DDR_LOWOCM",
            memory_base=0x10_0000,
            memory_bits=(64,),
            clock="FCLK_CLK0",
            reset="FCLK_RESET0_N",
            actual_clock="PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ",
            automation='make_external "FIXED_IO, DDR" Master Disable Slave Disable',
            dma_address=0x4040_0000,
            decoder_address=0x43C0_0000,
        ),
        "zynq_ultra_ps_e": ProcessingSystem(
            kind="zynq_ultra_ps_e",
            version=None,
            arch="aarch64",
            control_bus="M_AXI_HPM0_FPD",
            control_clock="maxihpm0_fpd_aclk",
            control_window=(0xA000_0000, 0x1000_0000),
            control_bits=(128, 32, 64),
            memory_bus="S_AXI_HP0_FPD",
            memory_clock="saxihp0_fpd_aclk",
            memory_segment="SAXIGP2/HP0_DDR_LOW",
            memory_base=0,
            memory_bits=(128, 32, 64),
            clock="pl_clk0",
            reset="pl_resetn0",
            actual_clock="PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ",
            automation="",
            dma_address=0xA000_0000,
            decoder_address=0xA001_0000,
        ),
    }
)
