"""Builds a real board's bitstream for the command line."""

from pathlib import Path

import typer

from bridge.loop import LoopSettings
from hdl.boards.bitstream import build_bitstream, build_name
from hdl.boards.board import find_board
from hdl.boards.families import ScriptFamily
from hdl.boards.project import write_project
from hdl.boards.report import REPORT_PAGE, report_text, summary, write_bitstream
from hdl.errors import HdlError
from qtwin.boards import board_decoder
from qtwin.console import print_error
from qtwin.loops import TwinChoice, one_message
from qtwin.terminal import Console


def write_board_bitstream(
    board_name: str,
    settings: LoopSettings,
    backend_id: str | None,
    twin_choice: TwinChoice,
    clock_mhz: float | None,
    output: Path | None,
    *,
    statistics: bool,
) -> None:
    """Find the decoder, build (once per content), and write bitstream and report; prints the report.

    For a board whose bitstreams a vendor's tool makes, write the sources and a script for that tool.
    """
    console, errors = Console(), Console(stderr=True)
    with one_message(errors):
        try:
            board = find_board(board_name)
            board.clock(clock_mhz)
            decoder = board_decoder(settings, backend_id, twin_choice)
            if isinstance(board.family, ScriptFamily):
                target = output or Path("build") / build_name(board, decoder)
                command = write_project(board, decoder, target, clock_mhz, statistics=statistics)
                _print(console, (target / REPORT_PAGE).read_text(encoding="utf-8"))
                _print(console, f"project: {target}\nmake the bitstream: {command}")
                return
            errors.print(f"building {decoder.manifest.name} for the {board.file.name} (minutes, once per content)")
            bitstream = build_bitstream(board, decoder, clock_mhz, statistics=statistics)
            file = write_bitstream(bitstream, output or Path("build") / bitstream.name)
        except HdlError as error:
            print_error(errors, error)
            raise typer.Exit(1) from error
    _print(console, report_text(summary(bitstream)))
    _print(console, f"bitstream: {file}")


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
