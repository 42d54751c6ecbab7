"""Simulations for cocotb: what was built once runs again, also from elsewhere, and failures are seen."""

from pathlib import Path

import cocotb_tools.config
import pytest

from hdl.errors import BuildError, SimulationError
from hdl.simulation import build_simulation, run_simulation
from tests.tools import needs_simulator

INVERTER = "module inverter(input logic a_i, output logic y_o); assign y_o = ~a_i; endmodule\n"
TESTS = """
import cocotb
from cocotb.triggers import Timer

@cocotb.test()
async def inverts(dut):
    dut.a_i.value = {a}
    await Timer(1, "ns")
    assert dut.y_o.value == 1
"""


@pytest.fixture
def inverter(tmp_path: Path) -> Path:
    source = tmp_path / "inverter.sv"
    source.write_text(INVERTER)
    return source


def write_tests(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, a: int) -> str:
    """Importable module with one cocotb test, which fails unless a is 0."""
    (folder / f"{name}.py").write_text(TESTS.format(a=a))
    monkeypatch.syspath_prepend(folder)
    return name


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_build_outlives_the_environment_it_was_made_in(
    simulator: str, inverter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_simulator(simulator)
    monkeypatch.setenv("QTWIN_CACHE_DIR", str(tmp_path / "cache"))
    module = write_tests(tmp_path, monkeypatch, "passes", a=0)
    gone = tmp_path / "libs"
    gone.symlink_to(cocotb_tools.config.libs_dir)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(cocotb_tools.config, "libs_dir", gone)
        folder = build_simulation(simulator, top="inverter", sources=[inverter], parameters={})
    gone.unlink()

    run_simulation(simulator, folder, top="inverter", test_module=module, work_folder=tmp_path)


@pytest.mark.parametrize("inside_pytest", [True, False])
def test_failed_test_is_an_error(
    inside_pytest: bool, inverter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_simulator("icarus")
    module = write_tests(tmp_path, monkeypatch, "fails", a=1)
    folder = build_simulation("icarus", top="inverter", sources=[inverter], parameters={})
    if not inside_pytest:
        monkeypatch.delenv("PYTEST_CURRENT_TEST")

    with pytest.raises(SimulationError, match=r"inverter in icarus(.|\n)*inverts"):
        run_simulation(
            "icarus", folder, top="inverter", test_module=module, work_folder=tmp_path, log_file=tmp_path / "log"
        )


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_rtl_that_does_not_compile_is_named(simulator: str, inverter: Path) -> None:
    needs_simulator(simulator)
    inverter.write_text("module inverter(; endmodule\n")

    with pytest.raises(BuildError, match=rf"mine does not compile in {simulator}(.|\n)*inverter\.sv"):
        build_simulation(simulator, top="inverter", sources=[inverter], parameters={}, name="mine")
