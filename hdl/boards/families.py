"""How each FPGA family goes from RTL to a bitstream with Yosys, nextpnr and its packer."""

from dataclasses import dataclass

NETLIST, PLACED, REPORT = "netlist.json", "placed.txt", "report.json"


@dataclass(frozen=True, slots=True)
class Family:
    """Tools of a family.

    Attributes:
        synthesis: Yosys command.
        place_and_route: nextpnr's name.
        constraints_option, output_option: its options for the constraints and for what the packer reads.
        packer: tool that writes the bitstream; takes PLACED, the bitstream's name and `packer_options`.
        suffix: of the bitstream.
        simulation: Yosys' models of the cells, files of its data folder.
        unflattened: cells that the simulator is given as they are modelled there: Yosys makes of their memories what
            Verilator does not take.
        cells: cells of nextpnr's utilisation worth a line in the report, by what they are called there.
    """

    synthesis: str
    place_and_route: str
    constraints_option: str
    output_option: str
    packer: str
    packer_options: tuple[str, ...]
    suffix: str
    simulation: tuple[str, ...]
    unflattened: tuple[str, ...]
    cells: dict[str, str]

    @property
    def tools(self) -> tuple[str, ...]:
        """Every tool, in the order of use."""
        return ("yosys", self.place_and_route, self.packer)


FAMILIES = {
    "ecp5": Family(
        synthesis="synth_ecp5 -abc9",
        place_and_route="nextpnr-ecp5",
        constraints_option="--lpf",
        output_option="--textcfg",
        packer="ecppack",
        packer_options=("--compress",),
        suffix=".bit",
        simulation=("ecp5/common_sim.vh", "ecp5/ccu2c_sim.vh"),
        unflattened=(),
        cells={
            "LUT4": "TRELLIS_COMB",
            "flip-flops": "TRELLIS_FF",
            "block RAM (18 kbit)": "DP16KD",
            "PLL": "EHXPLLL",
        },
    ),
    "ice40": Family(
        synthesis="synth_ice40 -abc9",
        place_and_route="nextpnr-ice40",
        constraints_option="--pcf",
        output_option="--asc",
        packer="icepack",
        packer_options=(),
        suffix=".bin",
        simulation=("ice40/cells_sim.v",),
        unflattened=("SB_RAM40_4K",),
        cells={"logic cells": "ICESTORM_LC", "block RAM (4 kbit)": "ICESTORM_RAM", "PLL": "ICESTORM_PLL"},
    ),
}
