"""`python -m hdl.boards.vivado BOARD DECODER [-o FOLDER]`: the Vivado project of any decoder folder."""

import argparse
import sys
from pathlib import Path

from hdl.boards.vivado.board import boards, find_board
from hdl.boards.vivado.project import write_project
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError


def main() -> None:
    """Write the project, and say how to build it."""
    parser = argparse.ArgumentParser(prog="python -m hdl.boards.vivado", description=__doc__)
    parser.add_argument("board", help=f"{', '.join(boards())}, or a file .yaml that describes one")
    parser.add_argument("decoder", type=Path, help="a decoder.yaml, or the folder that holds one")
    parser.add_argument("-o", "--output", type=Path, help="default: the board's name in the decoder's folder")
    arguments = parser.parse_args()
    try:
        board, decoder = find_board(arguments.board), DecoderFolder(arguments.decoder)
        output = arguments.output or decoder.path / board.key
        write_project(decoder, board, output)
    except (HdlError, OSError) as error:
        sys.exit(f"qtwin: {error}")
    print(f"wrote {output}; build the overlay with: vivado -mode batch -source {output / 'build.tcl'}")


if __name__ == "__main__":
    main()
