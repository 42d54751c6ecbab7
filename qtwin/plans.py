"""The plan of a sweep from its file and the options on top, judged before anything is started."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from bridge.errors import LoopError
from bridge.suggestions import did_you_mean
from bridge.sweep.plan import LINK_OF_DECODER, PLAN_FILE, SweepPlan, read_plan
from qtwin.options import Faults, Named, Session, decoder_faults, in_words, judge, link_faults, option, session_faults

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "decoders": "decoder",
        "links": "link",
        "codes": "code",
        "distances": "distance",
        "batch_shots": "batch",
    }
)
"""Key of a plan -> option, where that is called otherwise."""
KEYS: Mapping[str, str] = MappingProxyType({name: key for key, name in OPTIONS.items()})
SCAFFOLDING = frozenset({"twin", ".lock"})


@dataclass(frozen=True)
class PlanSource:
    """Where a plan comes from. run: the folder of a run to go on with; changes: keys of the plan, from options."""

    sweep_file: Path | None
    run: Path | None
    changes: Mapping[str, Any]

    def content(self) -> tuple[str, dict[str, Any]]:
        """Where the plan stands, and its keys: the sweep's file, else that of a run that goes on; raises LoopError."""
        kept = self.run / PLAN_FILE if self.run is not None else None
        file = self.sweep_file or (kept if kept is not None and kept.is_file() else None)
        return str(file or "the plan"), {} if file is None else read_plan(file)


def judged_plan(source: PlanSource, url: str | None, *, is_here: bool) -> SweepPlan:
    """The plan, without a fault, or the end of the command. is_here: its links are opened on this machine."""
    try:
        where, content = source.content()
    except LoopError as error:
        judge([str(error)])
        raise
    if source.run is not None and source.run.is_dir() and _is_of_another_kind(source.run):
        judge([f"--run: {source.run} is no run's folder and is not empty; name a run's, or a new one"])

    def named(key: str) -> str:
        key = KEYS.get(key, key)
        return option(OPTIONS.get(key, key)) if key in source.changes else f"{where}: {key}"

    try:
        plan = SweepPlan.model_validate({**content, **source.changes})
    except ValidationError as error:
        # a list whose only entry is wrong counts as empty as well
        judge(
            _plan_fault(fault, named) for fault in error.errors() if fault["type"] != "too_short" or not fault["input"]
        )
        raise
    judge(_faults(plan, url, named, is_here))
    return plan.model_copy(update={"decoders": tuple(_anywhere(name) for name in plan.decoders)})


def _is_of_another_kind(folder: Path) -> bool:
    """Not a run's, and with files that are not those of a run stopped before it had a plan."""
    return not (folder / PLAN_FILE).is_file() and any(each.name not in SCAFFOLDING for each in folder.iterdir())


def _anywhere(decoder: str) -> str:
    """A decoder by its path, so that its plan can be repeated from any folder."""
    path = Path(decoder).expanduser()
    return str(path.resolve()) if path.exists() else decoder


def _plan_fault(fault: Mapping[str, Any], named: Named) -> str:
    key = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return f"{named(key)}: there is no such key{did_you_mean(key, SweepPlan.model_fields)}"
    if fault["type"] == "value_error":  # which shows the value itself
        return f"{named(key)} {in_words(fault).removeprefix(f'{key} ')}"
    return f"{named(key)} {fault['input']!r}: {in_words(fault)}"


def _faults(plan: SweepPlan, url: str | None, named: Named, is_here: bool) -> Faults:
    sessions = [
        Session(spec.code, spec.distance, spec.rounds, spec.basis, "device", spec.backend, plan.seed)
        for spec in plan.memories()
    ]
    for session in sessions:
        yield from session_faults(session, url, named)
    for decoder in plan.decoders:
        yield from _decoder_faults(_anywhere(decoder), sessions, named)
    for link in plan.links:
        if link != LINK_OF_DECODER:
            yield from link_faults(link, None, named, is_here=is_here)


def _decoder_faults(decoder: str, sessions: list[Session], named: Named) -> Iterator[str]:
    """Of a decoder that does for none of the sessions; one that does for some is left out of the others."""
    found = [list(decoder_faults(decoder, session, named)) for session in sessions]
    if all(found):
        yield from (fault for each in found for fault in each)
