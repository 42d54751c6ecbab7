"""From recorded bits to counts: Qiskit's key order, one key per distinct outcome."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.engines.density import Distribution

Bits = NDArray[np.uint8]

_MAX_CODE_BITS = 62


def sampled_bits(distribution: Distribution, num_clbits: int, shots: int, rng: np.random.Generator) -> Bits:
    """Draw shots; uint8 of 0/1, shape (shots, num_clbits)."""
    bits = np.zeros((shots, num_clbits), dtype=np.uint8)
    for members, codes in _draws(distribution, shots, rng):
        for place, clbit in enumerate(members):
            bits[:, clbit] = (codes >> (len(members) - 1 - place)) & 1
    return bits


def sampled_codes(distribution: Distribution, shots: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The same draws as integers (bit i = classical bit i), for up to 62 classical bits."""
    total = np.zeros(shots, dtype=np.int64)
    for members, codes in _draws(distribution, shots, rng):
        if list(members) == list(range(members[0], members[0] - len(members), -1)):
            total |= codes << members[-1]
            continue
        table = np.zeros(1 << len(members), dtype=np.int64)
        every = np.arange(1 << len(members))
        for place, clbit in enumerate(members):
            table |= ((every >> (len(members) - 1 - place)) & 1) << clbit
        total |= table[codes]
    return total


def _draws(
    distribution: Distribution, shots: int, rng: np.random.Generator
) -> list[tuple[tuple[int, ...], NDArray[np.int64]]]:
    drawn = []
    for members, probs in distribution.factors:
        cumulative = np.cumsum(probs)
        codes = np.searchsorted(cumulative, rng.random(shots) * cumulative[-1], side="right")
        drawn.append((members, np.minimum(codes, len(probs) - 1)))
    return drawn


def fits_codes(num_clbits: int) -> bool:
    return num_clbits <= _MAX_CODE_BITS


class KeyFormat:
    """Keys as Qiskit writes them: classical bit 0 rightmost, registers separated by a space, the last one first."""

    def __init__(self, register_sizes: Sequence[int]) -> None:
        self._num_clbits = sum(register_sizes)
        self._cuts: list[int] = []
        position = self._num_clbits
        for size in register_sizes[:-1]:
            position -= size
            self._cuts.append(position)

    def of_code(self, code: int) -> str:
        """The key of an outcome given as an integer, bit i = classical bit i."""
        text = format(code, f"0{self._num_clbits}b") if self._num_clbits else ""
        for cut in self._cuts:
            text = f"{text[:cut]} {text[cut:]}"
        return text

    def of_row(self, packed: bytes) -> str:
        """The key of a row of bits, packed little-endian."""
        return self.of_code(int.from_bytes(packed, "little"))


def counts_of_codes(codes: NDArray[np.int64], keys: KeyFormat) -> dict[str, int]:
    """Counts by key, in ascending order of the outcome."""
    if len(codes) and codes.max() < 1 << 12:
        tally = np.bincount(codes)
        return {keys.of_code(code): int(tally[code]) for code in np.flatnonzero(tally).tolist()}
    values, tallies = np.unique(codes, return_counts=True)
    return {keys.of_code(int(value)): int(tally) for value, tally in zip(values, tallies, strict=True)}


def counts_of_bits(bits: Bits, keys: KeyFormat) -> dict[str, int]:
    """Counts by key of rows of bits, shape (shots, num_clbits)."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    rows, tallies = np.unique(packed, axis=0, return_counts=True)
    found = {keys.of_row(row.tobytes()): int(tally) for row, tally in zip(rows, tallies, strict=True)}
    return dict(sorted(found.items()))


def memory_of_bits(bits: Bits, keys: KeyFormat) -> list[str]:
    """One key per shot."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    return [keys.of_row(row.tobytes()) for row in packed]


def memory_of_codes(codes: NDArray[np.int64], keys: KeyFormat) -> list[str]:
    """One key per shot."""
    known = {code: keys.of_code(code) for code in set(codes.tolist())}
    return [known[code] for code in codes.tolist()]
