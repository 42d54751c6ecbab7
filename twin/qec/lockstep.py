"""All shots of a session, round by round, with corrections in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import qds1
from twin.device.snapshot import NoiseSnapshot
from twin.qec.codes import Code
from twin.qec.corrections import Bits, CorrectionKind, Ledger, Verdict
from twin.qec.errors import RoundOrderError, SessionTooLargeError
from twin.qec.memory import Memory
from twin.qec.simulators import BLOCK_SHOTS, Block, make_block, record_bits
from twin.qec.spec import SessionSpec

MAX_BYTES = 2**29
"""Of all that is kept between two rounds; a round itself takes about as much again."""


@dataclass(frozen=True, eq=False)
class RoundResult:
    """One round of all shots. The final readout also has `data_bits`; its syndrome is rebuilt from them.

    syndrome_bits, detection_events: uint8 of 0/1, shape (shots, stabilizers). data_bits: (shots, data qubits).
    """

    round_index: int
    snapshot_id: str
    syndrome_bits: Bits
    detection_events: Bits
    data_bits: Bits | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form: flat lists for one shot, lists of lists for more."""
        measured = self.syndrome_bits if self.data_bits is None else self.data_bits
        words = qds1.pack_bits(measured)
        single = len(measured) == 1
        answer: dict[str, Any] = {
            "round_index": self.round_index,
            "final": self.data_bits is not None,
            "snapshot_id": self.snapshot_id,
            "syndrome_bits": _listed(self.syndrome_bits, single),
            "detection_events": _listed(self.detection_events, single),
            "meas_data_packed": int(words[0, 0]) if single else words[:, 0].tolist(),
            "meas_data_words": _listed(words, single),
        }
        if self.data_bits is not None:
            answer["data_bits"] = _listed(self.data_bits, single)
        return answer


def _listed(array: np.ndarray[Any, Any], single: bool) -> list[Any]:
    listed: list[Any] = array[0].tolist() if single else array.tolist()
    return listed


class Lockstep:
    """The rounds of one session.

    snapshot: called with "round" or "final" when one is about to be simulated; gives its noise.
    pause: called between two blocks of shots.
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
        self._snapshot = snapshot
        self._pause = pause
        self.check_size(spec, memory.code)
        self.ledger = Ledger(spec.shots)
        self.rounds_done = 0
        self.corrections_posted = 0
        self.last: RoundResult | None = None
        self.final: RoundResult | None = None
        self._data_correction: Bits | None = None
        self._taken: dict[CorrectionKind, Bits] = {}
        code = memory.code
        self._frame: Bits = np.zeros((spec.shots, code.num_stabilizers), dtype=np.uint8)
        self._num_qubits = max(code.coordinates) + 1
        self._blocks = self._new_blocks()
        self._data = np.array(code.data)
        self._basis = np.zeros(code.num_stabilizers, dtype=np.uint8)
        self._basis[list(code.basis_stabilizers)] = 1
        self._parity = np.zeros((code.num_data_qubits, code.num_stabilizers), dtype=np.uint8)
        for each in code.stabilizers:
            if each.type == code.basis:
                self._parity[list(each.data_qubits), each.index] = 1

    @staticmethod
    def bytes_of(spec: SessionSpec, code: Code) -> int:
        """What all shots take between two rounds, at most: frames, record and the last round's results.

        Stim keeps one bit for each measurement of a block and two for each qubit; the arrays here have a byte for each
        of a round's outcomes: its syndrome, events, frame and corrections, and the readout of the data with one.
        """
        stabilizers, data = code.num_stabilizers, code.num_data_qubits
        record = record_bits(None if spec.rounds is None else spec.rounds * stabilizers + data, stabilizers + data)
        frame_bits = 2 * (max(code.coordinates) + 1)
        arrays = 4 * stabilizers + 2 * data + 4
        simulated = -(-spec.shots // BLOCK_SHOTS) * BLOCK_SHOTS if spec.shots > 1 else 1
        return simulated * (record + frame_bits) // 8 + spec.shots * arrays

    @classmethod
    def check_size(cls, spec: SessionSpec, code: Code) -> None:
        """Raises SessionTooLargeError for more shots than are run side by side."""
        num_bytes = cls.bytes_of(spec, code)
        if num_bytes > MAX_BYTES:
            fitting = spec.shots * MAX_BYTES // num_bytes // BLOCK_SHOTS * BLOCK_SHOTS
            remedy = "" if spec.rounds is None else ", or pull whole shots over the stream"
            raise SessionTooLargeError(
                f"{spec.shots} shots of {code.num_data_qubits + code.num_stabilizers} qubits, round by round, take "
                f"about {num_bytes} bytes, over the limit of {MAX_BYTES}; ask for at most {fitting} shots{remedy}"
            )

    def _new_blocks(self) -> list[Block]:
        shots, seed = self._spec.shots, self._spec.seed
        starts = range(0, shots, BLOCK_SHOTS)
        return [
            make_block(
                seed,
                index,
                min(BLOCK_SHOTS, shots - start),
                self._num_qubits,
                single=shots == 1,
                classical=self._memory.is_classical,
            )
            for index, start in enumerate(starts)
        ]

    @property
    def delivered(self) -> int:
        """Shots whose final readout is out."""
        return self._spec.shots if self.final is not None else 0

    def syndrome(self, round_index: int) -> RoundResult:
        if self.last is not None and round_index == self.last.round_index:
            return self.last
        expected = 0 if self.last is None else self.last.round_index + 1
        if self.final is not None:
            raise RoundOrderError(f"round {self.final.round_index} was the final readout; end the session")
        if round_index != expected:
            raise RoundOrderError(f"round {round_index} is out of order: round {expected} is next")
        op = "final" if self._spec.rounds == round_index else "round"
        return self.advance(op, self._snapshot(op))

    def advance(self, op: str, snapshot: NoiseSnapshot) -> RoundResult:
        """Simulate the next round ("round") or the readout of the data qubits ("final")."""
        noisy = self._memory.noisy(snapshot)
        self._taken = {}
        if op == "final":
            part, flips = noisy.parts.final, noisy.data_flips
        else:
            part, flips = (noisy.parts.body if self.rounds_done else noisy.parts.first), noisy.ancilla_flips
        pieces = []
        for block in self._blocks:
            pieces.append(block.run(part, flips))
            self._pause()
        measured = np.concatenate(pieces)
        if op == "final":
            self.final = self.last = self._final_result(measured, snapshot)
            return self.final
        syndrome = measured ^ self._frame
        events = syndrome & self._basis if self.last is None else syndrome ^ self.last.syndrome_bits
        self.last = RoundResult(self.rounds_done, snapshot.snapshot_id, syndrome, events)
        self.rounds_done += 1
        return self.last

    def _final_result(self, data_bits: Bits, snapshot: NoiseSnapshot) -> RoundResult:
        rebuilt = ((data_bits @ self._parity) & 1) ^ self._frame
        syndrome: Bits = (rebuilt & self._basis).astype(np.uint8)
        before = self.last.syndrome_bits if self.last is not None else np.zeros_like(syndrome)
        events: Bits = (syndrome ^ before) & self._basis
        return RoundResult(self.rounds_done, snapshot.snapshot_id, syndrome, events, data_bits)

    def correct(self, round_index: int, bits: Bits, kind: CorrectionKind) -> bool:
        """Act on a correction of shape (shots, n); False where it is the repeat of one that was taken."""
        if self.last is None or round_index != self.last.round_index:
            last = "no round has been fetched" if self.last is None else f"the last round is {self.last.round_index}"
            raise RoundOrderError(f"a correction for round {round_index} is out of order: {last}")
        taken = self._taken.get(kind)
        if taken is not None:
            if np.array_equal(taken, bits):
                return False
            raise RoundOrderError(f"round {round_index} already has another {kind} correction")
        self._taken[kind] = bits
        self.corrections_posted += 1
        if kind == "syndrome":
            self._frame ^= bits
        elif kind == "observable":
            self.ledger.flips ^= bits[:, 0]
        else:
            self._correct_data(bits)
        return True

    def _correct_data(self, bits: Bits) -> None:
        self.ledger.frame ^= _parity_of(bits, self._memory.code.observable)
        if self.final is not None:
            self._data_correction = bits
            return
        pauli = "X" if self._memory.code.basis == "Z" else "Z"
        start = 0
        for block in self._blocks:
            rows = bits[start : start + BLOCK_SHOTS]
            block.apply(pauli, self._data, rows)
            start += len(rows)

    def judge(self) -> Verdict | None:
        """Judge all shots, reading the data qubits first if that was not done; None before any round."""
        if self.last is None:
            return None
        final = self.final or self.advance("final", self._snapshot("final"))
        data_bits = final.data_bits if final.data_bits is not None else np.zeros((0, 0), dtype=np.uint8)
        if self._data_correction is not None:
            data_bits = data_bits ^ self._data_correction
        return self.ledger.verdict(data_bits, _parity_of(data_bits, self._memory.code.observable))


def _parity_of(bits: Bits, members: tuple[int, ...]) -> Bits:
    parity: Bits = (bits[:, list(members)].sum(axis=1) & 1).astype(np.uint8)
    return parity
