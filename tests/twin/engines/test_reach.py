"""How far the engines reach: the exact engine's size, approximations of known size, and trajectories."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from tests.twin.engines.cases import METHODS, with_engine
from twin.device.catalog import DeviceCatalog
from twin.device.commands import set_cryo
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, compose
from twin.engines import CircuitError, CircuitLimits, CircuitResult, execute, prepare
from twin.engines.clifford_program import SHORTENED, TWIRLED
from twin.engines.density import Label, _Cluster, _Run, exact_cost
from twin.engines.preparation import Engine
from twin.engines.program import schedule
from twin.engines.trajectories import unitary_or_not
from twin.engines.transfer import Matrix, relaxation, rotation_z, transfer_matrices

HEADER = 'OPENQASM 2.0; include "qelib1.inc"; opaque delay(t) q; '
CLIFFORD_GATES = ("h", "s", "sx", "x", "sdg")
LARGEST = 2**26


def random_source(seed: int, num_qubits: int, num_steps: int, clifford: bool) -> str:
    """Gates, waits, resets, measurements in the middle, conditions; all qubits are measured at the end."""
    rng = random.Random(seed)
    lines = [f"qreg q[{num_qubits}]; creg c[2]; creg d[{num_qubits}];"]
    for _ in range(num_steps):
        qubit, other = rng.sample(range(num_qubits), 2)
        gate = rng.choice(CLIFFORD_GATES) if clifford else f"u3({rng.random() * 3},{rng.random() * 6},{rng.random()})"
        conditional = rng.choice(
            [f"reset q[{qubit}]", f"x q[{qubit}]", f"{gate} q[{qubit}]", f"delay(9000) q[{qubit}]"]
        )
        kinds = {
            f"{gate} q[{qubit}];": 4,
            f"cx q[{qubit}],q[{other}];": 3,
            f"delay({rng.randrange(1, 4000)}) q[{qubit}];": 2,
            f"measure q[{qubit}]->c[{rng.randrange(2)}];": 1,
            f"if(c=={rng.randrange(5)}) {conditional};": 1,
            f"reset q[{qubit}];": 1,
        }
        lines += rng.choices(list(kinds), list(kinds.values()))
    return HEADER + " ".join(lines) + " measure q -> d;"


@pytest.fixture
def repetition29(catalog: DeviceCatalog) -> Device:
    return catalog.devices["repetition29_like"]


@pytest.fixture
def warm(catalog: DeviceCatalog, repetition29: Device) -> NoiseSnapshot:
    """T1 and T2 differ from qubit to qubit: below, between and at the bounds."""
    snapshot = compose(repetition29, catalog.scenarios, set_cryo(ControllerState(), {"temperature_mk": 60}))
    ratios = (0.5, 1.3, 2.0)
    return replace(
        snapshot,
        snapshot_id="warm",
        qubits=tuple(replace(q, t2_us=q.t1_us * ratios[i % 3]) for i, q in enumerate(snapshot.qubits)),
    )


class _Watched(_Run):
    """A real run that remembers its largest tensor."""

    peak = 1

    def _apply(self, cluster: _Cluster, old: list[Label], matrix: Matrix, new: list[Label]) -> None:
        before = cluster.tensor.size
        super()._apply(cluster, old, matrix, new)
        self.peak = max(self.peak, before, cluster.tensor.size)

    def _joined(self, first: _Cluster, second: _Cluster) -> _Cluster:
        joined = super()._joined(first, second)
        self.peak = max(self.peak, joined.tensor.size)
        return joined


@pytest.mark.parametrize("clifford", [True, False])
def test_estimated_size_is_what_a_run_holds(clifford: bool, jakarta: Device, catalog: DeviceCatalog) -> None:
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    peaks = set()
    for seed in range(40):
        prepared = prepare(random_source(seed, 6, 30, clifford), jakarta)
        assert prepared.program is not None
        run = _Watched(
            prepared.program, schedule(prepared.program.operations, snapshot), transfer_matrices(snapshot), False
        )
        run.distribution()
        cost = exact_cost(prepared.program, LARGEST)
        assert cost is not None
        assert cost.peak_elements == run.peak == prepared.peak_elements
        assert exact_cost(prepared.program, run.peak - 1) is None
        peaks.add(run.peak)
    assert len(peaks) > 4


def ghz(num_qubits: int, wait_dt: int, end: str = "") -> str:
    """A chain, a wait, and what comes before the measurements."""
    chain = "".join(f"cx q[{i}],q[{i + 1}];" for i in range(num_qubits - 1))
    last = "".join(
        f"delay({wait_dt}) q[{i}]; {end} q[{i}];" if end else f"delay({wait_dt}) q[{i}];" for i in range(num_qubits)
    )
    reads = "".join(f"measure q[{i}] -> c[{i}];" for i in range(num_qubits))
    return f"{HEADER} qreg q[29]; creg c[{num_qubits}]; h q[0]; {chain} {last} {reads}"


def test_long_chains_are_exact(repetition29: Device, catalog: DeviceCatalog) -> None:
    """All in |0> of a GHZ state: (1 + (1 - exp(-t / T1))^n) / 2 without other errors, t = 200 us."""
    snapshot = _only_relaxation(compose(repetition29, catalog.scenarios, ControllerState()))
    prepared = prepare(ghz(18, 200_000), repetition29)
    assert prepared.engine == "density_matrix"
    assert prepared.peak_elements == 2**20
    result = execute(prepared, snapshot, 20_000, seed=1)
    t1_us = snapshot.qubits[0].t1_us
    expected = (1 + (1 - math.exp(-200 / t1_us)) ** 18) / 2
    # The chain takes less than 3 us, too little for another qubit to matter.
    assert abs(result.counts["0" * 18] / 20_000 - expected) < 0.02


def _only_relaxation(snapshot: NoiseSnapshot) -> NoiseSnapshot:
    silent: dict[str, Any] = {"prob_meas1_prep0": 0.0, "prob_meas0_prep1": 0.0, "gate_depolarizing": 0.0}
    silent |= {"excited_population": 0.0}
    qubits: tuple[Any, ...] = tuple(replace(qubit, **silent) for qubit in snapshot.qubits)
    edges = {pair: replace(edge, depolarizing=0.0) for pair, edge in snapshot.edges.items()}
    return replace(snapshot, snapshot_id="relaxation", qubits=qubits, edges=edges)


def _distance(exact: CircuitResult, sampled: CircuitResult) -> float:
    keys = set(exact.counts) | set(sampled.counts)
    return 0.5 * sum(
        abs(exact.counts.get(key, 0) / exact.shots - sampled.counts.get(key, 0) / sampled.shots) for key in keys
    )


def _scatter(num_outcomes: int, shots: int) -> float:
    """What a sample is off by: sqrt(k / (2 pi shots)) at most on average, and more with a probability below 3e-7.

    The second part is McDiarmid's inequality.
    """
    return math.sqrt(num_outcomes / (2 * math.pi * shots)) + math.sqrt(7.5 / shots)


@pytest.mark.parametrize("most_steps", [20_000_000, 0])
def test_no_approximation_is_further_off_than_it_says(
    most_steps: int, repetition29: Device, warm: NoiseSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways: the nearer channel of each wait, and the twirl throughout."""
    monkeypatch.setattr("twin.engines.clifford_program.MAX_SINGLE_SHOT_STEPS", most_steps)
    names: set[str] = set()
    for seed in range(12):
        source = random_source(seed, 4, 18, True)
        if most_steps == 0:  # conditions take single shots in either way
            source = source.replace("if(", "// if(").replace("; ", ";\n")
        prepared = prepare(source, repetition29)
        exact = execute(with_engine(prepared, "density_matrix"), warm, 1_000_000, seed=1)
        sampled = execute(with_engine(prepared, "stabilizer"), warm, 3000, seed=2)
        size = sum(sampled.approximation_sizes.values())
        k = len(exact.counts)
        assert _distance(exact, sampled) < size + _scatter(k, 3000) + _scatter(k, 1_000_000), source
        names.update(sampled.approximations)
    assert names == ({TWIRLED} if most_steps == 0 else {SHORTENED})


def test_populations_of_a_waiting_ghz_state_are_exact(repetition29: Device, catalog: DeviceCatalog) -> None:
    """Read in Z, nothing depends on the coherence that a reset in place of T2 loses; the twirl is off by 0.4."""
    snapshot = compose(repetition29, catalog.scenarios, ControllerState())
    prepared = prepare(ghz(12, 10_000), repetition29)
    exact = execute(prepared, snapshot, 400_000, seed=1)
    sampled = execute(with_engine(prepared, "stabilizer"), snapshot, 40_000, seed=2)
    assert sampled.approximations == ()
    zeros = "0" * 12
    prob = exact.counts[zeros] / 400_000
    assert abs(sampled.counts[zeros] / 40_000 - prob) < 5 * math.sqrt(prob * (1 - prob) * (1 / 40_000 + 1 / 400_000))


@pytest.mark.parametrize("t2_us", [15.0, 60.0])
def test_what_a_bad_reset_leaves_relaxes(t2_us: float, repetition29: Device, catalog: DeviceCatalog) -> None:
    """P(1) = p exp(-t / T1) of a reset that leaves |1> with probability p, here 0.3 exp(-1)."""
    snapshot = _only_relaxation(compose(repetition29, catalog.scenarios, ControllerState()))
    bad = tuple(replace(qubit, reset_error=0.3, t1_us=30.0, t2_us=t2_us) for qubit in snapshot.qubits)
    snapshot = replace(snapshot, snapshot_id=f"bad resets {t2_us}", qubits=bad)
    source = HEADER + "qreg q[1]; creg c[1]; x q[0]; reset q[0]; delay(30000) q[0]; measure q[0] -> c[0];"
    shots, prob = 40_000, 0.3 * math.exp(-30.0 / 30.0)
    for engine in ("density_matrix", "stabilizer"):
        result = execute(with_engine(prepare(source, repetition29), engine), snapshot, shots, seed=2)
        assert abs(result.counts["1"] / shots - prob) < 5 * math.sqrt(prob / shots), engine
        assert result.approximations == ()


def test_a_wait_of_a_thousand_t1_is_a_reset(repetition29: Device, catalog: DeviceCatalog) -> None:
    """exp(-t / T1) is 0 as a number; with T2 above T1 and the coherence read, too."""
    snapshot = _only_relaxation(compose(repetition29, catalog.scenarios, ControllerState()))
    source = HEADER + "qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; delay(4000000000) q[0]; h q[0]; measure q -> c;"
    for engine in ("density_matrix", "stabilizer"):
        counts = execute(with_engine(prepare(source, repetition29), engine), snapshot, 4000, seed=3).counts
        for key in ("00", "01"):  # qubit 1 has long relaxed, too; an H on |0>
            assert abs(counts[key] - 2000) < 5 * math.sqrt(4000 / 4), engine


def test_coherence_that_is_read_counts(repetition29: Device, catalog: DeviceCatalog) -> None:
    """With an H before the readout the waiting GHZ state is read in X: each way says that it is off."""
    snapshot = compose(repetition29, catalog.scenarios, ControllerState())
    prepared = prepare(ghz(4, 2000, "h"), repetition29)
    sampled = execute(with_engine(prepared, "stabilizer"), snapshot, 2000, seed=2)
    assert sampled.approximations == (SHORTENED,)
    single = HEADER + "qreg q[1]; creg c[1]; sx q[0]; delay(20000) q[0]; sx q[0]; measure q[0] -> c[0];"
    ramsey = execute(with_engine(prepare(single, repetition29), "stabilizer"), snapshot, 2000, seed=2)
    assert SHORTENED not in ramsey.approximations  # a twirl is exact in the coherence, and nothing else is read


@pytest.mark.parametrize("engine", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_trajectories_sample_the_exact_distribution(
    engine: Engine, seed: int, repetition29: Device, warm: NoiseSnapshot
) -> None:
    """Chi-squared of the outcomes that are expected at least five times, false alarms 1e-6 each."""
    pytest.importorskip("qiskit_aer", reason="Qiskit Aer is not installed: pip install 'qtwin[aer]'")
    prepared = prepare(random_source(seed, 4, 25, False), repetition29)
    shots, many = 2000, 2_000_000
    exact = execute(prepared, warm, many, seed=1)
    assert exact.engine == "density_matrix"
    counts = execute(with_engine(prepared, engine), warm, shots, seed=2).counts
    expected = {key: count * shots / many for key, count in exact.counts.items() if count * shots / many >= 5}
    rest = shots - sum(expected.values())
    found_rest = shots - sum(counts.get(key, 0) for key in expected)
    terms = [(counts.get(key, 0) - value) ** 2 / value for key, value in expected.items()]
    terms.append((found_rest - rest) ** 2 / max(rest, 1.0))
    assert sum(terms) < chi2.ppf(1 - 1e-6, len(terms))


def test_a_channel_is_its_mixture_of_a_unitary_and_kraus_operators(warm: NoiseSnapshot) -> None:
    """Waits, alone and around a rotation, for T2 below T1, above it, and at 2 T1, where there is no unitary in it."""
    paulis = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
    half = np.diag(np.exp([-0.15j, 0.15j]))
    for qubit in warm.qubits[:3]:
        for wait_ns in (0.0, 20.0, 3000.0, 1e7):
            wait = relaxation(qubit, wait_ns)
            for matrix, unitary in ((wait, np.eye(2, dtype=complex)), (wait @ rotation_z(0.3) @ wait, half)):
                mixture = unitary_or_not(matrix, unitary)
                parts: list[NDArray[Any]] = [math.sqrt(1 - mixture.other_prob) * mixture.unitary]
                parts += [math.sqrt(mixture.other_prob) * each for each in mixture.kraus]
                found = [
                    [sum(np.trace(p @ k @ q @ k.conj().T).real for k in parts) / 2 for q in paulis] for p in paulis
                ]
                assert np.abs(np.array(found) - matrix).max() < 1e-9
                assert all(np.allclose(k.conj().T @ k, np.eye(2)) for k in [mixture.unitary])


def beyond(num_qubits: int) -> str:
    """A chain there and back with a T gate in the middle, on a line of the repetition device; then all are read."""
    there = "".join(f"cx q[{i}],q[{i + 1}];" for i in range(num_qubits - 1))
    back = "".join(f"cx q[{i}],q[{i + 1}];" for i in reversed(range(num_qubits - 1)))
    registers = f"qreg q[29]; creg c[{num_qubits}]; h q[0];"
    reads = "".join(f"measure q[{i}] -> c[{i}];" for i in range(num_qubits))
    return f"{HEADER} {registers} {there} t q[0]; t q[{num_qubits - 1}]; {back} h q[0]; {reads}"


def test_programs_beyond_clifford_run_on_24_qubits(repetition29: Device, catalog: DeviceCatalog) -> None:
    """Without errors the chain is undone: P(q0 = 1) = (1 - cos(pi / 2)) / 2, two T gates, and all others are 0."""
    pytest.importorskip("qiskit_aer", reason="Qiskit Aer is not installed: pip install 'qtwin[aer]'")
    prepared = prepare(beyond(24), repetition29)
    assert prepared.engine == "aer_matrix_product_state"
    assert prepared.shot_s > 0
    perfect = _only_relaxation(compose(repetition29, catalog.scenarios, ControllerState()))
    perfect = replace(
        perfect, snapshot_id="perfect", qubits=tuple(replace(q, t1_us=1e9, t2_us=1e9) for q in perfect.qubits)
    )
    result = execute(prepared, perfect, 400, seed=3)
    assert set(result.counts) == {"0" * 24, "0" * 23 + "1"}
    assert abs(result.counts["0" * 23 + "1"] - 200) < 5 * math.sqrt(400 / 4)
    assert execute(prepared, perfect, 400, seed=3).counts == result.counts


@pytest.mark.parametrize("engine", METHODS)
def test_trajectories_of_a_qubit_that_only_conditions_touch(
    engine: Engine, repetition29: Device, warm: NoiseSnapshot
) -> None:
    """Qubit 0 is turned where qubit 1 was recorded as 1, which it is half the time; it is never used otherwise."""
    pytest.importorskip("qiskit_aer", reason="Qiskit Aer is not installed: pip install 'qtwin[aer]'")
    steps = "h q[1]; measure q[1] -> c[0]; if (c==1) x q[0]; reset q[0]; measure q[1] -> c[0];"
    source = f"{HEADER} qreg q[2]; creg c[1]; {steps}"
    prepared = prepare(source, repetition29)
    counts = execute(with_engine(prepared, engine), warm, 2000, seed=2).counts
    assert abs(counts["1"] - 1000) < 5 * math.sqrt(2000 / 4) + 2000 * 0.02  # readout errors are below 0.02


def test_without_aer_the_refusal_says_what_to_install(repetition29: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.engines.trajectories.find_spec", lambda _: None)
    with pytest.raises(CircuitError, match=r"beyond Clifford.* pip install 'qtwin\[aer\]'"):
        prepare(beyond(24), repetition29)


def test_too_much_entanglement_on_too_many_qubits_is_refused(repetition29: Device) -> None:
    pytest.importorskip("qiskit_aer", reason="Qiskit Aer is not installed: pip install 'qtwin[aer]'")
    rng = random.Random(1)
    layer = "".join(f"u3({rng.random()},{rng.random()},{rng.random()}) q[{i}];" for i in range(16))
    pairs = "".join(f"cx q[{i}],q[{i + 1}];" for start in (0, 1) for i in range(start, 15, 2))
    source = f"{HEADER} qreg q[29]; creg c[16]; {(layer + pairs) * 12} " + "".join(
        f"measure q[{i}] -> c[{i}];" for i in range(16)
    )
    assert prepare(source, repetition29).engine == "aer_statevector"
    with pytest.raises(CircuitError, match=r"bonds of more than 64.* at most 12 qubits"):
        prepare(source, repetition29, CircuitLimits(max_statevector_qubits=12))


def test_unwritten_bits_of_a_condition_cost_nothing(jakarta: Device) -> None:
    source = (
        HEADER
        + "qreg q[2]; creg c[200]; creg d[1]; h q[0]; measure q[0] -> c[3]; if (c==8) x q[1]; measure q[1] -> d[0];"
    )
    prepared = prepare(source, jakarta)
    assert prepared.engine == "density_matrix"
    assert prepared.peak_elements <= 32
