"""What stands at the top of a report: when and where it was run, and what it says in one sentence."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bridge.statistics import exact_mcnemar, holm_significant

ALPHA = 0.05
"""Chance that a report calls any difference significant where there is none."""
CPU_FILE = Path("/proc/cpuinfo")


def date_in_words(epoch_s: float) -> str:
    """`26 November 2026, 16:34 UTC`, in the zone of this machine."""
    moment = datetime.fromtimestamp(epoch_s).astimezone()
    return f"{moment.day} {moment:%B %Y, %H:%M} {moment.tzname()}"


def host_in_words() -> str:
    """Name, processor and system of this machine."""
    return f"{platform.node() or 'a machine'}: {_cpu()}, {os.cpu_count()} CPUs, {platform.system()}"


def _cpu() -> str:
    try:
        lines = CPU_FILE.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


@dataclass(frozen=True, slots=True)
class Duel:
    """A decoder against PyMatching on the same shots of one memory. only_*: shots that one alone got wrong."""

    decoder: str
    memory: str
    shots: int
    errors: int
    reference_errors: int
    only_decoder: int
    only_reference: int

    @property
    def p_value(self) -> float:
        """Of the exact McNemar test that both are wrong equally often."""
        return exact_mcnemar(self.only_decoder, self.only_reference)

    @property
    def figures(self) -> str:
        """What the sentence rests on."""
        return f"{self.errors:,} against {self.reference_errors:,} in {self.shots:,} shots, p = {self.p_value:.2g}"


def verdicts(duels: Sequence[Duel]) -> list[str]:
    """A sentence for each decoder.

    A difference is significant at `ALPHA` over all duels together: exact McNemar tests with Holm's correction.
    """
    significant = holm_significant([duel.p_value for duel in duels], ALPHA)
    found: dict[str, list[tuple[Duel, bool]]] = {}
    for index, duel in enumerate(duels):
        found.setdefault(duel.decoder, []).append((duel, index in significant))
    return [_verdict(decoder, judged) for decoder, judged in found.items()]


def _verdict(decoder: str, judged: Sequence[tuple[Duel, bool]]) -> str:
    if len(judged) == 1:
        duel, is_significant = judged[0]
        return f"{decoder} {_makes(duel) if is_significant else _alike(duel)} ({duel.figures})."
    more = [duel for duel, is_significant in judged if is_significant and duel.only_decoder > duel.only_reference]
    fewer = [duel for duel, is_significant in judged if is_significant and duel.only_decoder < duel.only_reference]
    parts = [
        f"significantly {word} errors than PyMatching on the same shots in {len(duels)} of {len(judged)} memories"
        for word, duels in (("more", more), ("fewer", fewer))
        if duels
    ]
    rest = len(judged) - len(more) - len(fewer)
    if not parts:
        return f"{decoder} shows no significant difference from PyMatching on the same shots in any of {rest} memories."
    return f"{decoder} makes {', and '.join(parts)}{f'; no significant difference in {rest}' if rest else ''}."


def _makes(duel: Duel) -> str:
    word = "more" if duel.only_decoder > duel.only_reference else "fewer"
    return f"makes significantly {word} errors than PyMatching on the same shots"


def _alike(duel: Duel) -> str:
    if not duel.only_decoder and not duel.only_reference:
        return "is wrong on the same shots as PyMatching"
    return "shows no significant difference from PyMatching on the same shots"
