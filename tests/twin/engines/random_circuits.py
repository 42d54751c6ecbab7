"""Random Clifford circuits on a device, each written as Stim text and as OpenQASM: the two have to mean the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.device.device import Device

# Name in Stim, and the same pulse between virtual rotations in OpenQASM.
ONE_QUBIT = {
    "H": "h",
    "S": "s",
    "S_DAG": "sdg",
    "X": "x",
    "Y": "y",
    "Z": "z",
    "SQRT_X": "sx",
    "SQRT_X_DAG": "sxdg",
    "I": "id",
}
BASIS_QASM = {"X": ("h",), "Y": ("sdg", "h")}
BASIS_BACK_QASM = {"X": ("h",), "Y": ("h", "s")}
MOST_OUTCOMES = 6


@dataclass(frozen=True)
class Step:
    """One step of a circuit.

    `kind`: gate, tick, wait (`count` pulses long), measure, measure_reset, joint, reset or feedback. `name`: the gate
    in Stim, the basis of a measurement, or the Pauli of feedback. `bit`: the outcome that a measurement records (turned
    over where `inverted`), or that feedback looks at.
    """

    kind: str
    qubits: tuple[int, ...] = ()
    name: str = ""
    bit: int = -1
    inverted: bool = False
    count: int = 1


@dataclass(frozen=True)
class RandomCircuit:
    """Steps on some qubits of a device; `inverted[i]`: whether outcome i is turned over."""

    qubits: tuple[int, ...]
    steps: tuple[Step, ...]
    inverted: tuple[bool, ...]

    def used_later(self, index: int, qubit: int) -> bool:
        return any(qubit in step.qubits for step in self.steps[index + 1 :])


def random_circuit(rng: np.random.Generator, device: Device) -> RandomCircuit:
    """Two to four connected qubits, up to 25 steps, at least one measurement."""
    qubits = _connected(rng, device, int(rng.integers(2, 5)))
    pairs = [pair for pair in sorted(device.edges) if set(pair) <= set(qubits)]
    kinds = ["gate", "pair", "tick", "wait", "measure", "measure_reset", "joint", "reset", "feedback"]
    weights = np.array([8, 4, 2, 2, 2, 1, 1, 1, 3], dtype=float)
    steps: list[Step] = []
    inverted: list[bool] = []
    for _ in range(int(rng.integers(6, 26))):
        kind = str(rng.choice(kinds, p=weights / weights.sum()))
        qubit = int(rng.choice(qubits))
        pair = pairs[int(rng.integers(len(pairs)))]
        turned = bool(rng.random() < 0.4)
        if kind in ("measure", "measure_reset", "joint") and len(inverted) >= MOST_OUTCOMES - 1:
            continue
        if kind == "gate":
            steps.append(Step("gate", (qubit,), str(rng.choice(sorted(ONE_QUBIT)))))
        elif kind == "pair":
            steps.append(Step("gate", pair, str(rng.choice(["CX", "CZ", "CY", "SWAP"], p=[0.4, 0.4, 0.1, 0.1]))))
        elif kind == "tick":
            steps.append(Step("tick"))
        elif kind == "wait":
            steps.append(Step("wait", (qubit,), count=int(rng.choice([3, 30, 300]))))
        elif kind == "reset":
            steps.append(Step("reset", (qubit,)))
        elif kind == "feedback":
            if inverted:
                bit = int(rng.integers(len(inverted)))
                steps.append(Step("feedback", (qubit,), str(rng.choice(["X", "Y", "Z"])), bit))
        else:
            basis = (
                str(rng.choice(["Z", "X", "Y"], p=[0.6, 0.2, 0.2])) if kind != "joint" else str(rng.choice(["X", "Z"]))
            )
            steps.append(Step(kind, pair if kind == "joint" else (qubit,), basis, len(inverted), turned))
            inverted.append(turned)
    turned = bool(rng.random() < 0.4)
    steps.append(Step("measure", (int(rng.choice(qubits)),), "Z", len(inverted), turned))
    return RandomCircuit(qubits, tuple(steps), (*inverted, turned))


def _connected(rng: np.random.Generator, device: Device, size: int) -> tuple[int, ...]:
    found = [int(rng.integers(device.n_qubits))]
    while len(found) < size:
        around = sorted({n for qubit in found for n in device.neighbours[qubit]} - set(found))
        found.append(int(rng.choice(around)))
    return tuple(sorted(found))


def as_stim(circuit: RandomCircuit) -> str:
    """Outcome i of the record is bit i."""
    lines = []
    recorded = 0
    for step in circuit.steps:
        not_ = "!" if step.inverted else ""
        places = " ".join(map(str, step.qubits))
        basis = "" if step.name == "Z" else step.name
        match step.kind:
            case "gate":
                lines.append(f"{step.name} {places}")
            case "tick":
                lines.append("TICK")
            case "wait":
                lines.append(f"REPEAT {step.count} {{\nI {places}\n}}")
            case "measure":
                lines.append(f"M{basis} {not_}{places}")
            case "measure_reset":
                lines.append(f"MR{basis} {not_}{places}")
            case "joint":
                first, second = step.qubits
                lines.append(f"MPP {not_}{step.name}{first}*{step.name}{second}")
            case "reset":
                lines.append(f"R {places}")
            case "feedback":
                lines.append(f"C{step.name} rec[{step.bit - recorded}] {places}")
        recorded += step.kind in ("measure", "measure_reset", "joint")
    return "\n".join(lines)


def as_qasm(circuit: RandomCircuit, n_qubits: int) -> str:
    """Register mI has outcome I, before it is turned over: OpenQASM 2.0 has no inverted measurements."""
    lines = ['OPENQASM 2.0; include "qelib1.inc";', f"qreg q[{n_qubits}];"]
    lines += [f"creg m{bit}[1];" for bit in range(len(circuit.inverted))]
    for index, step in enumerate(circuit.steps):
        first = step.qubits[0] if step.qubits else -1
        if step.kind == "gate":
            places = ",".join(f"q[{qubit}]" for qubit in step.qubits)
            lines.append(f"{ONE_QUBIT.get(step.name, step.name.lower())} {places};")
        elif step.kind == "tick":
            lines.append("barrier q;")
        elif step.kind == "wait":
            lines.append(f"id q[{first}];" * step.count)
        elif step.kind == "reset":
            lines.append(f"reset q[{first}];")
        elif step.kind == "feedback":
            wanted = 0 if circuit.inverted[step.bit] else 1
            lines.append(f"if(m{step.bit}=={wanted}) {step.name.lower()} q[{first}];")
        elif step.kind == "joint":
            first, second = sorted(step.qubits)  # Stim gathers a parity on the lowest qubit
            turn = f"h q[{first}]; h q[{second}];" if step.name == "X" else ""
            parity = f"cx q[{second}],q[{first}];"
            lines.append(f"{turn} {parity} measure q[{first}]->m{step.bit}[0]; {parity} {turn}")
        else:
            lines += [f"{gate} q[{first}];" for gate in BASIS_QASM.get(step.name, ())]
            lines.append(f"measure q[{first}]->m{step.bit}[0];")
            if step.kind == "measure_reset":
                lines.append(f"reset q[{first}];")
            if step.kind == "measure_reset" or circuit.used_later(index, first):
                lines += [f"{gate} q[{first}];" for gate in BASIS_BACK_QASM.get(step.name, ())]
    return "\n".join(lines)
