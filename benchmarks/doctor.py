"""`python -m benchmarks.doctor [TEXT ...]`: what the doctor calls broken decoders, and if it accuses a healthy one.

Takes the mutants and healthy decoders whose name begins with one of the texts, all of them without one. Prints the
table of docs/doctor.md and writes results/doctor.json; exits with 1 when a healthy decoder was accused.
"""

import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console

from bridge.doctor import Diagnosis
from tests.bridge.ailing.mutants import Ward, mutants

RESULT = Path(__file__).parent / "results" / "doctor.json"


def run(wanted: tuple[str, ...], console: Console) -> dict[str, Any]:
    """Examine all whose name begins with what is wanted; returns what was found, as plain values."""
    ill, healthy = [], []
    with tempfile.TemporaryDirectory() as folder:
        ward = Ward(Path(folder))
        for mutant in mutants():
            if mutant.title.startswith(wanted):
                began = monotonic()
                found = ward.examine(mutant)
                ill.append(
                    {"kind": mutant.kind, "named": mutant.is_named_by(found), **_told(mutant.title, found, began)}
                )
                console.print(_line("named" if ill[-1]["named"] else "MISSED", ill[-1]), markup=False, soft_wrap=True)
        for name in ward.healthy:
            if name.startswith(wanted):
                began = monotonic()
                found = ward.examine_healthy(name)
                healthy.append(_told(name, found, began))
                said = "healthy" if found.healthy else "ACCUSED"
                console.print(_line(said, healthy[-1]), markup=False, soft_wrap=True)
    return {"mutants": ill, "healthy": healthy}


def _told(name: str, found: Diagnosis, began: float) -> dict[str, Any]:
    return {
        "name": name,
        "healthy": found.healthy,
        "diagnoses": list(found.diagnoses),
        "warnings": list(found.warnings),
        "seconds": round(monotonic() - began, 1),
    }


def _line(mark: str, told: dict[str, Any]) -> str:
    return f"{mark:8s} {told['name']} ({told['seconds']} s): {'; '.join(told['diagnoses'] or told['warnings'])}"


def table(result: dict[str, Any]) -> str:
    """Markdown: hits by kind, and the healthy decoders with what they were warned of."""
    kinds: dict[str, list[bool]] = defaultdict(list)
    for told in result["mutants"]:
        kinds[told["kind"]].append(told["named"])
    total = [named for hits in kinds.values() for named in hits]
    rows = [f"| {kind} | {len(hits)} | {sum(hits)} |" for kind, hits in kinds.items()]
    lines = ["| kind | mutants | named rightly |", "| --- | --- | --- |", *rows]
    if total:
        lines.append(f"| **all** | **{len(total)}** | **{sum(total)}** ({sum(total) / len(total):.1%}) |")
    lines += ["", "| healthy decoder | accused | warned of |", "| --- | --- | --- |"]
    for told in result["healthy"]:
        accused = "no" if told["healthy"] else "; ".join(told["diagnoses"])
        lines.append(f"| {told['name']} | {accused} | {'; '.join(told['warnings'])} |")
    return "\n".join(lines)


def main() -> int:
    """Run, print and write."""
    result = run(tuple(sys.argv[1:]) or ("",), Console(width=200))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{table(result)}")
    return 0 if all(told["healthy"] for told in result["healthy"]) else 1


if __name__ == "__main__":
    sys.exit(main())
