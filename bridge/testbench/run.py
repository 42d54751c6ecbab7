"""Runs the cocotb tests of a decoder's folder: builds its RTL once per content, and starts the simulator."""

import os
import sys
from pathlib import Path

from cocotb_tools.runner import get_runner

from bridge.links.cosim.simulate import build_simulation
from hdl.build import cocotb_environment
from hdl.compile.manifest import DecoderFolder
from hdl.errors import ToolMissingError

SIMULATORS = ("verilator", "icarus")
TAIL_LINES = 40


class SimulationFailedError(AssertionError):
    """A test in the simulator failed; carries the end of the log."""


def installed_simulators() -> list[str]:
    """Those of Verilator and Icarus that are there."""
    found = []
    for name in SIMULATORS:
        try:
            cocotb_environment(name)
        except ToolMissingError:
            continue
        found.append(name)
    return found


def run_in_simulator(decoder: Path, test_module: str, simulator: str, work_folder: Path) -> None:
    """Run every cocotb test of a module on a decoder.

    Args:
        decoder: folder of the manifest; the module is looked for there first.
        test_module: name of the module with the cocotb tests.
        simulator: "verilator" or "icarus".
        work_folder: where the log and the results go.

    Raises:
        HdlError: the decoder does not build, or the simulator is not installed.
        SimulationFailedError: a test failed.
    """
    folder = DecoderFolder(decoder)
    build_folder = build_simulation(folder, simulator)
    log = work_folder / "simulation.log"
    saved = dict(os.environ)
    # the runner passes on os.environ and sys.path, and takes no others
    os.environ.update(cocotb_environment(simulator))
    sys.path.insert(0, str(folder.path))
    try:
        get_runner(simulator).test(
            test_module=test_module,
            hdl_toplevel=folder.manifest.top,
            hdl_toplevel_lang="verilog",
            build_dir=build_folder,
            test_dir=folder.path,
            results_xml=str(work_folder / "results.xml"),
            timescale=("1ns", "1ps"),
            log_file=log,
        )
    except SystemExit as error:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        raise SimulationFailedError(f"{test_module} on {folder.manifest.name} in {simulator}:\n{tail}") from error
    finally:
        sys.path.remove(str(folder.path))
        os.environ.clear()
        os.environ.update(saved)
