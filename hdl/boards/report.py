"""What is put into a user's folder: the bitstream, the decoder as it was built, and a report of what it takes."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hdl.boards.bitstream import DECODER, LOG, Bitstream
from hdl.boards.families import FAMILIES
from hdl.errors import BoardError
from hdl.synth.toolbox import tool_version

SUMMARY, REPORT_PAGE = "report.json", "report.md"


def summary(bitstream: Bitstream) -> dict[str, Any]:
    """Facts of a bitstream: what it is, Fmax in MHz, and used and available cells of each kind."""
    board, clock, manifest = bitstream.board.file, bitstream.clock, bitstream.decoder.manifest
    family = FAMILIES[board.family]
    cells = bitstream.place_and_route["utilization"]
    return {
        "board": board.name,
        "decoder": manifest.name,
        "code": manifest.code,
        "graph_hash": manifest.graph_hash,
        "clock_mhz": clock.mhz,
        "baud": clock.baud,
        "clocks_per_bit": clock.clocks_per_bit,
        "fmax_mhz": round(bitstream.fmax_mhz, 2),
        "utilisation": {
            label: {"used": cells[cell]["used"], "available": cells[cell]["available"]}
            for label, cell in family.cells.items()
        },
        "bitstream_bytes": bitstream.file.stat().st_size,
        "tools": list(dict.fromkeys(tool_version(tool) for tool in family.tools)),
        "load": board.load.format(bitstream=bitstream.name + family.suffix),
    }


def report_text(facts: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    graph = facts["graph_hash"]
    rows = {
        "decoder": facts["decoder"],
        "made for": ", ".join(f"{name} {value}" for name, value in facts["code"].items()) or "-",
        "graph hash": "-" if graph is None else f"0x{graph:08x}",
        "clock": f"{facts['clock_mhz']:g} MHz",
        "Fmax after place and route": f"{facts['fmax_mhz']:.1f} MHz",
        "serial line": f"{facts['baud']:,} baud, {facts['clocks_per_bit']} clock cycles a bit",
        **{label: _share(cells) for label, cells in facts["utilisation"].items()},
        "bitstream": f"{facts['bitstream_bytes']:,} bytes",
        "tools": "; ".join(facts["tools"]),
        "load it": f"`{facts['load']}`",
        "use it": f"`qtwin loop --decoder {DECODER} --link uart:PORT,baud={facts['baud']}`",
    }
    lines = [f"# {facts['decoder']} on {facts['board']}", "", "| | |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {label} | {value} |" for label, value in rows.items()), ""])


def _share(cells: Mapping[str, int]) -> str:
    return f"{cells['used']:,} of {cells['available']:,} ({cells['used'] / max(1, cells['available']):.0%})"


def write_bitstream(bitstream: Bitstream, target: Path) -> Path:
    """Write bitstream, decoder folder, reports and log into a folder; returns the bitstream's path.

    An older bitstream's folder is replaced as a whole.

    Raises:
        BoardError: the folder holds something else.
    """
    if target.exists() and not (target / REPORT_PAGE).is_file():
        raise BoardError(f"{target} exists and holds no bitstream; name a folder that does not exist yet")
    facts = summary(bitstream)
    file_name = bitstream.name + FAMILIES[bitstream.board.file.family].suffix
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        new = Path(scratch) / "new"
        shutil.copytree(bitstream.decoder.path, new / DECODER)
        shutil.copyfile(bitstream.file, new / file_name)
        shutil.copyfile(bitstream.folder / LOG, new / LOG)
        (new / SUMMARY).write_text(json.dumps(facts, indent=2), encoding="utf-8")
        (new / REPORT_PAGE).write_text(report_text(facts), encoding="utf-8")
        if target.exists():
            target.rename(Path(scratch) / "old")
        new.rename(target)
    return target / file_name
