"""Copies a design into a folder in which it stands alone: sources, what they include, data files."""

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hdl.design import MODULE_SUFFIXES, Design, Source, beyond_key, include_names, read_by_verilator, verilog_code
from hdl.errors import BuildError
from hdl.places import plain_temporary_folder
from hdl.verilator import look_over

INCLUDE = re.compile(r"`include\b")
INCLUDE_FOLDER, BELOW, KEPT = "include", "below", "kept"


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
        BuildError: a header is included by its whole path, or a data file is in the way; or as `included_files`.
    """
    besides = included_files(design)
    named = {Path(name).name for path in [*design.of("verilog"), *besides] for name in include_names(path)}
    modules = [path for path in besides if path.suffix in MODULE_SUFFIXES and path.name not in named]
    macros = _macros(design) if write_macros else ""
    sources = []
    taken: set[str] = set()
    for index, source in enumerate([*design.sources, *(Source(path, "verilog") for path in modules)]):
        name = source.path.name if source.path.name not in taken else f"{index:02d}_{source.path.name}"
        taken.add(name)
        sources.append(Source(Path(place) / name, source.language))
        _copy(source.path, folder / place / name, macros if source.language == "verilog" else "")
    include_dirs, placed = _placed_headers(design, [path for path in besides if path not in modules], place)
    for target, path in placed.items():
        _copy(path, folder / target)
    for kept in include_dirs:  # an `include "../x" is looked for from a folder, which has to be there
        (folder / kept).mkdir(parents=True, exist_ok=True)
        if not any((folder / kept).iterdir()):
            (folder / kept / KEPT).touch()
    for name in design.files:
        if (folder / name).exists():
            raise BuildError(f"{design.name}: the data file {name} has the name of another file; rename it")
    design.put_files(folder)
    read = tuple(beyond_key(design, besides))
    return Copied(tuple(sources), tuple(placed), tuple(include_dirs), tuple(design.files), read)


def _placed_headers(design: Design, headers: Iterable[Path], place: str) -> tuple[list[str], dict[str, Path]]:
    """Where copies of the headers are found by the same `include lines.

    Returns:
        The folders to be searched, in order; and each copy's name with the file that it is a copy of.
    """
    read = {os.path.normpath(path): path for path in headers}
    lines = {path: include_names(path) for path in [*design.of("verilog"), *read.values()]}
    steps_up = max((Path(name).parts.count("..") for names in lines.values() for name in names), default=0)
    below = [BELOW] * (2 * steps_up)  # a header may step up once more
    dirs = [Path(place, INCLUDE_FOLDER, str(index), *below) for index in range(len(design.search_dirs))]
    placed: dict[str, Path] = {}
    used: dict[Path, None] = {}
    waiting: list[tuple[Path, Path | None]] = [(path, None) for path in design.of("verilog")]
    while waiting:
        file, copy = waiting.pop()
        for name in lines[file]:
            for folder in dict.fromkeys([file.parent, *design.search_dirs]):
                original = read.get(os.path.normpath(folder / name))
                if original is None:
                    continue
                if Path(name).is_absolute():
                    raise BuildError(
                        f"{design.name} includes {name} by its whole path; include it by its name, and name its folder "
                        "in `include_dirs`"
                    )
                if folder == file.parent and copy is not None:
                    home = copy.parent
                else:
                    home = dirs[design.search_dirs.index(folder)]
                    used[home] = None
                target = Path(os.path.normpath(home / name))
                if target.parts[: len(Path(place).parts)] != Path(place).parts:
                    raise BuildError(f"{design.name} includes {name} from too far above {file}; use `include_dirs`")
                if target.as_posix() not in placed:
                    placed[target.as_posix()] = original
                    waiting.append((original, target))
                break
    lost = set(read.values()) - set(placed.values())
    if lost:
        raise BuildError(
            f"{design.name} includes {min(lost)} by a name that is not in quotes there; write the name out"
        )
    return [each.as_posix() for each in dirs if each in used], placed


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
