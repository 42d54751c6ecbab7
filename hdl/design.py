"""What a tool is given to build: RTL in its languages, include folders, macros, data files and parameters."""

import re
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from hdl.errors import BuildError

Language = Literal["verilog", "vhdl", "c"]
LANGUAGES: Mapping[str, Language] = {
    ".v": "verilog", ".sv": "verilog", ".vh": "verilog", ".svh": "verilog", ".vp": "verilog", ".svp": "verilog",
    ".vhd": "vhdl", ".vhdl": "vhdl",
    ".c": "c", ".cc": "c", ".cpp": "c", ".cxx": "c",
}  # fmt: skip
"""Language of a source by its suffix, in small letters."""
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
DATA_REMEDY = (
    "the RTL, a parameter or a macro names data with {name!r}, where builds do not follow it; list the file in `files` "
    "of decoder.yaml, and let the RTL use the name that it has there"
)
PACKAGE = re.compile(r"\bpackage\s+(?:automatic\s+|static\s+)?([A-Za-z_]\w*)\s*;")
PACKAGE_USE = re.compile(r"\b([A-Za-z_]\w*)\s*::")
READS_DATA = re.compile(r"\$(readmem[bh]|fopen)\s*\(")
PRINTS = re.compile(r"\$(?:display|write|fdisplay|fwrite|strobe|monitor|info|warning|error|fatal)[bho]?\s*\(")
VHDL_WRITES = re.compile(
    r"\bfile\b[^;]*\b(?:write|append)_mode\b[^;]*;|\bfile_open\s*\([^;]*\b(?:write|append)_mode\b[^;]*;"
)
VHDL_READS = re.compile(r"\bfile\s+[a-z]\w*(?:\s*,\s*\w+)*\s*:|\bfile_open\b")
VHDL_PART = re.compile(r"--[^\n]*|\"[^\"\n]*\"")
STRING = re.compile(r'"((?:\\.|[^"\\\n])*)"')
NUMBERED_CHARACTER = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2}))")
VHDL_COMMENT = re.compile(r"--[^\n]*")
VHDL_UNIT = re.compile(r"^\s*(?:entity|package(?!\s+body\b)|context)\s+([a-z]\w*)\s+is\b", re.MULTILINE)
VHDL_USE = re.compile(
    r"\bwork\s*\.\s*([a-z]\w*)|\bcomponent\s+([a-z]\w*)|\b(?:architecture\s+\w+\s+of|package\s+body)\s+([a-z]\w*)"
)
INCLUDED_NAME = re.compile(r'`include\s*"([^"]+)"')
INCLUDED_BY_MACRO = re.compile(r"`include\s*`")
MODULE_SUFFIXES = (".sv", ".v")
"""Of files that simulators find by the name of a module."""
SIZED_LITERAL = re.compile(r"(\d+\s*)?'[sS]?[bBoOdDhH][0-9a-fA-F_xXzZ]+")


@dataclass(frozen=True)
class Source:
    """A file of RTL, or of C for DPI-C."""

    path: Path
    language: Language


def language_of(path: Path) -> Language | None:
    """Language that the suffix tells; None where it tells none."""
    return LANGUAGES.get(path.suffix.lower())


@dataclass(frozen=True)
class Design:
    """RTL to build.

    Attributes:
        name: for messages.
        top: the module, or entity, that is built.
        include_dirs: searched for `include files and modules, before the folders of the sources.
        defines: macro -> text, or None for one without a text.
        files: data that the RTL reads, by the name that it reads it under.
        parameters: of the top.
        clocks: further clock inputs of the top -> ratio to clk_i.
    """

    name: str
    top: str
    sources: tuple[Source, ...]
    include_dirs: tuple[Path, ...] = ()
    defines: Mapping[str, int | str | None] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    parameters: Mapping[str, int | float | str] = field(default_factory=dict)
    clocks: Mapping[str, Fraction] = field(default_factory=dict)

    def of(self, language: Language) -> tuple[Path, ...]:
        """Sources in one language, in an order in which they compile: packages before what uses them."""
        paths = [source.path for source in self.sources if source.language == language]
        return tuple(paths if language == "c" else _in_order(paths, language))

    @property
    def search_dirs(self) -> tuple[Path, ...]:
        """Where a tool looks for what is included."""
        beside = (source.path.parent for source in self.sources if source.language != "vhdl")
        return tuple(dict.fromkeys([*self.include_dirs, *beside]))

    def key(self) -> dict[str, Any]:
        """What a build of it depends on, for `hdl.build.cached_build`; includes are found by the build itself."""
        return {
            "top": self.top,
            "sources": [[source.language, source.path] for source in self.sources],
            "defines": dict(self.defines),
            "files": dict(self.files),
            "parameters": dict(self.parameters),
            "clocks": {name: str(ratio) for name, ratio in self.clocks.items()},
        }

    def only(self, language: Language) -> "Design":
        """The same with the sources in one language alone."""
        return replace(self, sources=tuple(source for source in self.sources if source.language == language))

    def put_files(self, folder: Path) -> None:
        """Copy the data files into the folder in which a tool or a simulation runs."""
        for name, path in self.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def data_beyond_files(design: Design, besides: Iterable[Path] = ()) -> str | None:
    """A text with which the RTL names data outside of the design's files; None where there is none.

    Such data is in no key, is not copied beside a build, and does not travel. Where the name is put together of pieces,
    each text that begins as a whole path does is one. Files that are written are no data.

    Args:
        design: its parameters and macros count as well.
        besides: further files of Verilog that were read.
    """
    given = [str(value).strip('"') for value in (*design.parameters.values(), *design.defines.values())]
    verilog = [_without_comments(path) for path in (*design.of("verilog"), *besides)]
    names = [argument for text in verilog for argument in _data_arguments(text)]
    whole = [match[1] for name in names if (match := STRING.fullmatch(name))]
    if len(whole) < len(names):
        strings = (STRING.findall(_without_calls(text, PRINTS)) for text in verilog)
        whole += [text for found in strings for text in found] + given
        if any('`"' in text for text in verilog):
            return '`"'
    vhdl = [VHDL_WRITES.sub("", _vhdl_text(path)) for path in design.of("vhdl")]
    if any(map(VHDL_READS.search, vhdl)):
        whole += [part for text in vhdl for part in STRING.findall(text)] + given
    included = {name for text in verilog for name in INCLUDED_NAME.findall(text)}
    return next((text for text in sorted(set(whole) - included) if _leaves_folder(text)), None)


def _leaves_folder(name: str) -> bool:
    """Whether a name, or what begins with it, may lie outside the folder that a tool runs in."""
    plain = NUMBERED_CHARACTER.sub(lambda code: chr(int(code[1], 8) if code[1] else int(code[2], 16)), name)
    return plain.startswith("/") or ".." in plain.split("/")


def _data_arguments(text: str) -> list[str]:
    """The first argument, a name, of each call of Verilog that reads a file."""
    found = []
    for call in READS_DATA.finditer(text):
        arguments = _arguments(text, call.end())
        is_written = call[1] == "fopen" and (
            len(arguments) < 2 or not STRING.match(arguments[1]) or "r" not in arguments[1]
        )
        if arguments and not is_written:
            found.append(arguments[0])
    return found


def _without_calls(text: str, call: re.Pattern[str]) -> str:
    """The text without the arguments of some calls."""
    kept, start = [], 0
    for found in call.finditer(text):
        if found.start() >= start:
            kept.append(text[start : found.start()])
            start = found.end() + sum(len(argument) + 1 for argument in _arguments(text, found.end(), strip=False))
    return "".join([*kept, text[start:]])


def _arguments(text: str, start: int, *, strip: bool = True) -> list[str]:
    """Arguments of a call whose bracket was opened before `start`."""
    arguments, depth, begun, index = [], 0, start, start
    while index < len(text):
        string = STRING.match(text, index)
        if string:
            index = string.end()
            continue
        character = text[index]
        if depth == 0 and character in ",)":
            arguments.append(text[begun:index])
            begun = index + 1
            if character == ")":
                break
        depth += character in "([{"
        depth -= character in ")]}"
        index += 1
    return [argument.strip() for argument in arguments] if strip else arguments


def _vhdl_text(path: Path) -> str:
    """Text in small letters without comments, strings as they are."""
    parts, start = [], 0
    text = _text(path)
    for part in VHDL_PART.finditer(text):
        parts += [text[start : part.start()].lower(), part[0] if part[0].startswith('"') else " "]
        start = part.end()
    return "".join([*parts, text[start:].lower()])


def _check_data(design: Design, besides: Iterable[Path]) -> None:
    name = data_beyond_files(design, [path for path in besides if language_of(path) != "c"])
    if name is not None:
        raise BuildError(f"{design.name}: {DATA_REMEDY.format(name=name)}")


def verilog_design(name: str, top: str, sources: Iterable[Path], **more: Any) -> Design:
    """A design whose sources are Verilog all, whatever they are called."""
    return Design(name, top, tuple(Source(path, "verilog") for path in sources), **more)


def verilator_arguments(design: Design) -> list[str]:
    """Search folders, macros and parameters as Verilator takes them."""
    arguments = ["--relative-includes", *(f"-I{folder}" for folder in design.search_dirs)]
    arguments += [f"-D{name}" if text is None else f"-D{name}={text}" for name, text in design.defines.items()]
    return arguments + [f"-G{name}={literal(value)}" for name, value in sorted(design.parameters.items())]


def literal(value: int | float | str) -> str:
    """A parameter's value as Verilog text. A text such as 8'hff is a number already; any other is a string."""
    if isinstance(value, str):
        if SIZED_LITERAL.fullmatch(value):
            return value
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if isinstance(value, float):
        return repr(value)
    # a plain decimal has 32 bits
    return str(value) if -(2**31) <= value < 2**31 else f"{'-' if value < 0 else ''}64'sd{abs(value)}"


def vhdl_literal(value: int | float | str) -> str:
    """A generic's value as VHDL text."""
    if isinstance(value, str):
        if SIZED_LITERAL.fullmatch(value):
            raise BuildError(f"{value} is a number of Verilog; give a generic of VHDL a plain one, or 0x...")
        return '"' + value.replace('"', '""') + '"'
    return repr(value) if isinstance(value, int) else f"{value:.17g}" if "." in f"{value:.17g}" else f"{value:.1f}"


def read_by_verilator(objects: Path, cwd: Path) -> list[Path]:
    """The files that Verilator read for what it wrote into `objects`, its own left out."""
    (listing,) = objects.glob("*__verFiles.dat")
    text = listing.read_text(encoding="utf-8", errors="surrogateescape")
    paths = [Path(match[1]) for match in re.finditer(r'^S .*"([^"]*)"$', text, re.MULTILINE)]
    return [cwd / path for path in paths if not _is_verilators(path)]


def _is_verilators(path: Path) -> bool:
    return path.name.startswith(("verilator_bin", "verilated_std"))


def read_by_icarus(listing: Path, cwd: Path) -> list[Path]:
    """The files that `iverilog -M` listed."""
    return [cwd / line for line in listing.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if line]


def read_by_compiler(listing: Path, cwd: Path) -> list[Path]:
    """The files of a rule that `g++ -MMD` wrote."""
    _, _, after = listing.read_text(encoding="utf-8", errors="surrogateescape").replace("\\\n", " ").partition(": ")
    return [cwd / name for name in shlex.split(after.replace("$$", "$"))]


def beyond_key(design: Design, read: Iterable[Path]) -> list[Path]:
    """What a build depends on besides `Design.key`: files that were read, and where others of their names would count.

    A folder that is searched earlier may come to hold a file of the same name, or of the other suffix of a module.

    Raises:
        BuildError: a name stands for two files that differ, of which one tool takes the first and another the second.
    """
    known = {source.path for source in design.sources}
    besides = [path for path in read if path not in known]
    texts = [*design.of("verilog"), *besides]
    _check_data(design, besides)
    includes = [(file, name) for file in texts for name in include_names(file)]
    by_macro = [file for file in texts if INCLUDED_BY_MACRO.search(_without_comments(file))]
    includes += [(file, path.name) for file in by_macro for path in besides]
    for file, name in includes:
        _check_include(design, file, name)
    folders = dict.fromkeys([*design.search_dirs, *(source.path.parent for source in design.sources)])
    folders |= dict.fromkeys(path.parent for path in besides)
    included = {Path(name) for _, name in includes}
    found = {path.relative_to(folder) for path in besides for folder in folders if path.is_relative_to(folder)}
    modules = {path for path in found - included if path.suffix in MODULE_SUFFIXES}
    for module in modules:
        _check_module(design, module)
    names = included | found | {module.with_suffix(suffix) for module in modules for suffix in MODULE_SUFFIXES}
    return list(dict.fromkeys([*besides, *(folder / name for folder in folders for name in sorted(names))]))


def include_names(file: Path) -> list[str]:
    """Names in quotes in the `include lines of a file; none in one that cannot be read."""
    return INCLUDED_NAME.findall(_without_comments(file))


def _without_comments(file: Path) -> str:
    """Text of a file of Verilog, strings left in; empty where it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return COMMENT.sub(lambda part: part[0] if part[0].startswith('"') else " ", text)


def _check_include(design: Design, file: Path, name: str) -> None:
    """Icarus looks beside the file that includes first, Verilator last."""
    first, last = (
        next((path for folder in folders if (path := folder / name).is_file()), None)
        for folders in ((file.parent, *design.search_dirs), (*design.search_dirs, file.parent))
    )
    if first and last and first.read_bytes() != last.read_bytes():
        raise BuildError(_two_files(design, f"{file.name} includes {name}", first, last))


def _check_module(design: Design, name: Path) -> None:
    """A module that is found by its name is in one file of the first folder that has any."""
    for folder in design.search_dirs:
        found = [path for suffix in MODULE_SUFFIXES if (path := folder / name.with_suffix(suffix)).is_file()]
        if len({path.read_bytes() for path in found}) > 1:
            raise BuildError(_two_files(design, f"the module {name.stem} is found by its name", *found))
        if found:
            return


def _two_files(design: Design, what: str, first: Path, second: Path) -> str:
    return (
        f"{design.name}: {what}, and of two files tools take the one or the other: {first} and {second}; "
        "rename or remove one of them"
    )


def _in_order(paths: list[Path], language: Language) -> list[Path]:
    """The sources as they are, but each behind those whose packages (or entities) it uses."""
    code = verilog_code if language == "verilog" else vhdl_code
    texts = {path: code(path) for path in paths}
    declared, used = (PACKAGE, PACKAGE_USE) if language == "verilog" else (VHDL_UNIT, VHDL_USE)
    home = {name: path for path in reversed(paths) for name in declared.findall(texts[path])}
    needs = {
        path: dict.fromkeys(
            home[name]
            for match in used.finditer(text)
            for name in filter(None, match.groups())
            if name in home and home[name] != path
        )
        for path, text in texts.items()
    }
    ordered: dict[Path, None] = {}

    def place(path: Path, waiting: tuple[Path, ...]) -> None:
        if path in ordered or path in waiting:  # a circle: the tool says what is wrong
            return
        for needed in needs[path]:
            place(needed, (*waiting, path))
        ordered[path] = None

    for path in paths:
        place(path, ())
    return list(ordered)


def vhdl_code(path: Path) -> str:
    """Text without comments, in small letters; raises BuildError."""
    return VHDL_COMMENT.sub(" ", _text(path)).lower()


def verilog_code(path: Path) -> str:
    """Text without comments and strings; raises BuildError."""
    return COMMENT.sub(" ", _text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}") from error
