"""Memory circuits: Stim's own for uniform noise, the device's noise in them, and figures from the literature."""

from __future__ import annotations

import numpy as np
import pymatching
import pytest
import stim

from twin.device.catalog import DeviceCatalog
from twin.device.commands import apply_command
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import compose
from twin.qec.codes import build_code, generated_parts
from twin.qec.errors import SessionSpecError
from twin.qec.memory import Memory
from twin.qec.spec import MemorySpec, UniformNoise

STIM_NAME = {"surface": "surface_code:rotated_memory_", "repetition": "repetition_code:memory"}


def _generated(family: str, distance: int, basis: str, rounds: int, prob: float) -> stim.Circuit:
    name = STIM_NAME[family] + (basis.lower() if family == "surface" else "")
    return stim.Circuit.generated(
        name,
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=prob,
        before_round_data_depolarization=prob,
        before_measure_flip_probability=prob,
        after_reset_flip_probability=prob,
    )


def _without_coordinates(model: stim.DetectorErrorModel) -> stim.DetectorErrorModel:
    bare = stim.DetectorErrorModel()
    for each in model.flattened():
        if each.type == "detector":
            bare.append("detector", [], each.targets_copy())
        else:
            bare.append(each)
    return bare


def _memory(device: Device, family: str, distance: int, basis: str = "Z", prob: float | None = None) -> Memory:
    noise = None if prob is None else UniformNoise(uniform_prob=prob)
    return Memory(MemorySpec(code_family=family, code_distance=distance, basis=basis, noise=noise), device)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "distance", "basis"),
    [("surface", 3, "Z"), ("surface", 5, "X"), ("surface", 4, "Z"), ("repetition", 5, "Z")],
)
@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_uniform_error_model_is_stims(
    catalog: DeviceCatalog, family: str, distance: int, basis: str, rounds: int
) -> None:
    device = catalog.devices["willow_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    model = _memory(device, family, distance, basis, 0.004).detector_error_model(snapshot, rounds)
    expected = _generated(family, distance, basis, rounds, 0.004).detector_error_model(decompose_errors=True)
    if family == "surface":
        assert model.flattened() == expected.flattened()
    assert _without_coordinates(model) == _without_coordinates(expected)


def test_parts_are_the_generated_circuit() -> None:
    expected = _generated("surface", 3, "Z", 6, 0.01)
    assert generated_parts("surface", 3, "Z", 0.01).assembled(6) == expected


@pytest.mark.parametrize(("family", "distance"), [("surface", 3), ("surface", 5), ("repetition", 4)])
@pytest.mark.parametrize("rounds", [1, 3])
def test_detectors_lie_at_their_stabilizer_and_layer(
    catalog: DeviceCatalog, family: str, distance: int, rounds: int
) -> None:
    device = catalog.devices["willow_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    memory = _memory(device, family, distance)
    found = sorted(map(tuple, memory.circuit(snapshot, rounds).get_detector_coordinates().values()))
    code = memory.code
    expected = [
        (*each.coordinates, float(layer))
        for layer in range(rounds + 1)
        for each in code.stabilizers
        if 0 < layer < rounds or each.type == code.basis
    ]
    assert found == sorted(expected)


@pytest.mark.parametrize(
    ("family", "distance", "basis"), [("surface", 3, "Z"), ("surface", 5, "X"), ("repetition", 7, "Z")]
)
def test_stabilizers_commute_and_are_those_measured(family: str, distance: int, basis: str) -> None:
    code = build_code(family, distance, basis)
    num_data = distance**2 if family == "surface" else distance
    assert code.num_data_qubits == num_data
    assert code.num_stabilizers == num_data - 1
    strings = []
    for each in code.stabilizers:
        string = stim.PauliString(num_data)
        for qubit in each.data_qubits:
            string[qubit] = each.type
        strings.append(string)
    assert all(a.commutes(b) for a in strings for b in strings)
    logical = stim.PauliString(num_data)
    for qubit in code.observable:
        logical[qubit] = code.basis
    assert all(logical.commutes(each) for each in strings)
    # A data error in mid-memory must light exactly the stabilizers that anticommute with it.
    simulator = stim.TableauSimulator(seed=1)
    bare = code.parts.without_annotations()
    simulator.do(bare.first)
    before = simulator.current_measurement_record()[-code.num_stabilizers :]
    target = code.data[num_data // 2]
    pauli = "X" if code.basis == "Z" else "Z"
    simulator.do(stim.Circuit(f"{pauli} {target}"))
    simulator.do(bare.body)
    after = simulator.current_measurement_record()[-code.num_stabilizers :]
    changed = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert changed == [e.index for e in code.stabilizers if e.type == code.basis and num_data // 2 in e.data_qubits]


@pytest.mark.parametrize(
    ("backend_id", "family", "distance", "layout"),
    [
        ("ibm_jakarta_like", "repetition", 3, "native"),
        ("ibm_jakarta_like", "repetition", 4, "virtual"),
        ("ibm_jakarta_like", "surface", 3, "virtual"),
        ("surface17_like", "surface", 3, "native"),
        ("willow_like", "surface", 7, "native"),
        ("willow_like", "surface", 9, "virtual"),
        ("repetition29_like", "repetition", 15, "native"),
    ],
)
def test_layout_is_native_where_the_code_fits(
    catalog: DeviceCatalog, backend_id: str, family: str, distance: int, layout: str
) -> None:
    device = catalog.devices[backend_id]
    memory = _memory(device, family, distance)
    assert memory.layout == layout
    placed = memory.placement
    if layout == "native":
        assert len(set(placed.qubits.values())) == len(placed.qubits)
        assert all((placed.qubits[a], placed.qubits[b]) in device.edges for a, b in memory.code.pairs())
    memory.detector_error_model(compose(device, catalog.scenarios, ControllerState()), 2)


def test_native_layout_that_does_not_fit_is_refused(jakarta: Device) -> None:
    with pytest.raises(SessionSpecError, match="does not fit on ibm_jakarta_like"):
        Memory(MemorySpec(code_family="surface", code_distance=3, layout="native"), jakarta)


def test_jakartas_cycle_is_the_published_one(catalog: DeviceCatalog, jakarta: Device) -> None:
    """11.9 us a cycle; detection fraction 0.15-0.19 in the layers between first and last."""
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    memory = _memory(jakarta, "repetition", 3)
    assert memory.noisy(snapshot).round_ns == pytest.approx(11_900, rel=0.01)
    rounds = 12
    events = memory.circuit(snapshot, rounds).compile_detector_sampler(seed=1).sample(50_000)
    fractions = events.reshape(50_000, rounds + 1, 2)[:, 1:-1].mean(axis=(0, 1))
    assert np.all((fractions > 0.145) & (fractions < 0.195))


def test_surface17_cycle_is_about_the_published_one(catalog: DeviceCatalog) -> None:
    device = catalog.devices["surface17_like"]
    memory = _memory(device, "surface", 3)
    assert memory.noisy(compose(device, catalog.scenarios, ControllerState())).round_ns == pytest.approx(1050, rel=0.1)


@pytest.mark.parametrize(
    ("prob", "distance", "fraction"), [(0.001, 3, 0.0123), (0.001, 5, 0.0148), (0.005, 3, 0.0585), (0.005, 5, 0.0693)]
)
def test_uniform_detection_fraction(catalog: DeviceCatalog, prob: float, distance: int, fraction: float) -> None:
    """Reference figures to three digits; 100,000 shots x 24 detectors hold 0.0123 to 0.00014 (2 sigma)."""
    device = catalog.devices["willow_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    sampler = (
        _memory(device, "surface", distance, prob=prob).circuit(snapshot, distance).compile_detector_sampler(seed=2)
    )
    assert sampler.sample(100_000).mean() == pytest.approx(fraction, rel=0.02)


def test_device_noise_follows_the_snapshot(catalog: DeviceCatalog) -> None:
    device = catalog.devices["surface17_like"]
    memory = _memory(device, "surface", 3)
    calm = compose(device, catalog.scenarios, ControllerState())
    state = apply_command(
        ControllerState(), device, catalog.scenarios, "inject_noise_override", {"gate_error_multiplier": 10.0}
    )
    noisy = compose(device, catalog.scenarios, state)
    fractions = [memory.circuit(each, 3).compile_detector_sampler(seed=1).sample(5000).mean() for each in (calm, noisy)]
    assert fractions[1] > 2 * fractions[0]


def test_readout_error_in_the_model_is_the_mean(catalog: DeviceCatalog, jakarta: Device) -> None:
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    circuit = _memory(jakarta, "repetition", 3).circuit(snapshot, 2)
    flips = {each.targets_copy()[0].value: each.gate_args_copy()[0] for each in circuit if each.name == "M"}
    # Data qubits 0, 2, 4 of the circuit lie on device qubits 0, 3, 6.
    assert flips == pytest.approx({0: 0.0210, 2: 0.0253, 4: 0.0276})


def _error_rate(circuit: stim.Circuit, rounds: int, shots: int) -> float:
    """Logical error per round by minimum-weight matching."""
    matching = pymatching.Matching.from_detector_error_model(circuit.detector_error_model(decompose_errors=True))
    events, observables = circuit.compile_detector_sampler(seed=4).sample(shots, separate_observables=True)
    errors = float(np.mean(matching.decode_batch(events) != observables))
    return float((1 - (1 - 2 * errors) ** (1 / rounds)) / 2)


def test_willow_class_suppresses_errors(catalog: DeviceCatalog) -> None:
    """Published: suppression factor 2.14. Twirled means of the device, without leakage or crosstalk: near 2."""
    device = catalog.devices["willow_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    rates = []
    for distance in (3, 5):
        memory = _memory(device, "surface", distance)
        rates.append(_error_rate(memory.circuit(snapshot, distance), distance, 100_000))
    assert 1.7 < rates[0] / rates[1] < 2.3


@pytest.mark.slow
@pytest.mark.parametrize(("prob", "factors"), [(0.003, (3.2, 3.4)), (0.005, (2.0, 2.05)), (0.007, (1.49, 1.55))])
def test_uniform_suppression_factor(catalog: DeviceCatalog, prob: float, factors: tuple[float, float]) -> None:
    """Reference figures of rotated surface code memory Z; 400,000 shots hold each factor to about 5%."""
    device = catalog.devices["willow_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    rates = []
    for distance in (3, 5, 7):
        memory = _memory(device, "surface", distance, prob=prob)
        rates.append(_error_rate(memory.circuit(snapshot, distance), distance, 400_000))
    assert rates[0] / rates[1] == pytest.approx(factors[0], rel=0.08)
    assert rates[1] / rates[2] == pytest.approx(factors[1], rel=0.12)
