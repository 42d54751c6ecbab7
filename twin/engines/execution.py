"""Runs a prepared circuit under a noise snapshot."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot
from twin.engines.clifford_program import run_clifford
from twin.engines.density import Distribution, exact_distribution
from twin.engines.errors import CircuitError
from twin.engines.forms import MemoryExperiment
from twin.engines.limits import DEFAULT_LIMITS, CircuitLimits
from twin.engines.preparation import PreparedCircuit
from twin.engines.program import Program, schedule
from twin.engines.sampling import (
    Bits,
    KeyFormat,
    counts_of_bits,
    counts_of_codes,
    fits_codes,
    memory_of_bits,
    memory_of_codes,
    sampled_bits,
    sampled_codes,
)
from twin.engines.trajectories import CUT_BONDS, run_trajectories
from twin.engines.transfer import transfer_matrices

MAX_KEPT_ELEMENTS = 2**16


@dataclass(frozen=True)
class PackedBits:
    """Bits of all shots, in Stim's b8 format: one row of ceil(bits / 8) bytes per shot, little-endian."""

    num_bits: int
    rows: bytes

    @classmethod
    def of(cls, bits: NDArray[Any]) -> PackedBits:
        return cls(bits.shape[1], np.packbits(bits, axis=1, bitorder="little").tobytes())

    def unpack(self) -> Bits:
        """uint8 of 0/1, shape (shots, num_bits)."""
        width = -(-self.num_bits // 8)
        if width == 0:
            return np.zeros((0, 0), dtype=np.uint8)
        table = np.frombuffer(self.rows, dtype=np.uint8).reshape(-1, width)
        return np.unpackbits(table, axis=1, count=self.num_bits, bitorder="little")

    def to_dict(self) -> dict[str, object]:
        return {"num_bits": self.num_bits, "format": "b8", "base64": base64.b64encode(self.rows).decode()}


@dataclass(frozen=True)
class CircuitResult:
    """What one circuit gave, and how it was run.

    `counts` and `memory` follow Qiskit: classical bit 0 rightmost, registers separated by a space. For stim circuits
    the classical bits are the measurement record, for memory experiments the final readout of the data qubits.
    `approximation_sizes` says of each name in `approximations` how far at most it moves the distribution of what is
    recorded, in total variation distance; for memory experiments by how much each
    round can move the probability of one outcome.
    """

    shots: int
    counts: dict[str, int]
    memory: list[str] | None
    depth: int
    two_qubit_count: int
    layout: tuple[int, ...]
    final_layout: tuple[int, ...]
    engine: str
    approximations: tuple[str, ...]
    approximation_sizes: dict[str, float]
    duration_ns: float
    snapshot_id: str
    seed: int
    detection_events: PackedBits | None = None
    observables: PackedBits | None = None
    measurements: PackedBits | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form; parts that are not there are left out."""
        answer: dict[str, Any] = {
            "shots": self.shots,
            "counts": self.counts,
            "depth": self.depth,
            "two_qubit_count": self.two_qubit_count,
            "layout": list(self.layout),
            "final_layout": list(self.final_layout),
            "engine": self.engine,
            "approximations": list(self.approximations),
            "approximation_sizes": self.approximation_sizes,
            "duration_ns": self.duration_ns,
            "snapshot_id": self.snapshot_id,
            "seed": self.seed,
        }
        if self.memory is not None:
            answer["memory"] = self.memory
        for name in ("detection_events", "observables", "measurements"):
            packed: PackedBits | None = getattr(self, name)
            if packed is not None:
                answer[name] = packed.to_dict()
        return answer


@dataclass(frozen=True)
class _Outcome:
    """What a run of any kind gives."""

    counts: dict[str, int]
    memory: list[str] | None
    duration_ns: float
    approximation_sizes: dict[str, float] = field(default_factory=dict)
    detection_events: PackedBits | None = None
    observables: PackedBits | None = None
    measurements: PackedBits | None = None


def execute(
    prepared: PreparedCircuit,
    snapshot: NoiseSnapshot,
    shots: int,
    seed: int,
    memory: bool = False,
    limits: CircuitLimits = DEFAULT_LIMITS,
) -> CircuitResult:
    """Run one circuit.

    Args:
        prepared: from `prepare`.
        snapshot: of the same backend.
        shots: how many, at least 1.
        seed: 0 <= seed < 2**63; the same arguments give the same result.
        memory: whether to return one key per shot too.
        limits: bounds the size of the result.

    Raises:
        CircuitError: the result would be too large.
    """
    if prepared.program is not None:
        outcome = _run_program(prepared, prepared.program, snapshot, shots, seed, memory, limits)
    else:
        outcome = _run_memory(prepared, snapshot, shots, seed, memory, limits)
    return CircuitResult(
        shots=shots,
        depth=prepared.depth,
        two_qubit_count=prepared.two_qubit_count,
        layout=prepared.layout,
        final_layout=prepared.final_layout,
        engine=prepared.engine,
        snapshot_id=snapshot.snapshot_id,
        seed=seed,
        approximations=tuple(outcome.approximation_sizes),
        **vars(outcome),
    )


def _run_program(
    prepared: PreparedCircuit,
    program: Program,
    snapshot: NoiseSnapshot,
    shots: int,
    seed: int,
    memory: bool,
    limits: CircuitLimits,
) -> _Outcome:
    keys = KeyFormat([size for _, size in program.registers])
    if prepared.stim_circuit is not None:
        _check_result_size(program.num_clbits, shots, limits)
    if prepared.engine == "stabilizer":
        timing = schedule(program.operations, snapshot)
        bits, approximations = run_clifford(program, timing, snapshot, shots, seed)
        return _outcome(prepared, bits, keys, memory, timing.total_ns, approximations)
    if prepared.trajectories is not None:
        timing = schedule(program.operations, snapshot)
        matrices = transfer_matrices(snapshot)
        bits = run_trajectories(program, timing, matrices, prepared.trajectories, shots, seed)
        sizes = {CUT_BONDS: size} if (size := prepared.trajectories.truncated) else {}
        return _outcome(prepared, bits, keys, memory, timing.total_ns, sizes)
    small = prepared.peak_elements <= MAX_KEPT_ELEMENTS
    distribution, total_ns = (_kept_distribution if small else _distribution)(program, snapshot)
    rng = np.random.Generator(np.random.PCG64(seed))
    if fits_codes(program.num_clbits) and prepared.stim_circuit is None:
        codes = sampled_codes(distribution, shots, rng)
        listed = memory_of_codes(codes, keys) if memory else None
        return _Outcome(counts_of_codes(codes, keys), listed, total_ns)
    bits = sampled_bits(distribution, program.num_clbits, shots, rng)
    return _outcome(prepared, bits, keys, memory, total_ns)


def _outcome(
    prepared: PreparedCircuit,
    bits: Bits,
    keys: KeyFormat,
    memory: bool,
    total_ns: float,
    approximation_sizes: dict[str, float] | None = None,
) -> _Outcome:
    """Counts of recorded bits; detection events and observables too where the circuit is Stim's."""
    outcome = _Outcome(
        counts_of_bits(bits, keys), memory_of_bits(bits, keys) if memory else None, total_ns, approximation_sizes or {}
    )
    if prepared.stim_circuit is None:
        return outcome
    events, observables = prepared.stim_circuit.compile_m2d_converter().convert(
        measurements=bits.astype(np.bool_), separate_observables=True
    )
    return replace(outcome, detection_events=PackedBits.of(events), observables=PackedBits.of(observables))


def _distribution(program: Program, snapshot: NoiseSnapshot) -> tuple[Distribution, float]:
    """What can be recorded, and how long a shot takes in ns."""
    timing = schedule(program.operations, snapshot)
    return exact_distribution(program, timing, transfer_matrices(snapshot)), timing.total_ns


@lru_cache(maxsize=64)
def _kept_distribution(program: Program, snapshot: NoiseSnapshot) -> tuple[Distribution, float]:
    """The same program under the same noise is only sampled again: parameter scans and polling clients repeat it."""
    return _distribution(program, snapshot)


def _run_memory(
    prepared: PreparedCircuit, snapshot: NoiseSnapshot, shots: int, seed: int, memory: bool, limits: CircuitLimits
) -> _Outcome:
    from twin.qec.memory import Memory  # builds on this package
    from twin.qec.simulators import make_block

    form, device = _memory_parts(prepared)
    experiment = Memory(form, device)
    noisy = experiment.noisy(snapshot)
    circuit = noisy.parts.assembled(form.rounds)
    _check_result_size(circuit.num_measurements, shots, limits)
    flips = np.concatenate([np.tile(noisy.ancilla_flips, form.rounds), noisy.data_flips], axis=1)
    if experiment.is_classical:
        block = make_block(seed, 0, shots, circuit.num_qubits, single=False, classical=True)
        bits = block.run(circuit.flattened(), flips)
    else:
        true = circuit.compile_sampler(seed=seed).sample(shots).astype(np.uint8)
        bits = _misread(true, flips, seed) if flips.size else true
    model = experiment.native_circuit(form.rounds)
    events, observables = model.compile_m2d_converter().convert(
        measurements=bits.astype(np.bool_), separate_observables=True
    )
    data = bits[:, -experiment.code.num_data_qubits :]
    keys = KeyFormat([data.shape[1]])
    return _Outcome(
        counts_of_bits(data, keys),
        memory_of_bits(data, keys) if memory else None,
        noisy.first_ns + (form.rounds - 1) * noisy.round_ns + noisy.final_ns,
        experiment.approximations(snapshot),
        PackedBits.of(events),
        PackedBits.of(observables),
        PackedBits.of(bits),
    )


def _memory_parts(prepared: PreparedCircuit) -> tuple[MemoryExperiment, Device]:
    if prepared.memory is None or prepared.device is None:
        raise CircuitError("a prepared circuit holds a program, a stim circuit or a memory experiment")
    return prepared.memory, prepared.device


def _misread(true: Bits, errors: NDArray[np.float64], seed: int) -> Bits:
    """Asymmetric readout error; errors: shape (2, measurements), p(1|0) and p(0|1)."""
    draws = np.random.default_rng([seed, 2]).random(true.shape, dtype=np.float32)
    return true ^ (draws < np.where(true == 0, errors[0], errors[1])).astype(np.uint8)


def _check_result_size(num_measurements: int, shots: int, limits: CircuitLimits) -> None:
    if num_measurements * shots > limits.max_result_bits:
        raise CircuitError(
            f"{shots} shots of {num_measurements} measurements are more than {limits.max_result_bits} bits; "
            "ask for fewer shots"
        )
