"""The stabilizer engine: against the exact one, against Stim, and its approximations named."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import stim

from twin.device.catalog import DeviceCatalog
from twin.device.commands import apply_command, set_cryo
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, compose
from twin.engines import PreparedCircuit, execute, prepare
from twin.engines.clifford_program import SHORTENED, TWIRLED, run_clifford
from twin.engines.native import direct, shortest_routes, to_native
from twin.engines.program import Operation, schedule

HEADER = 'OPENQASM 2.0; include "qelib1.inc"; '
CIRCUITS = {
    "waits": "qreg q[3]; creg c[3]; h q[0]; cx q[0],q[1]; cx q[1],q[2]; x q[0];" + "id q[0];" * 300 + "measure q -> c;",
    "ramsey": "qreg q[1]; creg c[1]; sx q[0];" + "id q[0];" * 300 + "sx q[0]; measure q -> c;",
    "reset": "qreg q[2]; creg c[2]; x q[0]; h q[1]; cx q[1],q[0]; reset q[0]; cx q[1],q[0]; measure q -> c;",
    "middle": "qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q[0] -> c[0]; s q[1]; cx q[0],q[1];"
    " measure q[1] -> c[1];",
    "feedback": "qreg q[2]; creg c[1]; creg d[1]; h q[0]; measure q[0] -> c[0]; if (c==1) x q[1];"
    " measure q[1] -> d[0];",
}


@pytest.fixture
def snapshot(catalog: DeviceCatalog, jakarta: Device) -> NoiseSnapshot:
    return compose(jakarta, catalog.scenarios, set_cryo(ControllerState(), {"temperature_mk": 60}))


def _distance(first: dict[str, int], second: dict[str, int], shots: tuple[int, int]) -> float:
    keys = set(first) | set(second)
    return 0.5 * sum(abs(first.get(key, 0) / shots[0] - second.get(key, 0) / shots[1]) for key in keys)


def _clifford(prepared: PreparedCircuit, snapshot: NoiseSnapshot, shots: int) -> dict[str, int]:
    return execute(replace(prepared, engine="stabilizer"), snapshot, shots, seed=2).counts


@pytest.mark.parametrize("name", CIRCUITS)
def test_mixture_of_resets_is_the_exact_channel(name: str, jakarta: Device, snapshot: NoiseSnapshot) -> None:
    """Jakarta's T2 are below its T1. 20,000 shots of at most 8 outcomes scatter by less than 0.01 in variation."""
    prepared = prepare(HEADER + CIRCUITS[name], jakarta)
    exact = execute(prepared, snapshot, 1_000_000, seed=1)
    assert exact.engine == "density_matrix"
    sampled = execute(replace(prepared, engine="stabilizer"), snapshot, 20_000, seed=2)
    assert sampled.approximations == ()
    assert _distance(exact.counts, sampled.counts, (1_000_000, 20_000)) < 0.015


def test_cut_coherence_is_named_where_t2_exceeds_t1(catalog: DeviceCatalog, jakarta: Device) -> None:
    state = apply_command(
        ControllerState(), jakarta, catalog.scenarios, "set_qubit_noise", {"qubit": 0, "t1_us": 30.0, "t2_us": 40.0}
    )
    snapshot = compose(jakarta, catalog.scenarios, state)
    prepared = prepare(HEADER + CIRCUITS["waits"], jakarta)
    assert prepared.program is not None
    program = replace(prepared.program, operations=(*prepared.program.operations[:-3], *_hadamards(3)))
    timing = schedule(program.operations, snapshot)
    bits, approximations = run_clifford(program, timing, snapshot, 1000, seed=1)
    assert list(approximations) == [SHORTENED]
    assert 0 < approximations[SHORTENED] < 0.1
    assert bits.shape == (1000, 3)


def _hadamards(num_qubits: int) -> list[Operation]:
    """sx between quarter turns on each qubit, then its measurement."""
    turn, tail = (math.pi / 2,), []
    for qubit in range(num_qubits):
        tail += [Operation(name, (qubit,), turn if name == "rz" else ()) for name in ("rz", "sx", "rz")]
        tail.append(Operation("measure", (qubit,), clbits=(qubit,)))
    return tail


def test_many_shots_fall_back_to_the_twirl(
    jakarta: Device, snapshot: NoiseSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin.engines.clifford_program.MAX_SINGLE_SHOT_STEPS", 100)
    prepared = replace(prepare(HEADER + CIRCUITS["reset"], jakarta), engine="stabilizer")
    result = execute(prepared, snapshot, 2000, seed=1)
    assert result.approximations == (TWIRLED,)
    assert result.to_dict()["approximation_sizes"] == result.approximation_sizes
    assert 0 < result.approximation_sizes[TWIRLED] < 1


def test_stim_circuit_returns_detection_events_and_observables(catalog: DeviceCatalog, jakarta: Device) -> None:
    """Two readouts of the same untouched qubit differ with probability 2 p (1 - p), p = p(1|0) = 0.0064."""
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    text = "M 0\nM 0\nDETECTOR rec[-1] rec[-2]\nX 1\nM 1\nOBSERVABLE_INCLUDE(0) rec[-1]"
    shots = 200_000
    result = execute(prepare({"stim": text}, jakarta), snapshot, shots, seed=1)
    assert result.detection_events is not None
    assert result.observables is not None
    expected = 2 * 0.0064 * 0.9936
    assert abs(result.detection_events.unpack().mean() - expected) < 5 * np.sqrt(expected / shots)
    # The observable is the X on qubit 1: the noiseless reference flips it, so 0 means as it should be.
    assert result.counts["100"] > 0.9 * shots


def test_stim_pairs_are_routed_and_cost(jakarta: Device) -> None:
    near = prepare({"stim": "H 0\nCX 0 1\nM 0 1"}, jakarta)
    far = prepare({"stim": "H 0\nCX 0 6\nM 0 6"}, jakarta)
    assert near.two_qubit_count == 1
    assert far.two_qubit_count == 1 + 2 * 3 * 3  # 0-1-3-5-6: three swaps there, three back, three CX each


@pytest.mark.parametrize("gate", ["cx", "cz"])
def test_native_circuit_does_the_same(gate: str) -> None:
    """Random Clifford circuits on a line of five: the same tableau, in CX or CZ on neighbours alone."""
    rng = np.random.default_rng(3)
    for _ in range(30):
        circuit = stim.Circuit()
        for _ in range(25):
            name = str(rng.choice(["H", "S", "X", "SQRT_X", "C_XYZ", "CX", "CZ", "SWAP", "ISWAP", "CY"]))
            count = 2 if stim.gate_data(name).is_two_qubit_gate else 1
            circuit.append(name, rng.permutation(5)[:count].tolist())
        native = to_native(circuit, gate, shortest_routes(((1,), (0, 2), (1, 3), (2, 4), (3,))))
        assert _pad(native) == _pad(circuit)
        for each in native:
            if each.name in ("CX", "CZ"):
                assert each.name == gate.upper()
                assert all(abs(a.value - b.value) == 1 for a, b in each.target_groups())


def _pad(circuit: stim.Circuit) -> stim.Tableau:
    return (circuit + stim.Circuit("I 0 1 2 3 4")).to_tableau()


def test_native_drops_pairs_of_h() -> None:
    native = to_native(stim.Circuit("CX 0 1\nCX 2 1"), "cz", direct)
    assert native == stim.Circuit("H 1\nCZ 0 1 2 1\nH 1")


def test_memory_job_packs_what_a_decoder_needs(catalog: DeviceCatalog) -> None:
    device = catalog.devices["surface17_like"]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    form = {"code_family": "surface", "code_distance": 3, "rounds": 3, "basis": "Z"}
    result = execute(prepare({"qec_memory": form}, device), snapshot, 5000, seed=1)
    assert result.detection_events is not None
    assert result.observables is not None
    assert result.measurements is not None
    assert result.detection_events.num_bits == 4 + 8 + 8 + 4
    assert result.observables.num_bits == 1
    assert result.measurements.unpack().shape == (5000, 3 * 8 + 9)
    assert sum(result.counts.values()) == 5000
    assert all(len(key) == 9 for key in result.counts)
    assert 0.05 < result.detection_events.unpack().mean() < 0.2


def test_every_key_is_distinct(catalog: DeviceCatalog, jakarta: Device) -> None:
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    counts = execute(prepare({"stim": "H 0 1 2\nM 0 1 2"}, jakarta), snapshot, 4000, seed=1).counts
    assert set(counts) == {"".join(bits) for bits in itertools.product("01", repeat=3)}
