"""Builds decoder.sv, and runs the cocotb tests of test_decoder.py on it: python run.py [verilator|icarus]."""

import sys
from pathlib import Path

from hdl.errors import HdlError
from hdl.simulation import build_simulation, run_simulation

HERE = Path(__file__).resolve().parent
SOURCES = [HERE / "decoder.sv"]
TOP = "my_decoder"
simulator = sys.argv[1] if len(sys.argv) > 1 else "verilator"

try:
    build = build_simulation(simulator, top=TOP, sources=SOURCES, parameters={})
    run_simulation(simulator, build, top=TOP, test_module="test_decoder", work_folder=HERE)
except HdlError as error:  # a tool is missing, the design does not compile, a test failed
    sys.exit(str(error))
