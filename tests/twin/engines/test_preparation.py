"""What is taken, what is refused (quickly, saying where), and what is transpiled."""

from __future__ import annotations

import itertools
import pickle
import resource
import time
from typing import Any

import pytest

from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import compose
from twin.engines import CircuitError, CircuitLimits, execute, prepare
from twin.engines.preparation import Circuit

HEADER = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
ONE = HEADER + "qreg q[1];\ncreg c[1];\n"
DOUBLING = "gate g0 a { h a; }\n" + "".join(f"gate g{i} a {{ g{i - 1} a; g{i - 1} a; }}\n" for i in range(1, 19))

REFUSED: dict[str, tuple[Circuit, str]] = {
    "ten million qubits": (HEADER + "qreg q[10000000];", r"line 3, column 1: .*10000000 qubits.* 7"),
    "a billion bits": (HEADER + "qreg q[1];\ncreg c[1000000000];", r"line 4, column 1: .*classical bits"),
    "doubling definitions": (
        ONE.replace("qreg", DOUBLING + "qreg", 1) + "g18 q[0];\nmeasure q -> c;",
        "expands to more",
    ),
    "a file": ('OPENQASM 2.0;\ninclude "/etc/passwd";\nqreg q[1];', r'line 2, column 1: only include "qelib1\.inc"'),
    "a file over lines": ('OPENQASM 2.0;\ninclude\n"/etc/passwd";', r"line 2, column 1"),
    "deep parentheses": (ONE + "rz(" + "(" * 100_000 + "1" + ")" * 100_000 + ") q[0];", "nested deeper"),
    "many signs": (ONE + "rz(" + "-" * 100_000 + "1) q[0];", "line 5, column 3: an expression is longer"),
    "unknown gate": (ONE + "foo q[0];", "line 5, column 1: 'foo' is not defined"),
    "missing semicolon": (ONE + "h q[0] measure q -> c;", r"line 5, column 8"),
    "division by zero": (ONE + "rz(1/0) q[0];", "line 5, .* divide by zero"),
    "infinity": (ONE + "rz(1e400) q[0]; measure q -> c;", "not finite"),
    "opaque gate": (HEADER + "opaque foo a; qreg q[1]; foo q[0];", "the opaque gate 'foo' has no definition to run"),
    "opaque gate in a gate": (
        HEADER + "opaque foo(t) a; gate bar a { h a; foo(1) a; } qreg q[1]; creg c[1]; if (c==0) bar q[0];",
        "the opaque gate 'foo' has no definition to run",
    ),
    "opaque gate of two": (
        HEADER + "opaque delay(t) a, b; qreg q[2]; creg c[1]; delay(1) q[0],q[1];",
        "the opaque gate 'delay' has no definition to run",
    ),
    "negative delay": (HEADER + "opaque delay(t) a; qreg q[1]; delay(-1) q[0];", "cannot be parsed|negative"),
    "endless delay": (HEADER + "opaque delay(t) a; qreg q[1]; delay(1e300*1e300) q[0];", "cannot be parsed"),
    "half a dt": (HEADER + "opaque delay(t) a; qreg q[1]; delay(0.5) q[0];", "integer"),
    "no classical bits": (HEADER + "qreg q[1]; h q[0];", "no classical bits"),
    "OpenQASM 3": ("OPENQASM 3.0; qubit q;", "OpenQASM 2.0"),
    "a megabyte": ("OPENQASM 2.0;" + " " * 2**20, "bytes; at most"),
    "measurement under if": (ONE + "if (c==1) measure q -> c;", "under `if`"),
    "unknown keys": ({"gates": []}, "not known; expected"),
    "absent qubit": ({"n_qubits": 2, "actions": [{"gate": "h", "qubits": [5]}]}, r"actions\.0: qubits \[5\]"),
    "unknown action": ({"n_qubits": 1, "actions": [{"gate": "hh", "qubits": [0]}]}, r"actions\.0: unknown gate 'hh'"),
    "the same qubit twice": ({"n_qubits": 2, "actions": [{"gate": "cx", "qubits": [1, 1]}]}, r"actions\.0"),
    "wrong params": ({"n_qubits": 1, "actions": [{"gate": "rz", "qubits": [0]}]}, r"actions\.0: rz takes"),
    "NaN": ({"n_qubits": 1, "actions": [{"gate": "rz", "qubits": [0], "params": [float("nan")]}]}, "finite"),
    "too many qubits": ({"n_qubits": 8, "actions": []}, "has 8 qubits; .* has 7"),
    "stim qubit": ({"stim": "H 4000000\nM 0"}, "uses qubit 4000000"),
    "stim repetition": ({"stim": "REPEAT 1000000000000 {\nM 0\n}"}, "at most"),
    "stim gate": ({"stim": "FOO 1"}, "Gate not found"),
    "stim without measurement": ({"stim": "H 0"}, "measures nothing"),
    "stim record of a detector": ({"stim": "M 0\nDETECTOR rec[-5]"}, "DETECTOR.* before the first one"),
    "stim record of feedback": ({"stim": "M 0\nREPEAT 3 {\nCX rec[-2] 1\nM 0\n}"}, "CX.* before the first one"),
    "memory distance": ({"qec_memory": {"code_family": "surface", "code_distance": 99, "rounds": 3}}, "at most 25"),
    "memory rounds": ({"qec_memory": {"code_family": "surface", "code_distance": 3, "rounds": 10**8}}, "too many"),
}


@pytest.fixture(scope="module", autouse=True)
def _warm(catalog: DeviceCatalog) -> None:
    """Qiskit's import takes a second, once in a process's life."""
    prepare(ONE + "measure q -> c;", catalog.devices["ibm_jakarta_like"])


@pytest.mark.parametrize("name", REFUSED)
def test_prepare_refuses_quickly_with_little_memory(name: str, jakarta: Device) -> None:
    circuit, message = REFUSED[name]
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()  # this process's own time: other work on the machine does not count
    with pytest.raises(CircuitError, match=message):
        prepare(circuit, jakarta)
    assert time.process_time() - started < 1.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 50_000


def test_error_carries_line_and_column(jakarta: Device) -> None:
    with pytest.raises(CircuitError) as caught:
        prepare(ONE + "h q[0];\n  foo q[0];", jakarta)
    assert (caught.value.line, caught.value.column) == (6, 3)


def test_prepare_takes_legacy_gates_and_keeps_pairs_that_fit(jakarta: Device) -> None:
    prepared = prepare(HEADER + "qreg q[3]; creg c[3]; sx q[0]; u(1,2,3) q[1]; cx q[2],q[1]; measure q -> c;", jakarta)
    assert prepared.layout == (0, 1, 2)
    assert prepared.two_qubit_count == 1
    assert pickle.loads(pickle.dumps(prepared)) == prepared


def test_prepare_runs_what_is_native_as_written(jakarta: Device) -> None:
    prepared = prepare(ONE + "x q[0]; x q[0]; id q[0]; sx q[0]; measure q -> c;", jakarta)
    assert prepared.program is not None
    assert [op.name for op in prepared.program.operations] == ["x", "x", "id", "sx", "measure"]


def test_delay_is_in_units_of_the_devices_dt(jakarta: Device) -> None:
    body = "qreg q[1]; creg c[1]; delay(100) q[0]; measure q -> c; if (c==1) delay(10) q[0];"
    source = HEADER + "opaque delay(t) q; " + body
    prepared = prepare(source, jakarta)
    assert prepared.program is not None
    delays_ns = [op.params[0] for op in prepared.program.operations if op.name == "delay"]
    assert delays_ns == pytest.approx([22.22, 2.222])


def test_prepare_routes_pairs_that_are_not_coupled(jakarta: Device) -> None:
    source = HEADER + "qreg q[5]; creg c[5]; h q[0];" + "".join(f"cx q[0],q[{i}];" for i in range(1, 5))
    prepared = prepare(source + "measure q -> c;", jakarta)
    assert prepared.program is not None
    assert prepared.two_qubit_count > 4
    assert all(op.qubits in jakarta.edges for op in prepared.program.operations if op.name == "cx")


@pytest.mark.parametrize("backend_id", ["surface17_like", "willow_like", "repetition29_like"])
def test_cz_devices_run_the_reference_bell(catalog: DeviceCatalog, backend_id: str) -> None:
    device = catalog.devices[backend_id]
    snapshot = compose(device, catalog.scenarios, ControllerState())
    source = HEADER + "qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;"
    counts = execute(prepare(source, device), snapshot, 4000, seed=1).counts
    assert counts["00"] + counts["11"] > 3700


def test_keys_follow_qiskit(catalog: DeviceCatalog, jakarta: Device) -> None:
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    source = HEADER + "qreg q[3]; creg a[2]; creg b[1]; x q[0]; measure q[0] -> a[0]; measure q[2] -> b[0];"
    result = execute(prepare(source, jakarta), snapshot, 2000, seed=1, memory=True)
    assert max(result.counts, key=lambda key: result.counts[key]) == "0 01"
    assert result.memory is not None
    assert {key: result.memory.count(key) for key in result.counts} == result.counts


def test_actions_without_measurement_measure_all(catalog: DeviceCatalog, jakarta: Device) -> None:
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    circuit: dict[str, Any] = {"n_qubits": 2, "actions": [{"gate": "x", "qubits": [1]}]}
    counts = execute(prepare(circuit, jakarta), snapshot, 1000, seed=1).counts
    assert max(counts, key=lambda key: counts[key]) == "10"


def test_same_seed_same_counts(catalog: DeviceCatalog, jakarta: Device) -> None:
    snapshot = compose(jakarta, catalog.scenarios, ControllerState())
    prepared = prepare(HEADER + "qreg q[2]; creg c[2]; h q[0]; h q[1]; measure q -> c;", jakarta)
    runs = [execute(prepared, snapshot, 500, seed, memory=memory).counts for seed, memory in ((4, False), (4, True))]
    assert runs[0] == runs[1]
    assert execute(prepared, snapshot, 500, 5).counts != runs[0]


def test_engine_is_chosen_by_size_and_gates(catalog: DeviceCatalog) -> None:
    pytest.importorskip("qiskit_aer", reason="Qiskit Aer is not installed: pip install 'qtwin[aer]'")
    willow = catalog.devices["willow_like"]
    path = [0, 5, 12, 20, 27, 35, 42, 50, 57, 65, 72, 80, 87, 94, 101]
    path = [qubit for qubit in path if qubit < willow.n_qubits]
    links = list(itertools.pairwise(path))
    edges = [pair for pair in links if pair in willow.edges]
    assert len(edges) >= 12
    body = "".join(f"cx q[{a}],q[{b}];" for a, b in edges)
    back = "".join(f"cx q[{a}],q[{b}];" for a, b in reversed(edges))
    registers = f"qreg q[{willow.n_qubits}]; creg c[{len(path)}]; h q[0];"
    reads = "".join(f"measure q[{q}] -> c[{i}];" for i, q in enumerate(path))
    assert prepare(HEADER + registers + body + back + reads, willow).engine == "stabilizer"
    beyond = prepare(HEADER + registers + body + "t q[0];" + back + body + reads, willow)
    assert beyond.engine == "aer_statevector"
    small = f"qreg q[{willow.n_qubits}]; creg c[2]; h q[0]; t q[0]; cx q[0],q[5]; measure q[0] -> c[0];"
    assert prepare(HEADER + small, willow).engine == "density_matrix"


def test_limits_are_an_argument(jakarta: Device) -> None:
    with pytest.raises(CircuitError, match="at most 10"):
        prepare(ONE, jakarta, CircuitLimits(max_source_bytes=10))
