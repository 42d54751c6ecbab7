"""Whole shots of a session, in blocks of 1024, as words for a decoder: the fast path."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import qds1
from twin.device.snapshot import NoiseSnapshot
from twin.qec.codes import Code
from twin.qec.corrections import Bits, Ledger, Verdict
from twin.qec.errors import RoundOrderError, SessionTooLargeError
from twin.qec.memory import Memory
from twin.qec.simulators import BLOCK_SHOTS, make_block
from twin.qec.spec import SessionSpec

Words = NDArray[np.uint32]

MAX_BLOCK_BITS = 2**28


class WholeShots:
    """Simulates block after block and hands out their words. One noise snapshot per block.

    snapshot: called with "block" when one is about to be simulated; gives its noise.
    pause: called between two rounds of a block.
    """

    def __init__(
        self,
        memory: Memory,
        spec: SessionSpec,
        snapshot: Callable[[str], NoiseSnapshot],
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self._memory = memory
        self._spec = spec
        self._rounds = spec.rounds or 0
        self._snapshot = snapshot
        self._pause = pause
        self._check_size()
        self.ledger = Ledger(spec.shots)
        self.delivered = 0
        self._simulated = 0
        self._parity: Bits = np.zeros(spec.shots, dtype=np.uint8)
        self._data: Bits = np.zeros((0, memory.code.num_data_qubits), dtype=np.uint8)
        self._snapshots: list[NoiseSnapshot] = []  # of every block so far
        self._words: Words = np.zeros((0, 0), dtype=np.uint32)
        self._words_of = -1  # the block that these words are of

    def _check_size(self) -> None:
        block = min(self._spec.shots, BLOCK_SHOTS) * self._rounds * self._memory.code.num_stabilizers
        if block > MAX_BLOCK_BITS:
            raise SessionTooLargeError(
                f"{BLOCK_SHOTS} whole shots of {self._rounds} rounds hold {block} outcomes, more than "
                f"{MAX_BLOCK_BITS}; pull single rounds instead"
            )

    @staticmethod
    def bytes_of(spec: SessionSpec, code: Code) -> int:
        """What is kept between two calls: four bytes a shot, and one block with its words and its data."""
        listed = spec.shots if spec.shots <= 4 * BLOCK_SHOTS else 0
        outcomes = (spec.rounds or 0) * code.num_stabilizers + code.num_data_qubits
        return 4 * spec.shots + listed * code.num_data_qubits + min(spec.shots, BLOCK_SHOTS) * outcomes

    @property
    def rounds_done(self) -> int:
        return self._rounds if self.delivered else 0

    def next_words(self, count: int) -> Words:
        """The next at most `count` shots, shot after shot."""
        pieces = []
        while count > 0 and self.delivered < self._spec.shots:
            if self.delivered == self._simulated:
                self.simulate(self._snapshot("block"))
            index, offset = divmod(self.delivered, BLOCK_SHOTS)
            if index != self._words_of:
                self._words, _ = self._run_block(index)
                self._words_of = index
            piece = self._words[offset : offset + count]
            pieces.append(piece.reshape(-1))
            self.delivered += len(piece)
            count -= len(piece)
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.uint32)

    def rewind(self, first_shot: int) -> None:
        """Hand out the shots from `first_shot` on again; their corrections are expected next.

        Raises:
            RoundOrderError: that shot and all before it have not been handed out.
        """
        if not 0 <= first_shot <= self.delivered:
            raise RoundOrderError(f"cannot go back to shot {first_shot}: {self.delivered} shots have been delivered")
        self.delivered = first_shot
        self.ledger.expect(first_shot)

    def simulate(self, snapshot: NoiseSnapshot) -> None:
        """Simulate the next block."""
        first_shot = self._simulated
        self._snapshots.append(snapshot)
        self._words_of = first_shot // BLOCK_SHOTS
        self._words, data = self._run_block(self._words_of)
        num_shots = len(data)
        observable = list(self._memory.code.observable)
        self._parity[first_shot : first_shot + num_shots] = data[:, observable].sum(axis=1) & 1
        if self._spec.shots <= 4 * BLOCK_SHOTS:  # the end lists them
            self._data = np.concatenate([self._data, data])
        self._simulated += num_shots

    def _run_block(self, index: int) -> tuple[Words, Bits]:
        """Words and data readout of a block; the same each time."""
        code = self._memory.code
        noisy = self._memory.noisy(self._snapshots[index])
        first_shot = index * BLOCK_SHOTS
        num_shots = min(BLOCK_SHOTS, self._spec.shots - first_shot)
        block = make_block(
            self._spec.seed,
            index,
            num_shots,
            max(code.coordinates) + 1,
            single=self._spec.shots == 1,
            classical=self._memory.is_classical,
        )
        syndromes = np.empty((num_shots, self._rounds, code.num_stabilizers), dtype=np.uint8)
        for round_index in range(self._rounds):
            part = noisy.parts.body if round_index else noisy.parts.first
            syndromes[:, round_index] = block.run(part, noisy.ancilla_flips)
            self._pause()
        data = block.run(noisy.parts.final, noisy.data_flips)
        return qds1.encode_shots(syndromes, data, first_shot), data

    def skip_to(self, delivered: int) -> None:
        """After a replay: the shots that were handed out before."""
        self.delivered = delivered

    def judge(self) -> Verdict | None:
        """Judge the shots that were handed out."""
        return self.ledger.verdict(self._data[: self.delivered], self._parity[: self.delivered])
