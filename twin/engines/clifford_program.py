"""Clifford programs on Stim: relaxation as an exact mixture of resets where T2 <= T1, Pauli-twirled elsewhere.

Relaxation of a qubit with T2 <= T1 is a mixture of doing nothing, Z, and a reset to the thermal state. Shots in which
no reset happens are run together; the others one by one, with their resets in place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import stim
from numpy.typing import NDArray

from twin.device.snapshot import NoiseSnapshot, QubitNoise
from twin.engines.channels import pair_depolarizing, pulse_depolarizing, relaxation_factors, relaxation_twirl
from twin.engines.errors import CircuitError
from twin.engines.program import PULSES, TWO_QUBIT, Condition, Operation, Program, Schedule, duration_ns

Bits = NDArray[np.uint8]

TWIRLED = "pauli_twirled_relaxation"
MAX_SINGLE_SHOT_STEPS = 3_000_000
_VIRTUAL = {0: None, 1: "S", 2: "Z", 3: "S_DAG"}


def quarter_turns(angle: float) -> int | None:
    """An rz angle in quarter turns mod 4; None where it is no Clifford."""
    turns = angle / (math.pi / 2)
    nearest = round(turns)
    return nearest % 4 if abs(turns - nearest) < 1e-9 else None


def is_clifford(program: Program) -> bool:
    """Whether Stim can run it."""
    return all(op.name != "rz" or quarter_turns(op.params[0]) is not None for op in program.operations)


@dataclass
class _Step:
    """Stim instructions, then what cannot be one of them: a possible reset, a condition's start, or a measurement."""

    circuit: stim.Circuit = field(default_factory=stim.Circuit)
    reset: tuple[int, float, float] | None = None  # qubit, probability, excited population
    measured: tuple[int, int] | None = None  # qubit, classical bit
    condition: Condition | None = None  # of this whole step; the step is skipped if it does not hold


def run_clifford(
    program: Program, schedule: Schedule, snapshot: NoiseSnapshot, shots: int, seed: int
) -> tuple[Bits, tuple[str, ...]]:
    """Recorded bits, shape (shots, num_clbits), and the names of the approximations made."""
    qubits = program.active_qubits()
    mixture = all(snapshot.qubits[q].t2_us <= snapshot.qubits[q].t1_us for q in qubits)
    steps = _steps(program, schedule, snapshot, mixture)
    rng = np.random.default_rng([seed, 1])
    resets = np.array([step.reset[1] for step in steps if step.reset], dtype=float)
    conditional = any(step.condition for step in steps)
    quiet = 0 if conditional else int(rng.binomial(shots, float(np.prod(1 - resets))))
    approximations: tuple[str, ...] = () if mixture else (TWIRLED,)
    if (shots - quiet) * len(steps) > MAX_SINGLE_SHOT_STEPS:
        if conditional:
            raise CircuitError("conditions on so many shots of so many operations cannot be simulated; ask for fewer")
        steps, quiet, approximations = _steps(program, schedule, snapshot, False), shots, (TWIRLED,)
    bits = np.zeros((shots, program.num_clbits), dtype=np.uint8)
    bits[:quiet] = _together(steps, snapshot, program.num_clbits, quiet, seed, rng)
    for shot in range(quiet, shots):
        bits[shot] = _one_by_one(steps, snapshot, program.num_clbits, rng, conditional)
    return bits[rng.permutation(shots)], approximations


def _steps(program: Program, schedule: Schedule, snapshot: NoiseSnapshot, mixture: bool) -> list[_Step]:
    builder = _Builder(snapshot, mixture)
    for qubit in program.active_qubits():
        builder.add("X_ERROR", [qubit], snapshot.qubits[qubit].excited_population)
    last_use = {q: i for i, op in enumerate(program.operations) if op.name != "barrier" for q in op.qubits}
    for index, op in enumerate(program.operations):
        if op.name == "barrier":
            continue
        builder.operation(op, {q for q in op.qubits if last_use[q] == index})
        for qubit, idle_ns in zip(op.qubits, schedule.idle_after_ns[index], strict=True):
            if last_use[qubit] > index:
                builder.relax(qubit, idle_ns)
    return builder.steps


class _Builder:
    """Writes operations and their noise as steps."""

    def __init__(self, snapshot: NoiseSnapshot, mixture: bool) -> None:
        self.steps = [_Step()]
        self._snapshot = snapshot
        self._mixture = mixture

    def add(self, name: str, qubits: list[int], *args: float) -> None:
        if not args or any(args):
            self.steps[-1].circuit.append(name, qubits, list(args))

    def operation(self, op: Operation, finished: set[int]) -> None:
        if op.condition is not None:
            self.steps.append(_Step(condition=op.condition))
        qubits = list(op.qubits)
        if op.name == "rz":
            name = _VIRTUAL[quarter_turns(op.params[0]) or 0]
            if name:
                self.add(name, qubits)
        elif op.name in PULSES:
            self.add("SQRT_X" if op.name == "sx" else "X", qubits)
            prob = pulse_depolarizing(self._snapshot.qubits[qubits[0]], self._snapshot.single_qubit_ns)
            self.add("DEPOLARIZE1", qubits, prob * 3 / 4)
        elif op.name in TWO_QUBIT:
            self.add(op.name.upper(), qubits)
            noises = [self._snapshot.qubits[qubit] for qubit in qubits]
            prob = pair_depolarizing(noises[0], noises[1], self._snapshot.edges[op.qubits[0], op.qubits[1]])
            self.add("DEPOLARIZE2", qubits, prob * 15 / 16)
        elif op.name == "measure":
            self.add("M", qubits)
            self.steps[-1].measured = (op.qubits[0], op.clbits[0])
            self.steps.append(_Step())
        elif op.name == "reset":
            noise = self._snapshot.qubits[qubits[0]]
            both = noise.reset_error * noise.excited_population
            self.add("R", qubits)
            self.add("X_ERROR", qubits, noise.reset_error + noise.excited_population - 2 * both)
        if op.name != "reset":
            for qubit in op.qubits:
                if qubit not in finished:
                    self.relax(qubit, duration_ns(op, self._snapshot))
        if op.condition is not None:
            self.steps.append(_Step())

    def relax(self, qubit: int, wait_ns: float) -> None:
        if wait_ns <= 0:
            return
        noise = self._snapshot.qubits[qubit]
        if not self._mixture:
            self.add("PAULI_CHANNEL_1", [qubit], *relaxation_twirl(noise, wait_ns).probs())
            return
        reset_prob, z_prob = _mixture_probs(noise, wait_ns)
        self.add("Z_ERROR", [qubit], z_prob)
        step = self.steps[-1]
        step.reset = (qubit, reset_prob, noise.excited_population)
        self.steps.append(_Step(condition=step.condition))


def _mixture_probs(noise: QubitNoise, wait_ns: float) -> tuple[float, float]:
    """P(reset), and P(Z) where there is none: keep_z = 1 - P(reset), keep_xy = keep_z (1 - 2 P(Z))."""
    keep_z, keep_xy = relaxation_factors(noise.t1_us, noise.t2_us, wait_ns)
    return 1 - keep_z, max(0.0, (1 - keep_xy / keep_z) / 2)


def _together(
    steps: list[_Step], snapshot: NoiseSnapshot, num_clbits: int, shots: int, seed: int, rng: np.random.Generator
) -> Bits:
    """Shots without a reset, all at once."""
    whole = stim.Circuit()
    for step in steps:
        whole += step.circuit
    bits = np.zeros((shots, num_clbits), dtype=np.uint8)
    if shots == 0:
        return bits
    sampled = whole.compile_sampler(seed=seed % 2**63).sample(shots).astype(np.uint8)
    for column, (qubit, clbit) in enumerate(step.measured for step in steps if step.measured):
        bits[:, clbit] = _recorded(sampled[:, column], snapshot.qubits[qubit], rng.random(shots))
    return bits


def _recorded(true: Bits, noise: QubitNoise, draws: NDArray[np.float64]) -> Bits:
    """Outcomes with the asymmetric assignment error."""
    flips = draws < np.where(true == 0, noise.prob_meas1_prep0, noise.prob_meas0_prep1)
    return true ^ flips.astype(np.uint8)


def _one_by_one(
    steps: list[_Step], snapshot: NoiseSnapshot, num_clbits: int, rng: np.random.Generator, free: bool
) -> Bits:
    """One shot with its resets: at least one, unless `free` (then as they fall)."""
    places = [index for index, step in enumerate(steps) if step.reset]
    probs = np.array([step.reset[1] for step in steps if step.reset])
    resets = set(np.array(places)[_drawn_resets(probs, rng, free)].tolist()) if places else set()
    simulator = stim.TableauSimulator(seed=int(rng.integers(2**63)))
    bits = np.zeros(num_clbits, dtype=np.uint8)
    seen = 0
    for index, step in enumerate(steps):
        if step.condition is not None and not _holds(step.condition, bits):
            continue
        simulator.do(step.circuit)
        if step.measured is not None:
            qubit, clbit = step.measured
            true = np.array([simulator.current_measurement_record()[seen]], dtype=np.uint8)
            bits[clbit] = _recorded(true, snapshot.qubits[qubit], rng.random(1))[0]
            seen += 1
        if step.reset is not None and index in resets:
            simulator.reset(step.reset[0])
            if rng.random() < step.reset[2]:
                simulator.x(step.reset[0])
    return bits


def _drawn_resets(probs: NDArray[np.float64], rng: np.random.Generator, free: bool) -> NDArray[np.bool_]:
    """Which resets happen, given (unless `free`) that at least one does."""
    if free:
        return rng.random(len(probs)) < probs
    # The first one by its conditional distribution, those after it freely.
    before = np.concatenate([[1.0], np.cumprod(1 - probs)[:-1]])
    first_weights = before * probs
    first = int(np.searchsorted(np.cumsum(first_weights), rng.random() * first_weights.sum()))
    drawn = rng.random(len(probs)) < probs
    drawn[: first + 1] = False
    drawn[min(first, len(probs) - 1)] = True
    return drawn


def _holds(condition: Condition, bits: Bits) -> bool:
    return all(bits[clbit] == (condition.value >> i) & 1 for i, clbit in enumerate(condition.clbits))
