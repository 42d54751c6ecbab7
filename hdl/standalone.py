"""Copies a design into a folder in which it stands alone: sources, what they include, data files."""

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hdl.design import Design, Source, beyond_key, read_by_verilator, verilog_code
from hdl.errors import BuildError
from hdl.places import plain_temporary_folder
from hdl.verilator import look_over

INCLUDE = re.compile(r"^\s*`include\b", re.MULTILINE)
INCLUDED_NAME = re.compile(r'^\s*`include\s+"([^"]+)"', re.MULTILINE)
INCLUDE_FOLDER = "include"
MODULE_SUFFIXES = (".sv", ".v")
"""Of files that simulators find by the name of a module."""


@dataclass(frozen=True)
class Copied:
    """A design in a folder; every name is relative to the folder.

    Attributes:
        sources: in the order of the design's own list; names differ.
        headers: included files.
        include_dirs: where these are looked for, in this order.
        files: the design's data files, under the names that the RTL has for them.
        read: what was read besides what the design names; see `hdl.design.beyond_key`.
    """

    sources: tuple[Source, ...]
    headers: tuple[str, ...]
    include_dirs: tuple[str, ...]
    files: tuple[str, ...]
    read: tuple[Path, ...]

    def design(self, design: Design, folder: Path) -> Design:
        """The design that was copied, with the copies in `folder`."""
        return replace(
            design,
            sources=tuple(Source(folder / each.path, each.language) for each in self.sources),
            include_dirs=tuple(folder / each for each in self.include_dirs),
            files={name: folder / name for name in self.files},
        )

    def manifest(self) -> dict[str, Any]:
        """The fields of a decoder.yaml in the folder."""
        return {
            "sources": [{"file": str(each.path), "language": each.language} for each in self.sources],
            "include_dirs": list(self.include_dirs),
            "files": list(self.files),
        }


def included_files(design: Design) -> list[Path]:
    """The files that the design's Verilog reads besides its sources: headers, and modules found by their name.

    Raises:
        ToolMissingError: no Verilator. BuildError: Verilator does not take the design; carries its first errors.
    """
    sources = design.of("verilog")
    if not _may_read_more(design, sources):
        return []
    with tempfile.TemporaryDirectory(dir=plain_temporary_folder()) as scratch:
        look_over(design, ["--MMD", "--prefix", "Vtop", "--Mdir", scratch])
        known = set(sources)
        return [path for path in read_by_verilator(Path(scratch), Path(scratch)) if path not in known]


def _may_read_more(design: Design, sources: Iterable[Path]) -> bool:
    """Whether there is an `include, or a file that a module may be found in: else there is no need to ask Verilator."""
    known = set(sources)
    beside = (path for folder in design.search_dirs for suffix in MODULE_SUFFIXES for path in folder.glob(f"*{suffix}"))
    return any(path not in known for path in beside) or any(INCLUDE.search(verilog_code(path)) for path in known)


def copy_design(design: Design, folder: Path, place: str = "rtl", *, write_macros: bool = False) -> Copied:
    """Copy a design's sources and headers into `folder / place`, and its data files into `folder`.

    Args:
        write_macros: the design's macros become lines at the head of each Verilog source, for a tool that keeps the
            files and not the settings.

    Raises:
        BuildError: a header lies outside every folder that is searched, or a data file is in the way; or as
            `included_files`.
    """
    besides = included_files(design)
    headers = _included_by_name([*design.of("verilog"), *besides])
    modules = [path for path in besides if path.suffix in MODULE_SUFFIXES and path.name not in headers]
    macros = _macros(design) if write_macros else ""
    sources = []
    taken: set[str] = set()
    for index, source in enumerate([*design.sources, *(Source(path, "verilog") for path in modules)]):
        name = source.path.name if source.path.name not in taken else f"{index:02d}_{source.path.name}"
        taken.add(name)
        sources.append(Source(Path(place) / name, source.language))
        _copy(source.path, folder / place / name, macros if source.language == "verilog" else "")
    searched: dict[Path, str] = {}
    copies: list[str] = []
    for path in besides:
        if path in modules:
            continue
        found = _place_of(path, design)
        if found is None:
            raise BuildError(
                f"{design.name} includes {path} by its whole path; include it by its name, and name its folder in "
                "`include_dirs`"
            )
        home, beside = found
        searched[home] = f"{place}/{INCLUDE_FOLDER}/{design.search_dirs.index(home)}"
        target = (folder / searched[home] / beside).resolve()
        if not target.is_relative_to((folder / place).resolve()):
            raise BuildError(f"{design.name} includes {path} from above its folders; name its folder in `include_dirs`")
        _copy(path, target)
        copies.append(target.relative_to(folder.resolve()).as_posix())
    for name in design.files:
        if (folder / name).exists():
            raise BuildError(f"{design.name}: the data file {name} has the name of another file; rename it")
    design.put_files(folder)
    ordered = tuple(searched[each] for each in design.search_dirs if each in searched)
    return Copied(tuple(sources), tuple(copies), ordered, tuple(design.files), tuple(beyond_key(design, besides)))


def _included_by_name(files: Iterable[Path]) -> set[str]:
    """Names, without folders, in all `include lines."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in files)
    return {Path(name).name for text in texts for name in INCLUDED_NAME.findall(text)}


def _place_of(path: Path, design: Design) -> tuple[Path, Path] | None:
    """The folder in which an included file was found, and its name from there; None where it is in none of them."""
    plain = Path(os.path.normpath(path))
    for folder in design.search_dirs:
        if plain.is_relative_to(os.path.normpath(folder)):
            return folder, plain.relative_to(os.path.normpath(folder))
    return next(((each, path.relative_to(each)) for each in design.search_dirs if path.is_relative_to(each)), None)


def _macros(design: Design) -> str:
    return "".join(
        f"`ifndef {name}\n`define {name}{'' if text is None else f' {text}'}\n`endif\n"
        for name, text in design.defines.items()
    )


def _copy(source: Path, target: Path, head: str = "") -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(head.encode() + source.read_bytes())


def yosys_read(design: Design, folder: Path, others: Iterable[str] = ()) -> str:
    """The command with which Yosys, running in `folder`, reads a design that was copied below it, and other files.

    Raises:
        BuildError: there is C in it, which no gates can be made of; or VHDL, see `hdl.ghdl.verilog_of`.
    """
    for source in design.sources:
        if source.language != "verilog":
            raise BuildError(f"{design.name}: {source.path.name} is no Verilog, and Yosys makes gates of nothing else")
    options = [f"-I{each.relative_to(folder).as_posix()}" for each in design.search_dirs]
    options += [f"-D{name}" if text is None else f"-D{name}={text}" for name, text in design.defines.items()]
    names = [path.relative_to(folder).as_posix() for path in design.of("verilog")]
    return " ".join(["read_verilog", "-sv", *map(_quoted, [*options, *names, *others])])


def _quoted(text: str) -> str:
    return f'"{text}"' if re.search(r"[^\w./=+-]", text) else text
