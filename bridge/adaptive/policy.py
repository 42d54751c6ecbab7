"""Watches a run, and renews the weights of the running decoder from what it sees."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.adaptive.estimator import EdgeEstimator, EstimatorSettings
from bridge.decoders import Decoder, compiled_graph
from bridge.errors import LinkOpenError
from bridge.links.base import Link
from bridge.problem import DecodingProblem
from bridge.reweight import is_loadable, weights_for, write_weights
from bridge.software_decoders import union_find_decoder
from hdl.compile.manifest import DecoderFolder
from hdl.compile.unionfind_fabric import UnionFindOptions
from qds1.shots import Bits


@dataclass(frozen=True, slots=True)
class AdaptiveSettings:
    """How to adapt.

    interval_shots: shots between two renewals of the weights.
    compare_fresh: recalibrate the device when the shots are done, and judge what its new error model would have given.
    """

    interval_shots: int = 10_000
    compare_fresh: bool = False
    estimator: EstimatorSettings = field(default_factory=EstimatorSettings)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The shots from one renewal to the next.

    Attributes:
        first_shot, num_shots: which shots.
        logical_errors: of the running decoder.
        stale_errors: of the decoder with the weights of the session's error model, on the same shots.
        fresh_errors: of the decoder with the weights of the device as recalibrated at the run's end; None if not asked.
        detection_fraction: share of the component's detectors that fired.
        probability_factor: geometric mean over the edges of the estimated probability over the model's, at its end.
        num_changed: weights that the renewal at its end changed.
    """

    first_shot: int
    num_shots: int
    logical_errors: int
    stale_errors: int
    fresh_errors: int | None
    detection_fraction: float
    probability_factor: float
    num_changed: int


class Adaptation:
    """One run's estimator, what it changed, and how the decoder would have done without it.

    Attributes:
        rows: every shot so far, in pieces, uint8, shape (shots, row): events packed eight to a byte, the observables,
            what the decoder answered.
    """

    def __init__(self, problem: DecodingProblem, decoder: Decoder, settings: AdaptiveSettings) -> None:
        """Raises LinkOpenError for a decoder whose weights cannot be changed while it runs."""
        if decoder.folder is None or not is_loadable(decoder.folder):
            raise LinkOpenError(
                f"--adaptive needs a decoder whose weights can be changed while it runs, and {decoder.name} is none; "
                "use --decoder union-find:loadable, or qtwin compile --core union-find --loadable"
            )
        self._problem = problem
        self._folder: DecoderFolder = decoder.folder
        self._settings = settings
        self._estimator = EdgeEstimator(problem.graph, settings.estimator)
        self._writes = weights_for(self._folder, compiled_graph(self._folder, problem))
        self._num_seen = 0  # shots of the stretch in progress
        self._stretches: list[tuple[int, float, int]] = []  # shots, probability factor, changed weights
        self._event_bytes: int = -(-problem.error_model.num_detectors // 8)
        self.rows: list[NDArray[np.uint8]] = []

    def observe(self, events: Bits, observables: Bits, flips: Bits) -> None:
        """Count a chunk of shots.

        Args:
            events: 0/1, shape (shots, detectors of the error model).
            observables: what was measured, 0/1, shape (shots, observables).
            flips: what the running decoder answered, same shape.
        """
        self._estimator.add(self._problem.graph.defects(events))
        row = [np.packbits(events, axis=1), observables, flips]
        self.rows.append(np.concatenate([part.astype(np.uint8) for part in row], axis=1))
        self._num_seen += len(flips)

    def state(self) -> dict[str, Any]:
        """With the rows all that it takes to go on, as JSON."""
        return {
            "estimator": self._estimator.state(),
            "writes": [[int(word), int(value)] for word, value in self._writes],
            "stretches": self._stretches,
            "num_seen": self._num_seen,
        }

    def take_up(self, state: Mapping[str, Any], rows: NDArray[np.uint8]) -> None:
        """Go on from the state of another adaptation of the same run. rows: all of its rows, in one axis."""
        self._estimator.take_up(state["estimator"])
        self._writes = [(word, value) for word, value in state["writes"]]
        self._stretches = [(num_shots, factor, changed) for num_shots, factor, changed in state["stretches"]]
        self._num_seen = state["num_seen"]
        self.rows = [rows.reshape(-1, self._row_bytes)] if rows.size else []

    @property
    def _row_bytes(self) -> int:
        return self._event_bytes + 2 * self._problem.graph.num_observables

    @property
    def num_left(self) -> int:
        """Shots before the next renewal."""
        return max(0, self._settings.interval_shots - self._num_seen)

    @property
    def is_due(self) -> bool:
        """Whether it is time to renew the weights."""
        return self.num_left == 0

    def renew(self, link: Link) -> None:
        """Give the decoder behind the link the weights of the estimated probabilities."""
        writes = weights_for(self._folder, self._estimator.graph())
        changed = sum(new != old for new, old in zip(writes, self._writes, strict=True))
        if changed:
            write_weights(link, writes)
            self._writes = writes
        self._close_stretch(changed)

    def restore(self, link: Link) -> None:
        """Write the weights in force again, to a decoder that was reset or reached anew."""
        write_weights(link, self._writes)

    def result(self, fresh: DecodingProblem | None) -> dict[str, Any]:
        """What the adaptation did, as JSON.

        Args:
            fresh: the session's problem after a recalibration of the device; None to leave that comparison out.
        """
        if self._num_seen:
            self._close_stretch(0)
        stretches = self._judged(fresh)
        total: Mapping[str, int] = {
            name: sum(getattr(stretch, name) for stretch in stretches)
            for name in ("logical_errors", "stale_errors", *(["fresh_errors"] if fresh else []))
        }
        return {
            "interval_shots": self._settings.interval_shots,
            "half_life_shots": self._settings.estimator.half_life_shots,
            "renewals": sum(bool(stretch.num_changed) for stretch in stretches),
            **total,
            "won_back": _won_back(total),
            "stretches": [asdict(stretch) for stretch in stretches],
        }

    def _close_stretch(self, changed: int) -> None:
        factor = self._estimator.probabilities() / self._problem.graph.edge_probability
        self._stretches.append((self._num_seen, float(np.exp(np.mean(np.log(factor)))), changed))
        self._num_seen = 0

    def _judged(self, fresh: DecodingProblem | None) -> list[Stretch]:
        """Decode every stretch again with the weights that nobody renewed, and with the fresh ones."""
        options = UnionFindOptions(**self._folder.manifest.options)
        stale = union_find_decoder(compiled_graph(self._folder, self._problem), options)
        new = union_find_decoder(fresh.graph, options) if fresh else None
        num_detectors, num_observables = self._problem.error_model.num_detectors, self._problem.graph.num_observables
        rows = np.concatenate(self.rows) if self.rows else np.zeros((0, self._row_bytes), np.uint8)
        judged: list[Stretch] = []
        for num_shots, factor, changed in self._stretches:
            part, rows = rows[:num_shots], rows[num_shots:]
            events = np.unpackbits(part[:, : self._event_bytes], axis=1, count=num_detectors)
            observables, flips = np.split(part[:, self._event_bytes :], [num_observables], axis=1)
            judged.append(
                Stretch(
                    first_shot=judged[-1].first_shot + judged[-1].num_shots if judged else 0,
                    num_shots=len(flips),
                    logical_errors=_wrong(flips, observables),
                    stale_errors=_wrong(stale.decode(events)[0], observables),
                    fresh_errors=_wrong(new.decode(events)[0], observables) if new else None,
                    detection_fraction=float(self._problem.graph.defects(events).mean()),
                    probability_factor=factor,
                    num_changed=changed,
                )
            )
        return judged


def _wrong(flips: Bits, observables: Bits) -> int:
    return int((flips != observables).any(axis=1).sum())


def _won_back(total: Mapping[str, int]) -> float | None:
    """Share of the errors that the stale weights cost over the fresh ones and the adapted ones did not."""
    lost = total["stale_errors"] - total.get("fresh_errors", total["stale_errors"])
    return (total["stale_errors"] - total["logical_errors"]) / lost if lost > 0 else None
