"""A gate that a program defines means what its definition says, whatever Qiskit has under its name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qiskit.circuit.library import get_standard_gate_name_mapping

from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot
from twin.engines import CircuitError, execute, prepare
from twin.engines.limits import DEFAULT_LIMITS

HEADER = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
QELIB1 = {"u3", "u2", "u1", "cx", "id", "x", "y", "z", "h", "s", "sdg", "t", "tdg"}
QELIB1 |= {"rx", "ry", "rz", "cz", "cy", "ch", "ccx", "crz", "cu1", "cu3"}
"""What qelib1.inc defines (arXiv 1707.03429, figure 9): a source that includes it cannot define them again."""
KEYWORDS = {"barrier", "measure", "reset"}
STANDARD = {
    name: (gate.num_qubits, len(gate.params))
    for name, gate in get_standard_gate_name_mapping().items()
    if name not in KEYWORDS and gate.num_qubits > 0
}
OTHERS = {"u0": (1, 1), "c3sqrtx": (4, 0), "if_else": (1, 0), "delay": (1, 1), "unitary": (2, 0), "stim": (1, 0)}
OTHERS |= {"kraus": (1, 0), "save_state": (1, 0), "initialize": (2, 1), "circuit_1": (2, 0), "gphase": (1, 1)}
SHAPES = {**STANDARD, **OTHERS}


def used(name: str, num_qubits: int, num_params: int, body: str, *, header: str = "OPENQASM 2.0;\n") -> str:
    """A program whose only gate is `name`; `body` is done to each of its qubits."""
    formal = [f"a{index}" for index in range(num_qubits)]
    params = ",".join(f"p{index}" for index in range(num_params))
    values = ",".join(["0.3"] * num_params)
    qubits = ",".join(f"q[{index}]" for index in range(num_qubits))
    definition = f"gate {name}({params}) " if num_params else f"gate {name} "
    definition += ",".join(formal) + " { " + " ".join(f"{body} {each};" for each in formal if body) + " }\n"
    call = f"{name}({values}) {qubits};" if num_params else f"{name} {qubits};"
    return f"{header}{definition}qreg q[{num_qubits}]; creg c[{num_qubits}]; {call} measure q -> c;"


def counts(source: str, device: Device, quiet: NoiseSnapshot) -> dict[str, int]:
    return dict(execute(prepare(source, device), quiet, 50, seed=1).counts)


@pytest.mark.parametrize("name", SHAPES)
def test_a_definition_wins_over_a_name_that_qiskit_knows(name: str, jakarta: Device, quiet: NoiseSnapshot) -> None:
    """One definition turns every qubit, another none: no gate that is known by name does both."""
    num_qubits, num_params = SHAPES[name]
    turned = used(name, num_qubits, num_params, "U(pi,0,pi)")
    assert counts(turned, jakarta, quiet) == {"1" * num_qubits: 50}
    assert counts(used(name, num_qubits, num_params, ""), jakarta, quiet) == {"0" * num_qubits: 50}
    if name not in QELIB1:
        assert counts(used(name, num_qubits, num_params, "x", header=HEADER), jakarta, quiet) == {"1" * num_qubits: 50}


@pytest.mark.parametrize("name", SHAPES)
def test_a_definition_may_have_another_shape(name: str, jakarta: Device, quiet: NoiseSnapshot) -> None:
    num_qubits, num_params = SHAPES[name]
    for shape in ((num_qubits + 1, num_params), (num_qubits, num_params + 1)):
        source = used(name, *shape, "U(pi,0,pi)")
        assert counts(source, jakarta, quiet) == {"1" * shape[0]: 50}


@pytest.mark.parametrize("name", ["sx", "cs", "rz", "delay"])
def test_a_definition_wins_wherever_it_is_used(name: str, jakarta: Device, quiet: NoiseSnapshot) -> None:
    """In another definition, under `if`, and after a comment that looks like a definition."""
    source = f"""OPENQASM 2.0; // gate h a {{ }}
    gate x a {{ U(pi,0,pi) a; }}  gate
      {name}   a {{ x a; }}
    gate outer a,b {{ barrier a,b; {name} b; }}
    qreg q[3]; creg c[1]; creg d[2];
    {name} q[0]; measure q[0] -> c[0];
    if (c==1) outer q[0],q[1];
    if (c==0) {name} q[2];
    measure q[1] -> d[0]; measure q[2] -> d[1];"""
    assert counts(source, jakarta, quiet) == {"01 1": 50}


def test_phase_estimation_with_a_controlled_gate_of_its_own(jakarta: Device, quiet: NoiseSnapshot) -> None:
    """After the OpenQASM specification's pea_3_pi_8: `cu` is a name that Qiskit has for four parameters.

    `cu1fixed(a)` multiplies |11> by exp(-i a): a = 3 pi / 8 is the phase -3/16 = 13/16 of a turn, in four bits 1101.
    """
    source = HEADER + "gate cu1fixed(a) c,t { u1(-a) t; cx c,t; u1(a) t; cx c,t; }\n"
    source += "gate cu c,t { cu1fixed(3*pi/8) c,t; }\nqreg q[4]; qreg r[1]; creg c[4]; h q; x r[0];\n"
    for index in range(4):
        source += f"cu q[{index}],r[0]; " * 2 ** (3 - index) + "\n"
    for index in range(4):
        source += "".join(f"cu1(-pi/{2 ** (index - lower)}) q[{lower}],q[{index}]; " for lower in range(index))
        source += f"h q[{index}];\n"
    assert counts(source + "measure q -> c;", jakarta, quiet) == {"1101": 50}


def test_u0_waits_and_is_counted(jakarta: Device, quiet: NoiseSnapshot) -> None:
    one = HEADER + "qreg q[1]; creg c[1]; x q[0]; u0({}) q[0]; measure q -> c;"
    assert counts(one.format(3), jakarta, quiet) == {"1": 50}
    with pytest.raises(CircuitError, match="expands to more than 100000"):
        prepare(one.format(10**9), jakarta)
    with pytest.raises(CircuitError, match="expands to more than 100000"):
        prepare(one.format("1) q[0]; u0(100000"), jakarta)


@pytest.mark.parametrize(
    ("definitions", "calls"),
    [
        ("gate g(n) a { u0(n) a; }", "g(1) q[0]; g(400000) q[0];"),
        ("gate g(n) a { u0(n) a; } gate h2(n) a { x a; g(n*n) a; }", "h2(2) q[0]; h2(400) q[0];"),
        ("gate g(n) a { u0(n) a; } gate h2(n) a { g(n) a; }", "if (c==0) h2(1) q[0]; h2(1e6) q[0];"),
        ("gate g(n) a { u0(n) a; } gate h2 a { g(60000) a; }", "g(1) q[0]; h2 q[0]; h2 q[0];"),
        ("gate g(n,m) a { u0(m) a; rx(n) a; }", "g(1,1) q[0]; g(1,99999) q[0];"),
    ],
    ids=["two", "nested", "conditional", "constant", "second"],
)
def test_waits_in_definitions_are_counted_for_the_parameters_of_each_call(
    definitions: str, calls: str, jakarta: Device
) -> None:
    source = f"{HEADER}{definitions} qreg q[1]; creg c[1]; {calls} measure q -> c;"
    with pytest.raises(CircuitError, match="expands to more than 100000"):
        prepare(source, jakarta)


def test_waits_in_definitions_are_not_counted_for_ever(jakarta: Device) -> None:
    """Each gate uses the one before with two parameters that no other use has: 2^39 in all."""
    source = HEADER + "gate g0(n) a { u0(1) a; }\n"
    source += "".join(f"gate g{i}(n) a {{ g{i - 1}(n) a; g{i - 1}(n+{2**i}) a; }}\n" for i in range(1, 40))
    with pytest.raises(CircuitError, match="gates with u0 in them have more than 10000 choices of parameters"):
        prepare(source + "qreg q[1]; creg c[1]; g39(0) q[0]; measure q -> c;", jakarta)


def test_waits_in_definitions_may_differ(jakarta: Device) -> None:
    """Just as many operations as are taken: 2 + 97, and the measurement."""
    limits = replace(DEFAULT_LIMITS, max_operations=100)
    source = HEADER + "gate g(n) a {{ u0(n) a; }} qreg q[1]; creg c[1]; g(2) q[0]; g({}) q[0]; measure q -> c;"
    prepare(source.format(97), jakarta, limits)
    with pytest.raises(CircuitError, match="expands to more than 100 "):
        prepare(source.format(98), jakarta, limits)


def test_definitions_may_use_one_another_but_not_endlessly(jakarta: Device, quiet: NoiseSnapshot) -> None:
    def chain(length: int) -> str:
        links = "".join(f"gate g{index} a {{ g{index - 1} a; }}\n" for index in range(1, length))
        return f"{HEADER}gate g0 a {{ x a; }}\n{links}qreg q[1]; creg c[1]; g{length - 1} q[0]; measure q -> c;"

    assert counts(chain(150), jakarta, quiet) == {"1": 50}
    for length in (250, 3000):
        with pytest.raises(CircuitError, match="use one another more than 200 deep"):
            prepare(chain(length), jakarta)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gate g(a) q { rx(ln(a)) q; } qreg q[1]; creg c[1]; g(-1) q[0];", "cannot be parsed: math domain error"),
        ("gate g(a) q { rx(1/a) q; } qreg q[1]; creg c[1]; g(0) q[0];", "cannot be parsed: .*division by zero"),
        ("gate h a { x a; } qreg q[1]; creg c[1]; h q[0];", "'h' is already defined"),
        ("gate a q { sx q; } gate sx q { x q; } qreg q[1]; creg c[1]; a q[0];", "'sx' is not defined"),
        ("opaque cu a,b; qreg q[2]; creg c[2]; cu q[0],q[1];", "opaque gate 'cu' has no definition"),
    ],
)
def test_what_a_definition_cannot_mean_is_refused(source: str, message: str, jakarta: Device) -> None:
    with pytest.raises(CircuitError, match=message):
        prepare(HEADER + source, jakarta)


@pytest.mark.parametrize(
    "source",
    [
        "OPENQASM 3;\nqubit q;",
        "// a program\nOPENQASM 3.1;\nqubit[2] q;",
        "/* a program */ OPENQASM 3.0; include 'stdgates.inc';",
        'include "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nh q[0];',
    ],
)
def test_openqasm_3_is_refused_by_its_name(source: str, jakarta: Device) -> None:
    with pytest.raises(CircuitError, match="OpenQASM 3 is not taken; write the program as OpenQASM 2"):
        prepare(source, jakarta)


def test_a_byte_order_mark_is_no_part_of_the_program(jakarta: Device, quiet: NoiseSnapshot) -> None:
    source = "\ufeff" + HEADER + "qreg q[1]; creg c[1]; x q[0]; measure q -> c;"
    assert counts(source, jakarta, quiet) == {"1": 50}
    with pytest.raises(CircuitError, match="foo") as caught:
        prepare("\ufeff// OPENQASM 3 is not meant\n" + HEADER + "foo q[0];", jakarta)
    assert (caught.value.line, caught.value.column) == (4, 1)
