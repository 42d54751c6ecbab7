"""VHDL for tools that take Verilog only: GHDL makes a netlist of it, once per content."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hdl.build import cached_build, captured, first_errors, simulator_version
from hdl.design import Design, Source, vhdl_code
from hdl.errors import BuildError, ToolMissingError
from hdl.toolchain import require

NETLIST = "from_vhdl.v"
STANDARD = "--std=08"
TIMEOUT_S = 600.0
ENTITY = re.compile(r"^\s*entity\s+([a-z]\w*)\s+is\b", re.MULTILINE)
DECLARED = re.compile(
    r"^module\s+([A-Za-z_]\w*)|\b(?:input|output|inout)\s+(?:\[[^\]]*\]\s*)?([A-Za-z_]\w*)", re.MULTILINE
)
CANNOT_READ = re.compile(r"cannot open file|No such file")
NO_GENERIC = re.compile(r'no generic "(\w+)" for -g')


def is_vhdl(design: Design) -> bool:
    """Whether the top is an entity."""
    return design.top.lower() in entities(design)


def entities(design: Design) -> list[str]:
    """Names of the entities that the design's sources declare, in small letters as VHDL has them."""
    return [name for path in design.of("vhdl") for name in ENTITY.findall(vhdl_code(path))]


def verilog_of(design: Design) -> Design:
    """The design with its VHDL as a Verilog netlist; the same where it has none.

    Names keep the letters that they are declared with, small or capital. Where the top is an entity, its parameters are
    in the netlist; where it is a module, the entity is converted that no other instantiates.

    Raises:
        ToolMissingError: GHDL is not installed.
        BuildError: it does not take the VHDL; carries its own first errors.
    """
    sources = design.of("vhdl")
    if not sources:
        return design
    try:
        require("ghdl")
    except ToolMissingError as error:
        raise ToolMissingError(
            f"{design.name} is in VHDL, which takes GHDL to become Verilog for this link: {error}. "
            "(cocotb:ghdl and cocotb:nvc simulate VHDL as it is, where GHDL or NVC is installed.)"
        ) from error
    top = design.top.lower() if is_vhdl(design) else None
    values = design.parameters if top else {}
    command = ["ghdl", "--synth", STANDARD, "--out=verilog", "-Wno-library"]
    command += [f"-g{name}={value}" for name, value in sorted(values.items())]

    def build(folder: Path) -> None:
        design.put_files(folder)
        # copies: GHDL looks for data beside the sources too, where nothing would follow it
        copies = vhdl_copies(design, folder)
        elaborated = [*map(str, copies), "-e", *([top] if top else [])]
        (folder / NETLIST).write_text(_run([*command, *elaborated], folder, copies, design.name), encoding="utf-8")

    key = {"for": "Verilog of VHDL", "ghdl": simulator_version("ghdl"), **design.only("vhdl").key(), "values": values}
    netlist = cached_build({**key, "top": top}, build) / NETLIST
    others = tuple(source for source in design.sources if source.language != "vhdl")
    spelled = spelled_names(netlist)
    return replace(
        design,
        top=spelled.get(top, top) if top else design.top,
        sources=(Source(netlist, "verilog"), *others),
        parameters={} if top else design.parameters,
    )


def spelled_names(netlist: Path) -> dict[str, str]:
    """Names of modules and ports in a netlist: in small letters, as VHDL compares them -> as they are written there."""
    text = netlist.read_text(encoding="utf-8")
    declared = DECLARED.findall(text)
    return {name.lower(): name for pair in reversed(declared) for name in pair if name}


def vhdl_copies(design: Design, folder: Path) -> dict[Path, Path]:
    """Copy the design's VHDL into a folder: copy -> original, in the order in which they compile."""
    copies = {folder / f"{index:03d}_{path.name}": path for index, path in enumerate(design.of("vhdl"))}
    for copy, path in copies.items():
        shutil.copyfile(path, copy)
    return copies


def of_originals(output: str, copies: Mapping[Path, Path]) -> str:
    """A tool's output with the names of the files that were copied."""
    for copy, path in copies.items():
        output = output.replace(str(copy), str(path))
    return output


def _run(command: list[str], folder: Path, copies: Mapping[Path, Path], name: str) -> str:
    """What GHDL writes; raises BuildError."""
    done = captured(command, name, folder=folder, limit_s=TIMEOUT_S)
    unknown = NO_GENERIC.search(done.stderr)
    if unknown:
        raise BuildError(f"{name} has no parameter {unknown[1]}; correct `parameters` in its decoder.yaml")
    if done.returncode != 0 or not done.stdout.strip():
        errors = first_errors(of_originals(done.stderr, copies))
        remedy = "\nname the data that it reads in `files`" if CANNOT_READ.search(done.stderr) else ""
        raise BuildError(f"{name} does not go through GHDL's synthesis:\n{errors}{remedy}")
    return done.stdout
