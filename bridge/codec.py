"""What a decoder's answers mean: corrections in its own terms -> flips of the logical observables."""

import runpy
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.errors import LinkError, LinkOpenError
from bridge.problem import DecodingProblem
from hdl.compile.manifest import DecoderFolder, InputBit, StreamFormat
from qds1 import CORRECTION_TRAILER_WORDS, encode_shots, pack_bits, words_for_bits
from qds1.shots import Bits, Words


class StreamCodec(Protocol):
    """What a `codec` of a manifest is: made with the problem, it writes a decoder's input and reads its answers.

    Words of up to 32 bits are uint32; of up to 64 bits uint64; wider ones have a last axis of ceil(word_bits / 32)
    uint32, lowest bits first.
    """

    def encode(self, detection_events: Bits) -> NDArray[Any]:
        """Events, 0/1 of shape (shots, detectors) -> words of shape (shots, shot_words), each below 2**word_bits."""

    def decode(self, answers: NDArray[Any]) -> Bits:
        """Words of shape (shots, answer_words) -> observable flips, 0/1 of shape (shots, observables)."""


class MappedCodec:
    """The codec that a manifest describes without Python: what each input bit is, and bits to observables."""

    def __init__(self, stream: StreamFormat, problem: DecodingProblem) -> None:
        """Raises LinkOpenError where the numbers do not fit together."""
        self._stream = stream
        self._num_words = stream.shot_words - len(stream.prefix)
        num_detectors = problem.error_model.num_detectors
        rows = _layer_rows(stream, problem) if stream.layers else _rows(stream.detectors, num_detectors)
        self._parities, self._constant = _parity_matrix(rows, num_detectors)
        words = len(stream.prefix) + -(-len(rows) // stream.word_bits)
        correction_bits = (stream.answer_words - stream.answer_prefix) * stream.word_bits
        if words != stream.shot_words:
            raise LinkOpenError(
                f"stream.shot_words is {stream.shot_words}, but {len(stream.prefix)} of prefix and {len(rows)} "
                f"input bits in words of {stream.word_bits} bits are {words}"
            )
        if any(word >> stream.word_bits for word in stream.prefix):
            raise LinkOpenError(f"stream.prefix: a word has {stream.word_bits} bits")
        if len(stream.observables) != problem.graph.num_observables:
            raise LinkOpenError(
                f"stream.observables names {len(stream.observables)}, this memory has {problem.graph.num_observables}"
            )
        if any(not 0 <= bit < correction_bits for row in stream.observables for bit in row):
            raise LinkOpenError(f"stream.observables: an answer has correction bits 0 to {correction_bits - 1}")

    def encode(self, detection_events: Bits) -> NDArray[Any]:
        """See `StreamCodec.encode`."""
        stream, shots = self._stream, len(detection_events)
        bits = np.zeros((shots, self._num_words * stream.word_bits), dtype=np.uint8)
        bits[:, : len(self._constant)] = self._parities(detection_events) ^ self._constant
        payload = _words_of_bits(bits.reshape(shots, self._num_words, stream.word_bits), stream.word_bits)
        if not stream.prefix:
            return payload
        prefix = [[word >> bit & 1 for bit in range(stream.word_bits)] for word in stream.prefix]
        first = _words_of_bits(np.array(prefix, dtype=np.uint8), stream.word_bits)
        repeated = np.broadcast_to(first, (shots, *first.shape))
        return np.concatenate([repeated, payload], axis=1)

    def decode(self, answers: NDArray[Any]) -> Bits:
        """See `StreamCodec.decode`."""
        stream = self._stream
        bits = _bits_of_words(answers[:, stream.answer_prefix :], stream.word_bits).reshape(len(answers), -1)
        flips = [np.bitwise_xor.reduce(bits[:, list(row)], axis=1) for row in stream.observables]
        return np.asarray(np.stack(flips, axis=1), dtype=np.uint8)


def _rows(detectors: tuple[InputBit, ...] | None, num_detectors: int) -> list[InputBit]:
    """What each input bit is, checked."""
    rows: list[InputBit] = list(range(num_detectors) if detectors is None else detectors)
    named = [each for row in rows if not isinstance(row, str) for each in (row if isinstance(row, tuple) else (row,))]
    if named and not 0 <= min(named) <= max(named) < num_detectors:
        raise LinkOpenError(f"stream.detectors: the error model has detectors 0 to {num_detectors - 1}")
    return rows


def _layer_rows(stream: StreamFormat, problem: DecodingProblem) -> list[InputBit]:
    """Input bits by layer; a stabilizer without a detector in a layer gives a 0 there."""
    order, layout = stream.layers, problem.layout
    assert order is not None
    chosen: Sequence[int] = range(layout.num_stabilizers)
    if order.stabilizers == "decoded":
        chosen = problem.graph.layer_select.tolist()
    elif order.stabilizers != "all":
        chosen = order.stabilizers
    if any(not 0 <= index < layout.num_stabilizers for index in chosen):
        raise LinkOpenError(f"stream.layers.stabilizers: there are stabilizers 0 to {layout.num_stabilizers - 1}")
    least = -(-len(chosen) // stream.word_bits)
    words = order.words or least
    if words < least:
        raise LinkOpenError(f"stream.layers.words: {len(chosen)} stabilizers take {least} words, not {words}")
    place = {
        (int(layer), int(bit)): detector
        for detector, (layer, bit) in enumerate(zip(layout.detector_layer, layout.detector_bit, strict=True))
    }
    padding: list[InputBit] = ["zero"] * (words * stream.word_bits - len(chosen))
    empty: list[InputBit] = ["zero"] * (words * stream.word_bits)
    rows = order.before * empty
    for layer in range(layout.num_layers):
        rows += [place.get((layer, int(index)), "zero") for index in chosen]
        rows += padding
    return rows + order.after * empty


def _parity_matrix(rows: Sequence[InputBit], num_detectors: int) -> tuple[Callable[[Bits], Bits], Bits]:
    """How input bits come from events (shots, detectors) -> (shots, bits), and what is added to them (bits,)."""
    constant = np.array([row == "one" for row in rows], dtype=np.uint8)
    if not any(isinstance(row, tuple) for row in rows):  # nearly always: bits are picked, not added up
        index = np.array([num_detectors if isinstance(row, str) else row for row in rows], dtype=np.intp)

        def picked(events: Bits) -> Bits:
            padded = np.concatenate([events, np.zeros((len(events), 1), dtype=events.dtype)], axis=1)
            return np.asarray(padded[:, index], dtype=np.uint8)

        return picked, constant
    matrix = np.zeros((num_detectors, len(rows)), dtype=np.uint8)
    for column, row in enumerate(rows):
        for detector in () if isinstance(row, str) else row if isinstance(row, tuple) else (row,):
            matrix[detector, column] ^= 1
    return lambda events: np.asarray(events @ matrix & 1, dtype=np.uint8), constant


def _words_of_bits(bits: Bits, word_bits: int) -> NDArray[Any]:
    """Bits of shape (..., word_bits), lowest first -> words as a `StreamCodec` has them."""
    size = 32 if word_bits <= 32 else 64 if word_bits <= 64 else 32 * -(-word_bits // 32)
    padded = np.zeros((*bits.shape[:-1], size), dtype=np.uint8)
    padded[..., :word_bits] = bits
    packed = np.packbits(padded, axis=-1, bitorder="little").view("<u8" if size == 64 and word_bits <= 64 else "<u4")
    return packed if word_bits > 64 else packed[..., 0]


def _bits_of_words(words: NDArray[Any], word_bits: int) -> Bits:
    """The reverse of `_words_of_bits`."""
    wide = words if word_bits > 64 else words[..., None]
    as_bytes = np.ascontiguousarray(wide, dtype="<u8" if 32 < word_bits <= 64 else "<u4").view(np.uint8)
    return np.unpackbits(as_bytes, axis=-1, bitorder="little")[..., :word_bits]


class StreamWords:
    """A decoder's own words as they travel: in 32-bit words, wide ones taken apart, those of an answer packed."""

    def __init__(self, stream: StreamFormat) -> None:
        self._stream = stream

    @property
    def beats_per_shot(self) -> int:
        """Words of 32 bits that carry a shot."""
        return self._stream.shot_words * self._stream.beats_per_word

    def sent(self, words: NDArray[Any]) -> Words:
        """Words of a codec, shots first -> uint32, shape (shots, `beats_per_shot`)."""
        bits = self._stream.word_bits
        if bits <= 32:
            return np.ascontiguousarray(words, dtype=np.uint32)
        return np.ascontiguousarray(words, dtype="<u8" if bits <= 64 else "<u4").view("<u4").reshape(len(words), -1)

    def answers(self, payload: Words) -> NDArray[Any]:
        """Payload of answers, uint32 of shape (shots, `answer_beats`) -> words for a codec."""
        stream = self._stream
        bits = stream.word_bits
        if bits <= 32:
            lanes = np.arange(stream.words_per_beat, dtype=np.uint32) * np.uint32(bits)
            mask = np.uint32((1 << bits) - 1)
            words = (payload[:, :, None] >> lanes & mask).reshape(len(payload), -1)
            return np.ascontiguousarray(words[:, : stream.answer_words])
        wide = np.ascontiguousarray(payload, dtype="<u4").reshape(len(payload), stream.answer_words, -1)
        return wide.view("<u8")[..., 0] if bits <= 64 else wide


def load_codec(folder: DecoderFolder, problem: DecodingProblem) -> StreamCodec:
    """The codec of a decoder's own stream: its Python, or the mapping in its manifest.

    Raises:
        LinkOpenError: there is none, its file does not load, or it does not fit the memory.
    """
    stream = folder.manifest.stream
    if stream is None:
        raise LinkOpenError(f"{folder.path} has no `stream` in its manifest")
    if stream.codec is None:
        return MappedCodec(stream, problem)
    file, _, name = stream.codec.partition(":")
    path = folder.file(file)
    try:
        namespace = runpy.run_path(str(path))
        if name not in namespace:
            raise LinkOpenError(f"{path} has no class {name}, which `stream.codec` names")
        codec: StreamCodec = namespace[name](problem)
    except LinkOpenError:
        raise
    except Exception as error:  # whatever a user's file raises, the message says where
        raise LinkOpenError(f"the codec {name} of {path} cannot be used: {_told(error)}") from error
    return codec


class Dialect:
    """A decoder's own words for shots, and what its corrections mean.

    Attributes:
        speaks_qds1: whether its input is the qds1 stream itself.
        correction_bits: bits of a correction: one an observable, or one a data qubit where the manifest says so; of a
            decoder with a stream of its own, those of its whole answer.
        payload_words: payload words of its CORRECTION messages.
        shot_beats: words on the link that are a shot, where it does not speak qds1.
    """

    def __init__(self, folder: DecoderFolder, problem: DecodingProblem) -> None:
        """Raises LinkOpenError when the decoder's own codec cannot be used."""
        manifest = self._manifest = folder.manifest
        self._problem = problem
        of_qubits = manifest.corrections == "data_qubits"
        self._stream = manifest.stream
        self._codec = None if manifest.stream is None else load_codec(folder, problem)
        self.speaks_qds1 = self._codec is None
        self.correction_bits = problem.layout.num_data_qubits if of_qubits else problem.graph.num_observables
        self.shot_beats = 0
        if self._stream is not None:
            self._words = StreamWords(self._stream)
            self.correction_bits = 32 * self._stream.answer_beats
            self.shot_beats = self._words.beats_per_shot
        self.payload_words = words_for_bits(self.correction_bits) + CORRECTION_TRAILER_WORDS

    def encode(self, syndromes: Bits, data: Bits, first_shot: int = 0) -> Words:
        """Input words of shots.

        Args:
            syndromes, data: raw outcomes, as for `qds1.encode_shots`.
            first_shot: number of the first shot.

        Returns:
            uint32, shape (shots, words of a shot).

        Raises:
            LinkError: the decoder's own codec fails, or gives something else than words.
        """
        if self._codec is None or self._stream is None:
            return encode_shots(syndromes, data, first_shot)
        events = self._problem.layout.detection_events(syndromes, data)
        with _codecs_own("encode"):
            words = np.asarray(self._codec.encode(events))
        stream = self._stream
        wide = (stream.beats_per_word,) if stream.word_bits > 64 else ()
        expected = (len(syndromes), stream.shot_words, *wide)
        if words.shape != expected or words.dtype.kind not in "ui" or not _fit(words, stream.word_bits):
            raise LinkError(
                f"the codec's encode gave {words.dtype} of shape {words.shape} with words up to "
                f"{words.max(initial=0)}, expected whole numbers of shape {expected} with words of "
                f"{stream.word_bits} bits"
            )
        return self._words.sent(words)

    def flips(self, corrections: Bits) -> Bits:
        """Observable flips: corrections, 0/1 of shape (shots, at least correction_bits) -> (shots, observables)."""
        bits = corrections[:, : self.correction_bits]
        if self._codec is not None:
            with _codecs_own("decode"):
                flips = np.asarray(self._codec.decode(self._words.answers(pack_bits(bits))))
            expected = (len(bits), self._problem.graph.num_observables)
            if flips.shape != expected or not np.isin(flips, (0, 1)).all():
                raise LinkError(
                    f"the codec's decode gave {flips.dtype} of shape {flips.shape}, expected 0 and 1 of shape "
                    f"{expected}"
                )
            return flips.astype(np.uint8)
        return self._problem.layout.observables(bits) if self._manifest.corrections == "data_qubits" else bits


def _fit(words: NDArray[Any], word_bits: int) -> bool:
    """Whether whole numbers fit into words of so many bits; of wide ones, the last part."""
    if word_bits > 64:
        words, word_bits = words[..., -1], (word_bits - 1) % 32 + 1
    return bool(words.min(initial=0) >= 0 and int(words.max(initial=0)) >> word_bits == 0)


@contextmanager
def _codecs_own(method: str) -> Iterator[None]:
    """Whatever a user's method raises, the message says which it was."""
    try:
        yield
    except Exception as error:
        raise LinkError(f"the codec's {method} failed: {_told(error)}") from error


def _told(error: Exception) -> str:
    """What a user's Python raised, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if len(frames) > 1 else ""
    return f"{type(error).__name__}: {error}{place}"


def unexplained(corrections: Bits, events: Bits, problem: DecodingProblem) -> Bits:
    """Which stabilizers still fire after corrections of data qubits.

    All events of a stabilizer together are its value in the final readout, so the correction must have the same parity
    on it.

    Args:
        corrections: 0/1, shape (shots, data qubits).
        events: 0/1, shape (shots, detectors).

    Returns:
        0/1, shape (shots, stabilizers); 0 for stabilizers that the final readout does not determine.
    """
    layout = problem.layout
    final = layout.events_by_layer(events.astype(bool)).sum(axis=1) & 1
    left = (corrections @ layout.data_parity.T & 1) ^ final
    return np.asarray(left * layout.data_parity.any(axis=1), dtype=np.uint8)
