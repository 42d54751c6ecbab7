"""The one function that composes the four levels of noise into a frozen snapshot; everything noisy starts here."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twin.device.controller import ControllerState, QubitOverride
from twin.device.cryo import excited_population
from twin.device.device import Device, Factors, QubitCalibration, Scenario
from twin.device.drift import DriftFactors
from twin.device.gate_error import MIXED_PAIR, MIXED_QUBIT, PAIR_SHARE, depolarizing_part, gate_error
from twin.device.readout import Integration, assignment_errors

MAX_TIME_US = 1e9
MIN_TIME_US = 1e-6
_NO_FACTORS = Factors()


@dataclass(frozen=True, slots=True)
class QubitNoise:
    """Effective noise of one qubit.

    `gate_error` is the average infidelity of one physical pulse as it is applied: its depolarizing part and relaxation
    at the present T1 and T2. `calibrated_gate_error` is the calibration's with its multipliers, or an override.
    """

    t1_us: float
    t2_us: float
    prob_meas1_prep0: float
    prob_meas0_prep1: float
    gate_error: float
    calibrated_gate_error: float
    gate_depolarizing: float
    reset_error: float
    frequency_ghz: float
    excited_population: float
    drift_multiplier: float
    overridden: tuple[str, ...]

    @property
    def readout_error(self) -> float:
        """Mean assignment error."""
        return (self.prob_meas1_prep0 + self.prob_meas0_prep1) / 2


@dataclass(frozen=True, slots=True)
class EdgeNoise:
    """Effective noise of the two-qubit gate on one directed pair; see `QubitNoise` for the two errors."""

    error: float
    calibrated_error: float
    depolarizing: float
    duration_ns: float


@dataclass(frozen=True, eq=False)
class NoiseSnapshot:
    """All noise of a backend at one moment. `snapshot_id` is a hash of the content: equal ids, equal noise."""

    snapshot_id: str
    backend_id: str
    scenario: str | None
    two_qubit_gate: str
    schedule: str
    single_qubit_ns: float
    measure_ns: float
    reset_ns: float
    exec_time_scale: float
    temperature_mk: float
    qubits: tuple[QubitNoise, ...]
    edges: Mapping[tuple[int, int], EdgeNoise]

    def __hash__(self) -> int:
        return hash(self.snapshot_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoiseSnapshot) and other.snapshot_id == self.snapshot_id

    def to_dict(self) -> dict[str, Any]:
        """JSON form; `from_dict` undoes it."""
        return {"snapshot_id": self.snapshot_id} | _content(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NoiseSnapshot:
        """Rebuild a snapshot from its JSON form."""
        values = dict(data)
        values["qubits"] = tuple(
            QubitNoise(**(each | {"overridden": tuple(each["overridden"])})) for each in values["qubits"]
        )
        values["edges"] = {
            (each["qubits"][0], each["qubits"][1]): EdgeNoise(
                **{name: value for name, value in each.items() if name != "qubits"}
            )
            for each in values["edges"]
        }
        return cls(**values)


def compose(
    device: Device,
    scenarios: Mapping[str, Scenario],
    state: ControllerState,
    drift: DriftFactors | None = None,
) -> NoiseSnapshot:
    """Effective noise: per-qubit override > global multiplier and cryostat > scenario > file (with its drift).

    Overrides are absolute: nothing multiplies them. Errors of gates and of the readout's signal hold at the file's T1
    and T2; what those have become then acts on top. T2 is clamped to 2 T1, a multiplied assignment error to 1/2, and a
    gate's depolarizing part to the fully mixed state. A scenario that is no longer in `scenarios` (its file was
    deleted) counts as none.
    """
    scenario = scenarios.get(state.scenario) if state.scenario is not None else None
    qubits = tuple(_qubit(device, scenario, state, drift, index) for index in range(device.n_qubits))
    edges = {pair: _edge(device, scenario, state, drift, qubits, pair) for pair in device.edges}
    calibrated_ns = device.durations.measure_ns
    integrations_ns = [state.readout_config.integration_ns(index, calibrated_ns) for index in range(device.n_qubits)]
    content: dict[str, Any] = {
        "backend_id": device.backend_id,
        "scenario": scenario.name if scenario else None,
        "two_qubit_gate": device.two_qubit_gate,
        "schedule": device.schedule,
        "single_qubit_ns": device.durations.single_qubit_ns,
        "measure_ns": max(integrations_ns),  # qubits are measured at one time: the longest says when it is over
        "reset_ns": device.durations.reset_ns,
        "exec_time_scale": state.exec_time_scale,
        "temperature_mk": state.cryo.effective_temperature_mk,
        "qubits": qubits,
        "edges": edges,
    }
    draft = NoiseSnapshot(snapshot_id="", **content)
    digest = hashlib.sha256(json.dumps(_content(draft), sort_keys=True).encode()).hexdigest()
    return NoiseSnapshot(snapshot_id=f"snap-{digest[:16]}", **content)


def _content(snapshot: NoiseSnapshot) -> dict[str, Any]:
    return {
        "backend_id": snapshot.backend_id,
        "scenario": snapshot.scenario,
        "two_qubit_gate": snapshot.two_qubit_gate,
        "schedule": snapshot.schedule,
        "single_qubit_ns": snapshot.single_qubit_ns,
        "measure_ns": snapshot.measure_ns,
        "reset_ns": snapshot.reset_ns,
        "exec_time_scale": snapshot.exec_time_scale,
        "temperature_mk": snapshot.temperature_mk,
        "qubits": [asdict(qubit) | {"overridden": list(qubit.overridden)} for qubit in snapshot.qubits],
        "edges": [{"qubits": list(pair)} | asdict(edge) for pair, edge in sorted(snapshot.edges.items())],
    }


def _qubit(
    device: Device, scenario: Scenario | None, state: ControllerState, drift: DriftFactors | None, index: int
) -> QubitNoise:
    file = device.qubits[index]
    factors = scenario.factors(index) if scenario else _NO_FACTORS
    override = state.qubits.get(index, QubitOverride())
    wander = _wander(drift, index)
    everywhere = state.drift_multiplier
    slower = 1.0 / max(everywhere, 1e-9)
    t1_us = _time(file.t1_us * factors.t1 * state.cryo.effective_t1_multiplier * wander.t1 * slower)
    t2_us = _time(_drifted_t2(file, wander) * factors.t2 * state.cryo.effective_t2_multiplier * slower)
    t1_us = t1_us if override.t1_us is None else override.t1_us
    t2_us = min(t2_us if override.t2_us is None else override.t2_us, 2 * t1_us)
    pulse_ns = device.durations.single_qubit_ns
    if override.gate_error is None:
        calibrated = _calibrated_gate_error(device, scenario, state, drift, index)
        depolarizing = depolarizing_part(calibrated, [_coherence(file)], pulse_ns)
    else:
        calibrated = min(override.gate_error, MIXED_QUBIT)
        depolarizing = depolarizing_part(calibrated, [(t1_us, t2_us)], pulse_ns)
    readout_factor = factors.readout_error * state.readout_error_multiplier * wander.readout_error * everywhere
    error0, error1 = _readout(device, state, index, t1_us, readout_factor, override.readout_error)
    longer = wander.t1 * _drifted_t2(file, wander) / _coherence(file)[1]
    overall = (wander.gate_error * wander.readout_error / longer) ** 0.25
    return QubitNoise(
        t1_us=t1_us,
        t2_us=t2_us,
        prob_meas1_prep0=error0,
        prob_meas0_prep1=error1,
        gate_error=gate_error(depolarizing, [(t1_us, t2_us)], pulse_ns),
        calibrated_gate_error=calibrated,
        gate_depolarizing=depolarizing,
        reset_error=file.reset_error,
        frequency_ghz=file.frequency_ghz,
        excited_population=excited_population(file.frequency_ghz, state.cryo.effective_temperature_mk),
        drift_multiplier=overall * everywhere,
        overridden=override.names(),
    )


def _edge(
    device: Device,
    scenario: Scenario | None,
    state: ControllerState,
    drift: DriftFactors | None,
    qubits: Sequence[QubitNoise],
    pair: tuple[int, int],
) -> EdgeNoise:
    """The two-qubit gate on one directed pair.

    A scenario's factors on single qubits act on a pair by their geometric mean. An override of a qubit's gate error
    acts on its pairs as well: what it adds to a pulse as depolarization, it adds to the qubit's half of the gate.
    """
    file = device.edges[pair]
    factors = [scenario.factors(index).gate_error if scenario else 1.0 for index in pair]
    error = file.error * math.sqrt(factors[0] * factors[1]) * state.gate_error_multiplier * state.drift_multiplier
    error *= drift.pair_gate[min(pair), max(pair)] if drift else 1.0
    for index in pair:
        override = state.qubits.get(index, QubitOverride()).gate_error
        if override is not None:
            error += PAIR_SHARE * (override - _calibrated_gate_error(device, scenario, state, drift, index))
    error = min(max(error, 0.0), MIXED_PAIR)
    depolarizing = depolarizing_part(error, [_coherence(device.qubits[index]) for index in pair], file.duration_ns)
    now = [(qubits[index].t1_us, qubits[index].t2_us) for index in pair]
    return EdgeNoise(gate_error(depolarizing, now, file.duration_ns), error, depolarizing, file.duration_ns)


def _calibrated_gate_error(
    device: Device, scenario: Scenario | None, state: ControllerState, drift: DriftFactors | None, index: int
) -> float:
    """Of a pulse, at the file's T1 and T2, no override."""
    factors = scenario.factors(index) if scenario else _NO_FACTORS
    wander = _wander(drift, index).gate_error * state.drift_multiplier
    error = device.qubits[index].gate_error * factors.gate_error * state.gate_error_multiplier * wander
    return min(error, MIXED_QUBIT)


def _coherence(file: QubitCalibration) -> tuple[float, float]:
    """T1 and T2 of the calibration, as they can be."""
    return file.t1_us, min(file.t2_us, 2 * file.t1_us)


def _drifted_t2(file: QubitCalibration, wander: Factors) -> float:
    """T2 in us where T1 and pure dephasing wander: 1 / T2 = 1 / (2 T1) + 1 / T_phi."""
    t1_us, t2_us = _coherence(file)
    if wander == _NO_FACTORS:
        return t2_us
    dephasing = 1 / t2_us - 1 / (2 * t1_us)
    return 1 / (1 / (2 * t1_us * wander.t1) + dephasing / wander.t2)


def _readout(
    device: Device, state: ControllerState, index: int, t1_us: float, factor: float, override: float | None
) -> tuple[float, float]:
    """Assignment errors (p(1|0), p(0|1)) of one qubit."""
    file: QubitCalibration = device.qubits[index]
    if override is not None:
        return _with_mean(file, override)
    error0, error1 = (min(error * factor, max(error, 0.5)) for error in (file.prob_meas1_prep0, file.prob_meas0_prep1))
    config = state.readout_config
    calibrated_ns = device.durations.measure_ns
    integration_ns = config.integration_ns(index, calibrated_ns)
    threshold = config.thresholds.get(index, 0.5)
    calibrated = Integration(file.t1_us * 1e3, calibrated_ns, 0.5)
    return assignment_errors(error0, error1, calibrated, Integration(t1_us * 1e3, integration_ns, threshold))


def _with_mean(file: QubitCalibration, mean: float) -> tuple[float, float]:
    """Assignment errors with the given mean and, as far as probabilities allow, the calibrated asymmetry."""
    share0 = file.prob_meas1_prep0 / (2 * file.readout_error) if file.readout_error > 0 else 0.5
    error0 = min(1.0, max(2 * mean - 1.0, 2 * mean * share0))
    return error0, 2 * mean - error0


def _wander(drift: DriftFactors | None, index: int) -> Factors:
    if drift is None:
        return _NO_FACTORS
    return Factors(drift.t1[index], drift.t_phi[index], drift.gate[index], drift.readout[index])


def _time(value_us: float) -> float:
    return min(max(value_us, MIN_TIME_US), MAX_TIME_US)
