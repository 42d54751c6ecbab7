"""How each FPGA family goes from RTL to a bitstream: with open tools, or by a script for a vendor's tool."""

from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NETLIST, PLACED, REPORT = "netlist.json", "placed.txt", "report.json"
DEVICE = "{device}"
"""A word of a command that stands for all words of the board's `device`."""
PLACEHOLDERS = frozenset({"device", "netlist", "constraints", "placed", "report", "mhz", "seed", "bitstream"})


def _checked_command(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        names = {name for _, name, _, _ in Formatter().parse(word) if name is not None}
        if unknown := sorted(names - PLACEHOLDERS):
            raise ValueError(f"{{{unknown[0]}}} stands for nothing; expected one of {', '.join(sorted(PLACEHOLDERS))}")
        if "device" in names and word != DEVICE:
            raise ValueError(f"{DEVICE} stands for several words, so it has to be a word of its own")
    return words


Command = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_checked_command)]
"""A tool and its arguments. Placeholders are filled in: `PLACEHOLDERS` in braces; braces themselves are doubled."""


def _with(command: tuple[str, ...], *names: str) -> tuple[str, ...]:
    missing = [f"{{{name}}}" for name in names if not any(f"{{{name}}}" in word for word in command)]
    if missing:
        raise ValueError(f"the command has to name {' and '.join(missing)}")
    return command


class OpenFamily(BaseModel):
    """A family whose bitstreams are made here, by Yosys, a nextpnr and a packer.

    Attributes:
        name: of its models in hdl/boards/cells, if there are any.
        synthesis: Yosys command.
        place_and_route: nextpnr's command; writes {placed} and {report}.
        packer: command that makes {bitstream} of {placed}.
        packages: the distribution on PyPI that a tool comes with, where it is none that qtwin knows.
        suffix: of the bitstream.
        cells: cells of nextpnr's utilisation worth a line in the report, by what they are called there.
        ports: Yosys' files with the ports of the family's hard cells, for lint.
        simulation: Yosys' models of the cells, files of its data folder; without any the gates are not simulated.
        unflattened: cells that the simulator is given as they are modelled there: Yosys makes of their memories what
            Verilator does not take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "a board's own"
    synthesis: str = Field(min_length=1)
    place_and_route: Annotated[Command, AfterValidator(lambda words: _with(words, "netlist", "placed", "report"))]
    packer: Annotated[Command, AfterValidator(lambda words: _with(words, "placed", "bitstream"))]
    packages: dict[str, str] = {}
    suffix: str = Field(default=".bin", pattern=r"^\.\w+$")
    cells: dict[str, str] = {}
    ports: tuple[str, ...] = ()
    simulation: tuple[str, ...] = ()
    unflattened: tuple[str, ...] = ()

    @property
    def tools(self) -> tuple[str, ...]:
        """Every tool, in the order of use."""
        return ("yosys", self.place_and_route[0], self.packer[0])


class ScriptFamily(BaseModel):
    """A family whose bitstreams a vendor's tool makes, by a script that is written beside the sources.

    Attributes:
        script: a Tcl file in the board's folder; it sources design.tcl (`hdl.boards.project`).
        command: what runs it, in the folder that is written.
        suffix: of the bitstream, which the script calls as `name` in design.tcl says.
        ports: as in `OpenFamily`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "a board's own"
    script: str
    command: str = Field(min_length=1)
    suffix: str = Field(default=".bit", pattern=r"^\.\w+$")
    ports: tuple[str, ...] = ()


Family = OpenFamily | ScriptFamily

FAMILIES = {
    family.name: family
    for family in (
        OpenFamily(
            name="ecp5",
            synthesis="synth_ecp5 -abc9",
            place_and_route=(
                "nextpnr-ecp5", DEVICE, "--json", "{netlist}", "--lpf", "{constraints}", "--textcfg", "{placed}",
                "--report", "{report}", "--freq", "{mhz}", "--seed", "{seed}", "--timing-allow-fail",
            ),
            packer=("ecppack", "--compress", "{placed}", "{bitstream}"),
            suffix=".bit",
            cells={
                "LUT4": "TRELLIS_COMB",
                "flip-flops": "TRELLIS_FF",
                "block RAM (18 kbit)": "DP16KD",
                "PLL": "EHXPLLL",
            },
            ports=("ecp5/cells_bb.v",),
            simulation=("ecp5/common_sim.vh", "ecp5/ccu2c_sim.vh"),
        ),
        OpenFamily(
            name="ice40",
            synthesis="synth_ice40 -abc9",
            place_and_route=(
                "nextpnr-ice40", DEVICE, "--json", "{netlist}", "--pcf", "{constraints}", "--asc", "{placed}",
                "--report", "{report}", "--freq", "{mhz}", "--seed", "{seed}", "--timing-allow-fail",
            ),
            packer=("icepack", "{placed}", "{bitstream}"),
            cells={"logic cells": "ICESTORM_LC", "block RAM (4 kbit)": "ICESTORM_RAM", "PLL": "ICESTORM_PLL"},
            ports=("ice40/cells_sim.v",),
            simulation=("ice40/cells_sim.v",),
            unflattened=("SB_RAM40_4K",),
        ),
    )
}  # fmt: skip
"""Families that a board.yaml can name; another one stands in the board's own folder."""
