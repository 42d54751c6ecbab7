"""Who may import whom, read from the sources' own import statements."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"qtwin", "twin", "bridge", "hdl", "qds1", "cocotb_tests", "tests", "benchmarks"}
MAY_IMPORT = {
    "qds1": {"qds1"},
    "twin": {"twin", "qds1"},
    "hdl": {"hdl", "qds1"},
    "bridge": {"bridge", "hdl", "qds1", "twin.client"},
    "qtwin": {"qtwin", "twin", "bridge", "hdl", "qds1"},
}
ONLY_IN = {
    "cocotb": ("bridge/links/cosim", "bridge/testbench", "cocotb_tests", "hdl/simulation.py"),
    "serial": ("bridge/links", "tests", "qtwin"),
    "pynq": ("bridge/links/pynq", "tests"),
    "grpc": ("bridge/links/pynq", "bridge/boards/pynq", "tests"),
    "jwt": ("twin/gateway", "tests"),
    "fastapi": ("twin/api", "twin/gateway", "twin/app.py", "twin/lifespan.py", "twin/serve.py", "tests"),
    "sqlalchemy": ("twin/store", "tests"),
}


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the direction; write the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(f"{allowed}.")


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_package_imports_only_what_it_may(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files, f"{package} has no sources"
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in imports_of(file)
        if name.split(".")[0] in OURS and not any(is_within(name, allowed) for allowed in MAY_IMPORT[package])
    ]
    assert wrong == []


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_library_is_imported_only_where_it_belongs(library: str) -> None:
    wrong = [
        str(file.relative_to(ROOT))
        for package in (*MAY_IMPORT, "cocotb_tests", "tests")
        for file in (ROOT / package).rglob("*.py")
        if any(is_within(name, library) for name in imports_of(file))
        and not str(file.relative_to(ROOT)).startswith(ONLY_IN[library])
    ]
    assert wrong == []
