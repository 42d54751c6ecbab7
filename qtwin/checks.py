"""Examines a decoder for the command line: finds it and its memory, and prints what the doctor says."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bridge.decoders import find_decoder
from bridge.doctor import Diagnosis, Examination, examine
from bridge.errors import LinkOpenError
from hdl.compile.manifest import DecoderFolder
from qtwin.problems import MemoryChoice, pose

MARKS = {"pass": "[green]pass[/]", "fail": "[bold red]FAIL[/]", "skip": "[dim]skip[/]"}


def check_decoder(path: str, asked: Mapping[str, str | int | None], noise: str, settings: Examination) -> Diagnosis:
    """Examine a decoder.

    Args:
        path: as for `qtwin loop --decoder`.
        asked: code, distance, rounds, basis; None for what the manifest says.
        noise: of the shots that it is tried on.
        settings: how thoroughly.

    Raises:
        BridgeError: there is no such decoder or memory, or they do not fit together.
        HdlError: its manifest or its RTL cannot be used.
    """
    session, problem = pose(_memory(path, asked, noise))
    decoder = find_decoder(path, problem)
    if decoder.folder is None:
        raise LinkOpenError(f"{path} is software; the doctor examines RTL")
    return examine(decoder.folder, problem, session, settings)


def _memory(path: str, asked: Mapping[str, str | int | None], noise: str) -> MemoryChoice:
    """What was asked for, else what the manifest says, else surface d=3."""
    written = dict(DecoderFolder(Path(path)).manifest.code) if Path(path).exists() else {}
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


def print_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    """A line a check; under a failed one its name, the evidence and the remedy."""
    for finding in diagnosis.findings:
        console.print(f"{MARKS[finding.state]}  {escape(finding.check)}", highlight=False, soft_wrap=True)
        if finding.state == "fail":
            console.print(f"      [bold]{escape(finding.diagnosis)}[/]", highlight=False, soft_wrap=True)
        console.print(f"      {escape(finding.evidence)}", highlight=False, soft_wrap=True)
        if finding.state == "fail":
            console.print(f"      [dim]to do:[/] {escape(finding.remedy)}", highlight=False, soft_wrap=True)
    alarm = diagnosis.to_dict()["false_alarm_prob"]
    verdict = "healthy" if diagnosis.healthy else f"ill: {'; '.join(diagnosis.diagnoses)}"
    console.print(f"{escape(diagnosis.decoder)} is {escape(verdict)}", style="bold", highlight=False, soft_wrap=True)
    console.print(f"chance of a false alarm: at most {alarm:.0e}", style="dim", highlight=False)
