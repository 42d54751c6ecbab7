"""The union-find core's RTL against its model: every answer, flag and cycle count."""

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

from hdl.compile.graph import DecodingGraph
from hdl.compile.unionfind import emit_core, weight_writes
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.model.unionfind import UnionFindModel
from tests.hdl.core_harness import Results, VerilatedCore
from tests.hdl.unionfind_codes import (
    TWO_OBSERVABLES,
    adversarial,
    graph_of,
    honeycomb,
    layers_of,
    memory,
    surface_graph,
    surface_samples,
    torus,
)

FROM_LAYER_TO_WORK = 3
"""Cycles of a result's latency before and after the core works on the shot."""
FOR_AN_EMPTY_SHOT = 2
CHUNK = 50_000


def all_syndromes(num_vertices: int) -> NDArray[np.uint8]:
    return (np.arange(1 << num_vertices)[:, None] >> np.arange(num_vertices) & 1).astype(np.uint8)


def check_answers(
    results: Results, graph: DecodingGraph, model: UnionFindModel, defects: NDArray[np.uint8], *, timed: bool
) -> None:
    decoded = model.decode_timed(defects)
    place = np.uint32(1) << np.arange(graph.num_observables, dtype=np.uint32)
    assert (results.flips == decoded.flips @ place).all()
    assert (results.status == decoded.status).all()
    assert not results.frame.any()
    if timed:
        latency = np.where(decoded.cycles > 0, decoded.cycles + FROM_LAYER_TO_WORK, FOR_AN_EMPTY_SHOT)
        assert (results.latency == latency).all()


def check_core(graph: DecodingGraph, options: UnionFindOptions, defects: NDArray[np.uint8]) -> None:
    core, model = VerilatedCore(graph, emit_core(graph, options)), UnionFindModel(graph, options)
    for start in range(0, len(defects), CHUNK):
        chunk = defects[start : start + CHUNK]
        layers = layers_of(graph, chunk)
        check_answers(core.run(layers, serial=True), graph, model, chunk, timed=True)
        few = slice(0, 2000)
        check_answers(core.run(layers[few], gap=30, stall=60, seed=start), graph, model, chunk[few], timed=False)
    core.close()


def test_every_syndrome_of_three_rounds_loaded_weights_included() -> None:
    graph, options = surface_graph(3), UnionFindOptions(4, loadable=True)
    defects = all_syndromes(graph.num_vertices)
    core = VerilatedCore(graph, emit_core(graph, options))
    layers = layers_of(graph, defects)
    check_answers(core.run(layers, serial=True), graph, UnionFindModel(graph, options), defects, timed=True)
    changed_circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=3,
        rounds=3,
        after_clifford_depolarization=0.002,
        before_round_data_depolarization=0.001,
        before_measure_flip_probability=0.03,
        after_reset_flip_probability=0.004,
    )
    changed = graph_of(changed_circuit.detector_error_model(decompose_errors=True))
    assert changed.graph_hash == graph.graph_hash
    writes = weight_writes(changed, options)
    for address, value in writes:
        core.write(address, value)
    assert [core.read(address) for address, _ in writes[:-1]] == [value for _, value in writes[:-1]]
    compiled = UnionFindModel(changed, UnionFindOptions(4))
    assert (compiled.decode(defects)[0] != UnionFindModel(graph, options).decode(defects)[0]).any()
    check_answers(core.run(layers, serial=True), graph, compiled, defects, timed=True)
    core.close()


@pytest.mark.parametrize("weight_bits", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_every_syndrome_of_three_rounds(weight_bits: int) -> None:
    graph = surface_graph(3)
    check_core(graph, UnionFindOptions(weight_bits), all_syndromes(graph.num_vertices))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("distance", "shots"), [(5, 1_000_000), (7, 200_000), (9, 20_000)], ids=["d=5", "d=7", "d=9"])
@pytest.mark.parametrize("weight_bits", [3, 4])
def test_random_and_adversarial_shots(distance: int, shots: int, weight_bits: int) -> None:
    graph = surface_graph(distance)
    third = shots // 3
    kinds = [surface_samples(distance, prob, third, seed=6).defects for prob in (0.001, 0.005, 0.02)]
    kinds.append(adversarial(graph, seed=1, shots=shots - 3 * third + 1000))
    check_core(graph, UnionFindOptions(weight_bits), np.concatenate(kinds))


@pytest.mark.parametrize(
    "name",
    [
        "two observables",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("repetition", "unrotated", "honeycomb", "torus")),
    ],
)
def test_other_codes(name: str) -> None:
    repetition = memory("repetition_code:memory", 15, 11, 0.03).detector_error_model(decompose_errors=True)
    unrotated = memory("surface_code:unrotated_memory_z", 5, 5, 0.01).detector_error_model(decompose_errors=True)
    models = {
        "repetition": repetition,
        "unrotated": unrotated,
        "honeycomb": honeycomb(6, 6, 18, 0.005).detector_error_model(decompose_errors=True),
        "two observables": TWO_OBSERVABLES,
        "torus": torus(4, 3, 0.03),
    }
    graph = graph_of(models[name])
    events = models[name].compile_sampler(seed=9).sample(20_000)[0].astype(np.uint8)
    check_core(
        graph,
        UnionFindOptions(4, cycle_budget=600),
        np.concatenate([graph.defects(events), adversarial(graph, seed=2)]),
    )


@pytest.mark.slow
def test_an_exhausted_budget_answers_in_time() -> None:
    graph = surface_graph(3)
    defects = adversarial(graph, seed=3, shots=20_000)
    for budget in (1, 7, 23, 40):
        check_core(graph, UnionFindOptions(4, cycle_budget=budget), defects)


@pytest.mark.parametrize(
    ("distance", "rounds", "options", "shots"),
    [
        (3, 20, UnionFindOptions(4, window=6, commit=3), 2000),
        pytest.param(3, 21, UnionFindOptions(3, window=4, commit=1, fifo_layers=4), 2000, marks=pytest.mark.slow),
        pytest.param(3, 6, UnionFindOptions(3, window=10), 2000, marks=pytest.mark.slow),
        pytest.param(3, 30, UnionFindOptions(4, window=6, cycle_budget=25), 2000, marks=pytest.mark.slow),
        pytest.param(5, 50, UnionFindOptions(4, window=10), 2000, marks=pytest.mark.slow),
    ],
)
def test_windows(distance: int, rounds: int, options: UnionFindOptions, shots: int) -> None:
    graph = surface_graph(distance, rounds)
    core, model = VerilatedCore(graph, emit_core(graph, options)), UnionFindModel(graph, options)
    layers = surface_samples(distance, 0.01, shots, seed=8, rounds=rounds).layers
    expected = model.decode_stream(layers)
    shape = expected.status.shape
    for gap, stall in ((0, 0), (40, 50), (97, 0)):
        results = core.run(layers, gap=gap, stall=stall)
        assert results.flips.shape == (shape[0] * shape[1],)
        assert (results.flips.reshape(shape) == expected.flips[:, :, 0]).all()
        assert (results.status.reshape(shape) & 3 == expected.status).all()
        assert (results.frame.reshape(shape) == (np.arange(shape[1]) < shape[1] - 1)).all()
        rounds_seen = results.round.reshape(shape)[:, :-1]
        assert (rounds_seen == options.commit_layers * np.arange(1, shape[1])).all()
    core.close()
