"""Clifford programs on Stim: relaxation as a mixture of resets, or Pauli-twirled.

Relaxation of a qubit with T2 <= T1 is a mixture of doing nothing, Z, and a reset to the thermal state. With T2 up to
2 T1 the mixture is exact in the populations, and loses coherence with T1 in place of T2; a Pauli twirl is exact in the
coherence, and does not pull the populations towards |0>. Each wait gets the one that is nearer to the truth in what it
can do to the outcomes; often that is exact. Shots in which no reset happens are run together; the others one by one,
with their resets in place. Where anything but a Pauli stands under a condition, all of them are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import stim
from numpy.typing import NDArray

from twin.device.gate_error import relaxation_factors
from twin.device.snapshot import NoiseSnapshot, QubitNoise
from twin.engines.channels import relaxation_twirl
from twin.engines.errors import CircuitError
from twin.engines.program import PULSES, TWO_QUBIT, Condition, Operation, Program, Schedule, duration_ns
from twin.engines.sensitivity import sensitivities

Bits = NDArray[np.uint8]

TWIRLED = "pauli_twirled_relaxation"
SHORTENED = "coherence_time_cut_to_t1"
MAX_SINGLE_SHOT_STEPS = 20_000_000
_FRAMES = 2**14  # shots that Stim's frames are held for at a time
_VIRTUAL = {0: None, 1: "S", 2: "Z", 3: "S_DAG"}
# Instructions that are Paulis, by chance or not: probabilities of X, Y and Z from their arguments.
_PAULI_PROBS: dict[str, Callable[[list[float]], list[float]]] = {
    "X": lambda _: [1.0, 0.0, 0.0],
    "Z": lambda _: [0.0, 0.0, 1.0],
    "DEPOLARIZE1": lambda args: [args[0] / 3] * 3,
    "PAULI_CHANNEL_1": lambda args: args,
}


def quarter_turns(angle: float) -> int | None:
    """An rz angle in quarter turns mod 4; None where it is no Clifford."""
    turns = angle / (math.pi / 2)
    nearest = round(turns)
    return nearest % 4 if abs(turns - nearest) < 1e-9 else None


def is_clifford(program: Program) -> bool:
    """Whether Stim can run it."""
    return all(op.name != "rz" or quarter_turns(op.params[0]) is not None for op in program.operations)


@dataclass(frozen=True)
class _Record:
    """Where an outcome goes, and what becomes of it: a flip (its probabilities for 0 and 1), then turned over."""

    clbit: int
    flip_probs: tuple[float, float] = (0.0, 0.0)
    turned_prob: float = 0.0

    def recorded(self, true: Bits, rng: np.random.Generator) -> Bits:
        """From outcomes of any number of shots to recorded bits."""
        bits = true
        if any(self.flip_probs):
            bits = bits ^ (rng.random(len(true)) < np.where(true == 0, *self.flip_probs))
        if self.turned_prob:
            bits = bits ^ (rng.random(len(true)) < self.turned_prob)
        return bits


@dataclass
class _Step:
    """Stim instructions, then what cannot be one of them: a possible reset, or an outcome that is recorded."""

    lines: list[str] = field(default_factory=list)
    reset: tuple[int, float, float] | None = None  # qubit, probability, excited population
    record: _Record | None = None
    condition: Condition | None = None  # of this whole step
    fires: bool = True  # whether it is run where the condition holds, or where it does not

    @cached_property
    def circuit(self) -> stim.Circuit:
        """Text that is parsed at once: appending to a circuit takes a hundred times as long."""
        return stim.Circuit("\n".join(self.lines))


def run_clifford(
    program: Program, schedule: Schedule, snapshot: NoiseSnapshot, shots: int, seed: int
) -> tuple[Bits, dict[str, float]]:
    """Recorded bits, shape (shots, num_clbits), and the approximations made.

    These have the name of each, and its size: by how much at most it changes the distribution of what is recorded, in
    total variation distance.

    Raises:
        CircuitError: shots that have to be run one by one are too many.
    """
    rng = np.random.default_rng([seed, 1])
    nearest = _steps(program, schedule, snapshot, nearest=True)
    bits = _sampled(nearest.steps, program.num_clbits, shots, rng)
    if bits is not None:
        return bits, nearest.approximations()
    twirled = _steps(program, schedule, snapshot, nearest=False)
    bits = _sampled(twirled.steps, program.num_clbits, shots, rng)
    if bits is None:
        raise CircuitError("conditions on so many shots of so many operations cannot be simulated; ask for fewer")
    return bits, twirled.approximations()


def _sampled(steps: list[_Step], num_clbits: int, shots: int, rng: np.random.Generator) -> Bits | None:
    """Recorded bits; None where too many shots would have to be run one by one.

    Whether resets happen is drawn beforehand, for steps under conditions too: one in a step that is skipped is skipped.
    """
    resets = np.array([step.reset[1] for step in steps if step.reset], dtype=float)
    quiet = int(rng.binomial(shots, float(np.prod(1 - resets))))
    in_frames = all(step.condition is None or _is_pauli(step.circuit) for step in steps)
    if (shots - quiet if in_frames else shots) * len(steps) > MAX_SINGLE_SHOT_STEPS:
        return None
    bits = np.zeros((shots, num_clbits), dtype=np.uint8)
    if not in_frames:
        for shot in range(quiet):
            bits[shot] = _one_by_one(steps, num_clbits, rng, set())
    elif any(step.condition for step in steps):
        for start in range(0, quiet, _FRAMES):
            stop = min(start + _FRAMES, quiet)
            bits[start:stop] = _frames(steps, num_clbits, stop - start, rng)
    else:
        bits[:quiet] = _together(steps, num_clbits, quiet, rng)
    if quiet == shots:
        return bits
    places = np.array([index for index, step in enumerate(steps) if step.reset], dtype=int)
    for shot in range(quiet, shots):
        bits[shot] = _one_by_one(steps, num_clbits, rng, set(places[_drawn_resets(resets, rng)].tolist()))
    mixed: Bits = bits[rng.permutation(shots)]
    return mixed


def _steps(program: Program, schedule: Schedule, snapshot: NoiseSnapshot, nearest: bool) -> _Builder:
    builder = _Builder(program, snapshot, nearest)
    for index, op in enumerate(program.operations):
        if op.name == "barrier":
            continue
        builder.operation(index, op)
        for qubit, idle_ns in zip(op.qubits, schedule.idle_after_ns[index], strict=True):
            if builder.last_use[qubit] > index:
                builder.relax(index, qubit, idle_ns)
    return builder


class _Builder:
    """Writes operations and their noise as steps.

    `nearest`: relaxation is a twirl or a mixture of resets, whichever is nearer; else it is a twirl throughout, which
    all shots can be run together with.
    """

    def __init__(self, program: Program, snapshot: NoiseSnapshot, nearest: bool) -> None:
        self.steps = [_Step()]
        self.last_use = {q: i for i, op in enumerate(program.operations) if op.name != "barrier" for q in op.qubits}
        self._snapshot = snapshot
        self._nearest = nearest
        badly_reset = {index for index, qubit in enumerate(snapshot.qubits) if qubit.reset_error > 0}
        self._sensitivities = sensitivities(program, badly_reset)
        self._ends_classical = _classical_ends(program, self.last_use) if nearest else set()
        self._late_ns: dict[int, float] = {}  # relaxation that is left to the readout
        self._sizes = {TWIRLED: 0.0, SHORTENED: 0.0}
        self._twirls: dict[tuple[int, float], str] = {}
        for qubit in program.active_qubits():
            self.add("X_ERROR", [qubit], snapshot.qubits[qubit].excited_population)

    def approximations(self) -> dict[str, float]:
        return {name: min(size, 1.0) for name, size in self._sizes.items() if size > 0}

    def add(self, name: str, qubits: list[int], *args: float) -> None:
        if not args or any(args):
            self.steps[-1].lines.append(_line(name, qubits, args))

    def operation(self, index: int, op: Operation) -> None:
        """An operation and its noise. Where a condition does not hold, the device waits as long as it would take."""
        if op.condition is not None:
            self.steps.append(_Step(condition=op.condition))
        self._written(index, op)
        length_ns = duration_ns(op, self._snapshot)
        waiting = [qubit for qubit in op.qubits if self.last_use[qubit] > index]
        for qubit in waiting if op.name != "reset" else []:
            self.relax(index, qubit, length_ns)
        if op.condition is not None:
            self.steps.append(_Step(condition=op.condition, fires=False))
            for qubit in waiting:
                self.relax(index, qubit, length_ns)
            self.steps.append(_Step())

    def _written(self, index: int, op: Operation) -> None:
        qubits = list(op.qubits)
        if op.name == "rz":
            name = _VIRTUAL[quarter_turns(op.params[0]) or 0]
            if name:
                self.add(name, qubits)
        elif op.name in PULSES:
            self.add("SQRT_X" if op.name == "sx" else "X", qubits)
            self.add("DEPOLARIZE1", qubits, self._gate_error(op.qubits))
        elif op.name in TWO_QUBIT:
            self.add(op.name.upper(), qubits)
            self.add("DEPOLARIZE2", qubits, self._gate_error(op.qubits))
        elif op.name == "measure":
            self.add("M", qubits)
            late_ns = self._late_ns.pop(qubits[0], 0.0) if self.last_use[qubits[0]] == index else 0.0
            flip_probs = _flip_probs(self._snapshot.qubits[qubits[0]], late_ns)
            self._record(_Record(op.clbits[0], flip_probs, *op.params))
        elif op.name == "reset":
            noise = self._snapshot.qubits[qubits[0]]
            both = noise.reset_error * noise.excited_population
            self.add("R", qubits)
            self.add("X_ERROR", qubits, noise.reset_error + noise.excited_population - 2 * both)
        elif op.name == "stim":
            self.steps[-1].lines.append(op.text)
            if op.clbits:
                self._record(_Record(op.clbits[0]))

    def _gate_error(self, qubits: tuple[int, ...]) -> float:
        """The argument of Stim's DEPOLARIZE1 or 2 (any Pauli but I) for one pulse or pair."""
        if len(qubits) == 1:
            return self._snapshot.qubits[qubits[0]].gate_depolarizing * 3 / 4
        return self._snapshot.edges[qubits[0], qubits[1]].depolarizing * 15 / 16

    def _record(self, record: _Record) -> None:
        self.steps[-1].record = record
        self.steps.append(_Step())

    def relax(self, index: int, qubit: int, wait_ns: float) -> None:
        """A wait after operation `index`, which counts to the size of the approximation that it is written as.

        In total variation, a twirl misses at most half of the pull of <Z>, a reset with exp(-t / T1) in place of
        exp(-t / T2) at most half of their difference; nothing where no outcome depends on it.
        """
        if wait_ns <= 0:
            return
        if (index, qubit) in self._ends_classical:
            self._late_ns[qubit] = self._late_ns.get(qubit, 0.0) + wait_ns
            return
        noise, sensitivity = self._snapshot.qubits[qubit], self._sensitivities[index, qubit]
        keep_z, keep_xy = relaxation_factors(noise.t1_us, noise.t2_us, wait_ns)
        pull = (1 - keep_z) * abs(1 - 2 * noise.excited_population)
        twirl_size = pull / 2 if sensitivity.populations else 0.0
        shortened_size = max(0.0, keep_xy - keep_z) / 2 if sensitivity.coherence else 0.0
        if sensitivity.ground:
            return
        if not self._nearest or twirl_size <= shortened_size:
            self._sizes[TWIRLED] += twirl_size
            self.steps[-1].lines.append(self._twirl(qubit, wait_ns))
            return
        self._sizes[SHORTENED] += shortened_size
        self.add("Z_ERROR", [qubit], max(0.0, (1 - keep_xy / keep_z) / 2) if keep_z > 0 else 0.0)
        step = self.steps[-1]
        step.reset = (qubit, 1 - keep_z, noise.excited_population)
        self.steps.append(_Step(condition=step.condition, fires=step.fires))

    def _twirl(self, qubit: int, wait_ns: float) -> str:
        found = self._twirls.get((qubit, wait_ns))
        if found is None:
            probs = relaxation_twirl(self._snapshot.qubits[qubit], wait_ns).probs()
            found = self._twirls[qubit, wait_ns] = _line("PAULI_CHANNEL_1", [qubit], probs)
        return found


def _line(name: str, qubits: list[int], args: tuple[float, ...]) -> str:
    """An instruction as text, with all digits of its arguments."""
    arguments = f"({', '.join(map(repr, args))})" if args else ""
    return f"{name}{arguments} {' '.join(map(str, qubits))}"


def _classical_ends(program: Program, last_use: dict[int, int]) -> set[tuple[int, int]]:
    """(operation, qubit) after which the qubit only waits for its last measurement, where relaxation flips its bit."""
    ends: set[int] = set()
    found: set[tuple[int, int]] = set()
    for index in range(len(program.operations) - 1, -1, -1):
        op = program.operations[index]
        if op.name == "barrier":
            continue
        if op.condition is not None:
            ends.difference_update(op.qubits)
            continue
        found |= {(index, qubit) for qubit in op.qubits if qubit in ends}
        if op.name == "measure" and last_use[op.qubits[0]] == index:
            ends.add(op.qubits[0])
        elif op.name not in ("rz", "id", "delay"):
            ends.difference_update(op.qubits)
    return found


def _flip_probs(noise: QubitNoise, late_ns: float) -> tuple[float, float]:
    """Of a recorded bit where the qubit is 0, and where it is 1, and then relaxes before it is read."""
    keep_z, _ = relaxation_factors(noise.t1_us, noise.t2_us, late_ns)
    rise = (1 - keep_z) * noise.excited_population
    decay = (1 - keep_z) * (1 - noise.excited_population)
    one0, zero1 = noise.prob_meas1_prep0, noise.prob_meas0_prep1
    return one0 + rise * (1 - zero1 - one0), zero1 + decay * (1 - one0 - zero1)


def _together(steps: list[_Step], num_clbits: int, shots: int, rng: np.random.Generator) -> Bits:
    """Shots without a reset, all at once."""
    bits = np.zeros((shots, num_clbits), dtype=np.uint8)
    if shots == 0:
        return bits
    sampled = _joined(steps).compile_sampler(seed=int(rng.integers(2**63))).sample(shots).astype(np.uint8)
    for column, record in enumerate(step.record for step in steps if step.record):
        bits[:, record.clbit] = record.recorded(sampled[:, column], rng)
    return bits


def _joined(steps: list[_Step]) -> stim.Circuit:
    """What is run without a condition."""
    return stim.Circuit("\n".join(line for step in steps if step.condition is None for line in step.lines))


def _is_pauli(circuit: stim.Circuit) -> bool:
    return all(instruction.name in _PAULI_PROBS for instruction in circuit)


def _frames(steps: list[_Step], num_clbits: int, shots: int, rng: np.random.Generator) -> Bits:
    """Shots all at once, where only Paulis stand under conditions.

    Stim's flips are relative to one reference shot of the circuit without them (C. Gidney, Quantum 5, 497 (2021)); a
    Pauli in some of the shots is one more flip.
    """
    whole = _joined(steps)
    reference = whole.reference_sample().astype(np.uint8)
    num_qubits = max(step.circuit.num_qubits for step in steps)
    flips = stim.FlipSimulator(batch_size=shots, num_qubits=num_qubits, seed=int(rng.integers(2**63)))
    bits = np.zeros((shots, num_clbits), dtype=np.uint8)
    seen = 0
    for step in steps:
        if step.condition is not None:
            _flip_some(flips, step.circuit, _holds(step.condition, bits) == step.fires, rng)
            continue
        flips.do(step.circuit)
        if step.record is not None:
            true = reference[seen] ^ flips.get_measurement_flips(record_index=seen).astype(np.uint8)
            bits[:, step.record.clbit] = step.record.recorded(true, rng)
            seen += 1
    return bits


def _flip_some(
    flips: stim.FlipSimulator, circuit: stim.Circuit, chosen: NDArray[np.bool_], rng: np.random.Generator
) -> None:
    """Pauli gates and noise in the chosen shots alone."""
    for instruction in circuit:
        probs = _PAULI_PROBS[instruction.name](instruction.gate_args_copy())
        for target in instruction.targets_copy():
            draws = np.searchsorted(np.cumsum(probs), rng.random(len(chosen)), side="right")
            for which, pauli in enumerate("XYZ"):
                if probs[which] == 0:
                    continue
                mask = np.zeros((flips.num_qubits, len(chosen)), dtype=np.bool_)
                mask[target.value] = chosen & (draws == which)
                flips.broadcast_pauli_errors(pauli=pauli, mask=mask)


def _one_by_one(steps: list[_Step], num_clbits: int, rng: np.random.Generator, resets: set[int]) -> Bits:
    """One shot, with resets at these steps."""
    simulator = stim.TableauSimulator(seed=int(rng.integers(2**63)))
    bits = np.zeros((1, num_clbits), dtype=np.uint8)
    seen = 0
    for index, step in enumerate(steps):
        if step.condition is not None and bool(_holds(step.condition, bits)[0]) != step.fires:
            continue
        simulator.do(step.circuit)
        if step.record is not None:
            true = np.array([simulator.current_measurement_record()[seen]], dtype=np.uint8)
            bits[:, step.record.clbit] = step.record.recorded(true, rng)
            seen += 1
        if step.reset is not None and index in resets:
            simulator.reset(step.reset[0])
            if rng.random() < step.reset[2]:
                simulator.x(step.reset[0])
    shot: Bits = bits[0]
    return shot


def _drawn_resets(probs: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which resets happen, given that at least one does: the first one by its distribution, later ones freely."""
    before = np.concatenate([[1.0], np.cumprod(1 - probs)[:-1]])
    first_weights = before * probs
    first = int(np.searchsorted(np.cumsum(first_weights), rng.random() * first_weights.sum()))
    drawn = rng.random(len(probs)) < probs
    drawn[: first + 1] = False
    drawn[min(first, len(probs) - 1)] = True
    return drawn


def _holds(condition: Condition, bits: Bits) -> NDArray[np.bool_]:
    """In which shots a condition holds; bits: shape (shots, num_clbits)."""
    if condition.never:
        return np.zeros(len(bits), dtype=np.bool_)
    wanted = [(condition.value >> place) & 1 for place in range(len(condition.clbits))]
    holds: NDArray[np.bool_] = (bits[:, list(condition.clbits)] == wanted).all(axis=1)
    return holds
