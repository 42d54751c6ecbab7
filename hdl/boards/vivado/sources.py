"""Copies a design into one folder, with all that its text names beside its sources: a project that can be sent away."""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hdl.design import Design, Language, Source, beyond_key

INCLUDE = re.compile(r'^\s*`include\s+"([^"]+)"', re.MULTILINE)
INSTANCE = re.compile(r"\b([A-Za-z_]\w*)\s*(?:#\s*\(|\s[A-Za-z_]\w*\s*(?:\[[^\]]*\]\s*)?\()")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
MODULE_SUFFIXES = (".sv", ".v")
"""Of files that the simulators find by the name of the module in them."""
HEADERS, ELSEWHERE = "include", "rtl"


@dataclass(frozen=True, slots=True)
class Copied:
    """A design in a folder of its own; paths are relative to it.

    Attributes:
        sources: path and language.
        headers: included files; include_dirs: where they are looked for.
        files: data that the RTL reads.
        read: what a copy depends on besides the sources and the data; see `hdl.design.beyond_key`.
    """

    sources: tuple[tuple[str, Language], ...]
    headers: tuple[str, ...]
    include_dirs: tuple[str, ...]
    files: tuple[str, ...]
    read: tuple[Path, ...]


def copy_design(design: Design, home: Path, folder: Path) -> Copied:
    """Copy sources, included files, modules found by their name, and data.

    Macros become lines at the head of every Verilog source: a packaged IP keeps its files, not its project's settings.

    Args:
        home: sources below it keep their place; of others two may share a name, and get a number.
        folder: where to.
    """
    sources = [*design.sources, *(Source(path, "verilog") for path in _modules_by_name(design))]
    head = _defines(design.defines)
    names: list[tuple[str, Language]] = []
    file_names = [source.path.name for source in sources]
    for index, source in enumerate(sources):
        number = "" if file_names.count(source.path.name) == 1 else f"{index:02}_"
        name = f"{ELSEWHERE}/{number}{source.path.name}"
        if source.path.is_relative_to(home) and ".." not in source.path.parts:
            name = str(source.path.relative_to(home))
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if head and source.language == "verilog":
            target.write_bytes(head.encode() + source.path.read_bytes())
        else:
            shutil.copyfile(source.path, target)
        names.append((name, source.language))
    headers, include_dirs, read = _copy_headers(design, [source.path for source in sources], folder)
    design.put_files(folder)
    added = [source.path for source in sources[len(design.sources) :]]
    return Copied(
        tuple(names),
        tuple(headers),
        tuple(include_dirs),
        tuple(design.files),
        tuple(beyond_key(design, (*read, *added))),
    )


def _defines(defines: Mapping[str, int | str | None]) -> str:
    return "".join(
        f"`ifndef {name}\n`define {name}{'' if value is None else f' {value}'}\n`endif\n"
        for name, value in defines.items()
    )


def _copy_headers(design: Design, sources: Iterable[Path], folder: Path) -> tuple[list[str], list[str], list[Path]]:
    """Paths of the copies, the folders to look in, and the originals; each search folder becomes one of its own."""
    places = list(design.search_dirs)
    found: dict[Path, str] = {}
    waiting = list(sources)
    while waiting:
        file = waiting.pop()
        for name in INCLUDE.findall(_code(file)):
            for index, place in enumerate([*places, file.parent]):
                original = place / name
                if original.is_file():
                    copy = f"{HEADERS}/{index:02}/{name}" if index < len(places) else _beside(found.get(file, ""), name)
                    if original not in found and copy and not Path(name).is_absolute():
                        found[original] = copy
                        waiting.append(original)
                    break
    for original, copy in found.items():
        target = folder / copy
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, target)
    used = sorted({"/".join(copy.split("/")[:2]) for copy in found.values()})
    return list(found.values()), used, list(found)


def _beside(copy: str, name: str) -> str:
    """Where a file goes that is included by one at `copy`, from that one's own folder."""
    return f"{copy.rpartition('/')[0]}/{name}" if copy else ""


def _modules_by_name(design: Design) -> list[Path]:
    """Files that no list names, and that a simulator takes because a module of that name is used."""
    verilog = [source.path for source in design.sources if source.language == "verilog"]
    known = {path.stem for path in verilog}
    candidates = {path.stem: path for path in reversed(list(_files_beside(design))) if path.stem not in known}
    taken: dict[str, Path] = {}
    waiting = list(verilog)
    while waiting:
        for name in set(INSTANCE.findall(_code(waiting.pop()))) & candidates.keys() - taken.keys():
            taken[name] = candidates[name]
            waiting.append(candidates[name])
    return [taken[name] for name in sorted(taken)]


def _files_beside(design: Design) -> Iterator[Path]:
    for place in design.search_dirs:
        for suffix in MODULE_SUFFIXES:
            yield from sorted(place.glob(f"*{suffix}"))


def _code(file: Path) -> str:
    return COMMENT.sub(" ", file.read_text(encoding="utf-8", errors="replace"))
