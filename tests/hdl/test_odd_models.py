"""Error models that are no plain memory, decoded as an enumeration of the model says, or refused with the reason."""

import itertools
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import events_layout, read_error_model
from hdl.compile.parity import ImpossibleShots
from hdl.compile.table import maximum_likelihood_table
from hdl.compile.unionfind_fabric import UnionFindOptions, build_fabric
from hdl.errors import ErrorModelError, ShapeError
from hdl.model.unionfind import UnionFindModel
from hdl.model.unionfind_reference import ReferenceDecoder
from tests.hdl.test_unionfind_rtl import all_syndromes, check_core
from tests.hdl.unionfind_codes import graph_of, memory, torus

CHAIN = "\n".join(
    [
        "error(0.1) D0 L0",
        *(f"error(0.1) D{i} D{i + 1}" for i in range(5)),
        "error(0.1) D5",
        *(f"detector(0, 0, {i}) D{i}" for i in range(6)),
    ]
)
"""A line through time whose observable is at its beginning."""
THREE_WAYS = """
    error(0.1) D0 D2
    error(0.1) D2 D1
    error(0.1) D0 D3 L0
    error(0.1) D3 D1
    error(0.1) D0 D4 L1
    error(0.1) D4 D1
    detector(0, 0, 0) D0
    detector(1, 0, 1) D1
    detector(2, 0, 0) D2
    detector(3, 0, 1) D3
    detector(4, 0, 0) D4
"""
"""Three ways of the same length between two detectors: none, L0 or L1 flips."""
DROPPED = """
    error(0.05) D0 D1 ^ D2 L0
    error(0.1) D0
    error(0.1) D1
    error(0.1) D2
    error(0.02) D2 L0
    error(0.02) D0 D1
"""
"""Of two errors that D2 alone sees, the one that flips the observable is the less likely."""
SPLIT = """
    error(1e-6) D0
    error(1e-6) D0 D1
    error(1e-6) D0 L0
    error(0.1) D1 L0 ^ D0 L0
    error(0.1) D1 ^ D0
    detector(90, 90, 0) D2
    detector(90, 90, 1) D3
"""
"""Errors that are an edge as they stand, split into parts that flip other observables (PyMatching issue 103)."""
HYPEREDGES = """
    error(0.1) D0 D1 D2 L0
    error(0.05) D0 D3
    error(0.1) D1 D2 D3 D4
    error(0.05) D0
    error(0.02) D4 L0
    error(0.03) D2 L1
"""


def patches(count: int) -> str:
    """Separate patches of two detectors between two boundaries, an observable each."""
    lines = [
        f"error(0.05) D{2 * k} L{k}\nerror(0.05) D{2 * k} D{2 * k + 1}\nerror(0.05) D{2 * k + 1}" for k in range(count)
    ]
    return "\n".join(lines)


def alternating(rounds: int = 20) -> str:
    """A repetition code whose noise is of another kind in odd and in even rounds."""
    lines = []
    for r in range(rounds + 1):
        within, ahead = (0.06, 0.001) if r % 2 else (0.001, 0.1)
        lines += [f"detector({i}, 0, {r}) D{4 * r + i}" for i in range(4)]
        lines += [f"error({within}) D{4 * r + i} D{4 * r + i + 1}" for i in range(3)]
        lines += [f"error({within}) D{4 * r} L0", f"error({within}) D{4 * r + 3}"]
        lines += [f"error({ahead}) D{4 * r + i} D{4 * r + 4 + i}" for i in range(4) if r < rounds]
    return "\n".join(lines)


def joint(model: stim.DetectorErrorModel) -> dict[tuple[int, ...], dict[tuple[int, ...], float]]:
    """Probability of each (detectors, observables), by enumeration over every subset of the errors."""
    errors = []
    for error in model.flattened():
        if error.type == "error":
            detectors = np.zeros(model.num_detectors, dtype=int)
            observables = np.zeros(model.num_observables, dtype=int)
            for target in error.targets_copy():
                if target.is_relative_detector_id():
                    detectors[target.val] ^= 1
                elif target.is_logical_observable_id():
                    observables[target.val] ^= 1
            errors.append((detectors, observables, error.args_copy()[0]))
    found: dict[tuple[int, ...], dict[tuple[int, ...], float]] = {}
    for happens in itertools.product([0, 1], repeat=len(errors)):
        chosen = [error for error, yes in zip(errors, happens, strict=True) if yes]
        detectors = sum((each[0] for each in chosen), np.zeros(model.num_detectors, dtype=int)) % 2
        observables = sum((each[1] for each in chosen), np.zeros(model.num_observables, dtype=int)) % 2
        chance = float(np.prod([p if yes else 1 - p for (*_, p), yes in zip(errors, happens, strict=True)]))
        here = found.setdefault(tuple(detectors.tolist()), {})
        here[tuple(observables.tolist())] = here.get(tuple(observables.tolist()), 0.0) + chance
    return found


def flips_of(masks: NDArray[np.uint32], count: int) -> NDArray[np.uint32]:
    return masks[:, None] >> np.arange(count, dtype=np.uint32) & np.uint32(1)


@pytest.mark.parametrize("text", [DROPPED, SPLIT, THREE_WAYS, CHAIN, HYPEREDGES, patches(2)])
def test_a_table_is_the_optimum_of_the_enumerated_model(text: str) -> None:
    model = stim.DetectorErrorModel(text)
    graph = decoding_graph(model, events_layout(model))
    table = maximum_likelihood_table(graph)
    for detectors, chances in joint(model).items():
        syndrome = sum(detectors[int(d)] << vertex for vertex, d in enumerate(graph.vertex_detector))
        answer = tuple(int(table[syndrome]) >> k & 1 for k in range(model.num_observables))
        assert chances.get(answer, 0.0) == pytest.approx(max(chances.values()), rel=1e-9)


def test_a_table_takes_any_twenty_detectors_wherever_they_lie() -> None:
    # each in a layer and at a place of its own: a layer of 20 places in each of 20 layers
    lines = [f"error(0.01) D{i} D{(i + 1) % 20} D{(i + 7) % 20}{' L0' if i % 3 == 0 else ''}" for i in range(20)]
    lines += [f"detector({i}, {i}) D{i}" for i in range(20)]
    model = stim.DetectorErrorModel("\n".join(lines))
    graph = decoding_graph(model, events_layout(model))
    assert graph.num_vertices == 20
    single = {sum(1 << v for v in (i, (i + 1) % 20, (i + 7) % 20)): int(i % 3 == 0) for i in range(20)}
    table = maximum_likelihood_table(graph)
    assert [int(table[symptom]) for symptom in single] == list(single.values())


def test_a_model_without_edges_is_too_large_from_21_detectors_on() -> None:
    lines = [f"error(0.01) D{i} D{(i + 1) % 21} D{(i + 7) % 21} L0" for i in range(21)]
    model = stim.DetectorErrorModel("\n".join(lines))
    with pytest.raises(ErrorModelError, match=r"(?s)D0 D1 D7 L0.*up to 20 detectors \(here 21\)"):
        decoding_graph(model, events_layout(model))


def test_an_error_that_is_an_edge_is_not_split() -> None:
    graph = graph_of(stim.DetectorErrorModel(SPLIT))
    flips, _ = UnionFindModel(graph, UnionFindOptions()).decode(np.array([[1, 1]], dtype=np.uint8))
    assert flips.tolist() == [[0]]
    pair = np.flatnonzero(graph.edge_v >= 0)
    # 0.1 twice and 1e-6, by hand: one of two, 2 * 0.1 * 0.9 = 0.18, and hardly changed by the third
    assert graph.edge_probability[pair] == pytest.approx([0.18 * (1 - 1e-6) + 1e-6 * 0.82], rel=1e-12)


def test_parts_of_one_part_of_the_graph_are_put_together_and_a_larger_error_keeps_its_parts() -> None:
    text = "error(0.1) D0 D1 ^ D1 D2 ^ D3 D4\nerror(0.2) D0 L0\nerror(0.2) D3"
    apart = graph_of(stim.DetectorErrorModel(text))
    assert edges_of(apart) == {(0, 2), (3, 4), (0, -1), (3, -1)}
    # D1 is in no other error and cancels in this one: its parts need it all the same
    joined = graph_of(stim.DetectorErrorModel(text + "\nerror(0.05) D2 D3"))
    assert edges_of(joined) == {(0, 1), (1, 2), (2, 3), (3, 4), (0, -1), (3, -1)}
    for graph in (apart, joined):
        table = maximum_likelihood_table(graph)
        assert [int(table[symptom]) for symptom in (0b00001, 0b11101, 0b11100)] == [1, 0, 1]


def edges_of(graph: DecodingGraph) -> set[tuple[int, int]]:
    return set(zip(graph.edge_u.tolist(), graph.edge_v.tolist(), strict=True))


def test_errors_that_an_edge_leaves_out_are_told() -> None:
    graph = graph_of(stim.DetectorErrorModel(DROPPED))
    (warning,) = graph.warnings
    # 0.05 and 0.02, one of them: 0.05 * 0.98 + 0.02 * 0.95 = 0.068
    assert "between D2 and the boundary, no observable (0.1) is kept and L0 (0.068) left out" in warning
    assert "never answer a flip" in warning
    rare = "error(0.1) D0\nerror(0.0001) D0 L0\nerror(0.1) D0 D1\nerror(0.1) D1 L0"
    assert graph_of(stim.DetectorErrorModel(rare)).warnings == ()


def test_a_two_detector_error_of_one_basis_is_one_edge() -> None:
    # D0 and D1 have boundary edges of their own, and one error sets off both: Stim may write it in two parts
    text = "error(0.02) D0 L0\nerror(0.02) D1\nerror(0.03) D0 D1\nerror(0.01) D0 L0 ^ D1 ^ D2\nerror(0.04) D2"
    lines = "".join(f"\nerror(0.01) D{i} D{i + 1}" for i in range(2, 25))  # what is seen of it is too large for a table
    graph = graph_of(stim.DetectorErrorModel(text + lines))
    assert graph.vertex_detector.tolist() == [0, 1]
    edges = dict(
        zip(zip(graph.edge_u.tolist(), graph.edge_v.tolist(), strict=True), graph.edge_probability, strict=True)
    )
    assert edges == pytest.approx({(0, -1): 0.02, (1, -1): 0.02, (0, 1): 0.03})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CHAIN, r"layer 0 does not: the edge between D0 and the boundary \(0.1\) has no like in layer 2"),
        (alternating(), r"layer 2 does not: the edge between D8 and D9 has probability 0.001, not 0.06 as in layer 9"),
        (CHAIN.replace("(0, 0, ", "(0, 0, -"), "needs layers that repeat"),
        ("error(0.1) D0 D20 L0\n" + CHAIN + "\ndetector(1, 0, 5) D20", "reaches over 5 layers"),
    ],
)
def test_windows_need_layers_that_repeat(text: str, reason: str) -> None:
    with pytest.raises(ErrorModelError, match=reason):
        build_fabric(graph_of(stim.DetectorErrorModel(text)), UnionFindOptions(window=4, commit=2))


def changed_memory(change: Callable[[stim.DemInstruction, tuple[int, ...]], float]) -> stim.DetectorErrorModel:
    """A repetition memory of 12 rounds, its errors by their detectors with other probabilities."""
    model = memory("repetition_code:memory", 3, 12, 0.01).detector_error_model()
    changed = stim.DetectorErrorModel()
    for each in model.flattened():
        if each.type != "error":
            changed.append(each)
            continue
        detectors = tuple(target.val for target in each.targets_copy() if target.is_relative_detector_id())
        changed.append("error", change(each, detectors), each.targets_copy())
    return changed


@pytest.mark.parametrize(("factor", "fits"), [(1.0, True), (1.05, True), (1.3, False), (0.5, False)])
def test_windows_stand_a_tenth_of_a_probability_and_no_more(factor: float, fits: bool) -> None:
    # detectors 16 and 17 are the eighth layer's
    model = changed_memory(lambda each, detectors: each.args_copy()[0] * (factor if detectors == (16, 17) else 1))
    graph = graph_of(model)
    if fits:
        assert build_fabric(graph, UnionFindOptions(window=4)).num_layers == 4
        return
    with pytest.raises(ErrorModelError, match="layer 8 does not: the edge between D16 and D17 has probability"):
        build_fabric(graph, UnionFindOptions(window=4))


def test_windows_stand_other_probabilities_at_both_ends_of_the_memory() -> None:
    model = changed_memory(lambda each, detectors: each.args_copy()[0] * (3 if min(detectors) < 2 else 1))
    assert build_fabric(graph_of(model), UnionFindOptions(window=4)).num_layers == 4


def test_one_of_several_ways_around_a_loop_is_taken() -> None:
    model = stim.DetectorErrorModel(THREE_WAYS)
    graph = graph_of(model)
    defects = all_syndromes(graph.num_vertices)
    chances = joint(model)
    decoded = UnionFindModel(graph, UnionFindOptions())
    flips, status = decoded.decode(defects)
    for row, flip, flags in zip(defects, flips, status, strict=True):
        detectors = np.zeros(model.num_detectors, dtype=int)
        detectors[graph.vertex_detector] = row
        if not flags & 1:  # an even number: some error explains it
            assert tuple(flip.tolist()) in chances[tuple(detectors.tolist())]
            decision = ReferenceDecoder(decoded.fabric).decode(np.flatnonzero(row).tolist())
            assert [decision.flips >> k & 1 for k in range(2)] == flip.tolist()


LOOPS = "\n".join(f"error(0.1) D0 D{2 + k} L{k}\nerror(0.1) D{2 + k} D1" for k in range(4))


@pytest.mark.parametrize(
    "text", [THREE_WAYS, LOOPS, patches(4) + "\nerror(0.01) D0 D4 L9\nerror(0.02) D1 D4\nerror(0.03) D1 D5 L2"]
)
def test_rtl_takes_the_way_that_the_model_takes(text: str) -> None:
    graph = graph_of(stim.DetectorErrorModel(text))
    assert build_fabric(graph, UnionFindOptions()).twisted
    check_core(graph, UnionFindOptions(4), all_syndromes(graph.num_vertices))


@pytest.mark.parametrize("name", ["torus", "three ways", "loops"])
def test_the_fast_model_takes_the_way_of_the_reference(name: str) -> None:
    models = {
        "torus": torus(3, 3, 0.05),
        "three ways": stim.DetectorErrorModel(THREE_WAYS),
        "loops": stim.DetectorErrorModel(LOOPS),
    }
    graph = graph_of(models[name])
    model = UnionFindModel(graph, UnionFindOptions(3))
    generator = np.random.default_rng(4)
    defects = (generator.random((150, graph.num_vertices)) < 0.3).astype(np.uint8)
    defects = defects[defects.sum(axis=1) % 2 == 0]
    flips, _ = model.decode(defects)
    reference = ReferenceDecoder(model.fabric)
    for row, flip in zip(defects, flips, strict=True):
        decision = reference.decode(np.flatnonzero(row).tolist())
        assert [decision.flips >> k & 1 for k in range(graph.num_observables)] == flip.tolist()


@pytest.mark.parametrize("count", [8, 40, 62])
def test_patches_may_have_as_many_observables_as_there_are_bits(count: int) -> None:
    model = stim.DetectorErrorModel(patches(count))
    decoder = UnionFindModel(graph_of(model), UnionFindOptions())
    events, observables, _ = model.compile_sampler(seed=7).sample(3000)
    flips, _ = decoder.decode(events.astype(np.uint8))
    for k in range(count):  # each patch by its own enumeration: (D, D') = 10 flips, the rest does not
        expected = events[:, 2 * k] & ~events[:, 2 * k + 1]
        assert (flips[:, k] == expected).all()
    assert (flips != observables).mean() < 0.01


def test_rtl_of_separate_patches() -> None:
    graph = graph_of(stim.DetectorErrorModel(patches(9)))
    generator = np.random.default_rng(1)
    defects = (generator.random((4000, graph.num_vertices)) < 0.3).astype(np.uint8)
    check_core(graph, UnionFindOptions(4), defects)


def test_boundaries_of_more_than_eight_kinds_in_one_part_are_refused() -> None:
    text = "\n".join(f"error(0.05) D{k} L{k}" + (f"\nerror(0.05) D{k} D{k + 1}" if k < 8 else "") for k in range(9))
    with pytest.raises(ErrorModelError, match="9 or more different sets of observables in one connected part"):
        build_fabric(graph_of(stim.DetectorErrorModel(text)), UnionFindOptions())


IMPOSSIBLE = "error(0.1) D0 D1 L0\nerror(0.1) D1 D2\nerror(0.1) D2 D0\ndetector D3"


FEW_HYPEREDGES = "error(0.1) D0 D1 D2 L0\nerror(0.1) D2 D3 D4\nerror(0.1) D0 D1 D3 D4\nerror(0.2) D0 D3"


@pytest.mark.parametrize(
    "text", [IMPOSSIBLE, HYPEREDGES, FEW_HYPEREDGES, DROPPED, THREE_WAYS, "error(1) D0 L0\nerror(0.1) D0 D1"]
)
def test_impossible_shots_are_those_that_the_enumeration_does_not_have(text: str) -> None:
    model = stim.DetectorErrorModel(text)
    shots = all_syndromes(model.num_detectors)
    chances = joint(model)
    expected = [not sum(chances.get(tuple(shot.tolist()), {}).values()) for shot in shots]
    assert ImpossibleShots(model).find(shots).tolist() == expected


@pytest.mark.parametrize("width", [2, 5])
def test_events_of_another_width_are_refused(width: int) -> None:
    model = stim.DetectorErrorModel(THREE_WAYS.replace("D4", "D3"))
    graph = graph_of(model)
    wrong = np.zeros((3, width), dtype=np.uint8)
    expected = rf"\(3, {width}\); expected \(shots, 4\)"
    for door in (graph.defects, ImpossibleShots(model).find):
        with pytest.raises(ShapeError, match=expected):
            door(wrong)
    with pytest.raises(ShapeError, match=expected):
        graph.layout.events_by_layer(wrong.astype(np.bool_))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"R 0\nM 0\nDETECTOR rec[-1]\nOBSERVABLE_INCLUDE(0) rec[-1]\n",
            r"is a circuit, .*\nMake its model with: stim an",
        ),
        (b"QUBIT_COORDS(0, 0) 0\nR 0\nM 0\n", r"a circuit without detectors, .*\nAnnotate it"),
        ("error(0.1) D0 L0".encode("utf-16"), "is not text; expected .* in UTF-8"),
        (b"\xef\xbb\xbfhello", r"not a detector error model in Stim's format: .*hello"),
    ],
)
def test_files_that_are_no_model_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "model.dem"
    file.write_bytes(content)
    with pytest.raises(ErrorModelError, match=message):
        read_error_model(file)
    file.write_bytes(b"\xef\xbb\xbferror(0.1) D0 L0\r\n")  # a byte-order mark, as Windows Notepad writes it
    assert read_error_model(file).num_detectors == 1


@pytest.mark.parametrize("name", ["m.dem", "d=3,p=0.005", "my (first) circuit.stim", "c.dem.stim"])
def test_the_command_that_makes_a_circuits_model_makes_it_and_nothing_else(name: str, tmp_path: Path) -> None:
    """As the message has it, in a shell."""
    circuit = stim.Circuit.generated(
        "repetition_code:memory", distance=3, rounds=2, before_measure_flip_probability=0.1
    )
    file = tmp_path / name
    circuit.to_file(file)
    with pytest.raises(ErrorModelError) as caught:
        read_error_model(file)
    tool = Path(sys.executable).with_name("stim")
    command = str(caught.value).partition("model with: stim ")[2]
    subprocess.run(["bash", "-c", f"{shlex.quote(str(tool))} {command}"], check=True, timeout=60)
    assert stim.Circuit.from_file(file) == circuit
    (model,) = set(tmp_path.iterdir()) - {file}
    assert read_error_model(model) == circuit.detector_error_model(decompose_errors=True)


@pytest.mark.parametrize(
    ("error", "edge"),
    [
        ("D0 D1 ^ L0", (0, 1, 1)),
        ("L0 ^ D0 D1 L0", (0, 1, 0)),
        ("D0 D0 L1 ^ D0 D1 L1", (0, 1, 0)),
        ("D0 ^ L0 ^ D1", (0, 1, 1)),
        ("D0 ^ L0", (0, -1, 1)),
    ],
)
def test_a_part_without_detectors_flips_what_it_says(error: str, edge: tuple[int, int, int]) -> None:
    graph = graph_of(stim.DetectorErrorModel(f"error(0.1) {error}\nerror(0.01) D0 L2\nerror(0.01) D1 L1"))
    rows = zip(graph.edge_u.tolist(), graph.edge_v.tolist(), graph.edge_observables.tolist(), strict=True)
    likely = [row for row, prob in zip(rows, graph.edge_probability, strict=True) if prob > 0.05]
    assert likely == [edge]


@pytest.mark.parametrize(
    "text",
    [
        "error(0.1) D0 ^ D1 L0",
        "error(0.1) D0 ^ D1 L0\nerror(0.1) D1 D2 ^ D0",
        "error(0.1) D0 D1 ^ D2 D3 L0\nerror(0.2) D1 D2",
        "error(0.1) D0 ^ D0 D1\nerror(1) D2 L0\nerror(0.1) D3",
    ],
)
def test_shots_that_no_set_of_whole_errors_explains_are_found(text: str) -> None:
    model = stim.DetectorErrorModel(text)
    shots = np.array(list(itertools.product([0, 1], repeat=model.num_detectors)), dtype=np.uint8)
    possible = {detectors for detectors, flips in joint(model).items() if sum(flips.values()) > 0}
    found = ImpossibleShots(model).find(shots)
    assert found.tolist() == [tuple(shot) not in possible for shot in shots.tolist()]


def test_many_shots_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    finder = ImpossibleShots(stim.DetectorErrorModel("error(0.1) D0 D1 L0\nerror(0.1) D1 D2"))
    shots = np.random.default_rng(1).integers(2, size=(1000, 3)).astype(np.uint8)
    whole = finder.find(shots)
    monkeypatch.setattr("hdl.compile.parity.EVENTS_AT_ONCE", 100)
    assert whole.tolist() == (shots.sum(axis=1) % 2 == 1).tolist() == finder.find(shots).tolist()
    assert finder.find(shots[:0]).shape == (0,)


def test_large_groups_are_looked_at_by_their_parity_in_little_memory() -> None:
    ring = "\n".join(f"error(0.1) D{k} D{(k + 1) % 200}{' L0' if k == 0 else ''}" for k in range(200))
    pairs = "\n".join(f"error(0.1) D{k} D{k + 1}" for k in range(200, 40_200, 2))
    finder = ImpossibleShots(stim.DetectorErrorModel(f"{ring}\n{pairs}"))
    shots = np.zeros((5, 40_200), dtype=np.uint8)
    shots[1, [3, 77]] = shots[2, [3]] = shots[3, [40_000]] = shots[4, [40_000, 40_001]] = 1
    assert finder.find(shots).tolist() == [False, False, True, True, False]


def test_times_that_differ_by_rounding_are_one_layer() -> None:
    lines = [f"detector({i}, 0, {0.1 * r if i % 2 else r / 10}) D{3 * r + i}" for r in range(12) for i in range(3)]
    model = stim.DetectorErrorModel("\n".join([*lines, "error(0.1) D0 L0"]))
    assert events_layout(model).num_layers == 12


def test_windows_are_refused_where_a_part_has_no_boundary() -> None:
    """A ring in time: a cluster that leaves by the open end would leave a single defect for the last window."""
    lines = [f"detector({i}, 0, {r}) D{5 * r + i}" for r in range(9) for i in range(5)]
    lines += [f"error(0.02) D{5 * r + i} D{5 * r + (i + 1) % 5}{' L0' * (i == 4)}" for r in range(9) for i in range(5)]
    lines += [f"error(0.02) D{5 * r + i} D{5 * r + i + 5}" for r in range(8) for i in range(5)]
    graph = graph_of(stim.DetectorErrorModel("\n".join(lines)))
    with pytest.raises(ErrorModelError, match=r"1 of 1 have none.*\n.*whole shots"):
        build_fabric(graph, UnionFindOptions(window=4, commit=2))
    assert build_fabric(graph, UnionFindOptions()).num_layers == 9


def test_a_lonely_large_number_is_refused_before_anything_is_built() -> None:
    model = stim.DetectorErrorModel("error(0.1) D0 D30000 L0\ndetector(1, 2, 3) D30000")
    with pytest.raises(
        ErrorModelError, match=r"30,001 detectors, .* 30000 detectors of it do not fit(.|\n)*last one is"
    ):
        events_layout(model)
