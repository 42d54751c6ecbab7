"""What is put into a user's folder: the bitstream, the decoder as it was built, and a report of what it takes."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hdl.boards.bitstream import DECODER, LOG, Bitstream, has_statistics
from hdl.boards.board import Board, Clock
from hdl.compile.manifest import DecoderFolder
from hdl.errors import BoardError
from hdl.synth.toolbox import tool_version

SUMMARY, REPORT_PAGE = "report.json", "report.md"


def build_facts(board: Board, clock: Clock, decoder: DecoderFolder, file_name: str) -> dict[str, Any]:
    """What is known of a build before any tool ran. decoder: as it was built; file_name: of the bitstream."""
    manifest = decoder.manifest
    return {
        "board": board.file.name,
        "decoder": manifest.name,
        "code": manifest.code,
        "graph_hash": manifest.graph_hash,
        "statistics": has_statistics(decoder),
        "clock_mhz": clock.mhz,
        "baud": clock.baud,
        "clocks_per_bit": clock.clocks_per_bit,
        "load": board.file.load.format(bitstream=file_name),
    }


def summary(bitstream: Bitstream) -> dict[str, Any]:
    """Facts of a bitstream: what it is, Fmax in MHz, and used and available cells of each kind."""
    family = bitstream.family
    cells = bitstream.place_and_route["utilization"]
    return {
        **build_facts(bitstream.board, bitstream.clock, bitstream.decoder, bitstream.name + family.suffix),
        "fmax_mhz": round(bitstream.fmax_mhz, 2),
        "utilisation": {
            label: {"used": cells[cell]["used"], "available": cells[cell]["available"]}
            for label, cell in family.cells.items()
        },
        "bitstream_bytes": bitstream.file.stat().st_size,
        "tools": list(dict.fromkeys(tool_version(tool, family.packages.get(tool)) for tool in family.tools)),
    }


def report_text(facts: Mapping[str, Any]) -> str:
    """The report as Markdown; of a project that a vendor's tool has still to build, what is known before that."""
    graph = facts["graph_hash"]
    rows = {
        "decoder": facts["decoder"],
        "made for": ", ".join(f"{name} {value}" for name, value in facts["code"].items()) or "-",
        "graph hash": "-" if graph is None else f"0x{graph:08x}",
        "statistics": "counters, latencies, histogram" if facts["statistics"] else "left out",
        "clock": f"{facts['clock_mhz']:g} MHz",
        "serial line": f"{facts['baud']:,} baud, {facts['clocks_per_bit']} clock cycles a bit",
    }
    if "build" in facts:
        rows["build it"] = f"`{facts['build']}` in this folder"
    else:
        rows |= {
            "Fmax after place and route": f"{facts['fmax_mhz']:.1f} MHz",
            **{label: _share(cells) for label, cells in facts["utilisation"].items()},
            "bitstream": f"{facts['bitstream_bytes']:,} bytes",
            "tools": "; ".join(facts["tools"]),
        }
    rows |= {
        "load it": f"`{facts['load']}`",
        "use it": f"`qtwin loop --decoder {DECODER} --link uart:PORT,baud={facts['baud']}`",
    }
    lines = [f"# {facts['decoder']} on {facts['board']}", "", "| | |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {label} | {value} |" for label, value in rows.items()), ""])


def _share(cells: Mapping[str, int]) -> str:
    return f"{cells['used']:,} of {cells['available']:,} ({cells['used'] / max(1, cells['available']):.0%})"


def write_bitstream(bitstream: Bitstream, target: Path) -> Path:
    """Write bitstream, decoder folder, reports and log into a folder; returns the bitstream's path.

    Raises:
        BoardError: the folder holds something else.
    """
    file_name = bitstream.name + bitstream.family.suffix

    def fill(folder: Path) -> None:
        shutil.copytree(bitstream.decoder.path, folder / DECODER)
        shutil.copyfile(bitstream.file, folder / file_name)
        shutil.copyfile(bitstream.folder / LOG, folder / LOG)

    write_build(target, fill, lambda: summary(bitstream))
    return target / file_name


def write_build(target: Path, fill: Callable[[Path], None], facts: Callable[[], Mapping[str, Any]]) -> None:
    """Write a build's folder with its report; an older build's folder is replaced as a whole.

    Args:
        target: the folder.
        fill: puts everything but the report into the empty folder that it is given.
        facts: for the report; asked after that.

    Raises:
        BoardError: the folder holds something else.
    """
    if target.exists() and not (target / REPORT_PAGE).is_file():
        raise BoardError(f"{target} exists and holds no bitstream; name a folder that does not exist yet")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        new = Path(scratch).resolve() / "new"
        new.mkdir()
        fill(new)
        found = facts()
        (new / SUMMARY).write_text(json.dumps(found, indent=2), encoding="utf-8")
        (new / REPORT_PAGE).write_text(report_text(found), encoding="utf-8")
        if target.exists():
            target.rename(Path(scratch) / "old")
        new.rename(target)
