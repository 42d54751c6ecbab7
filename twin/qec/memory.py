"""A memory experiment on a device: its circuits under a noise snapshot, for simulation and as an error model."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import stim
from numpy.typing import NDArray

from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot
from twin.engines.clifford_noise import Placement, TimedCircuit, with_noise
from twin.engines.native import to_native
from twin.qec.codes import Code, Parts, build_code, generated_parts
from twin.qec.errors import SessionSpecError
from twin.qec.placement import Layout, native_placement, virtual_placement
from twin.qec.spec import MemorySpec

_MAX_CACHED = 8


@dataclass(frozen=True, eq=False)
class NoisyParts:
    """What a simulation runs: noisy circuits, and the classical flips of recorded outcomes.

    `ancilla_flips` and `data_flips`: float64, shape (2, n): p(1|0) and p(0|1) of each measurement.
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
        self._native = _native(self.code.parts, device)
        self._bare = self._native.without_annotations()
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
        """The whole noisy circuit with detectors at (x, y, t). Readout error is symmetric here: the mean."""
        spec = self.spec
        if spec.uniform_prob is not None:
            return generated_parts(spec.code_family, spec.code_distance, spec.basis, spec.uniform_prob).assembled(
                rounds
            )
        first, body, final = (each.circuit for each in self._timed(self._native, snapshot, readout=True))
        return Parts(first, body, final).assembled(rounds)

    def detector_error_model(self, snapshot: NoiseSnapshot, rounds: int) -> stim.DetectorErrorModel:
        """Stim's error model of `circuit`, hyperedges decomposed."""
        return self.circuit(snapshot, rounds).detector_error_model(decompose_errors=True)

    def native_circuit(self, rounds: int) -> stim.Circuit:
        """The noiseless circuit in the device's gates."""
        return self._native.assembled(rounds)

    def _timed(
        self, parts: Parts, snapshot: NoiseSnapshot, readout: bool
    ) -> tuple[TimedCircuit, TimedCircuit, TimedCircuit]:
        return (
            with_noise(parts.first, snapshot, self.placement, readout=readout),
            with_noise(parts.body, snapshot, self.placement, readout=readout, fresh=False),
            with_noise(parts.final, snapshot, self.placement, readout=readout, fresh=False),
        )

    def _device_parts(self, snapshot: NoiseSnapshot) -> NoisyParts:
        first, body, final = self._timed(self._bare, snapshot, readout=False)
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
        first, body, final = self._timed(self._bare, snapshot, readout=False)
        none = np.zeros((2, 0))
        return NoisyParts(parts, none, none, first.duration_ns, body.duration_ns, final.duration_ns)

    def _flips(self, snapshot: NoiseSnapshot, qubits: tuple[int, ...]) -> NDArray[np.float64]:
        noises = [self.placement.qubit(snapshot, qubit) for qubit in qubits]
        return np.array([[noise.prob_meas1_prep0 for noise in noises], [noise.prob_meas0_prep1 for noise in noises]])


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


def _native(parts: Parts, device: Device) -> Parts:
    gate = device.two_qubit_gate
    return Parts(to_native(parts.first, gate), to_native(parts.body, gate), to_native(parts.final, gate))
