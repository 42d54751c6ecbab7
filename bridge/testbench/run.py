"""Runs the cocotb tests of a decoder's folder: builds its RTL once per content, and starts the simulator."""

import sys
from pathlib import Path

from bridge.links.cosim.simulate import build_decoder
from hdl.build import cocotb_environment
from hdl.compile.manifest import DecoderFolder
from hdl.compile.stream_wrapper import with_qds1_ports
from hdl.errors import ToolMissingError
from hdl.simulation import run_simulation

SIMULATORS = ("verilator", "icarus")


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
        HdlError: the decoder does not build, or the simulator is not installed; `SimulationError`: a test failed.
    """
    folder = DecoderFolder(decoder)
    built = with_qds1_ports(folder)
    build_folder = build_decoder(built, simulator)
    sys.path.insert(0, str(folder.path))  # what the simulator's own Python gets to see as well
    try:
        run_simulation(
            simulator,
            build_folder,
            top=built.manifest.top,
            test_module=test_module,
            work_folder=folder.path,
            results_folder=work_folder,
            log_file=work_folder / "simulation.log",
        )
    finally:
        sys.path.remove(str(folder.path))
