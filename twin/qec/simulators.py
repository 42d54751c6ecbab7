"""Stateful simulation of one block of shots, a part of the circuit at a time.

A block is one shot (a tableau) or up to 1024 (Pauli frames). What a block gives depends on (seed, block index, parts,
corrections) alone, not on how its shots are fetched.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import stim
from numpy.typing import NDArray

from twin.engines.clifford_noise import relaxation_mark

Bits = NDArray[np.uint8]

BLOCK_SHOTS = 1024
_SLICED_RECORD = 2048  # measurements up to which the whole record is fetched at once
_MAX_RECORD = 65536


class Block(Protocol):
    """Shots that are simulated together."""

    def run(self, part: stim.Circuit, flips: NDArray[np.float64]) -> Bits:
        """Run a part of the circuit; recorded outcomes (0/1) of its measurements, shape (shots, measurements).

        flips: shape (2, measurements), p(1|0) and p(0|1) of the record; (2, 0) for none.
        """

    def apply(self, pauli: str, qubits: NDArray[np.int64], mask: Bits) -> None:
        """Apply X or Z on qubits where `mask`, shape (shots, len(qubits)), is 1."""


def make_block(
    seed: int, block_index: int, num_shots: int, num_qubits: int, *, single: bool, classical: bool = False
) -> Block:
    """A fresh block.

    Args:
        single: exactly one shot, on a tableau.
        classical: for circuits with marks of relaxation, see `twin.engines.clifford_noise.ClassicalStart`.
    """
    if classical:
        return _ClassicalBlock(seed, block_index, num_shots, num_qubits)
    if single:
        return _TableauBlock(seed)
    return _FrameBlock(seed, block_index, num_shots, num_qubits)


def record_bits(num_measurements: int | None, largest_part: int) -> int:
    """Bits that Stim keeps of a shot's measurements, at most. None: of any number of them."""
    most = _MAX_RECORD + largest_part  # then the frames go on in a new simulator
    return most if num_measurements is None else min(num_measurements, most)


def _stim_seed(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])


def _flipped(bits: Bits, flips: NDArray[np.float64], seed: tuple[int, ...]) -> Bits:
    """Classical, asymmetric readout error on outcomes of shape (measurements, shots)."""
    if flips.shape[1] == 0 or not flips.any():
        return bits
    draws = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed))).random(bits.shape, dtype=np.float32)
    limits = np.where(bits == 0, flips[0].astype(np.float32)[:, None], flips[1].astype(np.float32)[:, None])
    return bits ^ (draws < limits)


class _TableauBlock:
    """One shot. Between parts the state is a tableau alone; each part has its own seed, so no record piles up."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._step = 0
        self._simulator = stim.TableauSimulator(seed=_stim_seed(seed, 0))

    def run(self, part: stim.Circuit, flips: NDArray[np.float64]) -> Bits:
        if self._step > 0:
            fresh = stim.TableauSimulator(seed=_stim_seed(self._seed, self._step))
            fresh.set_inverse_tableau(self._simulator.current_inverse_tableau())
            self._simulator = fresh
        self._simulator.do(part)
        bits = np.array(self._simulator.current_measurement_record(), dtype=np.uint8)
        recorded = _flipped(bits[:, None], flips, (self._seed, self._step, 1))
        self._step += 1
        return recorded.T

    def apply(self, pauli: str, qubits: NDArray[np.int64], mask: Bits) -> None:
        flipped = qubits[mask[0] != 0].tolist()
        if flipped:
            (self._simulator.x if pauli == "X" else self._simulator.z)(*flipped)


class _FrameBlock:
    """Up to 1024 shots as Pauli frames. The reference sample of a memory circuit is all 0, so flips are outcomes."""

    def __init__(self, seed: int, block_index: int, num_shots: int, num_qubits: int) -> None:
        self._key = (seed, block_index)
        self._step = 0
        self._num_shots = num_shots
        self._num_qubits = num_qubits
        self._epoch = 0
        self._simulator = self._new_simulator()

    def _new_simulator(self) -> stim.FlipSimulator:
        return stim.FlipSimulator(
            batch_size=BLOCK_SHOTS, num_qubits=self._num_qubits, seed=_stim_seed(*self._key, self._epoch)
        )

    def run(self, part: stim.Circuit, flips: NDArray[np.float64]) -> Bits:
        simulator = self._simulator
        before = simulator.num_measurements
        simulator.do(part)
        count = simulator.num_measurements - before
        if before + count <= _SLICED_RECORD:
            packed = simulator.get_measurement_flips(bit_packed=True)[before:]
        else:
            packed = np.array(
                [simulator.get_measurement_flips(record_index=i, bit_packed=True) for i in range(-count, 0)]
            )
        bits = np.unpackbits(packed, axis=1, bitorder="little", count=BLOCK_SHOTS)
        recorded = _flipped(bits, flips, (*self._key, self._step, 1))
        self._step += 1
        if simulator.num_measurements > _MAX_RECORD:
            self._forget_record()
        return np.ascontiguousarray(recorded[:, : self._num_shots].T)

    def apply(self, pauli: str, qubits: NDArray[np.int64], mask: Bits) -> None:
        everywhere = np.zeros((self._simulator.num_qubits, BLOCK_SHOTS), dtype=np.bool_)
        everywhere[qubits, : self._num_shots] = mask.T != 0
        self._simulator.broadcast_pauli_errors(pauli=pauli, mask=everywhere)

    def _forget_record(self) -> None:
        """Carry the frames over to a new simulator, whose measurement record is empty."""
        old = self._frames()
        self._epoch += 1
        self._simulator = self._new_simulator()
        new = self._frames()
        for pauli, difference in zip("XZ", old ^ new, strict=True):
            self._simulator.broadcast_pauli_errors(pauli=pauli, mask=np.ascontiguousarray(difference.T))

    def _frames(self) -> NDArray[np.bool_]:
        """X and Z flips: shape (2, shots, qubits)."""
        strings = self._simulator.peek_pauli_flips()
        pairs = [string.to_numpy() for string in strings]
        return np.array([[x for x, _ in pairs], [z for _, z in pairs]])


class _ClassicalBlock:
    """Shots as Pauli frames beside bits that are known but for errors: a frame says which way a qubit relaxes."""

    def __init__(self, seed: int, block_index: int, num_shots: int, num_qubits: int) -> None:
        self._key = (seed, block_index)
        self._step = 0
        self._num_shots = num_shots
        self._x = np.zeros((num_qubits, num_shots), dtype=np.bool_)
        self._z = np.zeros((num_qubits, num_shots), dtype=np.bool_)

    def run(self, part: stim.Circuit, flips: NDArray[np.float64]) -> Bits:
        rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence((*self._key, self._step, 3))))
        record: list[NDArray[np.bool_]] = []
        for instruction in part:
            if isinstance(instruction, stim.CircuitInstruction):
                self._do(instruction, rng, record)
        bits = np.concatenate(record).astype(np.uint8) if record else np.zeros((0, self._num_shots), dtype=np.uint8)
        recorded = _flipped(bits, flips, (*self._key, self._step, 1))
        self._step += 1
        return np.ascontiguousarray(recorded.T)

    def apply(self, pauli: str, qubits: NDArray[np.int64], mask: Bits) -> None:
        frame = self._x if pauli == "X" else self._z
        frame[qubits] ^= mask.T != 0

    def _do(self, instruction: stim.CircuitInstruction, rng: np.random.Generator, record: list[Any]) -> None:
        name, args = instruction.name, instruction.gate_args_copy()
        if name == "TICK":
            return
        qubits = np.array([target.value for target in instruction.targets_copy()])
        if (mark := relaxation_mark(instruction)) is not None:
            self._relax(qubits, *mark, rng)
        elif name in ("X_ERROR", "Y_ERROR", "Z_ERROR"):
            self._strike(qubits, np.where(np.array(["X_ERROR", "Y_ERROR", "Z_ERROR"]) == name, args[0], 0.0), rng)
        elif name == "PAULI_CHANNEL_1":
            self._strike(qubits, np.array(args), rng)
        elif name == "DEPOLARIZE2":
            self._strike_pairs(qubits.reshape(-1, 2), args[0], rng)
        elif name in ("M", "MR"):
            record.append(self._x[qubits])
            if name == "MR":
                self._x[qubits] = self._z[qubits] = False
        elif name == "R":
            self._x[qubits] = self._z[qubits] = False
        elif name in ("CX", "CZ"):
            for first, second in qubits.reshape(-1, 2):
                if name == "CX":
                    self._x[second] ^= self._x[first]
                    self._z[first] ^= self._z[second]
                else:
                    self._z[second] ^= self._x[first]
                    self._z[first] ^= self._x[second]
        else:
            self._turn(name, qubits)

    def _relax(self, qubits: Any, prob: float, excited: float, bit: int, rng: np.random.Generator) -> None:
        """With a probability the qubit is lost to the thermal state: its bit is 1 with the excited population."""
        shape = (len(qubits), self._num_shots)
        thermal = rng.random(shape) < excited
        self._x[qubits] = np.where(rng.random(shape) < prob, thermal ^ bool(bit), self._x[qubits])

    def _strike(self, qubits: Any, probs: NDArray[np.float64], rng: np.random.Generator) -> None:
        """An X, Y or Z with these probabilities."""
        limits = np.cumsum(probs)
        draws = rng.random((len(qubits), self._num_shots))
        self._x[qubits] ^= draws < limits[1]
        self._z[qubits] ^= (draws >= limits[0]) & (draws < limits[2])

    def _strike_pairs(self, pairs: Any, prob: float, rng: np.random.Generator) -> None:
        """One of the 15 Paulis of two qubits, all as likely."""
        shape = (len(pairs), self._num_shots)
        paulis = np.where(rng.random(shape) < prob, rng.integers(1, 16, shape), 0)
        for bit, (frame, side) in enumerate([(self._x, 0), (self._z, 0), (self._x, 1), (self._z, 1)]):
            frame[pairs[:, side]] ^= (paulis >> bit & 1).astype(np.bool_)

    def _turn(self, name: str, qubits: Any) -> None:
        tableau = stim.Tableau.from_named_gate(name)
        x, z = self._x[qubits], self._z[qubits]
        images = tableau.x_output(0)[0], tableau.z_output(0)[0]  # 1, 2, 3: X, Y, Z
        self._x[qubits] = (x & (images[0] in (1, 2))) ^ (z & (images[1] in (1, 2)))
        self._z[qubits] = (x & (images[0] in (2, 3))) ^ (z & (images[1] in (2, 3)))
