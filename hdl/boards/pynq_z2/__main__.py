"""`python -m hdl.boards.pynq_z2 DECODER [-o FOLDER]`: the Vivado project of any decoder folder."""

import argparse
import sys
from pathlib import Path

from hdl.boards.pynq_z2 import PROJECT_FOLDER
from hdl.boards.pynq_z2.project import write_project
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError


def main() -> None:
    """Write the project, and say how to build it."""
    parser = argparse.ArgumentParser(prog="python -m hdl.boards.pynq_z2", description=__doc__)
    parser.add_argument("decoder", type=Path, help="a decoder.yaml, or the folder that holds one")
    parser.add_argument("-o", "--output", type=Path, help=f"default: {PROJECT_FOLDER} in the decoder's folder")
    arguments = parser.parse_args()
    try:
        decoder = DecoderFolder(arguments.decoder)
        output = arguments.output or decoder.path / PROJECT_FOLDER
        write_project(decoder, output)
    except (HdlError, OSError) as error:
        sys.exit(f"qtwin: {error}")
    print(f"wrote {output}; build the overlay with: vivado -mode batch -source {output / 'build.tcl'}")


if __name__ == "__main__":
    main()
