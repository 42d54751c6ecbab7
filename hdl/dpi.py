"""Compiles the C and C++ that RTL calls by DPI-C, for whatever simulation Verilator makes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hdl.build import captured, first_errors
from hdl.design import Design, read_by_compiler
from hdl.errors import BuildError

COMPILERS: Mapping[str, Sequence[str]] = {".c": ("gcc", "-std=gnu11")}
CPP_COMPILER = ("g++", "-std=gnu++17")
TIMEOUT_S = 600.0


def compile_c(design: Design, folder: Path, environment: Mapping[str, str]) -> tuple[list[Path], list[Path]]:
    """Compile a design's sources in C into objects in a folder.

    Args:
        environment: with VERILATOR_ROOT, where svdpi.h is.

    Returns:
        The objects, and the files that were read.

    Raises:
        BuildError: a source does not compile; carries the compiler's first errors.
    """
    include = Path(environment["VERILATOR_ROOT"]) / "include"
    objects, read = [], []
    for index, source in enumerate(design.of("c")):
        compiled, rule = folder / f"dpi{index}.o", folder / f"dpi{index}.d"
        command = [*COMPILERS.get(source.suffix, CPP_COMPILER), "-O2", "-fPIC", "-MMD", "-MF", str(rule)]
        command += [f"-I{include}/vltstd", f"-I{include}", *(f"-I{each}" for each in design.search_dirs)]
        command += ["-c", str(source), "-o", str(compiled)]
        done = captured(command, str(source), folder=folder, environment=environment, limit_s=TIMEOUT_S)
        if done.returncode != 0:
            raise BuildError(f"{source} does not compile:\n{first_errors(done.stderr)}")
        objects.append(compiled)
        read += [path for path in read_by_compiler(rule, folder) if not path.is_relative_to(include)]
    return objects, read
