"""Builds a real board's bitstream for the command line."""

from pathlib import Path

import typer

from bridge.loop import LoopSettings
from hdl.boards.bitstream import build_bitstream
from hdl.boards.board import find_board
from hdl.boards.report import report_text, summary, write_bitstream
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
) -> None:
    """Find the decoder, build (once per content), and write bitstream and report; prints the report."""
    console, errors = Console(), Console(stderr=True)
    with one_message(errors):
        try:
            board = find_board(board_name)
            board.clock(clock_mhz)
            decoder = board_decoder(settings, backend_id, twin_choice)
            errors.print(f"building {decoder.manifest.name} for the {board.file.name} (minutes, once per content)")
            bitstream = build_bitstream(board, decoder, clock_mhz)
            file = write_bitstream(bitstream, output or Path("build") / bitstream.name)
        except HdlError as error:
            print_error(errors, error)
            raise typer.Exit(1) from error
    console.print(report_text(summary(bitstream)), markup=False, highlight=False, soft_wrap=True)
    console.print(f"bitstream: {file}", markup=False, highlight=False, soft_wrap=True)
