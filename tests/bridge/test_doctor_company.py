"""The company that a decoder is judged in: modest decoders, and syndromes that tell whether an error is known."""

from dataclasses import replace

import numpy as np
import pymatching
import pytest
import stim
from numpy.typing import NDArray

from bridge.doctor.crowd_checks import _gap
from bridge.doctor.modest import Company, ambiguous_errors, diagonal_edges, error_events, telling_syndromes
from bridge.problem import DecodingProblem
from hdl.compile.graph import BOUNDARY
from qds1.shots import Bits
from qtwin.problems import MemoryChoice
from tests.bridge.ailing.mutants import SURFACE, SURFACE_4X, posed

MEMORIES = [SURFACE, SURFACE_4X, MemoryChoice(code="repetition", distance=5, rounds=3, noise="uniform:0.005")]


def matching_of(problem: DecodingProblem, leave_out: int | None = None) -> pymatching.Matching:
    """PyMatching on Stim's own error model of the graph's edges, one of them left out."""
    graph, model = problem.graph, stim.DetectorErrorModel()
    for edge, (u, v, mask) in enumerate(zip(graph.edge_u, graph.edge_v, graph.edge_observables, strict=True)):
        targets = [stim.DemTarget.relative_detector_id(int(end)) for end in (u, v) if end != BOUNDARY]
        targets += [stim.DemTarget.logical_observable_id(k) for k in range(graph.num_observables) if mask >> k & 1]
        if edge != leave_out:
            model.append("error", float(graph.edge_probability[edge]), targets)
    model.append("detector", [], [stim.DemTarget.relative_detector_id(graph.num_vertices - 1)])
    return pymatching.Matching.from_detector_error_model(model)


@pytest.mark.parametrize("choice", MEMORIES, ids=["Z", "X", "repetition"])
def test_modest_decoders_correct_all_single_errors_but_the_diagonal_ones(choice: MemoryChoice) -> None:
    _, problem = posed(choice)
    graph = problem.graph
    reference = np.asarray(matching_of(problem).decode_batch(error_events(graph)), dtype=np.uint8)
    company = Company(graph, reference)
    diagonal = set(np.flatnonzero(diagonal_edges(graph)).tolist())
    assert len(company.decoders) == 7
    for name, wrong in company.wrong.items():
        assert wrong <= (diagonal if "diagonal" in name else set()), name
    assert company.of_its_kind(frozenset()) == [name for name, wrong in company.wrong.items() if not wrong]
    assert company.excuses(frozenset(diagonal)) is None or diagonal in company.wrong.values()
    without = company.wrong["matching without diagonal edges"]
    if without:
        assert company.excuses(without)
        assert company.excuses(frozenset(list(without)[:1])) is None  # one of a kind is not the kind
    assert not ambiguous_errors(graph)


def test_a_decoder_made_for_other_noise_is_judged_beside_its_own_weights() -> None:
    """Greedy matching with weights of uneven noise has single errors wrong, which under uniform noise no other has."""
    _, problem = posed(SURFACE)
    uneven = problem.graph.edge_probability * np.exp(np.random.default_rng(2).normal(0.0, 1.0, problem.graph.num_edges))
    made_for = replace(problem.graph, edge_probability=uneven)
    reference = np.asarray(matching_of(problem).decode_batch(error_events(problem.graph)), dtype=np.uint8)
    wrong = Company(problem.graph, reference, made_for).wrong["greedy matching with weights of its own"]
    assert wrong
    assert Company(problem.graph, reference).excuses(wrong) is None
    assert Company(problem.graph, reference, made_for).excuses(wrong)


def test_telling_syndromes_tell_pymatching_with_the_error_from_the_one_without() -> None:
    """PyMatching with optimal weights is none of the modest decoders, and must fall on the same sides."""
    _, problem = posed(SURFACE_4X)
    telling = telling_syndromes(problem.graph, seed=3, limit_s=60.0)
    assert len(telling) >= 10
    full = matching_of(problem)
    for each in telling:
        assert np.array_equal(full.decode_batch(each.defects), each.flips)
        blind = matching_of(problem, leave_out=each.edge).decode_batch(each.defects)
        assert (blind != each.flips).any(axis=1).mean() > 0.9


def shots_of_counts(dice: np.random.Generator) -> tuple[Bits, NDArray[np.int64]]:
    """Reference flips, half of them 1, and the number of events of each shot."""
    counts = np.repeat(np.arange(1, 10), 700)
    return dice.integers(0, 2, (len(counts), 1), dtype=np.uint8), counts


def noisy(reference: Bits, wrong_prob: NDArray[np.float64], dice: np.random.Generator) -> Bits:
    """Flips that are wrong with the given probability, shot by shot."""
    return np.asarray(reference ^ (dice.random(reference.shape) < wrong_prob[:, None]), dtype=np.uint8)


def test_a_number_of_events_with_wrong_answers_is_named_and_a_slow_fall_is_not() -> None:
    dice = np.random.default_rng(5)
    reference, counts = shots_of_counts(dice)
    slowly = 0.04 * counts
    modest = noisy(reference, slowly, dice)
    assert _gap(noisy(reference, slowly, dice), [modest], reference, counts) is None
    assert _gap(noisy(reference, np.minimum(0.5, 1.6 * slowly), dice), [modest], reference, counts) is None
    random_at_five = noisy(reference, np.where(counts == 5, 0.55, slowly), dice)
    found = _gap(random_at_five, [modest], reference, counts)
    assert found is not None
    assert found.diagnosis == "wrong for shots of 5 events"
    two = _gap(
        noisy(reference, np.where((counts == 1) | (counts == 3), 0.9, slowly), dice), [modest], reference, counts
    )
    assert two is not None
    assert two.data["events"] == [1, 3]
