"""Builds decoder.sv, and runs the cocotb tests of test_decoder.py on it: python run.py [verilator|icarus]."""

import os
import sys
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from hdl.build import cocotb_environment

HERE = Path(__file__).resolve().parent
TOP = "my_decoder"
simulator = sys.argv[1] if len(sys.argv) > 1 else "verilator"
build_dir = HERE / "sim_build" / simulator

os.environ.update(cocotb_environment(simulator))  # finds the Verilator that came with qtwin
runner = get_runner(simulator)
runner.build(sources=[HERE / "decoder.sv"], hdl_toplevel=TOP, build_dir=build_dir, timescale=("1ns", "1ps"))
results = runner.test(test_module="test_decoder", hdl_toplevel=TOP, build_dir=build_dir, test_dir=HERE)
num_tests, num_failed = get_results(results)
sys.exit(num_failed != 0 or num_tests == 0)
