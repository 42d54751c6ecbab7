"""The built wheel carries everything: installed outside the checkout, it closes the loop."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 240
PACKAGES = ("qtwin", "twin", "bridge", "hdl", "qds1", "config")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
    (built,) = folder.glob("qtwin-*.whl")
    return built


def test_wheel_holds_every_source_config_and_rtl_file(wheel: Path) -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.is_file()]
    names = {file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts}
    expected = {f"twin/_{name}" if name.startswith("config/") else name for name in names}
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_loop_runs_from_the_wheel_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=TIMEOUT_S)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    where = subprocess.run(
        [sys.executable, "-c", "import twin, hdl; print(twin.__file__, hdl.__file__)"],
        cwd=elsewhere, env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT_S,
    ).stdout.split()  # fmt: skip
    assert all(Path(file).is_relative_to(site) for file in where)
    done = subprocess.run(
        [sys.executable, "-m", "qtwin", "loop", "--code", "repetition", "--shots", "1000"],
        cwd=elsewhere, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "metric_source = decoder" in done.stdout
    (report,) = (elsewhere / "runs").iterdir()
    assert (report / "report.png").exists()
