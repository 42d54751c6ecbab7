"""Examines a decoder for the command line: finds it and its memory, and prints what the doctor says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bridge.decoders import core_options, find_decoder
from bridge.doctor import Diagnosis, Examination, LongerMemory, examine
from bridge.errors import BridgeError, LinkOpenError
from bridge.problem import DecodingProblem
from hdl.compile.formulas import has_formulas
from hdl.compile.manifest import DecoderFolder, written_code, written_content
from hdl.errors import HdlError
from hdl.lint import DesignWarning, design_warnings
from qtwin.problems import MemoryChoice, pose

MARKS = {"pass": "[green]pass[/]", "warn": "[yellow]warn[/]", "fail": "[bold red]FAIL[/]", "skip": "[dim]skip[/]"}
LONGER = 3
"""A decoder for memories of several lengths is tried with so many times the rounds, too."""
Asked = Mapping[str, str | int | None]


def check_decoder(
    path: str, asked: Asked, noise: str, settings: Examination, progress: Callable[[str], None] = lambda _: None
) -> Diagnosis:
    """Examine a decoder.

    Args:
        path: as for `qtwin loop --decoder`.
        asked: code, distance, rounds, basis; None for what the manifest says.
        noise: of the shots that it is tried on.
        settings: how thoroughly.
        progress: told what is looked at.

    Raises:
        BridgeError: there is no such decoder or memory, or they do not fit together.
        HdlError: its manifest or its RTL cannot be used.
    """
    memory = _memory(path, asked, noise)
    session, problem = pose(memory)
    decoder = _rtl(path, problem)
    return examine(decoder, problem, session, settings, longer=_longer(path, memory, decoder), progress=progress)


def lint_decoder(path: str, asked: Asked, noise: str) -> list[DesignWarning]:
    """Verilator's warnings of a decoder's own files that may mean a wrong number; raises as `check_decoder`."""
    _, problem = pose(_memory(path, asked, noise))
    return design_warnings(_rtl(path, problem).design)


def _rtl(path: str, problem: DecodingProblem) -> DecoderFolder:
    decoder = find_decoder(path, problem)
    if decoder.folder is None:
        raise LinkOpenError(f"{path} is software; the doctor examines RTL")
    return decoder.folder


def _longer(path: str, memory: MemoryChoice, decoder: DecoderFolder) -> LongerMemory | None:
    """The decoder for a longer memory; None for one that is made for one length."""
    options = core_options(decoder)
    if not (options and options.window) and not _has_formulas(path):
        return None
    try:
        _, problem = pose(replace(memory, rounds=LONGER * max(1, memory.rounds)))
        return LongerMemory(_rtl(path, problem), problem)
    except (BridgeError, HdlError):  # it does not take this one, either
        return None


def _has_formulas(path: str) -> bool:
    """Whether one manifest serves several memories."""
    return Path(path).exists() and has_formulas(written_content(Path(path)))


def _memory(path: str, asked: Mapping[str, str | int | None], noise: str) -> MemoryChoice:
    """What was asked for, else what the manifest says, else surface d=3."""
    written = written_code(Path(path)) if Path(path).exists() else {}
    said = {name: written[key] for name, key in _KEYS.items() if key in written}
    wanted = {**said, **{name: value for name, value in asked.items() if value is not None}}
    distance = int(wanted.get("distance", 3))
    return MemoryChoice(
        code=str(wanted.get("code", "surface")),
        distance=distance,
        rounds=int(wanted.get("rounds", distance)),
        basis=str(wanted.get("basis", "Z")),
        noise=noise,
    )


_KEYS = {"code": "family", "distance": "distance", "rounds": "rounds", "basis": "basis"}


def print_warnings(console: Console, warnings: Sequence[DesignWarning]) -> None:
    """Each warning as Verilator words it."""
    for warning in warnings:
        console.print(warning.text, markup=False, highlight=False, soft_wrap=True)
    count = f"{len(warnings)} {'warning' if len(warnings) == 1 else 'warnings'}" if warnings else "no warnings"
    console.print(f"{count} of those that may mean a wrong number", style="bold", highlight=False)


def print_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    """A line a check; under one that found something its name, the evidence and the remedy."""
    for finding in diagnosis.findings:
        console.print(f"{MARKS[finding.state]}  {escape(finding.check)}", highlight=False, soft_wrap=True)
        if finding.diagnosis:
            console.print(f"      [bold]{escape(finding.diagnosis)}[/]", highlight=False, soft_wrap=True)
        console.print(f"      {escape(finding.evidence)}", highlight=False, soft_wrap=True)
        if finding.diagnosis:
            console.print(f"      [dim]to do:[/] {escape(finding.remedy)}", highlight=False, soft_wrap=True)
    alarm = diagnosis.to_dict()["false_alarm_prob"]
    verdict = "healthy" if diagnosis.healthy else f"ill: {'; '.join(diagnosis.diagnoses)}"
    console.print(f"{escape(diagnosis.decoder)} is {escape(verdict)}", style="bold", highlight=False, soft_wrap=True)
    console.print(f"chance of a false alarm: at most {alarm:.0e}", style="dim", highlight=False)
