"""A bitstream's netlist as Verilog that a simulator takes: the gates that Yosys made, with its models of the cells."""

import re
from collections.abc import Sequence
from pathlib import Path

from hdl.boards.bitstream import Bitstream
from hdl.boards.board import Pins
from hdl.boards.families import NETLIST
from hdl.build import cached_build
from hdl.errors import BuildError
from hdl.synth.toolbox import copy_sources, run_tool, tool_version, yosys_share

MODELS = Path(__file__).resolve().parent / "cells"
"""Models of ours, a file for a family, of the cells that Yosys has as black boxes only."""
TOP = "gates_top"
CELLS, WHOLE, HIERARCHY, GATES, WRAPPER = "cells.v", "whole.v", "hierarchy.v", "gates.v", "gates_top.sv"


def gate_sources(bitstream: Bitstream) -> list[Path]:
    """Sources of the module `TOP`, which has the ports of `decoder_top_uart` and the board's netlist inside.

    The netlist is the one that was placed and routed for this bitstream. Its cells are flattened into plain logic and
    registers, which simulate twenty times as fast as an instance for each of them.

    Raises:
        BuildError: Yosys has no model of a cell, or the family names none.
        ToolMissingError: Yosys is not installed.
    """
    board = bitstream.board.file
    family = bitstream.family
    if not family.simulation:
        raise BuildError(
            f"the gates of the {board.name} cannot be simulated: its family names no models of its cells (simulation: "
            "files of Yosys' data folder)"
        )
    models = [MODELS / f"{family.name}.sv"] if (MODELS / f"{family.name}.sv").is_file() else []
    text = "".join((yosys_share() / name).read_text(encoding="utf-8") for name in family.simulation)
    cells, whole = _plain(text, family.unflattened)
    wrapper = _wrapper(board.top, board.pins)

    def build(folder: Path) -> None:
        copy_sources([bitstream.folder / NETLIST], folder)
        (folder / CELLS).write_text(cells, encoding="utf-8")
        (folder / WHOLE).write_text(whole, encoding="utf-8")
        (folder / WRAPPER).write_text(wrapper, encoding="utf-8")
        run_tool(
            "yosys",
            ["-q", "-p", f"read_json {NETLIST}; setundef -zero; write_verilog -noattr {HIERARCHY}; design -reset; "
             f"read_verilog {HIERARCHY} {CELLS}; hierarchy -top {board.top}; proc; flatten; "
             f"opt_expr; opt_clean -purge; write_verilog -noattr {GATES}"],
            folder,
        )  # fmt: skip

    key = {
        "for": "gates",
        "netlist": bitstream.folder / NETLIST,
        "cells": [cells, whole],
        "wrapper": wrapper,
        "tool": tool_version("yosys"),
        "builder": Path(__file__),
    }
    folder = cached_build(key, build)
    return [*models, folder / WHOLE, folder / GATES, folder / WRAPPER]


def _plain(text: str, unflattened: Sequence[str]) -> tuple[str, str]:
    """Models to be flattened, and those that are not, with the macros at the top of the file.

    Attributes keep Yosys from flattening, and the files that are included are for its own mapping: both go.
    """
    text = re.sub(r"\(\*.*?\*\)|^`include.*$", "", text, flags=re.MULTILINE)
    macros = re.split(r"^module\b", text, maxsplit=1, flags=re.MULTILINE)[0]
    wanted = "|".join(unflattened) or "(?!)"
    pattern = re.compile(rf"^module (?:{wanted})\b.*?^endmodule", flags=re.MULTILINE | re.DOTALL)
    return pattern.sub("", text), "\n".join([macros, *pattern.findall(text), ""])


def _wrapper(top: str, pins: Pins) -> str:
    """Text of the module `TOP`: a board's pins by the names of decoder_top_uart's ports, other inputs low."""
    reset = "rst_ni" if pins.reset_active == "low" else "!rst_ni"
    pressed = f",\n      .{pins.reset}({reset})" if pins.reset else ""
    return f"""\
module {TOP} (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic uart_rx_i,
    output logic uart_tx_o
);
  {top} u_board (
      .{pins.clock}(clk_i),
      .{pins.receive}(uart_rx_i),
      .{pins.transmit}(uart_tx_o){pressed}
  );
endmodule
"""
