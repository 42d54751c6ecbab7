"""`python -m hdl.boards BOARD DECODER [-o FOLDER]`: the bitstream of any decoder folder, or the vendor's project."""

import argparse
import sys
from pathlib import Path

from hdl.boards.bitstream import build_bitstream, build_name
from hdl.boards.board import boards, find_board
from hdl.boards.families import ScriptFamily
from hdl.boards.project import write_project
from hdl.boards.report import report_text, summary, write_bitstream
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError


def main() -> None:
    """Build, and print the report."""
    parser = argparse.ArgumentParser(prog="python -m hdl.boards", description=__doc__)
    parser.add_argument("board", help=f"{', '.join(boards())}, or a folder with a board.yaml")
    parser.add_argument("decoder", type=Path, help="a decoder.yaml, or the folder that holds one")
    parser.add_argument("--clock", type=float, metavar="MHZ", help="one of the board's clocks; default: its first")
    parser.add_argument("--without", choices=["statistics"], help="what to leave out, for a small FPGA")
    parser.add_argument("-o", "--output", type=Path, help="folder to write; default: build/BOARD-DECODER")
    arguments = parser.parse_args()
    try:
        board = find_board(arguments.board)
        decoder = DecoderFolder(arguments.decoder)
        statistics = arguments.without is None
        target = arguments.output or Path("build") / build_name(board, decoder)
        if isinstance(board.family, ScriptFamily):
            print(
                f"make the bitstream: {write_project(board, decoder, target, arguments.clock, statistics=statistics)}"
            )
            return
        bitstream = build_bitstream(board, decoder, arguments.clock, statistics=statistics)
        print(report_text(summary(bitstream)))
        print(write_bitstream(bitstream, target))
    except (HdlError, OSError) as error:
        sys.exit(f"qtwin: {error}")


if __name__ == "__main__":
    main()
