"""Yosys and nextpnr: area for Xilinx 7 series, frequency for ECP5. Results are kept by content."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hdl.build import cached_build
from hdl.design import Design, beyond_key, literal
from hdl.ghdl import verilog_of
from hdl.standalone import copy_design, included_files, yosys_read
from hdl.synth.toolbox import copy_sources, run_tool

LUTS_OF_CELL = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "SRL16E": 1, "SRLC32E": 1}
"""7-series LUTs behind a cell that is memory: UG474, 7 Series FPGAs Configurable Logic Block."""
BLOCK_RAMS = {"RAMB18E1": 0.5, "RAMB36E1": 1.0}
RESULT = "result.json"


@dataclass(frozen=True)
class Area:
    """Cells of a 7-series device; block RAMs in units of 36 kbit."""

    luts: int
    flip_flops: int
    block_rams: float


def remembered(
    key: Mapping[str, Any],
    measure: Callable[[Path], Mapping[str, Any]],
    read: Callable[[], Iterable[Path]] = tuple,
    search: Sequence[Path] = (),
) -> dict[str, Any]:
    """The result of `measure`, from the cache where the same was measured before.

    read: what is read besides what the key knows; see `cached_build`, also for `search`.
    """

    def build(folder: Path) -> Iterable[Path]:
        (folder / RESULT).write_text(json.dumps(measure(folder)))
        return read()

    result: dict[str, Any] = json.loads((cached_build(key, build, search) / RESULT).read_text())
    return result


def xc7_area(design: Design) -> Area:
    """LUTs, flip-flops and block RAMs of a design after synth_xilinx for xc7z020.

    Raises:
        ToolMissingError: no Yosys, or no GHDL for VHDL. BuildError: a tool does not take the design.
    """
    design = verilog_of(design)

    def measure(folder: Path) -> Mapping[str, Any]:
        copied = copy_design(design, folder).design(design, folder)
        chosen = " ".join(f"-chparam {name} {literal(value)}" for name, value in design.parameters.items())
        run_tool(
            "yosys",
            ["-q", "-p", f"{yosys_read(copied, folder)}; hierarchy -top {design.top} {chosen}; "
             f"synth_xilinx -family xc7 -flatten -top {design.top}; tee -q -o stat.json stat -json"],
            folder,
        )  # fmt: skip
        cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
        return asdict(_area(cells))

    key = {"for": "xc7 area", **design.key()}
    return Area(**remembered(key, measure, lambda: beyond_key(design, included_files(design)), design.search_dirs))


def _area(cells: Mapping[str, int]) -> Area:
    luts = sum(count for cell, count in cells.items() if cell in {f"LUT{n}" for n in range(1, 7)})
    return Area(
        luts=luts + sum(LUTS_OF_CELL.get(cell, 0) * count for cell, count in cells.items()),
        flip_flops=sum(count for cell, count in cells.items() if cell.startswith("FD")),
        block_rams=sum(BLOCK_RAMS.get(cell, 0) * count for cell, count in cells.items()),
    )


def ecp5_fmax_mhz(sources: Sequence[Path], top: str) -> float:
    """Clock after place and route for an LFE5-85, speed grade 6, pins left out of context."""

    def measure(folder: Path) -> Mapping[str, Any]:
        names = copy_sources(sources, folder)
        run_tool(
            "yosys",
            ["-q", "-p", f"read_verilog -sv {names}; synth_ecp5 -abc9 -top {top} -json netlist.json"],
            folder,
        )
        run_tool(
            "nextpnr-ecp5",
            ["--85k", "--speed", "6", "--json", "netlist.json", "--report", "report.json", "--out-of-context",
             "--freq", "150", "--timing-allow-fail", "--seed", "1"],
            folder,
        )  # fmt: skip
        clocks = json.loads((folder / "report.json").read_text())["fmax"]
        return {"mhz": min(clock["achieved"] for clock in clocks.values())}

    return float(remembered({"for": "ecp5 fmax", "sources": list(sources), "top": top}, measure)["mhz"])
