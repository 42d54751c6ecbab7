"""Physics of the exact engine against closed formulas and the device's published figures.

Expected values are computed here from the calibration, not by the code under test.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.constants import h, k
from scipy.stats import chi2

from twin.device.catalog import DeviceCatalog
from twin.device.commands import apply_command, set_cryo
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, compose
from twin.engines import execute, prepare
from twin.engines.density import exact_distribution, exact_state
from twin.engines.program import Program, Schedule, schedule
from twin.engines.transfer import transfer_matrices

HEADER = 'OPENQASM 2.0; include "qelib1.inc"; '
BELL = HEADER + "qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;"
# From the middle outwards, so that the two halves grow at the same time.
GHZ = (
    HEADER
    + "qreg q[7]; creg c[7]; h q[3]; "
    + "".join(f"cx q[{a}],q[{b}]; " for a, b in ((3, 1), (3, 5), (1, 0), (1, 2), (5, 4), (5, 6)))
)


@pytest.fixture
def snapshot(catalog: DeviceCatalog, jakarta: Device) -> NoiseSnapshot:
    return compose(jakarta, catalog.scenarios, ControllerState())


def _changed(catalog: DeviceCatalog, device: Device, commands: list[tuple[str, dict[str, Any]]]) -> NoiseSnapshot:
    state = ControllerState()
    for command_type, payload in commands:
        state = apply_command(state, device, catalog.scenarios, command_type, payload)
    return compose(device, catalog.scenarios, state)


def _program(source: str | dict[str, Any], device: Device) -> Program:
    program = prepare(source, device).program
    assert program is not None
    return program


def _prob_of_one(actions: list[dict[str, Any]], qubit: int, device: Device, snapshot: NoiseSnapshot) -> float:
    """Exact probability that the qubit is recorded as 1."""
    program = _program({"n_qubits": device.n_qubits, "actions": [*actions, _gate("measure", qubit)]}, device)
    timing = schedule(program.operations, snapshot)
    ((_, probs),) = exact_distribution(program, timing, transfer_matrices(snapshot)).factors
    return float(probs[1])


def _gate(name: str, *qubits: int, params: list[float] | None = None) -> dict[str, Any]:
    return {"gate": name, "qubits": list(qubits), "params": params or []}


def _true_one(recorded: float, device: Device | NoiseSnapshot, qubit: int) -> float:
    """Undo the readout confusion of a device as calibrated, or as it is."""
    noise = device.qubits[qubit]
    return (recorded - noise.prob_meas1_prep0) / (1 - noise.prob_meas1_prep0 - noise.prob_meas0_prep1)


def test_bell_counts_are_the_published_expectation(jakarta: Device, snapshot: NoiseSnapshot) -> None:
    """About 501/28/18/478 of 1024 for 00/01/10/11, qubit 0 on the left. Chi-squared with 3 degrees, 1e-6."""
    shots = 1024 * 100
    counts = execute(prepare(BELL, jakarta), snapshot, shots, seed=3).counts
    expected = {"00": 501.3, "10": 27.5, "01": 17.6, "11": 477.6}  # keys have qubit 0 on the right
    statistic = sum((counts[key] - 100 * value) ** 2 / (100 * value) for key, value in expected.items())
    assert statistic < chi2.ppf(1 - 1e-6, 3)


@pytest.mark.parametrize(
    ("source", "idle", "fidelity"),
    [(BELL.replace("measure q -> c;", ""), True, 0.9889), (GHZ, False, 0.924), (GHZ, True, 0.872)],
)
def test_entangled_fidelity_is_the_published_one(
    jakarta: Device, snapshot: NoiseSnapshot, source: str, idle: bool, fidelity: float
) -> None:
    """Waits until the last gate is done count: every qubit gets a final wait of no length, which aligns the ends."""
    program = _program(source, jakarta)
    qubits = program.active_qubits()
    tail = _program({"n_qubits": 7, "actions": [_gate("delay", q, params=[0.0]) for q in qubits]}, jakarta).operations
    barrier = _program({"n_qubits": 7, "actions": [_gate("barrier", *qubits)]}, jakarta).operations[:1]
    ends = tuple(op for op in tail if op.name == "delay")
    program = Program((*program.operations, *barrier, *ends), program.num_clbits, program.registers)
    timing = schedule(program.operations, snapshot) if not idle else _asap_with_barrier(program, snapshot)
    if not idle:
        timing = Schedule(tuple((0.0,) * len(op.qubits) for op in program.operations), 0.0)
    found, state = exact_state(program, timing, transfer_matrices(snapshot))
    assert found == qubits
    assert float(np.sum(state * _ghz_expectations(len(qubits)))) / 2 ** len(qubits) == pytest.approx(fidelity, abs=5e-4)


def _asap_with_barrier(program: Program, snapshot: NoiseSnapshot) -> Schedule:
    return schedule(program.operations, snapshot)


def _ghz_expectations(n: int) -> np.ndarray[Any, Any]:
    """Pauli expectations of (|0..0> + |1..1>) / sqrt 2: +1 on even sets of Z, (-1)^(#Y/2) on X/Y strings."""
    expectations = np.zeros((4,) * n)
    for index in np.ndindex(expectations.shape):
        if set(index) <= {0, 3} and index.count(3) % 2 == 0:
            expectations[index] = 1
        elif set(index) <= {1, 2} and index.count(2) % 2 == 0:
            expectations[index] = (-1) ** (index.count(2) // 2)
    return expectations


@pytest.mark.parametrize("wait_us", [0.0, 20.0, 100.0, 300.0])
def test_t1_decay(jakarta: Device, snapshot: NoiseSnapshot, wait_us: float) -> None:
    """P(1) = exp(-t / T1) after an x; the x pulse itself costs at most its error, 4e-4, and 35 ns."""
    recorded = _prob_of_one([_gate("x", 3), _gate("delay", 3, params=[wait_us * 1e3])], 3, jakarta, snapshot)
    assert _true_one(recorded, jakarta, 3) == pytest.approx(math.exp(-wait_us / 112.677), abs=5e-4)


@pytest.mark.parametrize("wait_us", [0.0, 5.0, 20.0, 60.0])
def test_ramsey_decays_with_t2(jakarta: Device, snapshot: NoiseSnapshot, wait_us: float) -> None:
    """P(1) = (1 + exp(-t / T2)) / 2 between two sx; two pulses cost at most 8e-4."""
    actions = [_gate("sx", 3), _gate("delay", 3, params=[wait_us * 1e3]), _gate("sx", 3)]
    recorded = _prob_of_one(actions, 3, jakarta, snapshot)
    # T1 pulls <Z>, which the second sx turns away: only coherence counts.
    assert _true_one(recorded, jakarta, 3) == pytest.approx((1 + math.exp(-wait_us / 34.230)) / 2, abs=1e-3)


def test_echo_refocuses_a_detuning(jakarta: Device, snapshot: NoiseSnapshot) -> None:
    """A phase between the pulses moves the Ramsey fringe, and an x in the middle takes it out again."""
    wait = _gate("delay", 3, params=[5_000.0])
    phase = _gate("rz", 3, params=[1.1])
    ramsey = _prob_of_one([_gate("sx", 3), wait, phase, wait, phase, _gate("sx", 3)], 3, jakarta, snapshot)
    echo = [_gate("sx", 3), wait, phase, _gate("x", 3), wait, phase, _gate("sx", 3)]
    contrast = math.exp(-10.0 / 34.230)
    assert _true_one(ramsey, jakarta, 3) == pytest.approx((1 + contrast * math.cos(2.2)) / 2, abs=2e-3)
    assert _true_one(_prob_of_one(echo, 3, jakarta, snapshot), jakarta, 3) == pytest.approx(
        (1 - contrast) / 2, abs=2e-3
    )


def test_id_is_a_wait_and_is_kept(jakarta: Device, snapshot: NoiseSnapshot) -> None:
    program = _program(HEADER + "qreg q[1]; creg c[1]; x q[0];" + "id q[0];" * 1000 + "measure q -> c;", jakarta)
    timing = schedule(program.operations, snapshot)
    ((_, probs),) = exact_distribution(program, timing, transfer_matrices(snapshot)).factors
    assert _true_one(float(probs[1]), jakarta, 0) == pytest.approx(math.exp(-35.56 / 81.764), abs=1e-3)


def test_readout_confusion_is_asymmetric(jakarta: Device, snapshot: NoiseSnapshot) -> None:
    for qubit, noise in enumerate(jakarta.qubits):
        assert _prob_of_one([], qubit, jakarta, snapshot) == pytest.approx(noise.prob_meas1_prep0, abs=1e-6)
        after_x = _prob_of_one([_gate("x", qubit)], qubit, jakarta, snapshot)
        assert after_x == pytest.approx(1 - noise.prob_meas0_prep1, abs=6e-4)


def test_randomized_benchmarking_error_per_clifford(jakarta: Device, snapshot: NoiseSnapshot) -> None:
    """Clifford = rz sx rz sx rz. Survival A p^m + B gives error (1 - p) / 2 = 9.83e-4 on qubit 0.

    The exact survival of random sequences is averaged, so only the choice of sequences scatters: 60 sequences at two
    lengths hold p to about 1 in 1000 of 1 - p; the published figure has three digits.
    """
    rng = np.random.default_rng(5)
    lengths = (1, 100)
    survival = [np.mean([_sequence_survival(rng, m, jakarta, snapshot) for _ in range(60)]) for m in lengths]
    decay = ((survival[1] - 0.5) / (survival[0] - 0.5)) ** (1 / (lengths[1] - lengths[0]))
    assert (1 - decay) / 2 == pytest.approx(9.83e-4, rel=0.03)


def _sequence_survival(rng: np.random.Generator, length: int, device: Device, snapshot: NoiseSnapshot) -> float:
    """True P(0) after `length` random Cliffords and their inverse."""
    total = np.eye(2, dtype=complex)
    actions: list[dict[str, Any]] = []
    for _ in range(length):
        angles = _EULER[int(rng.integers(len(_EULER)))]
        actions += _pulses(angles)
        total = _unitary(angles) @ total
    inverse = next(each for each in _EULER if abs(abs(np.trace(_unitary(each) @ total)) - 2) < 1e-9)
    recorded = _prob_of_one([*actions, *_pulses(inverse)], 0, device, snapshot)
    return 1 - _true_one(recorded, device, 0)


def _pulses(angles: tuple[float, float, float]) -> list[dict[str, Any]]:
    first, second, third = (_gate("rz", 0, params=[angle]) for angle in angles)
    return [first, _gate("sx", 0), second, _gate("sx", 0), third]


def _unitary(angles: tuple[float, float, float]) -> np.ndarray[Any, Any]:
    sx = np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2
    rz = [np.diag([np.exp(-0.5j * angle), np.exp(0.5j * angle)]) for angle in angles]
    return np.asarray(rz[2] @ sx @ rz[1] @ sx @ rz[0])


def _all_cliffords() -> list[tuple[float, float, float]]:
    """Euler angles of the 24 one-qubit Cliffords."""
    turns = [i * math.pi / 2 for i in range(4)]
    found: list[tuple[float, float, float]] = []
    for angles in [(a, b, c) for a in turns for b in turns for c in turns]:
        unitary = _unitary(angles)
        if all(abs(abs(np.trace(unitary.conj().T @ _unitary(each))) - 2) > 1e-9 for each in found):
            found.append(angles)
    return found


_EULER = _all_cliffords()


def test_there_are_24_cliffords() -> None:
    assert len(_EULER) == 24


@pytest.mark.parametrize("temperature_mk", [15.0, 50.0, 100.0])
def test_thermal_population_is_measured(catalog: DeviceCatalog, jakarta: Device, temperature_mk: float) -> None:
    state = set_cryo(ControllerState(), {"temperature_mk": temperature_mk})
    snapshot = compose(jakarta, catalog.scenarios, state)
    recorded = _prob_of_one([], 0, jakarta, snapshot)
    weight = math.exp(-h * 5.23657e9 / (k * temperature_mk * 1e-3))
    assert _true_one(recorded, snapshot, 0) == pytest.approx(weight / (1 + weight), abs=1e-9)


def test_cryo_shortens_t1_by_the_references_factor(catalog: DeviceCatalog, jakarta: Device) -> None:
    snapshot = compose(jakarta, catalog.scenarios, set_cryo(ControllerState(), {"temperature_mk": 100}))
    recorded = _prob_of_one([_gate("x", 3), _gate("delay", 3, params=[10_000.0])], 3, jakarta, snapshot)
    weight = math.exp(-h * 5.17814e9 / (k * 0.1))
    thermal = weight / (1 + weight)
    decay = math.exp(-10.0 / (0.2 * 112.677))
    start = 1 - thermal
    assert _true_one(recorded, snapshot, 3) == pytest.approx(thermal + (start - thermal) * decay, abs=3e-3)


def test_override_reaches_the_next_job(catalog: DeviceCatalog, jakarta: Device) -> None:
    noisy = _changed(catalog, jakarta, [("set_qubit_noise", {"qubit": 0, "readout_error": 0.5})])
    prepared = prepare(HEADER + "qreg q[1]; creg c[1]; measure q -> c;", jakarta)
    # Half of (0.0064, 0.0356) scaled to a mean of 0.5: p(1|0) = 0.0064 / 0.042.
    ones = execute(prepared, noisy, 100_000, seed=1).counts["1"] / 100_000
    assert ones == pytest.approx(0.0064 / 0.042, abs=5 * math.sqrt(0.152 * 0.848 / 100_000))
