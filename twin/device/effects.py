"""What a setting has changed, in numbers and words, for whoever sent it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twin.device.controller import ControllerState, ReadoutConfig
from twin.device.device import Device
from twin.device.gate_error import MIXED_PAIR, MIXED_QUBIT
from twin.device.snapshot import MIN_TIME_US, NoiseSnapshot, QubitNoise

READOUTS = ("controller readouts", "jobs", "QEC sessions", "telemetry")
"""Everything that a backend's readout settings hold for: there is one readout chain."""


@dataclass(frozen=True, slots=True)
class ReadoutChange:
    """One qubit's assignment errors as the readout settings make them, and without them."""

    qubit: int
    readout_error: float
    prob_meas1_prep0: float
    prob_meas0_prep1: float
    readout_error_without: float


def without_readout_config(state: ControllerState) -> ControllerState:
    return replace(state, readout_config=ReadoutConfig())


def readout_changes(now: NoiseSnapshot, without: NoiseSnapshot) -> list[ReadoutChange]:
    """The qubits whose readout the settings change. Both snapshots are of one moment."""
    return [
        ReadoutChange(index, one.readout_error, one.prob_meas1_prep0, one.prob_meas0_prep1, other.readout_error)
        for index, (one, other) in enumerate(zip(now.qubits, without.qubits, strict=True))
        if (one.prob_meas1_prep0, one.prob_meas0_prep1) != (other.prob_meas1_prep0, other.prob_meas0_prep1)
    ]


def readout_notes(state: ControllerState, device: Device) -> list[str]:
    """What a reader of the settings would not expect."""
    config, notes = state.readout_config, []
    if config.integration_time_ns not in (None, device.durations.measure_ns):
        whose = "all qubits" if config.channels is None else _named(config.channels)
        notes.append(
            f"integration_time_ns {config.integration_time_ns:g} holds for {whose}; the readout is calibrated for "
            f"{device.durations.measure_ns:g} ns, and -1 reverts it"
        )
    held = [qubit for qubit, override in state.qubits.items() if override.readout_error is not None]
    if held and config != ReadoutConfig(config.channels):
        notes.append(f"the readout error of {_named(held)} stays as set_qubit_noise has set it: it is absolute")
    return notes


def _named(qubits: Sequence[int]) -> str:
    return f"{'qubit' if len(qubits) == 1 else 'qubits'} {', '.join(map(str, qubits))}"


def command_notes(
    payload: Mapping[str, Any], device: Device, state: ControllerState, snapshot: NoiseSnapshot
) -> list[str]:
    """Why a value that was taken does not do, here and now, what its name says; empty when all do.

    Args:
        payload: of a command that is in force.
        device: the backend's.
        state: with the command.
        snapshot: the noise with it.
    """
    notes = []
    if payload.get("exec_time_scale") not in (None, 1) and device.scheduler.exec_time_scale == 0:
        notes.append(
            "exec_time_scale is stored, and no job takes longer by it: it stretches the time that the scheduler makes "
            "jobs wait for, and the scheduler's own exec_time_scale is 0 (jobs end as soon as they are simulated); set "
            "that one to 1 in the scheduler's file for jobs that take as long as the device would"
        )
    return notes + limit_notes(state, snapshot)


def limit_notes(state: ControllerState, snapshot: NoiseSnapshot) -> list[str]:
    """Where what was set asks for more than there can be, and what it is then."""
    notes = []
    for index, override in state.qubits.items():
        t2_us = snapshot.qubits[index].t2_us
        if override.t2_us is not None and t2_us < override.t2_us:
            notes.append(f"t2_us {override.t2_us:g} is more than 2 T1; qubit {index} has T2 = {t2_us:g} us")
    limits: Mapping[str, Callable[[QubitNoise], bool]] = {
        f"the gate error is {MIXED_QUBIT:g}, the most there is (the fully mixed state)": (
            lambda qubit: qubit.calibrated_gate_error >= MIXED_QUBIT
        ),
        "an assignment error is 1/2, the most that a multiplier makes of it": (
            lambda qubit: (
                "readout_error" not in qubit.overridden and max(qubit.prob_meas1_prep0, qubit.prob_meas0_prep1) == 0.5
            )
        ),
        f"T1 or T2 is {MIN_TIME_US:g} us, the least there is": (
            lambda qubit: min(qubit.t1_us, qubit.t2_us) <= MIN_TIME_US
        ),
    }
    for message, is_at in limits.items():
        if met := [index for index, qubit in enumerate(snapshot.qubits) if is_at(qubit)]:
            notes.append(f"{message}: {_named(met) if len(met) < len(snapshot.qubits) else 'all qubits'}")
    pairs = {(min(pair), max(pair)): edge.calibrated_error >= MIXED_PAIR for pair, edge in snapshot.edges.items()}
    if met_pairs := [f"{a}-{b}" for (a, b), is_met in sorted(pairs.items()) if is_met]:
        whose = "all pairs" if len(met_pairs) == len(pairs) else f"pairs {', '.join(met_pairs)}"
        notes.append(f"the gate error is {MIXED_PAIR:g}, the most there is (the fully mixed state): {whose}")
    return notes
