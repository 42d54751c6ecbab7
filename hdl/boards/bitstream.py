"""Decoder folder + board -> bitstream with a report, kept by content."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from hdl.boards.board import Board, Clock
from hdl.boards.families import FAMILIES, NETLIST, PLACED, REPORT
from hdl.build import cached_build
from hdl.compile.decoder import RTL_FOLDER, TOP, UART_RTL
from hdl.compile.manifest import MANIFEST_NAME, DecoderFolder
from hdl.errors import BoardError, BuildError
from hdl.synth.toolbox import copy_sources, run_tool, tool_version

PACKAGE = "decoder_pkg.sv"
SEED = 1
DECODER, BITSTREAM, LOG = "decoder", "bitstream", "place_and_route.log"


@dataclass(frozen=True)
class Bitstream:
    """A finished build.

    Attributes:
        folder: what the tools wrote; shared, to be read only.
        decoder: the decoder as it was built, its clock set to the board's.
    """

    folder: Path
    board: Board
    clock: Clock
    decoder: DecoderFolder

    @property
    def name(self) -> str:
        """What it is called, without a suffix."""
        return f"{self.board.key}-{self.decoder.manifest.name}"

    @property
    def file(self) -> Path:
        """The bitstream."""
        return self.folder / BITSTREAM

    @cached_property
    def place_and_route(self) -> Mapping[str, Any]:
        """nextpnr's report: its `fmax` and `utilization`."""
        report: dict[str, Any] = json.loads((self.folder / REPORT).read_text())
        return report

    @property
    def fmax_mhz(self) -> float:
        """Of the slowest clock, after place and route."""
        return float(min(clock["achieved"] for clock in self.place_and_route["fmax"].values()))


def build_bitstream(board: Board, decoder: DecoderFolder, clock_mhz: float | None = None) -> Bitstream:
    """Synthesise, place, route and pack; a build of the same content is found again.

    Args:
        board: where it shall run.
        decoder: what; its top is `decoder_top`.
        clock_mhz: one of the board's clocks, by default its first.

    Raises:
        BoardError: the board has no such clock, or the decoder does not go behind a UART.
        BuildError: a tool refused the design, or it does not reach the clock.
        ToolMissingError: a tool is not installed.
    """
    clock = board.clock(clock_mhz)
    _check(decoder)
    family = FAMILIES[board.file.family]
    uart = [RTL_FOLDER / name for name in UART_RTL]
    key = {
        "for": "bitstream",
        "board": board.file.model_dump(),
        "family": asdict(family),
        "clock": clock.model_dump(),
        "constraints": board.constraints,
        "sources": [*decoder.sources, *uart, *board.sources],
        "manifest": decoder.manifest.model_dump(mode="json"),
        "tools": [tool_version(tool) for tool in family.tools],
        "builder": Path(__file__),
    }
    folder = cached_build(key, lambda folder: _build(board, decoder, clock, folder))
    bitstream = Bitstream(folder, board, clock, DecoderFolder(folder / DECODER))
    check_timing(bitstream)
    return bitstream


def _check(decoder: DecoderFolder) -> None:
    manifest = decoder.manifest
    if manifest.top != TOP or not any(source.name == PACKAGE for source in decoder.sources):
        raise BoardError(
            f"the decoder {manifest.name} does not go behind a UART: decoder_top_uart is built around a top module "
            f"{TOP} and the constants of {PACKAGE}, this one has the top {manifest.top}; name yours so"
        )
    if manifest.parameters:
        raise BoardError(
            f"the decoder {manifest.name} sets parameters of its top ({', '.join(manifest.parameters)}), which "
            "decoder_top_uart cannot pass on; make them constants of its RTL"
        )
    names = [source.name for source in decoder.sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BoardError(f"the decoder {manifest.name} has two sources called {', '.join(twice)}; rename one")


def _build(board: Board, decoder: DecoderFolder, clock: Clock, folder: Path) -> None:
    family = FAMILIES[board.file.family]
    clocked = _with_clock(decoder, clock.mhz, folder / DECODER)
    names = copy_sources([*clocked.sources, *(RTL_FOLDER / name for name in UART_RTL), *board.sources], folder)
    copy_sources([board.constraints], folder)
    parameters = {**clock.parameters, "ClocksPerBit": clock.clocks_per_bit}
    chosen = " ".join(f"-chparam {name} {value}" for name, value in parameters.items())
    top = board.file.top
    run_tool(
        "yosys",
        ["-q", "-p", f"read_verilog -sv {names}; hierarchy -top {top} {chosen}; "
         f"{family.synthesis} -top {top} -json {NETLIST}"],
        folder,
    )  # fmt: skip
    log = run_tool(
        family.place_and_route,
        [*board.file.device, "--json", NETLIST, family.constraints_option, board.constraints.name,
         family.output_option, PLACED, "--report", REPORT, "--freq", f"{clock.mhz:g}", "--seed", str(SEED),
         "--timing-allow-fail"],
        folder,
    )  # fmt: skip
    (folder / LOG).write_text(log, encoding="utf-8")
    run_tool(family.packer, [*family.packer_options, PLACED, BITSTREAM], folder)


def _with_clock(decoder: DecoderFolder, mhz: float, target: Path) -> DecoderFolder:
    """A copy of the decoder whose register CLOCK_HZ and manifest tell the board's clock."""
    manifest = decoder.manifest.model_dump(mode="json")
    manifest.update(sources=[f"rtl/{source.name}" for source in decoder.sources], clock_mhz=mhz)
    (target / "rtl").mkdir(parents=True)
    for source in decoder.sources:
        text = source.read_text(encoding="utf-8")
        if source.name == PACKAGE:
            text, found = re.subn(r"(\bClockHz\s*=\s*)[^;]+;", rf"\g<1>{round(1e6 * mhz)};", text)
            if found != 1:
                raise BoardError(f"{source} does not set the constant ClockHz (once)")
        (target / "rtl" / source.name).write_text(text, encoding="utf-8")
    for field, file in decoder.data_files.items():
        manifest[field] = f"{field}{file.suffix}"
        shutil.copyfile(file, target / manifest[field])
    (target / MANIFEST_NAME).write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    return DecoderFolder(target)


def check_timing(bitstream: Bitstream) -> None:
    """Refuse a bitstream that does not reach its clock: BuildError with the remedy."""
    name, fmax, clock = bitstream.decoder.manifest.name, bitstream.fmax_mhz, bitstream.clock
    if fmax >= clock.mhz:
        return
    slower = [f"{other.mhz:g}" for other in bitstream.board.file.clocks if other.mhz <= fmax]
    remedy = f"build for {slower[0]} MHz (--clock {slower[0]})" if slower else "choose a smaller decoder"
    raise BuildError(
        f"{name} reaches {fmax:.1f} MHz on the {bitstream.board.file.name}, not {clock.mhz:g} MHz: "
        f"no bitstream is written; {remedy}"
    )
