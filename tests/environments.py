"""Environments with another Python and other packages than the tests' own, kept in the cache by what is in them."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from filelock import FileLock

from hdl.places import cache_folder

INSTALL_S = 900
ASK_S = 30
LOCK_S = 1200


def environment(python: str, packages: Sequence[str]) -> Path:
    """The interpreter of a virtual environment; skips the test where it cannot be made here.

    Args:
        python: version of the interpreter, such as "3.10".
        packages: as for pip.
    """
    interpreter = _interpreter(python)
    name = hashlib.sha256("\n".join([str(interpreter), *packages]).encode()).hexdigest()[:16]
    folder = cache_folder() / "environments" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = folder / ".done"
    with FileLock(folder.with_suffix(".lock"), timeout=LOCK_S):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run([str(interpreter), "-m", "venv", str(folder)])
            _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages])
            done.touch()
    return folder / "bin" / "python"


def _interpreter(python: str) -> Path:
    of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{python}.*/bin/python"))
    of_uv = sorted(Path.home().glob(f".local/share/uv/python/cpython-{python}.*/bin/python3"))
    on_path = shutil.which(f"python{python}")
    for candidate in [*([Path(on_path)] if on_path else []), *of_pyenv, *of_uv]:
        found = subprocess.run(
            [str(candidate), "-c", "import sys, venv, ensurepip; print(sys.executable, *sys.version_info[:2])"],
            capture_output=True, text=True, check=False, timeout=ASK_S,
        )  # fmt: skip
        executable, *version = found.stdout.split() or [""]
        if found.returncode == 0 and ".".join(version) == python:
            return Path(executable)
    pytest.skip(f"there is no Python {python} with venv here; install it, for example: uv python install {python}")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        pytest.skip(f"{' '.join(command)} failed, is PyPI reached from here? {said[-1] if said else ''}")
