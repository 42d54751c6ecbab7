"""Decoder folder + board -> bitstream by open tools, with a report, kept by content."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from hdl.boards.board import Board, Clock
from hdl.boards.families import DEVICE, NETLIST, PLACED, REPORT, OpenFamily
from hdl.build import cached_build
from hdl.compile.decoder import TOP, uart_rtl
from hdl.compile.manifest import MANIFEST_NAME, DecoderFolder
from hdl.design import beyond_key
from hdl.errors import BoardError, BuildError
from hdl.ghdl import verilog_of
from hdl.standalone import copy_design, included_files, yosys_read
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
        return build_name(self.board, self.decoder)

    @property
    def family(self) -> OpenFamily:
        """The tools that made it."""
        return open_family(self.board)

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


def build_name(board: Board, decoder: DecoderFolder) -> str:
    """What a decoder on a board is called."""
    return f"{board.key}-{decoder.manifest.name}"


def open_family(board: Board) -> OpenFamily:
    """The open tools of a board; raises BoardError for one whose bitstreams a vendor's tool makes."""
    if isinstance(board.family, OpenFamily):
        return board.family
    raise BoardError(
        f"the bitstream for the {board.file.name} is not made here: `qtwin bitstream --board {board.key}` writes its "
        f"sources with a script, and `{board.family.command}` makes it"
    )


def build_bitstream(
    board: Board, decoder: DecoderFolder, clock_mhz: float | None = None, *, statistics: bool = True
) -> Bitstream:
    """Synthesise, place, route and pack; a build of the same content is found again.

    Args:
        board: where it shall run.
        decoder: what; its top is `decoder_top`.
        clock_mhz: one of the board's clocks, by default its first.
        statistics: as the decoder was compiled; without, they are left out of it.

    Raises:
        BoardError: the board has no such clock or no open tools, or the decoder does not go behind a UART, or cannot do
            without statistics.
        BuildError: a tool refused the design, or it does not reach the clock.
        ToolMissingError: a tool is not installed.
    """
    clock = board.clock(clock_mhz)
    check_behind_uart(decoder)
    family = open_family(board)
    uart = uart_rtl()
    key = {
        "for": "bitstream",
        "board": board.file.model_dump(),
        "family": family.model_dump(),
        "clock": clock.model_dump(),
        "constraints": board.constraints,
        "design": decoder.design.key(),
        "sources": [*uart, *board.sources],
        "manifest": decoder.manifest.model_dump(mode="json"),
        "statistics": statistics,
        "tools": [tool_version(tool, family.packages.get(tool)) for tool in family.tools],
        "builder": Path(__file__),
    }

    def build(folder: Path) -> list[Path]:
        _build(board, family, decoder, clock, folder, statistics=statistics)
        return beyond_key(decoder.design, included_files(verilog_of(decoder.design)))

    folder = cached_build(key, build, decoder.design.search_dirs)
    bitstream = Bitstream(folder, board, clock, DecoderFolder(folder / DECODER))
    check_timing(bitstream)
    return bitstream


def check_behind_uart(decoder: DecoderFolder) -> None:
    """Refuse a decoder that `decoder_top_uart` cannot hold: BoardError with the remedy."""
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


def _build(
    board: Board, family: OpenFamily, decoder: DecoderFolder, clock: Clock, folder: Path, *, statistics: bool
) -> None:
    built = as_built(decoder, clock.mhz, folder / DECODER, statistics=statistics)
    ours = copy_sources([*uart_rtl(), *board.sources], folder)
    built.design.put_files(folder)  # where Yosys runs
    copy_sources([board.constraints], folder)
    chosen = " ".join(f"-chparam {name} {value}" for name, value in clock.top_parameters.items())
    top = board.file.top
    run_tool(
        "yosys",
        ["-q", "-p", f"{yosys_read(built.design, folder, ours.split())}; hierarchy -top {top} {chosen}; "
         f"{family.synthesis} -top {top} -json {NETLIST}"],
        folder,
    )  # fmt: skip
    values = {
        "netlist": NETLIST,
        "constraints": board.constraints.name,
        "placed": PLACED,
        "report": REPORT,
        "mhz": f"{clock.mhz:g}",
        "seed": str(SEED),
        "bitstream": BITSTREAM,
    }
    (folder / LOG).write_text(_run(family, family.place_and_route, values, board, folder), encoding="utf-8")
    _check_report(family, folder / REPORT)
    _run(family, family.packer, values, board, folder)
    if not (folder / BITSTREAM).is_file():
        raise BuildError(f"{family.packer[0]} ended without error and wrote no bitstream; correct the family's packer")


def _run(family: OpenFamily, command: tuple[str, ...], values: Mapping[str, str], board: Board, folder: Path) -> str:
    """Run a command of a family with its placeholders filled in; returns what it printed."""
    tool, *arguments = [
        word for part in command for word in (board.file.device if part == DEVICE else [part.format(**values)])
    ]
    return run_tool(tool, arguments, folder, family.packages.get(tool))


def _check_report(family: OpenFamily, file: Path) -> None:
    """Whether place and route told what the report needs: BuildError, if not."""
    tool = family.place_and_route[0]
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        cells = found["utilization"]
        fmax = [clock["achieved"] for clock in found["fmax"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildError(f"{tool} wrote no report as nextpnr's --report writes it ({error!r})") from error
    if not fmax:
        raise BuildError(f"{tool} tells no Fmax: its report has no clock; does the board's top have one?")
    if missing := sorted(set(family.cells.values()) - set(cells)):
        raise BuildError(
            f"the family's cells name {', '.join(missing)}, {tool} reports {', '.join(sorted(cells))}; correct them"
        )


def as_built(decoder: DecoderFolder, mhz: float, target: Path, *, statistics: bool) -> DecoderFolder:
    """A copy of the decoder as it goes onto a board: register CLOCK_HZ and manifest tell the board's clock.

    Raises:
        BoardError: its constants are not as they are compiled.
    """
    target.mkdir(parents=True)
    copied = copy_design(verilog_of(decoder.design), target)
    manifest = {**decoder.manifest.model_dump(mode="json"), **copied.manifest(), "clock_mhz": mhz}
    package = next(target / source.path for source in copied.sources if source.path.name == PACKAGE)
    text = _with_constant(package.read_text(encoding="utf-8"), "ClockHz", str(round(1e6 * mhz)), package)
    if not statistics:
        text = _with_constant(text, "Statistics", "1'b0", package)
    package.write_text(text, encoding="utf-8")
    for field, file in decoder.data_files.items():
        manifest[field] = f"{field}{file.suffix}"
        shutil.copyfile(file, target / manifest[field])
    (target / MANIFEST_NAME).write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
    return DecoderFolder(target)


def has_statistics(decoder: DecoderFolder) -> bool:
    """Whether a decoder that goes behind a UART was built with statistics."""
    package = next(source for source in decoder.sources if source.name == PACKAGE)
    return re.search(r"\bStatistics\s*=\s*1'b0;", package.read_text(encoding="utf-8")) is None


def _with_constant(text: str, name: str, value: str, source: Path) -> str:
    """The text of a package with another value of a constant."""
    text, found = re.subn(rf"(\b{name}\s*=\s*)[^;]+;", rf"\g<1>{value};", text)
    if found != 1:
        raise BoardError(f"{source} does not set the constant {name} (once); compile the decoder again with this qtwin")
    return text


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
