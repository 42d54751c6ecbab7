"""The adaptive loop: probabilities from syndromes, weights into a running decoder, errors won back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import stim

from bridge.adaptive.estimator import EdgeEstimator, EstimatorSettings, _variance_of_edge
from bridge.adaptive.picture import draw_adaptation
from bridge.adaptive.policy import Adaptation, AdaptiveSettings
from bridge.decoders import Decoder, find_decoder
from bridge.errors import LinkError, LinkOpenError
from bridge.links import make_link
from bridge.links.base import Deadlines, Link, OpenedLink
from bridge.problem import DecodingProblem
from bridge.reweight import weights_for, write_weights
from hdl.compile.graph import DecodingGraph
from hdl.compile.layout import events_layout
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.model.unionfind import UnionFindModel
from hdl.registers.map import CONTROL_ENABLE, CONTROL_INPUT_MODE, Address
from qds1 import decode_corrections, encode_event_shots
from qds1.shots import Bits
from tests.hdl.unionfind_codes import graph_of, memory


def surface_model(distance: int, prob: float) -> stim.DetectorErrorModel:
    """The error model of the Z detectors alone: every error is an edge, so that its probability is its own."""
    task = "surface_code:rotated_memory_z"
    model = memory(task, distance, distance, prob).detector_error_model(decompose_errors=True)
    graph = graph_of(model)
    return edges_model(graph, graph.edge_probability, model)


def edges_model(
    graph: DecodingGraph, probability: np.ndarray[tuple[int], np.dtype[np.float64]], named: stim.DetectorErrorModel
) -> stim.DetectorErrorModel:
    """A model of the graph's edges with other probabilities; `named` has the detectors' coordinates."""
    model = stim.DetectorErrorModel()
    coordinates = named.get_detector_coordinates()
    for vertex, detector in enumerate(graph.vertex_detector.tolist()):
        model.append("detector", coordinates[detector], [stim.target_relative_detector_id(vertex)])
    for u, v, mask, prob in zip(graph.edge_u, graph.edge_v, graph.edge_observables, probability, strict=True):
        targets = [stim.target_relative_detector_id(int(end)) for end in (u, v) if end >= 0]
        targets += [stim.target_logical_observable_id(0)] if mask else []
        model.append("error", float(prob), targets)
    return model


def drifted(model: stim.DetectorErrorModel, sigma: float, seed: int) -> stim.DetectorErrorModel:
    """Each place's error rates wander: the same for all rounds."""
    graph = graph_of(model)
    place = graph.layout.detector_bit[graph.vertex_detector][graph.edge_u]
    factor = np.exp(np.random.default_rng(seed).normal(0, sigma, size=place.max() + 1))[place]
    return edges_model(graph, np.clip(graph.edge_probability * factor, 0, 0.3), model)


def samples(model: stim.DetectorErrorModel, shots: int, seed: int) -> tuple[Bits, Bits]:
    events, observables, _ = model.compile_sampler(seed=seed).sample(shots)
    return events.astype(np.uint8), observables.astype(np.uint8)


def test_measured_probabilities_are_those_that_the_shots_were_made_with() -> None:
    reported = surface_model(3, 0.01)
    graph, truth = graph_of(reported), graph_of(drifted(reported, 0.7, seed=1))
    shots = 400_000
    estimator = EdgeEstimator(graph, EstimatorSettings(half_life_shots=1e12, spread=100))
    estimator.add(graph.defects(samples(drifted(reported, 0.7, seed=1), shots, seed=2)[0]))
    inner = graph.edge_v >= 0
    rate = estimator.detection_rates
    # Spread of a covariance of two rare events; five sigma over 55 edges: false alarm 3e-5.
    sigma = np.sqrt((truth.edge_probability + rate[graph.edge_u] * rate[graph.edge_v]) / shots)[inner]
    error = (estimator.probabilities() - truth.edge_probability)[inner]
    assert (np.abs(error) < 5 * sigma).all()
    assert np.abs(np.log(truth.edge_probability / graph.edge_probability)).mean() > 0.3
    log_error = np.abs(np.log(estimator.probabilities() / truth.edge_probability))
    assert log_error.mean() < 0.1


def test_without_shots_the_model_comes_back_and_a_few_hardly_move_it() -> None:
    graph = graph_of(surface_model(3, 0.01))
    estimator = EdgeEstimator(graph)
    np.testing.assert_array_equal(estimator.probabilities(), graph.edge_probability)
    estimator.add(np.zeros((5, graph.num_vertices), dtype=np.uint8))
    assert np.abs(np.log(estimator.probabilities() / graph.edge_probability)).max() < np.log(2)


def test_the_past_is_forgotten() -> None:
    reported = surface_model(3, 0.005)
    graph = graph_of(reported)
    estimator = EdgeEstimator(graph, EstimatorSettings(half_life_shots=10_000))
    worse = edges_model(graph, 4 * graph.edge_probability, reported)
    factors = []
    for model in (reported, worse, reported):
        for seed in range(10):
            estimator.add(graph.defects(samples(model, 10_000, seed=seed)[0]))
        factors.append(np.exp(np.log(estimator.probabilities() / graph.edge_probability).mean()))
    assert factors[0] == pytest.approx(1, abs=0.15)
    assert factors[1] == pytest.approx(4, rel=0.15)
    assert factors[2] == pytest.approx(1, abs=0.15)


def test_adaptation_wins_back_most_of_what_a_stale_model_loses() -> None:
    reported = surface_model(5, 0.006)
    truth = drifted(reported, 1.0, seed=3)
    graph, options = graph_of(reported), UnionFindOptions(weight_bits=4)
    estimator = EdgeEstimator(graph)
    estimator.add(graph.defects(samples(truth, 30_000, seed=4)[0]))
    events, observables = samples(truth, 300_000, seed=5)
    defects = graph.defects(events)
    errors = {
        name: int((UnionFindModel(used, options).decode(defects)[0] != observables).sum())
        for name, used in (("stale", graph), ("adapted", estimator.graph()), ("true", graph_of(truth)))
    }
    assert errors["stale"] > 1.1 * errors["true"]
    assert errors["stale"] - errors["adapted"] > 0.5 * (errors["stale"] - errors["true"])


def test_a_device_that_does_not_drift_is_not_seen_to() -> None:
    """On a whole circuit, X detectors and all: the graph holds what its shots say."""
    circuit = memory("surface_code:rotated_memory_z", 3, 3, 0.005)
    graph = graph_of(circuit.detector_error_model(decompose_errors=True))
    shots = 400_000
    events = circuit.compile_detector_sampler(seed=9).sample(shots)
    estimator = EdgeEstimator(graph, EstimatorSettings(half_life_shots=1e12, spread=100))
    estimator.add(graph.defects(events.astype(np.uint8)))
    found, inner = estimator.probabilities(), graph.edge_v >= 0
    for edges in (inner, ~inner):
        # 400,000 shots see 240,000 errors inside and 60,000 at the boundary: 0.4% and less; parts as edges are off by
        # 5% and 10% here
        assert found[edges].sum() == pytest.approx(graph.edge_probability[edges].sum(), rel=0.02)


def test_an_error_that_has_become_rare_is_found_to_be_as_rare_as_the_shots_say() -> None:
    reported = surface_model(3, 0.01)
    graph = graph_of(reported)
    gone = int(np.flatnonzero(graph.edge_v < 0)[0])
    alike = np.isclose(graph.edge_probability, graph.edge_probability[gone]) & (graph.edge_u == graph.edge_u[gone])
    rates = np.where(alike, graph.edge_probability / 1e6, graph.edge_probability)
    estimator = EdgeEstimator(graph, EstimatorSettings(half_life_shots=1e12))
    estimator.add(graph.defects(samples(edges_model(graph, rates, reported), 400_000, seed=3)[0]))
    assert estimator.probabilities()[gone] < graph.edge_probability[gone] / 50
    few = EdgeEstimator(graph)
    few.add(np.zeros((10, graph.num_vertices), dtype=np.uint8))
    assert (few.probabilities() > graph.edge_probability / 2).all()  # ten shots cut nothing


def test_the_variance_of_an_estimate_is_that_of_its_repetitions() -> None:
    model = stim.DetectorErrorModel("error(0.3) D0 L0\nerror(0.1) D0 D1\nerror(0.2) D1")
    events = model.compile_sampler(seed=5).sample(2000 * 500)[0].reshape(500, 2000, 2)
    signs = 1 - 2 * events.astype(float)
    first, second, both = signs[..., 0].mean(axis=1), signs[..., 1].mean(axis=1), signs.prod(axis=2).mean(axis=1)
    repeated = (1 - np.sqrt(first * second / both)) / 2
    told = _variance_of_edge(*(np.array([part.mean()]) for part in (first, second, both)))[0] / 2000
    # the variance of 500 repetitions is known to 1 / sqrt(250) = 6%: four of these
    assert repeated.var() == pytest.approx(told, rel=0.25)


SHOTS = 3000


@pytest.fixture(scope="module")
def problem() -> DecodingProblem:
    model = surface_model(3, 0.01)
    return DecodingProblem(model, events_layout(model), graph_of(model), {"family": "surface", "distance": 3})


@pytest.fixture(scope="module")
def loadable(problem: DecodingProblem) -> Decoder:
    return find_decoder("union-find:loadable", problem)


@pytest.fixture
def link(problem: DecodingProblem, loadable: Decoder) -> Iterator[Link]:
    with OpenedLink(make_link("verilated", loadable, problem, Deadlines(exchange_s=60))) as opened:
        opened.link.write_register(Address.CONTROL, CONTROL_INPUT_MODE.set(CONTROL_ENABLE.set(0, 1), 1))
        yield opened.link


def words_of(problem: DecodingProblem, events: Bits) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return encode_event_shots(problem.layout.events_by_layer(events.astype(np.bool_))).ravel()


def test_written_weights_make_the_decoder_of_the_changed_model_bit_for_bit(
    problem: DecodingProblem, loadable: Decoder, link: Link
) -> None:
    changed = drifted(problem.error_model, 1.0, seed=6)
    events, _ = samples(changed, SHOTS, seed=7)
    words = words_of(problem, events)
    other = replace(problem, error_model=changed, graph=graph_of(changed))
    with OpenedLink(make_link("verilated", find_decoder("union-find", other), other, Deadlines())) as compiled:
        compiled.link.write_register(Address.CONTROL, CONTROL_INPUT_MODE.set(CONTROL_ENABLE.set(0, 1), 1))
        expected = compiled.link.exchange(words, SHOTS)
    before = link.exchange(words, SHOTS)
    assert loadable.folder is not None
    write_weights(link, weights_for(loadable.folder, other.graph))
    np.testing.assert_array_equal(link.exchange(words, SHOTS), expected)
    assert (before != expected).any()


def test_a_run_adapts_its_decoder_and_knows_how_it_would_have_done_without(
    problem: DecodingProblem, loadable: Decoder, link: Link, tmp_path: Path
) -> None:
    truth = drifted(problem.error_model, 1.2, seed=8)
    adaptation = Adaptation(problem, loadable, AdaptiveSettings(interval_shots=SHOTS))
    total = 0
    for seed in range(6):
        events, observables = samples(truth, SHOTS, seed=seed)
        flips = decode_corrections(link.exchange(words_of(problem, events), SHOTS), 1).flips
        total += int((flips != observables).sum())
        adaptation.observe(events, observables, flips)
        assert adaptation.is_due
        adaptation.renew(link)
        assert not adaptation.is_due
    fresh = replace(problem, error_model=truth, graph=graph_of(truth))
    result = adaptation.result(fresh)
    assert result["logical_errors"] == total
    assert result["renewals"] >= 1
    assert [stretch["first_shot"] for stretch in result["stretches"]] == [SHOTS * k for k in range(6)]
    assert result["stretches"][0]["logical_errors"] == result["stretches"][0]["stale_errors"]
    assert result["stale_errors"] > result["logical_errors"] > 0
    draw_adaptation(result, "decoder", tmp_path / "adaptive.png")
    assert (tmp_path / "adaptive.png").read_bytes().startswith(b"\x89PNG")


def test_fixed_weights_are_refused_with_the_remedy(problem: DecodingProblem) -> None:
    fixed = find_decoder("union-find", problem)
    with pytest.raises(LinkOpenError, match="union-find:loadable"):
        Adaptation(problem, fixed, AdaptiveSettings())
    assert fixed.folder is not None
    with pytest.raises(LinkError, match="fixed weights"):
        weights_for(fixed.folder, problem.graph)


def test_weights_for_another_structure_are_refused(loadable: Decoder) -> None:
    assert loadable.folder is not None
    with pytest.raises(LinkError, match="only probabilities may change"):
        weights_for(loadable.folder, graph_of(surface_model(5, 0.01)))
