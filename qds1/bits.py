"""Bits and the 32-bit words they are packed into, little-endian: bit i of a word is element i."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

WORD_BITS = 32


def words_for_bits(num_bits: int) -> int:
    """Number of 32-bit words that hold `num_bits` bits."""
    return -(-num_bits // WORD_BITS)


def pack_bits(bits: ArrayLike) -> NDArray[np.uint32]:
    """Pack the last axis of an array of 0/1 into words.

    Args:
        bits: shape (..., n), any integer or boolean dtype; nonzero counts as 1.

    Returns:
        uint32, shape (..., ceil(n / 32)); bit i of word j is element 32 j + i, unused high bits are 0.
    """
    array = np.asarray(bits)
    num_words = words_for_bits(array.shape[-1])
    packed_bytes = np.packbits(array.astype(bool), axis=-1, bitorder="little")
    padded = np.zeros((*array.shape[:-1], num_words * 4), dtype=np.uint8)
    padded[..., : packed_bytes.shape[-1]] = packed_bytes
    return padded.view("<u4").astype(np.uint32, copy=False)


def unpack_bits(words: ArrayLike, num_bits: int) -> NDArray[np.uint8]:
    """Undo `pack_bits`.

    Args:
        words: uint32, shape (..., w) with w >= ceil(num_bits / 32).
        num_bits: how many bits to return.

    Returns:
        uint8 of 0/1, shape (..., num_bits).

    Raises:
        ValueError: the words hold fewer than `num_bits` bits.
    """
    array = np.ascontiguousarray(words, dtype="<u4")
    if array.shape[-1] * WORD_BITS < num_bits:
        raise ValueError(f"{array.shape[-1]} words hold {array.shape[-1] * WORD_BITS} bits, {num_bits} were asked for")
    as_bytes = array.view(np.uint8).reshape(*array.shape[:-1], array.shape[-1] * 4)
    return np.unpackbits(as_bytes, axis=-1, count=num_bits, bitorder="little")
