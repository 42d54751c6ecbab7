"""The programs that builds need: whether they are there, and one message with one command where some are not."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import find_libpython

from hdl.errors import ToolMissingError

PERL_MODULES = ("FindBin", "Pod::Usage")
"""Of those that the script `verilator` loads, what Debian's perl-base and Fedora's perl-interpreter leave out."""
PERL_TIMEOUT_S = 60.0
LIBPYTHON_VARIABLE = "LIBPYTHON_LOC"
"""Where cocotb takes libpython from, before it looks for one."""
SHARED_PYTHON = "a shared libpython"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class _Tool:
    """A program, and the package that it comes in.

    Attributes:
        title: for messages.
        debian, fedora, macos: package for apt-get, dnf, brew.
    """

    title: str
    debian: str
    fedora: str
    macos: str
    is_there: Callable[[], bool]


def _has(*commands: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(command) for command in commands)


def _has_perl() -> bool:
    perl = shutil.which("perl")
    return perl is not None and _loads_modules(perl)


@cache
def _loads_modules(perl: str) -> bool:
    command = [perl, *(f"-M{module}" for module in PERL_MODULES), "-e1"]
    return subprocess.run(command, capture_output=True, check=False, timeout=PERL_TIMEOUT_S).returncode == 0


@cache
def shared_python() -> Path | None:
    """The shared library of the running Python, which a simulator loads for cocotb; None where there is none.

    A Python that has none may find that of another installation: it must be of the very same version.
    """
    for candidate in map(Path, find_libpython.candidate_paths()):
        if candidate.is_absolute() and candidate.is_file() and _version_of(candidate) == platform.python_version():
            return candidate.resolve()
    return None


def _version_of(library: Path) -> str | None:
    """Version of a libpython, "3.11.7"; None when it does not load."""
    try:
        function = ctypes.CDLL(str(library)).Py_GetVersion
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_char_p
    return str(function().decode().split()[0])


TOOLS = {
    "make": _Tool("make", "make", "make", "make", _has("make")),
    "g++": _Tool("g++", "g++", "gcc-c++", "gcc", _has("g++")),
    "perl": _Tool("perl with its modules", "perl", "perl", "perl", _has_perl),
    "iverilog": _Tool("Icarus Verilog", "iverilog", "iverilog", "icarus-verilog", _has("iverilog", "vvp")),
    "ghdl": _Tool("GHDL", "ghdl", "ghdl", "ghdl", _has("ghdl")),
    "nvc": _Tool("NVC", "nvc", "nvc", "nvc", _has("nvc")),
    "libpython": _Tool(
        f"{SHARED_PYTHON} {PYTHON} (for cocotb)",
        f"libpython{PYTHON}-dev",
        "python3-libs",
        f"python@{PYTHON}",
        lambda: LIBPYTHON_VARIABLE in os.environ or shared_python() is not None,
    ),
}
INSTALLERS = {
    "apt-get": ("on Debian or Ubuntu: apt-get install", "debian"),
    "dnf": ("on Fedora: dnf install", "fedora"),
    "brew": ("on macOS: brew install", "macos"),
}
"""Installer -> what to say before the packages, and which of a tool's names it knows."""


def require(*names: str) -> None:
    """Raise ToolMissingError unless all of these `TOOLS` are there; says how to get all that are not."""
    missing = [name for name in names if not TOOLS[name].is_there()]
    sentences = []
    if "libpython" in missing and not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        missing.remove("libpython")  # no package has it
        sentences.append(_static_python())
    if missing:
        sentences.insert(0, _packages([TOOLS[name] for name in missing]))
    if sentences:
        raise ToolMissingError("\n".join(sentences))


def _packages(missing: list[_Tool]) -> str:
    installer = next(filter(shutil.which, INSTALLERS), "apt-get")
    command, system = INSTALLERS[installer]
    titles = [tool.title for tool in missing]
    listed = " and ".join(filter(None, [", ".join(titles[:-1]), titles[-1]]))
    packages = " ".join(getattr(tool, system) for tool in missing)
    return f"{listed} {'is' if len(missing) == 1 else 'are'} not installed; {command} {packages}"


def _static_python() -> str:
    version = platform.python_version()
    return (
        f"this Python ({sys.executable}, {version}) is built without {SHARED_PYTHON}, which cocotb needs; the links "
        "software, verilated, uart and pynq need none and go on working. For cocotb make the environment with another "
        f"Python, such as the system's; with pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {version}"
    )
