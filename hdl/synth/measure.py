"""Speed and error rates of the cores from their fast models, beside PyMatching on the same shots."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import events_layout
from hdl.compile.table import decode_with_table, maximum_likelihood_table
from hdl.compile.unionfind_fabric import Fabric, UnionFindOptions
from hdl.model import unionfind
from hdl.model.unionfind import UnionFindModel
from hdl.synth.tools import remembered

WEIGHTS_AT = 0.004
"""Error probability that all weights are computed at."""
BATCH_SHOTS = 200_000
BATCH_BITS = 40_000_000
AROUND_WORK_CYCLES, EMPTY_CYCLES = 3, 2
NORMAL_95 = 1.959964
SOURCES = (unionfind.SOURCE, Path(unionfind.__file__), Path(__file__))

Wrong = NDArray[np.bool_]
Table = NDArray[np.uint32]


@dataclass(frozen=True)
class Cycles:
    """Clock cycles per round from a shot's last layer to its result."""

    mean: float
    p99: float
    max: float


@dataclass(frozen=True)
class Paired:
    """Logical errors of two decoders on the same shots.

    Attributes:
        errors, other_errors: of the core, and of what it is compared with.
        alone, other_alone: those among them that the other one got right.
    """

    shots: int = 0
    errors: int = 0
    other_errors: int = 0
    alone: int = 0
    other_alone: int = 0

    def counting(self, wrong: Wrong, other_wrong: Wrong) -> "Paired":
        """With more shots: 0/1 of shape (shots,), whether each decoder was wrong."""
        counts = (wrong, other_wrong, wrong & ~other_wrong, other_wrong & ~wrong)
        return Paired(
            self.shots + len(wrong),
            *(
                old + int(new.sum())
                for old, new in zip((self.errors, self.other_errors, self.alone, self.other_alone), counts, strict=True)
            ),
        )

    @property
    def ratio(self) -> float:
        """Error rate over the other's."""
        return self.errors / max(1, self.other_errors)

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the ratio of two paired proportions, its logarithm taken as normal.

        The variance is (b + c) / ((a + b) (a + c)), with b and c the shots that only one got wrong: delta method, as in
        Nam and Blackwelder, Statistics in Medicine 21, 689 (2002).
        """
        if not self.errors or not self.other_errors:
            return 0.0, float("inf")
        spread = NORMAL_95 * sqrt((self.alone + self.other_alone) / (self.errors * self.other_errors))
        return exp(log(self.ratio) - spread), exp(log(self.ratio) + spread)


def memory(distance: int, rounds: int, prob: float) -> stim.Circuit:
    """Rotated surface code, memory Z, uniform circuit noise."""
    return stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=prob,
        before_round_data_depolarization=prob,
        before_measure_flip_probability=prob,
        after_reset_flip_probability=prob,
    )


@cache
def graph(distance: int, rounds: int) -> DecodingGraph:
    """Graph whose weights serve every error rate."""
    error_model = memory(distance, rounds, WEIGHTS_AT).detector_error_model(decompose_errors=True)
    return decoding_graph(error_model, events_layout(error_model))


def whole_shots(distance: int, prob: float, widths: Sequence[int], shots: int) -> Mapping[int, tuple[Paired, Cycles]]:
    """Error rates (over PyMatching's) and cycles of whole-block cores, rounds = distance, by weight bits."""
    models = {bits: UnionFindModel(graph(distance, distance), UnionFindOptions(bits)) for bits in widths}
    key = _key("whole", distance, prob, shots, [model.fabric for model in models.values()])
    found = remembered(key, lambda _: _whole(distance, prob, models, shots))
    return {bits: (Paired(**found[str(bits)]["errors"]), Cycles(**found[str(bits)]["cycles"])) for bits in widths}


def _key(what: str, distance: int, prob: float, shots: int, decoders: Sequence[Fabric | Table]) -> Mapping[str, Any]:
    """All that a measurement depends on: the compiled decoders by content."""
    digest = hashlib.sha256()
    for decoder in decoders:
        columns = [getattr(decoder, f.name) for f in fields(decoder)] if isinstance(decoder, Fabric) else [decoder]
        for column in columns:
            digest.update(np.asarray(column).tobytes())
    key = {"for": what, "distance": distance, "prob": prob, "shots": shots, "decoders": digest.hexdigest()}
    return {**key, "sources": list(SOURCES)}


def _whole(distance: int, prob: float, models: Mapping[int, UnionFindModel], shots: int) -> Mapping[str, Any]:
    decoding = graph(distance, distance)
    errors = dict.fromkeys(models, Paired())
    histograms = {bits: np.zeros(1 << 16, dtype=np.int64) for bits in models}
    for events, observables, matched in _batches(distance, distance, prob, shots):
        defects = decoding.defects(events.view(np.uint8))
        for bits, model in models.items():
            decoded = model.decode_timed(defects)
            errors[bits] = errors[bits].counting(decoded.flips[:, 0] != observables, matched != observables)
            latency = np.where(decoded.cycles > 0, decoded.cycles + AROUND_WORK_CYCLES, EMPTY_CYCLES)
            histograms[bits] += np.bincount(latency, minlength=1 << 16)
    return {
        str(bits): {"errors": asdict(errors[bits]), "cycles": asdict(_summary(histograms[bits], distance))}
        for bits in models
    }


def table_shots(distance: int, prob: float, shots: int) -> Paired:
    """Error rate of the table core over PyMatching's, rounds = distance."""
    table = maximum_likelihood_table(graph(distance, distance))
    key = _key("table", distance, prob, shots, [table])
    return Paired(**remembered(key, lambda _: asdict(_table(distance, prob, table, shots))))


def _table(distance: int, prob: float, table: Table, shots: int) -> Paired:
    decoding = graph(distance, distance)
    errors = Paired()
    for events, observables, matched in _batches(distance, distance, prob, shots):
        flips = decode_with_table(table, decoding.defects(events.view(np.uint8)), 1)[:, 0]
        errors = errors.counting(flips != observables, matched != observables)
    return errors


@dataclass(frozen=True)
class Windowed:
    """A windowed core over 10 d rounds: errors over the whole block's and over PyMatching's; cycles per committed
    round, bringing in the layers included."""

    over_whole: Paired
    over_matching: Paired
    cycles: Cycles


def windows(distance: int, prob: float, options: UnionFindOptions, shots: int) -> Windowed:
    """Measure a windowed core."""
    decoding = graph(distance, 10 * distance)
    windowed = UnionFindModel(decoding, options)
    whole = UnionFindModel(decoding, UnionFindOptions(options.weight_bits))
    key = _key("windows", distance, prob, shots, [windowed.fabric, whole.fabric])
    found = remembered(
        {**key, "options": asdict(options)},
        lambda _: asdict(_windows(distance, prob, windowed, whole, shots)),
    )
    return Windowed(Paired(**found["over_whole"]), Paired(**found["over_matching"]), Cycles(**found["cycles"]))


def _windows(distance: int, prob: float, windowed: UnionFindModel, whole: UnionFindModel, shots: int) -> Windowed:
    rounds, commit = 10 * distance, windowed.options.commit_layers
    decoding = graph(distance, rounds)
    over_whole = over_matching = Paired()
    histogram = np.zeros(1 << 16, dtype=np.int64)
    for events, observables, matched in _batches(distance, rounds, prob, shots):
        defects = decoding.defects(events.view(np.uint8))
        streamed = windowed.decode_stream(_layers(decoding, defects))
        wrong = streamed.flips[:, -1, 0] != observables
        over_whole = over_whole.counting(wrong, whole.decode(defects)[0][:, 0] != observables)
        over_matching = over_matching.counting(wrong, matched != observables)
        per_window = streamed.cycles[:, :-1].ravel() + AROUND_WORK_CYCLES + commit
        histogram += np.bincount(per_window, minlength=1 << 16)
    return Windowed(over_whole, over_matching, _summary(histogram, commit))


def _layers(decoding: DecodingGraph, defects: NDArray[np.uint8]) -> NDArray[np.uint8]:
    width = len(decoding.layer_select)
    flat = np.zeros((len(defects), decoding.layout.num_layers * width), dtype=np.uint8)
    flat[:, decoding.vertex_position] = defects
    return flat.reshape(len(defects), -1, width)


def _batches(distance: int, rounds: int, prob: float, shots: int) -> Iterator[tuple[Wrong, Wrong, NDArray[np.uint8]]]:
    """Detection events (shots, detectors), the observable (shots,) and what PyMatching makes of it (shots,)."""
    circuit = memory(distance, rounds, prob)
    sampler = circuit.compile_detector_sampler(seed=round(1e6 * prob) + distance)
    matching = pymatching.Matching.from_detector_error_model(circuit.detector_error_model(decompose_errors=True))
    batch = max(1, min(BATCH_SHOTS, BATCH_BITS // circuit.num_detectors))
    for start in range(0, shots, batch):
        size = min(batch, shots - start)
        events, observables = sampler.sample(size, separate_observables=True)
        yield events, observables[:, 0], matching.decode_batch(events)[:, 0]


def _summary(histogram: NDArray[np.int64], rounds: int) -> Cycles:
    values = np.arange(len(histogram))
    total = int(histogram.sum())
    p99 = int(np.searchsorted(np.cumsum(histogram), 0.99 * total))
    mean = float((values * histogram).sum() / total)
    return Cycles(mean / rounds, p99 / rounds, int(np.flatnonzero(histogram)[-1]) / rounds)
