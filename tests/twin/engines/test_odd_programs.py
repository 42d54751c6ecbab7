"""Odd but legal OpenQASM 2.0, through parser, transpiler and engine, against Qiskit's own reading run by Aer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from qiskit import qasm2
from qiskit import transpile as qiskit_transpile
from qiskit_aer import AerSimulator

from tests.twin.engines.conftest import noiseless
from twin.device.catalog import DeviceCatalog
from twin.engines import execute, prepare
from twin.engines.preparation import Engine

SHOTS = 20_000
HEADER = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
# Every program runs on both devices: on 17 qubits only Clifford ones can.
CLIFFORD = {
    "barriers": "qreg q[3]; creg c[3]; h q[0]; barrier q; cx q[0],q[1]; barrier q[0],q[2]; x q[2];"
    " barrier q[1]; measure q -> c;",
    "reset of a register": "qreg q[3]; creg c[3]; h q; cx q[0],q[1]; reset q; x q[2]; measure q -> c;",
    "one to many": "qreg a[1]; qreg b[3]; creg d[3]; h a; cx a[0],b; x b; measure b -> d;",
    "many to many": "qreg a[2]; qreg b[2]; creg c[2]; creg d[2]; h a; cx a,b; measure a -> c; measure b -> d;",
    "parts": "qreg q[4]; creg lo[2]; creg hi[3]; h q[0]; cx q[0],q[2]; measure q[3]->lo[1];"
    " measure q[2]->hi[2]; measure q[0]->hi[0];",
    "opaque, not used": "opaque magic(a) x,y; qreg q[1]; creg c[1]; h q[0]; measure q->c;",
    "empty gate": "gate nop a,b { } gate bar a,b { barrier a,b; x a; } qreg q[2]; creg c[2]; nop q[0],q[1];"
    " bar q[0],q[1]; measure q->c;",
    "measured twice": "qreg q[1]; creg c[3]; h q[0]; measure q[0]->c[0]; measure q[0]->c[1]; h q[0];"
    " measure q[0]->c[2];",
    "one bit, three times": "qreg q[4]; creg c[2]; x q[3]; cx q[0],q[2]; measure q[2]->c[0]; measure q[3]->c[1];"
    " measure q[3]->c[0]; measure q[0]->c[0];",
    "bits never written": "qreg q[1]; creg a[1]; creg b[2]; x q[0]; measure q[0]->b[1];",
    "names": "qreg q_1A[1]; creg measureMe[1]; gate include_x a {x a;} include_x q_1A[0]; measure q_1A->measureMe;",
}
FEEDBACK = {
    "if on many bits": "qreg q[4]; creg c[3]; creg d[1]; ry(1.1) q[0]; ry(0.6) q[1]; ry(2.0) q[2];"
    " measure q[0]->c[0];"
    " measure q[1]->c[1]; measure q[2]->c[2]; if(c==1) x q[3]; if(c==6) ry(0.9) q[3]; if (c==0) h q[3];"
    " measure q[3]->d[0];",
    "if on a value that cannot be": "qreg q[2]; creg c[2]; creg d[1]; h q[0]; measure q[0]->c[0];"
    " if(c==7) x q[1]; measure q[1]->d[0];",
    "if on a register": "qreg q[3]; creg c[1]; creg d[2]; h q[0]; measure q[0]->c[0]; if(c==1) x q;"
    " measure q[1]->d[0]; measure q[2]->d[1];",
    "if reset": "qreg q[2]; creg c[1]; creg d[2]; h q[0]; x q[1]; measure q[0]->c[0]; if(c==1) reset q[1];"
    " measure q -> d;",
    "bit used again": "qreg q[2]; creg c[2]; h q[0]; measure q[0]->c[0]; if(c==1) x q[0]; measure q[0]->c[0];"
    " h q[0];"
    " measure q[0]->c[1]; if(c==2) x q[1]; measure q[1]->c[0];",
}
ANGLES = {
    "parameters": "gate g(a,b) x,y { u1(a/2) x; cx x,y; u3(sin(a)*pi,b^2,-ln(exp(b))) y; cx x,y;"
    " rz(-(a+b)*2/3) x; }"
    " qreg q[2]; creg c[2]; h q; g(pi/3, 0.25*2) q[0],q[1]; h q; measure q->c;",
    "gates in gates": "gate a(t) q { ry(t) q; } gate b(t) q,r { a(t/2) q; cx q,r; a(-t) r; } qreg q[3]; creg c[3];"
    " b(1.3) q[0],q[1]; b(0.4) q[2],q[0]; measure q->c;",
    "numbers": "qreg q[1]; creg c[1]; rx(1.5e0) q[0]; ry(.5) q[0]; rx(2.) q[0]; rz(-3E-1) q[0]; rx(+1) q[0];"
    " measure q->c;",
    "functions": "qreg q[1]; creg c[1]; rx(sqrt(2)) q[0]; ry(tan(0.3)) q[0]; rx(cos(pi/7)) q[0]; rz(exp(-1)) q[0];"
    " rx(ln(3)) q[0]; rx(2^3/5-1*(2-.5)) q[0]; measure q->c;",
    "the library": "qreg q[4]; creg c[4]; h q; ccx q[0],q[1],q[2]; crz(0.3) q[0],q[1]; cu1(0.4) q[1],q[2];"
    " cu3(0.1,0.2,0.3) q[2],q[3]; cz q[0],q[3]; ch q[0],q[2]; cy q[1],q[3]; u2(0.1,0.2) q[3];"
    " tdg q[0]; h q; measure q->c;",
}
WHOLE = {
    "comments": '// first\nOPENQASM 2.0; // x q[0];\n// include "other.inc";'
    ' \u03c8 \u2200\ninclude "qelib1.inc";//\nqreg q[2];creg c[2];'
    "h q[0];cx q[0],q[1];\n//end\nmeasure q->c;//",
    "late include": 'OPENQASM 2.0; qreg q[2]; creg c[2]; include "qelib1.inc"; h q[0]; cx q[0],q[1]; measure q->c;',
    "no include": "OPENQASM 2.0; qreg q[2]; creg c[2]; U(pi/2,0,pi) q[0]; CX q[0],q[1]; measure q->c;",
    "gates of its own": "OPENQASM 2.0; gate h a { U(pi/2,0,pi) a; } gate cx a,b { CX a,b; } qreg q[2];"
    " creg c[2]; h q[0];"
    " cx q[0],q[1]; measure q->c;",
    "white space": '\t\r\n OPENQASM\t2.0 ;\r\n include  "qelib1.inc"\t;qreg\tq [ 2 ];'
    " creg c[ 2 ];\nh\nq [0]\n;cx q[0] , q[1];measure q->c;",
}
PROGRAMS = {name: HEADER + body for name, body in (CLIFFORD | FEEDBACK | ANGLES).items()} | WHOLE


@pytest.mark.parametrize("name", PROGRAMS)
def test_populations_are_those_of_qiskits_own_reading(name: str, catalog: DeviceCatalog) -> None:
    _check(PROGRAMS[name], catalog, "ibm_jakarta_like", "density_matrix")


@pytest.mark.parametrize("name", CLIFFORD)
def test_populations_are_the_same_from_the_stabilizer_engine(name: str, catalog: DeviceCatalog) -> None:
    chain = "".join(f"cx wide[{index}],wide[{index + 1}];" for index in range(11))
    wide = f"qreg wide[12]; creg w[12]; h wide[0]; {chain} measure wide -> w;"
    _check(HEADER + CLIFFORD[name] + wide, catalog, "surface17_like", "stabilizer")


@pytest.mark.parametrize("engine", ["density_matrix", "stabilizer"])
def test_a_value_that_a_register_cannot_have_is_never_met(engine: Engine, catalog: DeviceCatalog) -> None:
    """`if(c==7)` on two bits that are 3: a register is an integer (arXiv 1707.03429). Aer compares low bits alone."""
    source = "qreg q[3]; creg c[2]; creg d[1]; x q[0]; x q[1]; measure q[0]->c[0]; measure q[1]->c[1];"
    source += " if(c==7) x q[2]; measure q[2]->d[0];"
    prepared = replace(prepare(HEADER + source, catalog.devices["ibm_jakarta_like"]), engine=engine)
    assert execute(prepared, noiseless(catalog, "ibm_jakarta_like"), 100, seed=1).counts == {"0 11": 100}


def _check(source: str, catalog: DeviceCatalog, backend_id: str, engine: Engine) -> None:
    """Two samples of one distribution over k keys: the expected total variation is below sqrt(k / (pi shots)).

    By McDiarmid's inequality it is over its expectation by more than 0.021 with a probability below 2e-4.
    """
    aer = AerSimulator()
    circuit = qiskit_transpile(qasm2.loads(source), aer, optimization_level=0)
    theirs = aer.run(circuit, shots=SHOTS, seed_simulator=3).result().get_counts()
    prepared = replace(prepare(source, catalog.devices[backend_id]), engine=engine)
    result = execute(prepared, noiseless(catalog, backend_id), SHOTS, seed=5)
    keys = set(theirs) | set(result.counts)
    variation = sum(abs(theirs.get(key, 0) - result.counts.get(key, 0)) for key in keys) / (2 * SHOTS)
    assert variation < math.sqrt(len(keys) / (math.pi * SHOTS)) + 0.021
