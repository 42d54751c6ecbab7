"""Random circuits ready to run: both texts prepared, what has to be recorded, and any engine of one's choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.twin.engines.random_circuits import RandomCircuit, as_qasm, as_stim, random_circuit
from tests.twin.engines.textbook import actions_of, recorded_probs
from twin.device.catalog import DeviceCatalog
from twin.device.commands import set_cryo
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, compose
from twin.engines import PreparedCircuit, prepare
from twin.engines.density import exact_distribution
from twin.engines.preparation import Engine
from twin.engines.program import schedule
from twin.engines.trajectories import Method, TrajectoryPlan
from twin.engines.transfer import transfer_matrices

METHODS: Mapping[Engine, Method] = {
    "aer_statevector": "statevector",
    "aer_matrix_product_state": "matrix_product_state",
}


@dataclass(frozen=True)
class Case:
    """A random circuit on a device under some noise, and the probabilities of its records (bit i of the index: outcome
    i) by the textbook."""

    circuit: RandomCircuit
    snapshot: NoiseSnapshot
    from_stim: PreparedCircuit
    from_qasm: PreparedCircuit
    probs: NDArray[np.float64]
    duration_ns: float

    @classmethod
    def of(cls, seed: int, device: Device, catalog: DeviceCatalog) -> Case:
        rng = np.random.default_rng([seed, 11])
        state = set_cryo(ControllerState(), {"temperature_mk": float(rng.choice([15, 60]))})
        snapshot = replace(compose(device, catalog.scenarios, state), schedule=str(rng.choice(["asap", "alap"])))
        circuit = random_circuit(rng, device)
        return cls(
            circuit,
            snapshot,
            prepare({"stim": as_stim(circuit)}, device),
            prepare(as_qasm(circuit, device.n_qubits), device),
            recorded_probs(circuit, snapshot),
            actions_of(circuit, snapshot)[1],
        )

    @property
    def inverted(self) -> int:
        """Mask of the bits that OpenQASM, which has no inverted targets, records the other way round."""
        return sum(1 << bit for bit, turned in enumerate(self.circuit.inverted) if turned)

    @property
    def prepared(self) -> tuple[tuple[str, PreparedCircuit, int], ...]:
        """Name, circuit, and the bits of its keys that are turned over."""
        return (("stim", self.from_stim, 0), ("qasm", self.from_qasm, self.inverted))


def with_engine(prepared: PreparedCircuit, engine: Engine) -> PreparedCircuit:
    """The same circuit in an engine of our choice."""
    if engine not in METHODS:
        return replace(prepared, engine=engine)
    assert prepared.program is not None
    plan = TrajectoryPlan(METHODS[engine], prepared.program.active_qubits(), 0.0)
    return replace(prepared, engine=engine, trajectories=plan)


def exact_probs(prepared: PreparedCircuit, snapshot: NoiseSnapshot) -> NDArray[np.float64]:
    """The exact engine's probabilities; outcome i is bit i of the index."""
    program = prepared.program
    assert program is not None
    timing = schedule(program.operations, snapshot)
    probs = np.ones(1)
    order: list[int] = []
    for members, factor in exact_distribution(program, timing, transfer_matrices(snapshot)).factors:
        probs = np.multiply.outer(probs, factor).reshape(-1)
        order += members
    places = [order.index(bit) for bit in range(program.num_clbits - 1, -1, -1)]
    return probs.reshape((2,) * len(order)).transpose(places).reshape(-1)


def tallied(counts: Mapping[str, int], num_bits: int, inverted: int = 0) -> NDArray[np.int64]:
    """Counts by record, some of its bits turned over."""
    tally = np.zeros(2**num_bits, dtype=np.int64)
    for key, count in counts.items():
        tally[int(key.replace(" ", ""), 2) ^ inverted] += count
    return tally
