"""Corrections: their shapes, and the ledger that judges every shot at the end."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twin.qec.codes import Code
from twin.qec.errors import RoundOrderError, SessionSpecError

CorrectionKind = Literal["syndrome", "data", "observable"]
Bits = NDArray[np.uint8]

TAG_MODULUS = 65536


def correction_length(code: Code, kind: CorrectionKind) -> int:
    """Bits of one shot's correction."""
    return {"syndrome": code.num_stabilizers, "data": code.num_data_qubits, "observable": 1}[kind]


def inferred_kind(code: Code, bits: ArrayLike, shots: int) -> CorrectionKind:
    """The kind that a correction of this length is."""
    array = _array(bits)
    length = array.shape[-1] if array.ndim == (1 if shots == 1 else 2) or array.ndim == 2 else -1
    if length == code.num_stabilizers:
        return "syndrome"
    if length == code.num_data_qubits:
        return "data"
    raise SessionSpecError.at(
        "correction_bits",
        f"got {length if length >= 0 else array.shape} bits; expected {code.num_stabilizers} (stabilizers: syndrome "
        f"frame) or {code.num_data_qubits} (data qubits: Pauli frame), or kind 'observable' with 1",
    )


def correction_array(code: Code, bits: ArrayLike, shots: int, kind: CorrectionKind) -> Bits:
    """The correction as uint8 of 0/1, shape (shots, length of its kind).

    Raises:
        SessionSpecError: another shape, or values other than 0 and 1.
    """
    array = _array(bits)
    if array.ndim == 1 and shots == 1:
        array = array[None, :]
    expected = (shots, correction_length(code, kind))
    if array.shape != expected:
        raise SessionSpecError.at("correction_bits", f"kind {kind!r} needs shape {expected}, got {array.shape}")
    if array.size and (array.min() < 0 or array.max() > 1):
        raise SessionSpecError.at("correction_bits", "must be 0 or 1")
    return array.astype(np.uint8)


def _array(bits: ArrayLike) -> NDArray[np.int64]:
    try:
        array = np.asarray(bits)
    except ValueError as error:
        raise SessionSpecError.at("correction_bits", "rows of different length") from error
    if array.size and array.dtype.kind not in "iub":
        raise SessionSpecError.at("correction_bits", "must be integers 0 or 1")
    return array.astype(np.int64)


def packed_text(bits: Bits) -> str:
    """Bits as base64 text, for a journal."""
    return base64.b64encode(np.packbits(bits, axis=None, bitorder="little").tobytes()).decode()


def unpacked_text(text: str, shape: tuple[int, int]) -> Bits:
    """Undo `packed_text`."""
    packed = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return np.unpackbits(packed, count=shape[0] * shape[1], bitorder="little").reshape(shape)


@dataclass(frozen=True)
class Verdict:
    """How the judged shots ended. All axes start with the shot."""

    data_bits: Bits
    raw_parity: Bits
    errors: Bits


class Ledger:
    """What was corrected on every shot's logical observable.

    `frame` is the parity of the data corrections on the observable, `flips` what decoders say of the observable.
    """

    def __init__(self, shots: int) -> None:
        self.frame: Bits = np.zeros(shots, dtype=np.uint8)
        self.flips: Bits = np.zeros(shots, dtype=np.uint8)
        self.received: NDArray[np.bool_] = np.zeros(shots, dtype=np.bool_)
        self._expected = 0

    def accept(self, tags: NDArray[np.uint32], flips: Bits, delivered: int) -> NDArray[np.int64]:
        """Take observable flips by tag (shot mod 65536), in shot order or repeated; returns the shots they are for.

        Raises:
            RoundOrderError: a tag that belongs to no delivered shot near the last one. Nothing is taken then.
        """
        if len(tags) == 0:
            return np.zeros(0, dtype=np.int64)
        steps = np.diff(tags.astype(np.int64), prepend=self._expected % TAG_MODULUS)
        half = TAG_MODULUS // 2
        shots: NDArray[np.int64] = self._expected + np.cumsum((steps + half) % TAG_MODULUS - half)
        if shots.min() < 0 or shots.max() >= delivered:
            raise RoundOrderError(
                f"corrections for shots {shots.min()} to {shots.max()}, but {delivered} shots have been delivered"
            )
        self.put(shots, flips)
        return shots

    def expect(self, shot: int) -> None:
        """The next corrections are for `shot` and those after it."""
        self._expected = shot

    def put(self, shots: NDArray[np.int64], flips: Bits) -> None:
        """Set the observable flips of shots."""
        self.flips[shots] = flips
        self.received[shots] = True
        self._expected = max(self._expected, int(shots.max()) + 1)

    def verdict(self, data_bits: Bits, parity: Bits) -> Verdict:
        """Judge the first len(parity) shots: `parity` of the data as measured, physical corrections included."""
        count = len(parity)
        return Verdict(data_bits, parity ^ self.frame[:count], parity ^ self.flips[:count])
