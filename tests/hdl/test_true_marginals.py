"""What the marginals of whole errors are worth: fewer logical errors on the same shots than with parts as edges."""

import numpy as np
import pymatching
import pytest
import stim
from numpy.typing import NDArray

from bridge.statistics import exact_mcnemar
from hdl.compile.graph import DecodingGraph
from hdl.compile.unionfind_fabric import MAX_WEIGHT_BITS, UnionFindOptions, build_fabric
from hdl.model.unionfind import UnionFindModel
from tests.hdl.unionfind_codes import graph_of
from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.snapshot import compose
from twin.qec.memory import Memory
from twin.qec.spec import MemorySpec
from twin.settings import default_config_dir

Bits = NDArray[np.uint8]


def device_memory(device: str, family: str, distance: int, rounds: int, basis: str = "Z") -> stim.Circuit:
    """The circuit of a memory under a device's own noise."""
    catalog = DeviceCatalog.load(default_config_dir())
    found = catalog.devices[device]
    memory = Memory(
        MemorySpec.model_validate({"code_family": family, "code_distance": distance, "basis": basis}), found
    )
    return memory.circuit(compose(found, catalog.scenarios, ControllerState()), rounds)


def part_by_part(model: stim.DetectorErrorModel) -> stim.DetectorErrorModel:
    """The model in which every part of a decomposed error is an error of its own."""
    split = stim.DetectorErrorModel()
    for each in model.flattened():
        if each.type != "error":
            split.append(each)
            continue
        for part in each.target_groups():
            split.append("error", each.args_copy()[0], part)
    return split


def matching_errors(graph: DecodingGraph, defects: Bits, observables: Bits) -> NDArray[np.bool_]:
    """Which shots PyMatching gets wrong with the graph's edges."""
    matching = pymatching.Matching()
    for u, v, mask, weight in zip(
        graph.edge_u.tolist(), graph.edge_v.tolist(), graph.edge_observables.tolist(), graph.edge_weight, strict=True
    ):
        flips = {0} if mask else set()
        if v < 0:
            matching.add_boundary_edge(u, fault_ids=flips, weight=weight)
        else:
            matching.add_edge(u, v, fault_ids=flips, weight=weight)
    matching.ensure_num_fault_ids(1)
    return np.asarray((matching.decode_batch(defects) != observables).any(axis=1))


def union_find_errors(graph: DecodingGraph, defects: Bits, observables: Bits) -> NDArray[np.bool_]:
    """With the finest weights, so that what differs is the graph: to round to 4 bits costs as much as it gains."""
    flips, _ = UnionFindModel(graph, UnionFindOptions(weight_bits=MAX_WEIGHT_BITS)).decode(defects)
    return np.asarray((flips != observables).any(axis=1))


@pytest.mark.parametrize(
    ("device", "family", "distance", "shots"),
    [
        ("surface17_like", "surface", 3, 200_000),
        pytest.param("willow_like", "surface", 5, 3_000_000, marks=pytest.mark.slow),
        pytest.param("willow_like", "repetition", 5, 20_000_000, marks=pytest.mark.slow),
    ],
)
def test_decoders_make_fewer_errors_with_the_true_marginals(
    device: str, family: str, distance: int, shots: int
) -> None:
    circuit = device_memory(device, family, distance, distance)
    model = circuit.detector_error_model(decompose_errors=True)
    whole, parts = graph_of(model), graph_of(part_by_part(model))
    assert whole.vertex_detector.tolist() == parts.vertex_detector.tolist()
    sampler = circuit.compile_detector_sampler(seed=12)
    only = {judge: np.zeros(2, dtype=int) for judge in (matching_errors, union_find_errors)}
    total = {judge: np.zeros(2, dtype=int) for judge in only}
    for start in range(0, shots, 200_000):
        events, observables = sampler.sample(min(200_000, shots - start), separate_observables=True)
        defects, flips = whole.defects(events.astype(np.uint8)), observables.astype(np.uint8)
        for judge in only:
            new, old = judge(whole, defects, flips), judge(parts, defects, flips)
            only[judge] += [np.count_nonzero(new & ~old), np.count_nonzero(old & ~new)]
            total[judge] += [np.count_nonzero(new), np.count_nonzero(old)]
    for judge, (only_new, only_old) in only.items():
        p = exact_mcnemar(int(only_new), int(only_old))
        print(f"{judge.__name__}: {total[judge]}, only wrong {only_new}/{only_old}, p {p:.1e}")
        assert only_new < only_old
        assert p < 0.01


@pytest.mark.parametrize("device", sorted(DeviceCatalog.load(default_config_dir()).devices))
@pytest.mark.parametrize(("family", "basis"), [("surface", "Z"), ("surface", "X"), ("repetition", "Z")])
def test_windows_fit_the_noise_of_every_device(device: str, family: str, basis: str) -> None:
    model = device_memory(device, family, 3, 8, basis).detector_error_model(decompose_errors=True)
    graph = graph_of(model)
    assert graph.warnings == ()
    fabric = build_fabric(graph, UnionFindOptions(window=4))
    assert sorted(set(fabric.layer.tolist())) == [0, 1, 2, 3]
