"""Stim jobs: schedule, feedback, inverted targets, heralds; by closed formulas, and by the same circuit in OpenQASM."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import stim

from twin.device.catalog import DeviceCatalog
from twin.device.commands import apply_command
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import EdgeNoise, NoiseSnapshot, QubitNoise, compose
from twin.engines import CircuitError, CircuitResult, execute, prepare
from twin.engines.preparation import Engine

SHOTS = 100_000
HEADER = 'OPENQASM 2.0; include "qelib1.inc"; opaque delay(t) q; '
ENGINES: tuple[Engine, ...] = ("density_matrix", "stabilizer")


@pytest.fixture
def surface17(catalog: DeviceCatalog) -> Device:
    return catalog.devices["surface17_like"]


@pytest.fixture
def snapshot(catalog: DeviceCatalog, surface17: Device) -> NoiseSnapshot:
    return compose(surface17, catalog.scenarios, ControllerState())


def _only(snapshot: NoiseSnapshot, **noise: float) -> NoiseSnapshot:
    """A snapshot with no noise but this, on every qubit; its times stay."""
    silent: dict[str, Any] = {
        "t1_us": 1e9,
        "t2_us": 1e9,
        "prob_meas1_prep0": 0.0,
        "prob_meas0_prep1": 0.0,
        "gate_error": 0.0,
        "gate_depolarizing": 0.0,
    }
    silent |= {"reset_error": 0.0, "excited_population": 0.0}
    qubits: tuple[QubitNoise, ...] = tuple(replace(qubit, **(silent | noise)) for qubit in snapshot.qubits)
    edges = {pair: EdgeNoise(0.0, 0.0, 0.0, edge.duration_ns) for pair, edge in snapshot.edges.items()}
    return replace(snapshot, snapshot_id=f"only {sorted(noise.items())}", qubits=qubits, edges=edges)


def _run(
    text: str, device: Device, snapshot: NoiseSnapshot, engine: Engine | None = None, shots: int = SHOTS
) -> CircuitResult:
    prepared = prepare({"stim": text}, device)
    return execute(replace(prepared, engine=engine) if engine else prepared, snapshot, shots, seed=1)


def _probs(result: CircuitResult) -> dict[str, float]:
    return {key.replace(" ", ""): count / result.shots for key, count in result.counts.items()}


def _near(found: float, prob: float, shots: int = SHOTS) -> bool:
    """Within 5 standard deviations, or exactly where there is no chance in it."""
    return abs(found - prob) <= 5 * math.sqrt(prob * (1 - prob) / shots) + 1e-12


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("gate", ["H", "SQRT_Y", "H_YZ"])
def test_qubits_wait_in_the_basis_in_which_they_are(
    engine: Engine, gate: str, surface17: Device, snapshot: NoiseSnapshot
) -> None:
    """500 pulses of 20 ns on qubit 1 make qubit 0 wait 10 us: P(1) = (1 - exp(-t / T2)) / 2 after H, wait, H."""
    back = {"SQRT_Y": "SQRT_Y_DAG"}.get(gate, gate)
    text = f"{gate} 0\nTICK\nREPEAT 500 {{\nX 1\n}}\nTICK\n{back} 0\nM 0"
    result = _run(text, surface17, _only(snapshot, t2_us=40.0), engine)
    assert result.duration_ns == pytest.approx(20 + 10_000 + 20 + 350)
    # Twice the pulse of 20 ns: the first one's wait is in the superposition, the second one's is not.
    assert _near(_probs(result)["1"], (1 - math.exp(-10.02 / 40)) / 2)


def test_no_pulse_vanishes(surface17: Device, snapshot: NoiseSnapshot) -> None:
    """1000 pulses of average infidelity e keep (1 - 2 e)^1000 of the polarization, without relaxation."""
    noise = _only(snapshot, gate_error=1e-3, gate_depolarizing=2e-3)  # p / 2 is a pulse's average infidelity
    for text in ("H 0\nTICK\n" * 1000, "H 0\n" * 1000, "H " + "0 " * 1000 + "\n", "REPEAT 500 {\nH 0 0\nTICK\n}\n"):
        result = _run(text + "M 0", surface17, noise)
        assert result.duration_ns == pytest.approx(1000 * 20 + 350)
        assert _near(_probs(result)["1"], (1 - (1 - 2e-3) ** 1000) / 2)


PAIRS = {
    "CX 0 1\nCX 0 1": "cx q[0],q[1]; cx q[0],q[1];",
    "CX 0 1 1 0": "cx q[0],q[1]; cx q[1],q[0];",
    "H 1\nCX 0 1\nH 1": "h q[1]; cx q[0],q[1]; h q[1];",
    "SWAP 0 1": "swap q[0],q[1];",
    "CY 0 1\nCZ 1 0": "cy q[0],q[1]; cz q[1],q[0];",
    "I 0\nS 0\nY 0\nSQRT_X_DAG 1": "id q[0]; s q[0]; y q[0]; sxdg q[1];",
    "MR 0\nTICK\nH 0": "measure q[0]->c[0]; reset q[0]; barrier q; h q[0];",
    "M 0\nTICK\nX 1": "measure q[0]->c[0]; barrier q; x q[1];",
    "X 0\nTICK\nX 1\nTICK\nX 1\nX 1": "x q[0]; barrier q; x q[1]; barrier q; x q[1]; x q[1];",
}


@pytest.mark.parametrize("backend_id", ["ibm_jakarta_like", "surface17_like"])
@pytest.mark.parametrize("schedule", ["asap", "alap"])
@pytest.mark.parametrize("text", PAIRS)
def test_duration_is_that_of_the_same_circuit_in_openqasm(
    text: str, schedule: str, backend_id: str, catalog: DeviceCatalog
) -> None:
    device = catalog.devices[backend_id]
    snapshot = replace(compose(device, catalog.scenarios, ControllerState()), schedule=schedule)
    ours = prepare({"stim": f"{text}\nM 0 1"}, device)
    source = f"qreg q[2]; creg c[1]; creg d[2]; {PAIRS[text]} measure q->d;"
    theirs = prepare(HEADER + source, device)
    assert ours.two_qubit_count == theirs.two_qubit_count
    assert execute(ours, snapshot, 10, 1).duration_ns == pytest.approx(execute(theirs, snapshot, 10, 1).duration_ns)


@pytest.mark.parametrize("backend_id", ["ibm_jakarta_like", "surface17_like"])
@pytest.mark.parametrize("engine", ENGINES)
def test_actions_mean_what_the_texts_mean(engine: Engine, backend_id: str, catalog: DeviceCatalog) -> None:
    """One circuit in three forms: equal durations, and equal counts from equal seeds."""
    device = catalog.devices[backend_id]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    as_stim = "H 0\nTICK\nX 1\nI 1\nTICK\nH 0\nSQRT_X 0\nCX 0 1\nCZ 1 0\nS 1\nR 0\nY 0\nH 1\nM 0 1"
    qasm = """qreg q[2]; creg c[2]; h q[0]; barrier q; x q[1]; id q[1]; barrier q; h q[0]; sx q[0]; cx q[0],q[1];
        cz q[1],q[0]; s q[1]; reset q[0]; y q[0]; h q[1]; measure q->c;"""
    names = [
        "h0",
        "barrier01",
        "x1",
        "id1",
        "barrier01",
        "h0",
        "sx0",
        "cx01",
        "cz10",
        "s1",
        "reset0",
        "y0",
        "h1",
        "measure01",
    ]
    actions = [{"gate": name.rstrip("01"), "qubits": [int(q) for q in name if q in "01"]} for name in names]
    results = [
        execute(replace(prepare(circuit, device), engine=engine), snapshot, 2000, seed=4)
        for circuit in ({"stim": as_stim}, HEADER + qasm, {"n_qubits": 2, "actions": actions})
    ]
    assert len({result.duration_ns for result in results}) == 1
    assert results[0].counts == results[1].counts == results[2].counts


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "feedback", ["CX rec[-1] 1", "XCZ 1 rec[-1]", "CY rec[-1] 1", "YCZ 1 rec[-1]", "H 1\nCZ rec[-1] 1\nH 1"]
)
@pytest.mark.parametrize("measured", ["M 0", "MR 0", "M !0", "MZ 0", "MX 0", "MPP Z0*Z2", "MZZ !0 2", "M(0.1) 0"])
def test_feedback_sees_what_is_recorded(
    engine: Engine, feedback: str, measured: str, surface17: Device, snapshot: NoiseSnapshot
) -> None:
    """Qubit 1 is flipped where the first outcome reads 1, right or wrong; reading it errs independently."""
    noise = _only(snapshot, prob_meas1_prep0=0.21, prob_meas0_prep1=0.39)
    before = "H 0\n" if measured == "MX 0" else ""
    prepared = prepare({"stim": f"{before}{measured}\nTICK\n{feedback}\nM 1"}, surface17)
    result = execute(replace(prepared, engine=engine), noise, SHOTS, seed=3)
    wrong = {"M(0.1) 0": 0.21 * 0.9 + 0.79 * 0.1}.get(measured, 0.21)
    one = 1 - wrong if "!" in measured else wrong
    expected = {"11": one * 0.61, "01": one * 0.39, "10": (1 - one) * 0.21, "00": (1 - one) * 0.79}
    found = _probs(result)
    assert all(_near(found.get(key, 0.0), prob) for key, prob in expected.items()), (found, expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_feedback_waits_for_the_measurement(engine: Engine, surface17: Device, snapshot: NoiseSnapshot) -> None:
    for text in ("X 1\nM 0\nCX rec[-1] 1\nM 1", "X 1\nM !0\nCY rec[-1] 1\nM 1", "M 0\nXCZ 1 rec[-1]\nM 1"):
        assert _run(text, surface17, snapshot, engine, 10).duration_ns == pytest.approx(350 + 20 + 350)


# Text, and whether the physical outcome is 1.
INVERTED = {
    "M !0": 0,
    "X 0\nM !0": 1,
    "MR !0": 0,
    "X 0\nMR !0": 1,
    "H 0\nMX !0": 0,
    "H 0\nZ 0\nMX !0": 1,
    "SQRT_X 0\nMY !0": 1,
    "H 0\nMRX !0": 0,
    "MPP !Z0*Z1": 0,
    "X 1\nMPP Z0*!Z1": 1,
    "MZZ !0 1": 0,
    "X 0\nMZZ 0 !1": 1,
    "H 0 1\nMXX !0 1": 0,
    "H 0 1\nZ 1\nMXX !0 1": 1,
    "M 0": 0,
    "X 0\nM 0": 1,
    "MPP !Z0*!Z1": 0,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", INVERTED)
def test_inverted_targets_have_the_error_of_the_physical_outcome(
    text: str, engine: Engine, surface17: Device, snapshot: NoiseSnapshot
) -> None:
    noise = _only(snapshot, prob_meas1_prep0=0.05, prob_meas0_prep1=0.25)
    physical = INVERTED[text]
    inverted = text.count("!") % 2
    wrong = 0.25 if physical else 0.05
    found = _probs(_run(text, surface17, noise, engine))
    assert _near(found[str(physical ^ inverted ^ 1)], wrong)


UNFIRED = {
    "delay": "x q[0]; measure q[1]->m[0]; if(m==1) delay(30000) q[0]; measure q[0]->c[0];",
    "reset": "x q[0]; measure q[1]->m[0];" + "if(m==1) reset q[0];" * 40 + "measure q[0]->c[0];",
    "pulse": "x q[0]; measure q[1]->m[0];" + "if(m==1) x q[0];" * 100 + "measure q[0]->c[0];",
    "pair": "x q[0]; measure q[1]->m[0];" + "if(m==1) cz q[0],q[2];" * 40 + "measure q[0]->c[0];",
    "fired": "x q[1]; x q[0]; measure q[1]->m[0]; if(m==1) delay(30000) q[0]; measure q[0]->c[0];",
}


@pytest.mark.parametrize("name", UNFIRED)
@pytest.mark.parametrize("t2_us", [20.0, 60.0])
def test_an_if_that_does_not_fire_takes_its_time(
    name: str, t2_us: float, surface17: Device, snapshot: NoiseSnapshot
) -> None:
    """P(1) = exp(-t / T1) after a wait as |1>."""
    noise = _only(snapshot, t1_us=30.0, t2_us=t2_us)
    prepared = prepare(HEADER + f"qreg q[17]; creg m[1]; creg c[1]; {UNFIRED[name]}", surface17)
    waits_ns = execute(prepared, noise, 10, seed=1).duration_ns - 350  # from the start to the last measurement
    result = execute(replace(prepared, engine="stabilizer"), noise, 1000, seed=1)
    assert result.approximations == ()
    keep = math.exp(-(waits_ns - 20) / 30e3)
    ones = sum(prob for key, prob in _probs(result).items() if key[0] == "1")
    # The pulse's own 20 ns, and an outcome that is 1 already at the start of its readout: 2e-3 at most.
    assert abs(ones - keep) < 2e-3 + 5 * math.sqrt(0.25 / 1000)
    exact = execute(prepared, noise, SHOTS, seed=2)
    ones = sum(prob for key, prob in _probs(exact).items() if key[0] == "1")
    assert abs(ones - keep) < 2e-3 + 5 * math.sqrt(0.25 / SHOTS)


@pytest.mark.parametrize("engine", ENGINES)
def test_waits_at_barriers_count(engine: Engine, surface17: Device, snapshot: NoiseSnapshot) -> None:
    """Qubit 0 waits as |1> between two barriers, right after a gate that the exact engine measures it with."""
    noise = _only(snapshot, t1_us=30.0, t2_us=20.0)
    wait = "barrier q; delay(20000) q[3]; barrier q;"
    for before in ("x q[0];", "x q[0]; cz q[0],q[1];"):
        source = f"qreg q[4]; creg c[1]; {before} {wait} measure q[0]->c[0];"
        prepared = prepare(HEADER + source, surface17)
        shots = SHOTS if engine == "density_matrix" else 3000
        result = execute(replace(prepared, engine=engine), noise, shots, seed=1)
        assert abs(_probs(result)["1"] - math.exp(-20 / 30)) < 3e-3 + 5 * math.sqrt(0.25 / shots)


def test_heralds_are_outcomes_without_readout_error(surface17: Device, snapshot: NoiseSnapshot) -> None:
    """An erased qubit is fully mixed: an X or Y in half of the shots. HERALDED_PAULI_CHANNEL_1: I, X, Y, Z as told."""
    noise = _only(snapshot, prob_meas1_prep0=0.1, prob_meas0_prep1=0.1)
    text = "HERALDED_ERASE(0.2) 0\nHERALDED_PAULI_CHANNEL_1(0.05, 0.1, 0.04, 0.01) 1\nM 0 1\nDETECTOR rec[-4]"
    result = _run(text, surface17, noise)
    found = _probs(result)
    assert result.duration_ns == pytest.approx(350)

    def share(*wanted: tuple[int, str]) -> float:
        return sum(prob for key, prob in found.items() if all(key[3 - bit] == value for bit, value in wanted))

    assert _near(share((0, "1")), 0.2)
    assert _near(share((1, "1")), 0.2)
    assert _near(share((0, "1"), (2, "1")), 0.2 * 0.5)
    assert _near(share((0, "0"), (2, "1")), 0.8 * 0.1)
    assert _near(share((1, "1"), (3, "1")), 0.14 * 0.9 + 0.06 * 0.1)
    assert _near(share((1, "0"), (3, "1")), 0.8 * 0.1)
    assert result.detection_events is not None
    assert _near(float(result.detection_events.unpack().mean()), 0.2)


def test_feedback_on_heralds_and_pads(surface17: Device, snapshot: NoiseSnapshot) -> None:
    """Qubit 1 is flipped by the herald, qubit 2 by a pad that is 1, qubit 4 by a pad that is 0."""
    text = "HERALDED_ERASE(0.3) 0\nMPAD 1 0\nCX rec[-3] 1 rec[-2] 2 rec[-1] 4\nM 1 2 4"
    found = _probs(_run(text, surface17, _only(snapshot)))
    assert set(found) == {"010010", "011011"}  # outcome 0 on the right
    assert _near(found["011011"], 0.3)


def test_noise_as_written_takes_no_time(surface17: Device, snapshot: NoiseSnapshot) -> None:
    plain = "X 0\nREPEAT 100 {\nX 1\n}\nM 0 1 2"
    noisy = (
        "X 0\nDEPOLARIZE2(0.01) 0 2\nX_ERROR(0.5) 2\nREPEAT 100 {\nX 1\nDEPOLARIZE1(0.001) 1\n}\n"
        "E(0.25) X0 X1\nELSE_CORRELATED_ERROR(0.5) X2\nM 0 1 2\nZ_ERROR(0.1) 0"
    )
    for schedule in ("asap", "alap"):
        timed = replace(snapshot, schedule=schedule)
        assert (
            _run(noisy, surface17, timed, shots=10).duration_ns == _run(plain, surface17, timed, shots=10).duration_ns
        )


def test_a_chain_of_correlated_errors_stays_one(surface17: Device, snapshot: NoiseSnapshot) -> None:
    """The second error where the first one did not happen, though qubit 1 waits in between: (1 - 0.25) 0.5."""
    text = "X 0 1\nREPEAT 50 {\nX 0 0\n}\nE(0.25) X0 X1\nELSE_CORRELATED_ERROR(0.5) X1\nM 0 1"
    found = _probs(_run(text, surface17, _only(snapshot)))
    assert _near(found["00"], 0.25)
    assert _near(found["01"], 0.75 * 0.5)
    assert _near(found["11"], 0.75 * 0.5)


def test_a_repeat_block_is_what_it_repeats(surface17: Device, snapshot: NoiseSnapshot) -> None:
    body = "H 0\nCX 0 1\nM 1\nCX rec[-1] 0\nTICK\nMR !1\nX 2\n"
    blocks = _run(f"M 1\nREPEAT 4 {{\n{body}}}\nM 0 1 2", surface17, snapshot, shots=2000)
    flat = _run(f"M 1\n{body * 4}M 0 1 2", surface17, snapshot, shots=2000)
    assert blocks.counts == flat.counts
    assert blocks.duration_ns == flat.duration_ns


def test_records_of_every_run_of_a_block_can_be_looked_at(surface17: Device, snapshot: NoiseSnapshot) -> None:
    """Three outcomes of a block that turns the qubit over: 1, 0, 1; the first of them turns another qubit over."""
    text = "REPEAT 3 {\nX 0\nM 0\n}\nCX rec[-3] 1\nM 1\nDETECTOR rec[-4] rec[-2]"
    counts = _run(text, surface17, snapshot, shots=2000).counts
    assert counts["1101"] > 1800
    circuit = stim.Circuit.generated("color_code:memory_xyz", distance=3, rounds=5)
    assert prepare({"stim": str(circuit)}, surface17).num_clbits == circuit.num_measurements


def test_what_has_no_meaning_is_refused(surface17: Device) -> None:
    for text, expected in {
        "MPP X0*Y0*Z0": "MPP",
        "CX sweep[0] 0\nM 0": "sweep",
        "M 0\nCX rec[-2] 1": "before the first one",
        "REPEAT 3 {\nM 0\nDETECTOR rec[-1] rec[-2]\n}": "before the first one",
        "REPEAT 3 {\nM 0\n}\nCX rec[-4] 1": "before the first one",
        "M 0\nCX 1 rec[-1]\nM 1": "can only be the control",
        "M 0\nXCZ rec[-1] 1\nM 1": "can only be the control",
        "X 0\nM 0\nOBSERVABLE_INCLUDE(0) Z0": "names Paulis",
    }.items():
        with pytest.raises(CircuitError, match=expected):
            prepare({"stim": text}, surface17)


def test_readout_error_of_feedback_is_the_devices(catalog: DeviceCatalog, surface17: Device) -> None:
    """A readout error of 0.3 on qubit 0, in the file's proportion 0.7 to 1.3: p(1|0) = 0.21, so often is 1 flipped."""
    state = apply_command(
        ControllerState(), surface17, catalog.scenarios, "set_qubit_noise", {"qubit": 0, "readout_error": 0.3}
    )
    noisy = compose(surface17, catalog.scenarios, state)
    ours = _probs(_run("M 0\nTICK\nCX rec[-1] 1\nM 1", surface17, noisy))
    source = "qreg q[2]; creg a[1]; creg b[1]; measure q[0]->a[0]; if(a==1) x q[1]; measure q[1]->b[0];"
    qasm = _probs(execute(prepare(HEADER + source, surface17), noisy, SHOTS, seed=9))
    assert _near(ours["11"] + ours["01"], 0.21)
    for key in ("00", "01", "10", "11"):
        assert abs(ours[key] - qasm[key]) < 5 * math.sqrt(2 * 0.25 / SHOTS)
