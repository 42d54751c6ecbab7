"""A memory experiment on a device: its circuits under a noise snapshot, for simulation and as an error model."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import stim
from numpy.typing import NDArray

from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot
from twin.engines.clifford_noise import ClassicalStart, Placement, TimedCircuit, with_noise
from twin.engines.clifford_program import TWIRLED
from twin.engines.native import to_native
from twin.qec.codes import Code, Parts, build_code, generated_parts
from twin.qec.errors import SessionSpecError
from twin.qec.placement import Layout, native_placement, virtual_placement
from twin.qec.spec import MemorySpec

_MAX_CACHED = 8


@dataclass(frozen=True, eq=False)
class NoisyParts:
    """What a simulation runs: noisy circuits, and the classical flips of recorded outcomes.

    `ancilla_flips` and `data_flips`: float64, shape (2, n): p(1|0) and p(0|1) of each measurement, outcomes being told
    relative to the prepared state.
    """

    parts: Parts
    ancilla_flips: NDArray[np.float64]
    data_flips: NDArray[np.float64]
    first_ns: float
    round_ns: float
    final_ns: float


class Memory:
    """One memory experiment, laid out on one device. Circuits are built once per snapshot."""

    def __init__(self, spec: MemorySpec, device: Device) -> None:
        self.spec = spec
        self.device = device
        self.code: Code = build_code(spec.code_family, spec.code_distance, spec.basis)
        self.layout: Layout
        self.layout, self.placement = _placed(self.code, spec, device)
        self.native_parts = _native(self.code.parts, device)
        self._bare = self.native_parts.without_annotations()
        self._is_random = _random_outcomes(self._bare, self.code)
        self._cache: OrderedDict[str, NoisyParts] = OrderedDict()

    def noisy(self, snapshot: NoiseSnapshot) -> NoisyParts:
        """The circuits under a snapshot. `uniform_prob` replaces its noise, not its durations."""
        found = self._cache.get(snapshot.snapshot_id)
        if found is None:
            found = self._device_parts(snapshot) if self.spec.uniform_prob is None else self._uniform_parts(snapshot)
            self._cache[snapshot.snapshot_id] = found
            if len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return found

    def circuit(self, snapshot: NoiseSnapshot, rounds: int) -> stim.Circuit:
        """The whole noisy circuit with detectors at (x, y, t).

        An outcome that is certain but for errors is misread with the probability of what it is, another with the mean.
        """
        spec = self.spec
        if spec.uniform_prob is not None:
            return generated_parts(spec.code_family, spec.code_distance, spec.basis, spec.uniform_prob).assembled(
                rounds
            )
        first, body, final = (each.circuit for each in self._timed(self.native_parts, snapshot, sampled=False))
        probs = self._served_flips(snapshot)
        parts = (_misread(part, probs) for part in (first, body, final))
        return Parts(*parts).assembled(rounds)

    def detector_error_model(self, snapshot: NoiseSnapshot, rounds: int) -> stim.DetectorErrorModel:
        """Stim's error model of `circuit`, hyperedges decomposed."""
        return self.circuit(snapshot, rounds).detector_error_model(decompose_errors=True)

    def approximations(self, snapshot: NoiseSnapshot) -> dict[str, float]:
        """What is not as on the device, and by how much at most each round moves the probability of one outcome.

        With g the probability that a qubit relaxes in a round, and d half the difference of its assignment errors, a
        twirl makes g / 2 of g and of 0. That is the mean of random bits, too, but in the first round only: bits that
        have relaxed stay, and ancillas are not random. A random frame makes the mean of both assignment errors: right
        for each outcome, wrong by d squared for two of a shot. A model of first order takes no notice of what relaxes
        after an error, nor of an outcome that an error has turned over, which is read with the other probability.
        """
        if self.spec.noise is not None:
            return {}
        noises = {qubit: self.placement.qubit(snapshot, qubit) for qubit in self.placement.qubits}
        round_us = self.noisy(snapshot).round_ns * 1e-3
        relaxed = max(-math.expm1(-round_us / noise.t1_us) for noise in noises.values())
        skewed = max(abs(noise.prob_meas0_prep1 - noise.prob_meas1_prep0) / 2 for noise in noises.values())
        if self.spec.prepared == "random":
            return {TWIRLED: relaxed / 2, "independent_readout": skewed**2}
        if self.is_classical:
            return {"error_model_of_first_order": min(1.0, relaxed + 2 * skewed)}
        return {TWIRLED: relaxed / 2, "error_model_of_mean_readout": skewed}

    def native_circuit(self, rounds: int) -> stim.Circuit:
        """The noiseless circuit in the device's gates."""
        return self.native_parts.assembled(rounds)

    def _timed(
        self, parts: Parts, snapshot: NoiseSnapshot, sampled: bool
    ) -> tuple[TimedCircuit, TimedCircuit, TimedCircuit]:
        start = ClassicalStart(self._bits, sampled) if self.is_classical else None
        maybe_one = self.code.data if self.spec.noise is None and self.spec.prepared != "zeros" else ()
        return (
            with_noise(parts.first, snapshot, self.placement, classical=start, maybe_one=maybe_one),
            with_noise(parts.body, snapshot, self.placement, classical=start, fresh=False),
            with_noise(parts.final, snapshot, self.placement, classical=start, fresh=False),
        )

    @property
    def is_classical(self) -> bool:
        """Whether every data qubit holds a known bit, so that T1 acts as it is and need not be twirled."""
        return self.code.family == "repetition" and self.spec.noise is None and self.spec.prepared != "random"

    @property
    def _bits(self) -> dict[int, int]:
        """The prepared bit of each circuit qubit."""
        prepared = int(self.spec.prepared == "ones")
        return {qubit: prepared if qubit in self.code.data else 0 for qubit in sorted(self.placement.qubits)}

    def _device_parts(self, snapshot: NoiseSnapshot) -> NoisyParts:
        first, body, final = self._timed(self._bare, snapshot, sampled=True)
        return NoisyParts(
            Parts(first.circuit, body.circuit, final.circuit),
            self._flips(snapshot, self.code.ancillas),
            self._flips(snapshot, self.code.data),
            first.duration_ns,
            body.duration_ns,
            final.duration_ns,
        )

    def _uniform_parts(self, snapshot: NoiseSnapshot) -> NoisyParts:
        spec = self.spec
        prob = spec.uniform_prob or 0.0
        parts = generated_parts(spec.code_family, spec.code_distance, spec.basis, prob).without_annotations()
        first, body, final = self._timed(self._bare, snapshot, sampled=True)
        none = np.zeros((2, 0))
        return NoisyParts(parts, none, none, first.duration_ns, body.duration_ns, final.duration_ns)

    def _flips(self, snapshot: NoiseSnapshot, qubits: tuple[int, ...]) -> NDArray[np.float64]:
        """p(1|0) and p(0|1) of outcomes relative to what was prepared.

        Ancillas measure stabilizers of an even number of data qubits: their outcomes are the same for zeros and ones.
        """
        noises = [self.placement.qubit(snapshot, qubit) for qubit in qubits]
        rows = [[noise.prob_meas1_prep0 for noise in noises], [noise.prob_meas0_prep1 for noise in noises]]
        if self.spec.prepared == "random":
            return np.tile(np.mean(rows, axis=0), (2, 1))
        return np.array(rows[::-1] if self.spec.prepared == "ones" and qubits == self.code.data else rows)

    def _served_flips(self, snapshot: NoiseSnapshot) -> dict[int, float]:
        """Probability with which a Pauli model has the outcome of a circuit qubit misread."""
        found = {}
        for qubits in (self.code.ancillas, self.code.data):
            for qubit, flips in zip(qubits, self._flips(snapshot, qubits).T, strict=True):
                found[qubit] = round(float(flips.mean() if qubit in self._is_random else flips[0]), 15)
        return found


def _placed(code: Code, spec: MemorySpec, device: Device) -> tuple[Layout, Placement]:
    placement = native_placement(code, device) if spec.layout != "virtual" else None
    if placement is not None:
        return "native", placement
    if spec.layout == "native":
        raise SessionSpecError.at(
            "layout",
            f"{code.family} code of distance {code.distance} ({len(code.coordinates)} qubits) does not fit on "
            f"{device.backend_id} ({device.n_qubits} qubits); leave layout out, or ask for 'virtual'",
        )
    return "virtual", virtual_placement(code, device)


def _random_outcomes(parts: Parts, code: Code) -> set[int]:
    """Qubits whose outcomes are random without any noise: they change with the phases that a reset leaves open.

    Found by 64 frames with random phases, so that one is missed with probability 2^-64.
    """
    simulator = stim.FlipSimulator(batch_size=64, num_qubits=max(code.coordinates) + 1, seed=1)
    for part in (parts.first, parts.body, parts.final):
        simulator.do(part)
    measured = (*code.ancillas, *code.ancillas, *code.data)
    flips = simulator.get_measurement_flips()
    return {qubit for qubit, row in zip(measured, flips, strict=True) if row.any()}


def _misread(circuit: stim.Circuit, probs: Mapping[int, float]) -> stim.Circuit:
    """The circuit with the probability of a wrong outcome at each measurement."""
    out = stim.Circuit()
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitInstruction) and instruction.name in ("M", "MR"):
            for target in instruction.targets_copy():
                prob = probs[target.value]
                out.append(instruction.name, [target], [prob] if prob > 0 else [])
        else:
            out.append(instruction)
    return out


def _native(parts: Parts, device: Device) -> Parts:
    gate = device.two_qubit_gate
    return Parts(to_native(parts.first, gate), to_native(parts.body, gate), to_native(parts.final, gate))
