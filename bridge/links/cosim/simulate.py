"""Builds a decoder for a cocotb simulator, and (as a process of its own) runs the simulation that serves it."""

import sys
from pathlib import Path

from hdl.build import VERILATOR_SPEED_FLAGS
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError
from hdl.simulation import build_design, run_simulation


def build_decoder(decoder: DecoderFolder, simulator: str) -> Path:
    """Folder of the built simulation; see `hdl.simulation.build_design` for what it raises."""
    flags = (*VERILATOR_SPEED_FLAGS, "--no-public-flat-rw", "-CFLAGS", "-O3")
    return build_design(simulator, decoder.design, verilator_flags=flags, ports_only=True)


def main() -> None:
    """Run a built simulation; arguments: SIMULATOR BUILD_FOLDER TOP WORK_FOLDER."""
    simulator, build_folder, top, work_folder = sys.argv[1:]
    server = "bridge.links.cosim.server"
    try:
        run_simulation(simulator, Path(build_folder), top=top, test_module=server, work_folder=Path(work_folder))
    except HdlError as error:
        sys.exit(str(error))
