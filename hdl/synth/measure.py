"""Speed and error rates of the union-find core from its fast model, beside PyMatching on the same shots."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import events_layout
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.model import unionfind
from hdl.model.unionfind import UnionFindModel
from hdl.synth.tools import remembered

WEIGHTS_AT = 0.004
"""Error probability that all weights are computed at."""
BATCH_SHOTS = 200_000
BATCH_BITS = 40_000_000
AROUND_WORK_CYCLES, EMPTY_CYCLES = 3, 2
SOURCES = (unionfind.SOURCE, *(Path(unionfind.__file__).parent.parent / "compile").glob("unionfind_*.py"))


@dataclass(frozen=True)
class Cycles:
    """Clock cycles per round from a shot's last layer to its result."""

    mean: float
    p99: float
    max: float


@dataclass(frozen=True)
class Accuracy:
    """Logical errors of the core and of PyMatching on the same shots."""

    shots: int
    errors: int
    matching_errors: int

    @property
    def ratio(self) -> float:
        """Error rate over PyMatching's."""
        return self.errors / max(1, self.matching_errors)


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


def whole_shots(distance: int, prob: float, weight_bits: int, shots: int) -> tuple[Accuracy, Cycles]:
    """Error rate and cycles of the whole-block core, rounds = distance."""
    key = {"for": "whole", "distance": distance, "prob": prob, "bits": weight_bits, "shots": shots}
    found = remembered({**key, "sources": list(SOURCES)}, lambda _: _whole(distance, prob, weight_bits, shots))
    return Accuracy(**found["accuracy"]), Cycles(**found["cycles"])


def _whole(distance: int, prob: float, weight_bits: int, shots: int) -> Mapping[str, Any]:
    decoding = graph(distance, distance)
    model = UnionFindModel(decoding, UnionFindOptions(weight_bits))
    errors = matching_errors = 0
    histogram = np.zeros(1 << 16, dtype=np.int64)
    for events, observables, matched in _batches(distance, distance, prob, shots):
        decoded = model.decode_timed(decoding.defects(events.view(np.uint8)))
        errors += int((decoded.flips[:, 0] != observables).sum())
        matching_errors += int((matched != observables).sum())
        histogram += np.bincount(
            np.where(decoded.cycles > 0, decoded.cycles + AROUND_WORK_CYCLES, EMPTY_CYCLES), minlength=1 << 16
        )
    return {
        "accuracy": asdict(Accuracy(shots, errors, matching_errors)),
        "cycles": asdict(_summary(histogram, distance)),
    }


def windows(distance: int, prob: float, options: UnionFindOptions, shots: int) -> tuple[Accuracy, int, Cycles]:
    """Error rate of the windowed core over 10 d rounds, errors of the whole-block core, cycles per committed round."""
    key = {"for": "windows", "distance": distance, "prob": prob, "options": asdict(options), "shots": shots}
    found = remembered({**key, "sources": list(SOURCES)}, lambda _: _windows(distance, prob, options, shots))
    return Accuracy(**found["accuracy"]), int(found["whole_errors"]), Cycles(**found["cycles"])


def _windows(distance: int, prob: float, options: UnionFindOptions, shots: int) -> Mapping[str, Any]:
    rounds = 10 * distance
    decoding = graph(distance, rounds)
    windowed = UnionFindModel(decoding, options)
    whole = UnionFindModel(decoding, UnionFindOptions(options.weight_bits))
    errors = whole_errors = matching_errors = 0
    histogram = np.zeros(1 << 16, dtype=np.int64)
    for events, observables, matched in _batches(distance, rounds, prob, shots):
        defects = decoding.defects(events.view(np.uint8))
        streamed = windowed.decode_stream(_layers(decoding, defects))
        errors += int((streamed.flips[:, -1, 0] != observables).sum())
        whole_errors += int((whole.decode(defects)[0][:, 0] != observables).sum())
        matching_errors += int((matched != observables).sum())
        per_window = streamed.cycles[:, :-1].ravel() + AROUND_WORK_CYCLES + options.commit_layers
        histogram += np.bincount(per_window, minlength=1 << 16)
    return {
        "accuracy": asdict(Accuracy(shots, errors, matching_errors)),
        "whole_errors": whole_errors,
        "cycles": asdict(_summary(histogram, options.commit_layers)),
    }


def _layers(decoding: DecodingGraph, defects: NDArray[np.uint8]) -> NDArray[np.uint8]:
    width = len(decoding.layer_select)
    flat = np.zeros((len(defects), decoding.layout.num_layers * width), dtype=np.uint8)
    flat[:, decoding.vertex_position] = defects
    return flat.reshape(len(defects), -1, width)


def _batches(distance: int, rounds: int, prob: float, shots: int) -> Any:
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
