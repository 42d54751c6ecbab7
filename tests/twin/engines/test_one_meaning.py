"""A circuit means the same as Stim text and as OpenQASM, in every engine: what the textbook and Qiskit Aer say."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from tests.twin.engines.cases import METHODS, Case, exact_probs, tallied, with_engine
from tests.twin.engines.random_circuits import as_stim
from tests.twin.engines.textbook import Action, Channel, Choice, actions_of
from twin.device.catalog import DeviceCatalog
from twin.engines import CircuitResult, execute
from twin.engines.preparation import Engine

SHOTS = 2000
ENGINES: tuple[Engine, ...] = ("density_matrix", "stabilizer")
SIGMAS = 5.0
# One-sided tail of a normal distribution beyond 5 standard deviations.
TAIL = 2.87e-7
# Of T2 below T1 (the mixture of resets is exact) with CX, and of T2 above T1 (twirled) with CZ.
DEVICES = ("ibm_jakarta_like", "surface17_like")


def _case(seed: int, catalog: DeviceCatalog) -> Case:
    return Case.of(seed, catalog.devices[DEVICES[seed % 2]], catalog)


def _outside(tally: NDArray[np.int64], probs: NDArray[np.float64]) -> list[str]:
    """What in a sample is beyond 5 sigma of its distribution: total variation, records, bits, parities of two bits.

    The total variation is expected below half the sum of sqrt(p (1 - p) / shots), and one shot moves it by 1 / shots:
    by McDiarmid's inequality it is over that by more than 5 / (2 sqrt(shots)) with a probability of 4e-6 at most.
    Counts of records, bits and parities are binomial; their exact tails are held against the level shared out.
    """
    shots = int(tally.sum())
    faults = []
    variation = float(np.abs(tally / shots - probs).sum()) / 2
    expected = float(np.sqrt(np.clip(probs * (1 - probs), 0, None) / shots).sum()) / 2
    if variation > expected + SIGMAS / (2 * math.sqrt(shots)):
        faults.append(f"total variation {variation:.4f}, expected below {expected:.4f}")
    index = np.arange(len(probs))
    num_bits = len(probs).bit_length() - 1
    events = {f"record {code:0{num_bits}b}": index == code for code in index}
    events |= {f"bit {bit}": (index >> bit) & 1 == 1 for bit in range(num_bits)}
    events |= {
        f"parity of bits {a} and {b}": ((index >> a) ^ (index >> b)) & 1 == 1
        for a, b in itertools.combinations(range(num_bits), 2)
    }
    for name, members in events.items():
        count, prob = int(tally[members].sum()), min(1.0, max(0.0, float(probs[members].sum())))
        tail = min(binom.cdf(count, shots, prob), binom.sf(count - 1, shots, prob))
        if tail < TAIL / len(events):
            faults.append(f"{name}: {count} of {shots}, expected {shots * prob:.1f}")
    return faults


def _faults(seed: int, catalog: DeviceCatalog) -> list[str]:
    """All that is wrong with one random circuit, in any engine."""
    case = _case(seed, catalog)
    num_bits = len(case.circuit.inverted)
    faults = []
    for name, prepared, inverted in case.prepared:
        probs = exact_probs(prepared, case.snapshot)[np.arange(2**num_bits) ^ inverted]
        if (furthest := float(np.abs(probs - case.probs).max())) > 1e-9:
            faults.append(f"{name}, exact: probability wrong by {furthest:.2g}")
        for engine in ENGINES:
            result = execute(with_engine(prepared, engine), case.snapshot, SHOTS, seed=seed)
            if abs(result.duration_ns - case.duration_ns) > 1e-6:
                faults.append(f"{name}, {engine}: {result.duration_ns} ns, expected {case.duration_ns} ns")
            tally = tallied(result.counts, num_bits, inverted)
            found = _outside(tally, case.probs) if not result.approximations else _too_far(tally, case, result)
            faults += [f"{name}, {engine}: {fault}" for fault in found]
    return [f"seed {seed}: {fault}\n{as_stim(case.circuit)}" for fault in faults]


def _too_far(tally: NDArray[Any], case: Case, result: CircuitResult) -> list[str]:
    """What is approximate is no further off than it says.

    A sample over k outcomes is off by less than sqrt(k / (2 pi shots)) in total variation on average, and by 0.064 more
    with a probability below 3e-7 (McDiarmid's inequality at 2000 shots).
    """
    variation = 0.5 * float(np.abs(tally / tally.sum() - case.probs).sum())
    size = sum(result.approximation_sizes.values())
    most = size + math.sqrt(len(case.probs) / (2 * math.pi * SHOTS)) + 0.064
    return [f"off by {variation:.3f}, says {size:.3f}"] if variation > most else []


@pytest.mark.parametrize("first_seed", range(0, 40, 10))
def test_both_texts_mean_the_same_in_every_engine(first_seed: int, catalog: DeviceCatalog) -> None:
    """False alarms: 4 samples a circuit, 5 sigma each."""
    assert [fault for seed in range(first_seed, first_seed + 10) for fault in _faults(seed, catalog)] == []


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1000, 2000, 20))
def test_both_texts_mean_the_same_in_every_engine_long(first_seed: int, catalog: DeviceCatalog) -> None:
    assert [fault for seed in range(first_seed, first_seed + 20) for fault in _faults(seed, catalog)] == []


@pytest.mark.parametrize("first_seed", range(0, 12, 6))
def test_trajectories_mean_the_same(first_seed: int, catalog: DeviceCatalog) -> None:
    assert [fault for seed in range(first_seed, first_seed + 6) for fault in _trajectory_faults(seed, catalog)] == []


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1000, 2000, 20))
def test_trajectories_mean_the_same_long(first_seed: int, catalog: DeviceCatalog) -> None:
    assert [fault for seed in range(first_seed, first_seed + 20) for fault in _trajectory_faults(seed, catalog)] == []


def _trajectory_faults(seed: int, catalog: DeviceCatalog) -> list[str]:
    """From OpenQASM alone: no Stim circuit is beyond Clifford."""
    pytest.importorskip("qiskit_aer", reason="Qiskit Aer is not installed: pip install 'qtwin[aer]'")
    case = _case(seed, catalog)
    faults = []
    for engine in METHODS:
        result = execute(with_engine(case.from_qasm, engine), case.snapshot, SHOTS, seed=seed)
        tally = tallied(result.counts, len(case.circuit.inverted), case.inverted)
        faults += [f"{engine}: {fault}" for fault in _outside(tally, case.probs)]
    return [f"seed {seed}: {fault}\n{as_stim(case.circuit)}" for fault in faults]


@pytest.mark.parametrize("first_seed", range(0, 8, 4))
def test_textbook_is_aers(first_seed: int, catalog: DeviceCatalog) -> None:
    """The oracle itself, against Qiskit Aer with the same channels."""
    assert [fault for seed in range(first_seed, first_seed + 4) for fault in _aer_faults(seed, catalog)] == []


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1000, 2000, 20))
def test_textbook_is_aers_long(first_seed: int, catalog: DeviceCatalog) -> None:
    assert [fault for seed in range(first_seed, first_seed + 20) for fault in _aer_faults(seed, catalog)] == []


def _aer_faults(seed: int, catalog: DeviceCatalog) -> list[str]:
    aer = pytest.importorskip("qiskit_aer", reason="qiskit-aer is not installed: pip install qiskit-aer")
    case = _case(seed, catalog)
    circuit, model = _for_aer(case)
    # Aer 0.17 fails on a qubit that only conditions touch where it leaves idle qubits out.
    options = {"enable_truncation": False, "max_parallel_threads": 1}
    simulator = aer.AerSimulator(method="density_matrix", noise_model=model, **options)
    counts = simulator.run(circuit, shots=SHOTS, seed_simulator=seed).result().get_counts()
    tally = tallied(counts, len(case.circuit.inverted), case.inverted)
    return [f"seed {seed}: {fault}\n{as_stim(case.circuit)}" for fault in _outside(tally, case.probs)]


def _for_aer(case: Case) -> tuple[Any, Any]:
    """The textbook's actions as an Aer circuit; what one qubit goes through between others is one superoperator."""
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import Kraus, SuperOp
    from qiskit_aer.noise import NoiseModel, ReadoutError

    place = {qubit: index for index, qubit in enumerate(case.circuit.qubits)}
    circuit = QuantumCircuit(len(place), len(case.circuit.inverted))
    model = NoiseModel()
    for qubit, index in place.items():
        noise = case.snapshot.qubits[qubit]
        one0, zero1 = noise.prob_meas1_prep0, noise.prob_meas0_prep1
        model.add_readout_error(ReadoutError([[1 - one0, one0], [zero1, 1 - zero1]]), [index])
    waiting: dict[int, Any] = {}

    def superop(channel: Channel) -> Any:
        return SuperOp(Kraus(channel.kraus))

    def flush(qubits: tuple[int, ...]) -> None:
        for qubit in qubits:
            if qubit in waiting:
                circuit.append(waiting.pop(qubit).to_instruction(), [place[qubit]])

    def do(action: Action) -> None:
        if isinstance(action, Choice):
            wanted = action.wanted ^ case.circuit.inverted[action.bit]
            flush(tuple({qubit for channel in action.fires for qubit in channel.qubits}))
            for value, channels in ((wanted, action.fires), (1 - wanted, action.waits)):
                if channels:
                    with circuit.if_test((circuit.clbits[action.bit], value)):
                        for channel in channels:
                            circuit.append(superop(channel).to_instruction(), [place[channel.qubits[0]]])
        elif isinstance(action, Channel):
            if len(action.qubits) == 1:
                (qubit,) = action.qubits
                waiting[qubit] = waiting[qubit].compose(superop(action)) if qubit in waiting else superop(action)
            else:  # Qiskit's first qubit is the least significant
                flush(action.qubits)
                circuit.append(superop(action).to_instruction(), [place[qubit] for qubit in action.qubits[::-1]])
        else:
            flush((action.qubit,))
            circuit.measure(place[action.qubit], action.bit)

    for action in actions_of(case.circuit, case.snapshot)[0]:
        do(action)
    return circuit, model
