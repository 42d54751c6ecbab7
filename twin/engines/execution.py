"""Runs a prepared circuit under a noise snapshot."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot
from twin.engines.clifford_noise import Placement, with_noise
from twin.engines.clifford_program import TWIRLED, run_clifford
from twin.engines.density import Distribution, exact_distribution
from twin.engines.errors import CircuitError
from twin.engines.limits import DEFAULT_LIMITS, CircuitLimits
from twin.engines.native import qubits_of
from twin.engines.preparation import MemoryCircuit, PreparedCircuit
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
    approximations: tuple[str, ...] = ()
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
        outcome = _run_program(prepared, prepared.program, snapshot, shots, seed, memory)
    elif prepared.stim_circuit is not None:
        outcome = _run_stim(prepared.stim_circuit, prepared.layout, snapshot, shots, seed, memory, limits)
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
        **vars(outcome),
    )


def _run_program(
    prepared: PreparedCircuit, program: Program, snapshot: NoiseSnapshot, shots: int, seed: int, memory: bool
) -> _Outcome:
    keys = KeyFormat([size for _, size in program.registers])
    if prepared.engine == "stabilizer":
        timing = schedule(program.operations, snapshot)
        bits, approximations = run_clifford(program, timing, snapshot, shots, seed)
        listed = memory_of_bits(bits, keys) if memory else None
        return _Outcome(counts_of_bits(bits, keys), listed, timing.total_ns, approximations)
    small = prepared.peak_elements <= MAX_KEPT_ELEMENTS
    distribution, total_ns = (_kept_distribution if small else _distribution)(program, snapshot)
    rng = np.random.Generator(np.random.PCG64(seed))
    if fits_codes(program.num_clbits):
        codes = sampled_codes(distribution, shots, rng)
        listed = memory_of_codes(codes, keys) if memory else None
        return _Outcome(counts_of_codes(codes, keys), listed, total_ns)
    bits = sampled_bits(distribution, program.num_clbits, shots, rng)
    return _Outcome(counts_of_bits(bits, keys), memory_of_bits(bits, keys) if memory else None, total_ns)


def _distribution(program: Program, snapshot: NoiseSnapshot) -> tuple[Distribution, float]:
    """What can be recorded, and how long a shot takes in ns."""
    timing = schedule(program.operations, snapshot)
    return exact_distribution(program, timing, transfer_matrices(snapshot)), timing.total_ns


@lru_cache(maxsize=64)
def _kept_distribution(program: Program, snapshot: NoiseSnapshot) -> tuple[Distribution, float]:
    """The same program under the same noise is only sampled again: parameter scans and polling clients repeat it."""
    return _distribution(program, snapshot)


def _run_stim(
    circuit: stim.Circuit,
    layout: tuple[int, ...],
    snapshot: NoiseSnapshot,
    shots: int,
    seed: int,
    memory: bool,
    limits: CircuitLimits,
) -> _Outcome:
    _check_result_size(circuit.num_measurements, shots, limits)
    timed = with_noise(circuit, snapshot, Placement({qubit: qubit for qubit in layout}, {}), readout=False)
    true = timed.circuit.compile_sampler(seed=seed).sample(shots).astype(np.uint8)
    bits = _misread(true, _readout_errors(circuit, snapshot), seed)
    events, observables = circuit.compile_m2d_converter().convert(
        measurements=bits.astype(np.bool_), separate_observables=True
    )
    keys = KeyFormat([bits.shape[1]])
    return _Outcome(
        counts_of_bits(bits, keys),
        memory_of_bits(bits, keys) if memory else None,
        timed.duration_ns,
        (TWIRLED,),
        PackedBits.of(events),
        PackedBits.of(observables),
    )


def _run_memory(
    prepared: PreparedCircuit, snapshot: NoiseSnapshot, shots: int, seed: int, memory: bool, limits: CircuitLimits
) -> _Outcome:
    from twin.qec.memory import Memory  # builds on this package

    form, device = _memory_parts(prepared)
    experiment = Memory(form, device)
    noisy = experiment.noisy(snapshot)
    circuit = noisy.parts.assembled(form.rounds)
    _check_result_size(circuit.num_measurements, shots, limits)
    true = circuit.compile_sampler(seed=seed).sample(shots).astype(np.uint8)
    flips = np.concatenate([np.tile(noisy.ancilla_flips, form.rounds), noisy.data_flips], axis=1)
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
        (TWIRLED,) if form.noise is None else (),
        PackedBits.of(events),
        PackedBits.of(observables),
        PackedBits.of(bits),
    )


def _memory_parts(prepared: PreparedCircuit) -> tuple[MemoryCircuit, Device]:
    if prepared.memory is None or prepared.device is None:
        raise CircuitError("a prepared circuit holds a program, a stim circuit or a memory experiment")
    return prepared.memory, prepared.device


def _misread(true: Bits, errors: NDArray[np.float64], seed: int) -> Bits:
    """Asymmetric readout error; errors: shape (2, measurements), p(1|0) and p(0|1)."""
    draws = np.random.default_rng([seed, 2]).random(true.shape, dtype=np.float32)
    return true ^ (draws < np.where(true == 0, errors[0], errors[1])).astype(np.uint8)


def _readout_errors(circuit: stim.Circuit, snapshot: NoiseSnapshot) -> NDArray[np.float64]:
    """p(1|0) and p(0|1) of every measurement in the record, shape (2, measurements)."""
    pieces = [np.zeros((2, 0))]
    for each in circuit:
        if isinstance(each, stim.CircuitRepeatBlock):
            pieces.append(np.tile(_readout_errors(each.body_copy(), snapshot), each.repeat_count))
        elif each.name in ("M", "MR"):
            noises = [snapshot.qubits[qubit] for qubit in qubits_of(each)]
            pieces.append(np.array([[q.prob_meas1_prep0 for q in noises], [q.prob_meas0_prep1 for q in noises]]))
        elif each.num_measurements:
            pieces.append(np.zeros((2, each.num_measurements)))
    return np.concatenate(pieces, axis=1)


def _check_result_size(num_measurements: int, shots: int, limits: CircuitLimits) -> None:
    if num_measurements * shots > limits.max_result_bits:
        raise CircuitError(
            f"{shots} shots of {num_measurements} measurements are more than {limits.max_result_bits} bits; "
            "ask for fewer shots"
        )
