"""Compares two runs on the same shots: is the second one's decoder worse, and is that more than chance?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bridge.errors import LoopError
from bridge.statistics import exact_mcnemar, histogram_percentiles, holm_significant
from bridge.sweep.batch import BatchResult
from bridge.sweep.folder import RunFolder
from bridge.sweep.plots import memory_of, name_of
from bridge.sweep.totals import totals_of

WORSE, BETTER, ALIKE, SLOWER = "worse", "better", "no difference", "slower"
Point = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two points with the same shots.

    Attributes:
        shots: that both decoded. errors: of the first and the second, among these.
        only_first, only_second: shots that only one of them got wrong.
        p_value: exact McNemar test, not corrected.
        p99_cycles: of their latencies; None without a clock.
        verdict: of the second one, at the comparison's alpha.
    """

    memory: str
    decoders: str
    shots: int
    errors: tuple[int, int]
    only_first: int
    only_second: int
    p_value: float
    p99_cycles: tuple[float | None, float | None]
    verdict: str = ALIKE


@dataclass(frozen=True)
class Comparison:
    """Every pair of two runs.

    Attributes:
        failed: points of the second run that came to no end, and why, in words.
        notes: what could not be compared, in words.
    """

    pairs: Sequence[Pair]
    alpha: float
    failed: Sequence[str]
    notes: Sequence[str]

    @property
    def is_regression(self) -> bool:
        """Whether the second run is worse, or slower, or failed, anywhere."""
        return bool(self.failed) or any(
            part in (WORSE, SLOWER) for pair in self.pairs for part in pair.verdict.split(", ")
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        pairs = [asdict(pair) for pair in self.pairs]
        said = {"failed": list(self.failed), "notes": list(self.notes)}
        return {"alpha": self.alpha, "regression": self.is_regression, "pairs": pairs, **said}


def compare_runs(
    first: RunFolder, second: RunFolder, alpha: float, latency_tolerance: float | None = None
) -> Comparison:
    """Compare every point of the second run with that of the first which has the same shots.

    Points go together that sample the same circuit over the same link with decoders of the same name; where a circuit
    has one decoder in each run, their names may differ: that is the edited decoder against the old one.

    Args:
        first: the baseline.
        second: the run that is judged.
        alpha: probability of a false alarm anywhere: Holm's correction over the pairs (Holm, Scand. J. Stat. 6, 65
            (1979)).
        latency_tolerance: by what share p99 of the latency may grow; None does not look at it.

    Raises:
        LoopError: a folder is no run, or no point of one has the same shots as a point of the other.
    """
    ours, theirs = _with_batches(first), _with_batches(second)
    pairs, notes, matched = [], [], set()
    for point, batches in theirs:
        match = _match(point, [each for each, _ in theirs], [each for each, _ in ours])
        label = _label(point)
        if match is None:
            notes.append(f"only in {second.path}: {label}")
            continue
        matched.add(match["point_id"])
        before = next(found for each, found in ours if each is match)
        pair = _pair(match, before, point, batches)
        if pair is not None:
            pairs.append(pair)
        elif before and batches:
            notes.append(f"other shots in {first.path} (another seed, batch size or version of Stim): {label}")
        else:
            notes.append(f"no shots in {second.path if before else first.path}: {label}")
    notes += [f"only in {first.path}: {_label(point)}" for point, _ in ours if point["point_id"] not in matched]
    errors = second.errors()
    failed = [
        f"failed in {second.path}: {_label(point)}: {errors[point['point_id']]}"
        for point, _ in theirs
        if point["point_id"] in errors
    ]
    if not pairs and not failed:
        detail = f": {'; '.join(notes)}" if notes else ""
        raise LoopError(f"{first.path} and {second.path} have no shots in common{detail}")
    return Comparison(_judged(pairs, alpha, latency_tolerance), alpha, failed, notes)


def _label(point: Point) -> str:
    return f"{memory_of(point)}: {name_of(point)}"


def _with_batches(run: RunFolder) -> list[tuple[Point, list[BatchResult]]]:
    points, batches = run.points(), run.batches()
    return [(point, [batch for batch in batches if batch.point_id == point["point_id"]]) for point in points]


def _match(point: Point, beside: Sequence[Point], candidates: Sequence[Point]) -> Point | None:
    """The candidate that goes with a point; `beside` are all points of the point's own run."""

    def same_place(other: Point) -> bool:
        return bool(other["circuit_id"] == point["circuit_id"] and other["link"] == point["link"])

    found = [each for each in candidates if same_place(each)]
    named = [each for each in found if each["decoder"] == point["decoder"]]
    if len(named) == 1:
        return named[0]
    alone = len(found) == 1 and sum(same_place(each) for each in beside) == 1
    return found[0] if alone else None


def _pair(first: Point, before: Sequence[BatchResult], second: Point, after: Sequence[BatchResult]) -> Pair | None:
    """Counts over the batches that both have, None where these are not the same shots."""
    common = list(zip(before, after, strict=False))
    if not common or any(ours.shots_sha256 != theirs.shots_sha256 for ours, theirs in common):
        return None
    only_first = sum(len(set(ours.failing) - set(theirs.failing)) for ours, theirs in common)
    only_second = sum(len(set(theirs.failing) - set(ours.failing)) for ours, theirs in common)
    names = [name_of(first), name_of(second)]
    return Pair(
        memory=memory_of(second),
        decoders=names[0] if names[0] == names[1] else " against ".join(names),
        shots=sum(ours.counts["shots"] for ours, _ in common),
        errors=(sum(len(ours.failing) for ours, _ in common), sum(len(theirs.failing) for _, theirs in common)),
        only_first=only_first,
        only_second=only_second,
        p_value=exact_mcnemar(only_first, only_second),
        p99_cycles=(_p99([ours for ours, _ in common]), _p99([theirs for _, theirs in common])),
    )


def _p99(batches: Sequence[BatchResult]) -> float | None:
    (totals,) = totals_of(batches).values()
    found = histogram_percentiles(totals.cycles.get("decode", {}))
    return found["p99"] if found else None


def _judged(pairs: Sequence[Pair], alpha: float, latency_tolerance: float | None) -> list[Pair]:
    """The pairs with their verdicts, in the same order."""
    significant = holm_significant([pair.p_value for pair in pairs], alpha)
    judged = []
    for index, pair in enumerate(pairs):
        words = []
        if index in significant:
            words.append(WORSE if pair.only_second > pair.only_first else BETTER)
        old, new = pair.p99_cycles
        if (
            latency_tolerance is not None
            and old is not None
            and new is not None
            and new > old * (1 + latency_tolerance)
        ):
            words.append(SLOWER)
        judged.append(Pair(**{**asdict(pair), "verdict": ", ".join(words) or ALIKE}))
    return judged
