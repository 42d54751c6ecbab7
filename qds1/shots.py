"""Many shots at once: arrays of outcomes to words for a decoder, and its corrections back to arrays."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qds1.bits import pack_bits, unpack_bits, words_for_bits
from qds1.messages import CORRECTION_TRAILER_WORDS, TAG_MODULUS, Kind, Qds1Error, header

Words = NDArray[np.uint32]
Bits = NDArray[np.uint8]


def shot_words(num_stabilizers: int, num_data_qubits: int, rounds: int) -> int:
    """Words of one shot of raw outcomes: `rounds` SYNDROME messages and one MEAS_DATA message."""
    return rounds * (1 + words_for_bits(num_stabilizers)) + 1 + words_for_bits(num_data_qubits)


def correction_words(num_observables: int) -> int:
    """Words of one CORRECTION message, header included."""
    return 1 + words_for_bits(num_observables) + CORRECTION_TRAILER_WORDS


def _tags(first_shot: int, num_shots: int) -> NDArray[np.uint32]:
    return ((first_shot + np.arange(num_shots)) % TAG_MODULUS).astype(np.uint32)


def _layer_messages(kind: Kind, bits: Bits, tags: NDArray[np.uint32]) -> Words:
    """One message per (shot, layer): bits (shots, layers, n) -> words (shots, layers, 1 + ceil(n / 32))."""
    payload = pack_bits(bits)
    words = np.empty((*payload.shape[:-1], payload.shape[-1] + 1), dtype=np.uint32)
    words[..., 0] = np.uint32(header(kind, payload.shape[-1], 0)) | (tags << np.uint32(16))[:, None]
    words[..., 1:] = payload
    return words


def encode_shots(syndromes: Bits, data: Bits, first_shot: int = 0) -> Words:
    """Words of whole shots of raw outcomes.

    Args:
        syndromes: 0/1, shape (shots, rounds, stabilizers).
        data: 0/1, shape (shots, data qubits): the final readout.
        first_shot: number of the first shot; tags are shot numbers mod 65536.

    Returns:
        uint32, shape (shots, `shot_words(...)`).
    """
    num_shots = syndromes.shape[0]
    tags = _tags(first_shot, num_shots)
    rounds = _layer_messages(Kind.SYNDROME, syndromes, tags).reshape(num_shots, -1)
    final = _layer_messages(Kind.MEAS_DATA, data[:, None, :], tags).reshape(num_shots, -1)
    return np.concatenate([rounds, final], axis=1)


def encode_event_shots(events: Bits, first_shot: int = 0) -> Words:
    """Words of whole shots of detection events: EVENTS for every layer but the last, then EVENTS_LAST.

    Args:
        events: 0/1, shape (shots, layers, bits of a layer).
        first_shot: number of the first shot.

    Returns:
        uint32, shape (shots, layers * (1 + ceil(bits / 32))).
    """
    num_shots = events.shape[0]
    tags = _tags(first_shot, num_shots)
    earlier = _layer_messages(Kind.EVENTS, events[:, :-1], tags).reshape(num_shots, -1)
    last = _layer_messages(Kind.EVENTS_LAST, events[:, -1:], tags).reshape(num_shots, -1)
    return np.concatenate([earlier, last], axis=1)


@dataclass(frozen=True, slots=True)
class Corrections:
    """CORRECTION messages of many shots, taken apart.

    tags, latency_cycles, status: uint32, shape (shots,). flips: uint8 of 0/1, shape (shots, observables).
    """

    tags: NDArray[np.uint32]
    flips: Bits
    latency_cycles: NDArray[np.uint32]
    status: NDArray[np.uint32]


def encode_corrections(
    flips: Bits,
    first_shot: int = 0,
    latency_cycles: NDArray[np.uint32] | int = 0,
    status: NDArray[np.uint32] | int = 0,
) -> Words:
    """CORRECTION messages of consecutive shots.

    Args:
        flips: 0/1, shape (shots, observables).
        first_shot: number of the first shot.
        latency_cycles: one for all shots, or shape (shots,).
        status: `Status` flags, likewise.

    Returns:
        uint32, shape (shots, `correction_words(...)`).
    """
    num_shots, num_observables = flips.shape
    words = np.empty((num_shots, correction_words(num_observables)), dtype=np.uint32)
    words[:, :-CORRECTION_TRAILER_WORDS] = _layer_messages(
        Kind.CORRECTION, flips[:, None, :], _tags(first_shot, num_shots)
    )[:, 0]
    words[:, 0] = (words[:, 0] & np.uint32(0xFFFF00FF)) | np.uint32((words.shape[1] - 1) << 8)
    words[:, -2] = latency_cycles
    words[:, -1] = status
    return words


@dataclass(frozen=True, slots=True)
class Frames:
    """FRAME messages of a windowed decoder, taken apart: the Pauli frame after each window but a shot's last.

    tags, rounds (committed so far), latency_cycles: uint32, shape (frames,).
    flips (so far): uint8 of 0/1, shape (frames, observables).
    """

    tags: NDArray[np.uint32]
    rounds: NDArray[np.uint32]
    flips: Bits
    latency_cycles: NDArray[np.uint32]


def encode_windows(flips: Bits, rounds: NDArray[np.uint32], status: NDArray[np.uint32], first_shot: int = 0) -> Words:
    """What a windowed decoder answers to consecutive shots of one length, without latencies.

    Args:
        flips: 0/1, shape (shots, windows, observables): flips so far after each window.
        rounds: shape (windows - 1,): rounds committed so far after each window but the last.
        status: `Status` flags of each shot, shape (shots,).
        first_shot: number of the first shot.

    Returns:
        uint32, shape (shots, windows, `correction_words(...)`): FRAMEs, the last one a CORRECTION.
    """
    num_shots, num_windows, num_observables = flips.shape
    answers = np.zeros((num_shots, num_windows, correction_words(num_observables)), dtype=np.uint32)
    frames = _layer_messages(Kind.FRAME, flips[:, :-1], _tags(first_shot, num_shots))
    answers[:, :-1, 0] = (frames[..., 0] & np.uint32(0xFFFF00FF)) | np.uint32((answers.shape[-1] - 1) << 8)
    answers[:, :-1, 1] = rounds
    answers[:, :-1, 2:-1] = frames[..., 1:]
    answers[:, -1] = encode_corrections(flips[:, -1], first_shot, 0, status)
    return answers


def split_frames(words: Words, num_observables: int) -> tuple[Words, Frames]:
    """Take the FRAMEs out of a windowed decoder's answers.

    Args:
        words: uint32, one axis: FRAME and CORRECTION messages. Where anything else is among them nothing is taken out:
            `decode_corrections` says what.
        num_observables: bits of flips in each.

    Returns:
        the other words, in order; the frames.
    """
    stride = correction_words(num_observables)
    table = words.reshape(-1, stride) if words.size % stride == 0 else np.zeros((0, stride), dtype=np.uint32)
    headers = table[:, 0] & np.uint32(0xFFFF)
    is_frame = headers == header(Kind.FRAME, stride - 1, 0)
    if not (is_frame | (headers == header(Kind.CORRECTION, stride - 1, 0))).all():
        is_frame[:] = False
    found = table[is_frame]
    frames = Frames(
        tags=found[:, 0] >> np.uint32(16),
        rounds=found[:, 1],
        flips=unpack_bits(found[:, 2:-1], num_observables),
        latency_cycles=found[:, -1],
    )
    return (table[~is_frame].ravel() if len(found) else words), frames


def decode_corrections(words: Words, num_observables: int) -> Corrections:
    """Take a sequence of CORRECTION messages apart, all at once.

    Args:
        words: uint32, one axis: nothing but whole CORRECTION messages for `num_observables` observables.
        num_observables: bits of flips in each.

    Raises:
        Qds1Error: the length is not a whole number of messages, or a header is not a CORRECTION's; the message
            names the word.
    """
    stride = correction_words(num_observables)
    if words.size % stride:
        raise Qds1Error(f"{words.size} words are not a whole number of CORRECTION messages of {stride} words")
    table = words.reshape(-1, stride)
    expected = header(Kind.CORRECTION, stride - 1, 0)
    wrong = np.flatnonzero((table[:, 0] & 0xFFFF) != expected)
    if wrong.size:
        first = int(wrong[0])
        raise Qds1Error(
            f"word {first * stride} is 0x{int(table[first, 0]):08x}, "
            f"expected a CORRECTION header with {stride - 1} payload words (0x....{expected:04x})"
        )
    return Corrections(
        tags=table[:, 0] >> np.uint32(16),
        flips=unpack_bits(table[:, 1:-CORRECTION_TRAILER_WORDS], num_observables),
        latency_cycles=table[:, -2],
        status=table[:, -1],
    )
