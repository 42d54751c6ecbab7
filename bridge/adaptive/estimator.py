"""Estimates the probability of every edge from detection events alone, with what the error model says as the prior.

The mechanisms are independent. With s = 1 - 2x for the event x of a detector, the mean of s is the product of 1 - 2p
over the edges at the detector, and in the mean of a product s_i s_j the edges between i and j cancel. For an edge i-j

    (1 - 2 p_ij)^2 = <s_i> <s_j> / <s_i s_j>

and for the edge of i to the boundary, 1 - 2 p_i = <s_i> over the product of 1 - 2 p_ij of all its other edges: Spitz,
Tarasinski, Beenakker and O'Brien, Adv. Quantum Technol. 1, 1800012 (2018); used for a real device in Google Quantum AI,
Nature 595, 383 (2021), supplementary section IX.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdl.compile.graph import DecodingGraph

Floats = NDArray[np.float64]
LARGEST_PROBABILITY = 0.45
LEAST_PARITY = 1e-3
"""Mean of 1 - 2x for a detector that fires in half of all shots, as far as shots can tell."""


@dataclass(frozen=True, slots=True)
class EstimatorSettings:
    """How quickly the past is forgotten, and how far a probability may have wandered.

    half_life_shots: age at which a shot counts half.
    spread: expected relative deviation of a true probability from the model's: the prior's standard deviation.
    """

    half_life_shots: float = 50_000.0
    spread: float = 1.0


class EdgeEstimator:
    """Detection rates and pairwise correlations of a decoding graph, and the edge probabilities that explain them.

    Edges that the model holds for the same error in another round (same places, same probability) share one estimate.
    A measured probability counts by its variance against the prior's; without shots the model's comes back.
    """

    def __init__(self, graph: DecodingGraph, settings: EstimatorSettings | None = None) -> None:
        self._graph = graph
        self._settings = settings or EstimatorSettings()
        self._events = np.zeros(graph.num_vertices)
        self._pairs = np.zeros((graph.num_vertices, graph.num_vertices))
        self.num_shots = 0.0

    def add(self, defects: NDArray[np.uint8]) -> None:
        """Count shots.

        Args:
            defects: 0/1, shape (shots, vertices), the vertices of the graph.
        """
        kept = 0.5 ** (len(defects) / self._settings.half_life_shots)
        fired = defects.astype(np.float32)  # sums stay exact: a chunk is far below 2^24 shots
        self._events = kept * self._events + fired.sum(axis=0)
        self._pairs = kept * self._pairs + fired.T @ fired
        self.num_shots = kept * self.num_shots + len(defects)

    def state(self) -> dict[str, Any]:
        """What was counted, as JSON, to the last bit."""
        counts = (self._events, self._pairs)
        return {
            "num_shots": self.num_shots,
            "counts": [b64encode(each.astype("<f8").tobytes()).decode("ascii") for each in counts],
        }

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of another estimator of the same graph."""
        events, pairs = (np.frombuffer(b64decode(text), dtype="<f8").astype(np.float64) for text in state["counts"])
        self.num_shots = float(state["num_shots"])
        self._events, self._pairs = events.reshape(self._events.shape), pairs.reshape(self._pairs.shape)

    @property
    def detection_rates(self) -> Floats:
        """How often each vertex fires, shape (vertices,); zeros before the first shot."""
        return self._events / max(1.0, self.num_shots)

    def probabilities(self) -> Floats:
        """Estimated probability of each edge, shape (edges,)."""
        graph, rate = self._graph, self.detection_rates
        if self.num_shots < 1:
            return graph.edge_probability.copy()
        parity = np.clip(1 - 2 * rate, LEAST_PARITY, 1.0)
        inner, outer = self._inner, ~self._inner
        u, v = graph.edge_u[inner], graph.edge_v[inner]
        both = np.clip(1 - 2 * rate[u] - 2 * rate[v] + 4 * self._pairs[u, v] / self.num_shots, LEAST_PARITY, 1.0)
        estimate = graph.edge_probability.copy()
        measured = (1 - np.exp(self._shared(inner, np.log(parity[u] * parity[v] / both) / 2))) / 2
        # Where no events came, the variance is still that of the few that could have: Poisson's.
        poisson = np.maximum(measured, graph.edge_probability[inner]) + rate[u] * rate[v]
        spread = np.maximum(poisson, _variance_of_edge(parity[u], parity[v], both))
        estimate[inner] = self._weighed(inner, measured, self._shared(inner, spread) / self._samples[inner])
        others = self._log_parity_of_neighbours(estimate)
        at = graph.edge_u[outer]
        measured = (1 - np.exp(self._shared(outer, np.log(parity[at]) - others[at]))) / 2
        poisson = np.maximum(rate[at], (1 - np.exp(others[at])) / 2 + graph.edge_probability[outer])
        spread = np.maximum(poisson, (1 / parity[at] ** 2 - 1) / 4)
        estimate[outer] = self._weighed(outer, measured, self._shared(outer, spread) / self._samples[outer])
        return estimate

    def graph(self) -> DecodingGraph:
        """The decoding graph with the estimated probabilities: same structure, same hash."""
        return replace(self._graph, edge_probability=self.probabilities())

    def _weighed(self, edges: NDArray[np.bool_], measured: Floats, variance: Floats) -> Floats:
        """Posterior mean of the measured probability and the model's, both taken as normal.

        It ends where the shots do: nothing is told below half an event in all of them, so few shots cut no edge. Many
        may make one as rare as they say, however likely the model has it.
        """
        prior = self._graph.edge_probability[edges]
        prior_variance = (self._settings.spread * prior) ** 2
        mean = prior + (measured - prior) * prior_variance / (prior_variance + variance)
        rarest = np.minimum(prior, 0.5 / self._samples[edges])
        return np.asarray(np.clip(mean, rarest, np.maximum(LARGEST_PROBABILITY, prior)))

    def _log_parity_of_neighbours(self, probability: Floats) -> Floats:
        """Sum of log(1 - 2p) over the inner edges at each vertex."""
        graph, inner = self._graph, self._inner
        log_parity = np.log1p(-2 * probability[inner])
        ends = np.concatenate([graph.edge_u[inner], graph.edge_v[inner]])
        sums = np.bincount(ends, weights=np.tile(log_parity, 2), minlength=graph.num_vertices)
        return sums.astype(np.float64)

    def _shared(self, edges: NDArray[np.bool_], values: Floats) -> Floats:
        """Each edge's mean over the edges of its class; all or none of a class are in `edges`."""
        group = self._group[edges]
        return np.asarray((np.bincount(group, weights=values) / np.maximum(np.bincount(group), 1))[group])

    @cached_property
    def _inner(self) -> NDArray[np.bool_]:
        return np.asarray(self._graph.edge_v >= 0)

    @property
    def _samples(self) -> Floats:
        """Shots times the number of edges that share an estimate, shape (edges,)."""
        return np.asarray(self.num_shots * np.bincount(self._group)[self._group])

    @cached_property
    def _group(self) -> NDArray[np.int64]:
        """Class of each edge: where its ends lie, rounds apart, observables, probability (to six digits)."""
        graph = self._graph
        place, layer, end = graph.layout.detector_bit[graph.vertex_detector], graph.vertex_layer, graph.edge_v
        inner = self._inner
        key = np.stack(
            [
                place[graph.edge_u],
                np.where(inner, place[end], -1),
                np.where(inner, layer[end] - layer[graph.edge_u], 0),
                graph.edge_observables,
                np.rint(np.log(graph.edge_probability) * 1e6).astype(np.int64),
            ],
            axis=1,
        )
        group: NDArray[np.int64] = np.unique(key, axis=0, return_inverse=True)[1].reshape(-1)
        return group


def _variance_of_edge(first: Floats, second: Floats, both: Floats) -> Floats:
    """Variance, times the shots, of the p with (1 - 2p)^2 = <s_i> <s_j> / <s_i s_j>, by the delta method.

    Args:
        first, second, both: <s_i>, <s_j> and <s_i s_j>; s is 1 or -1, so their covariances are products of these.
    """
    squares = sum(1 / mean**2 - 1 for mean in (first, second, both))
    products = both / (first * second) - second / (first * both) - first / (second * both) + 1
    contrast = first * second / both  # (1 - 2p)^2; dp = -(1 - 2p) / 2 dlog(1 - 2p), and log(1 - 2p) is half the sum
    return np.asarray(np.clip(contrast, 0, 1) * (squares + 2 * products) / 16)
