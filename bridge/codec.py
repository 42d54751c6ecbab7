"""What a decoder's answers mean: corrections in its own terms -> flips of the logical observables."""

import runpy
from typing import Protocol

import numpy as np

from bridge.errors import LinkError, LinkOpenError
from bridge.problem import DecodingProblem
from hdl.compile.manifest import DecoderFolder, StreamFormat
from qds1 import CORRECTION_TRAILER_WORDS, encode_shots, pack_bits, words_for_bits
from qds1.shots import Bits, Words


class StreamCodec(Protocol):
    """What a `codec` of a manifest is: made with the problem, it writes a decoder's input and reads its answers."""

    def encode(self, detection_events: Bits) -> Words:
        """Events, 0/1 of shape (shots, detectors) -> uint32 of shape (shots, shot_words), each below 2**word_bits."""

    def decode(self, answers: Words) -> Bits:
        """uint32 of shape (shots, answer_words) -> observable flips, 0/1 of shape (shots, observables)."""


class MappedCodec:
    """The codec that a manifest describes without Python: detectors in an order, correction bits to observables."""

    def __init__(self, stream: StreamFormat, problem: DecodingProblem) -> None:
        """Raises LinkOpenError where the numbers do not fit together."""
        self._stream = stream
        num_detectors = problem.error_model.num_detectors
        self._order = np.array(range(num_detectors) if stream.detectors is None else stream.detectors, dtype=np.intp)
        words = len(stream.prefix) + -(-len(self._order) // stream.word_bits)
        correction_bits = (stream.answer_words - stream.answer_prefix) * stream.word_bits
        if self._order.size and not 0 <= self._order.min() <= self._order.max() < num_detectors:
            raise LinkOpenError(f"stream.detectors: the error model has detectors 0 to {num_detectors - 1}")
        if words != stream.shot_words:
            raise LinkOpenError(
                f"stream.shot_words is {stream.shot_words}, but {len(stream.prefix)} of prefix and {len(self._order)} "
                f"detectors in words of {stream.word_bits} bits are {words}"
            )
        if len(stream.observables) != problem.graph.num_observables:
            raise LinkOpenError(
                f"stream.observables names {len(stream.observables)}, this memory has {problem.graph.num_observables}"
            )
        if any(not 0 <= bit < correction_bits for row in stream.observables for bit in row):
            raise LinkOpenError(f"stream.observables: an answer has correction bits 0 to {correction_bits - 1}")

    def encode(self, detection_events: Bits) -> Words:
        """See `StreamCodec.encode`."""
        stream, shots = self._stream, len(detection_events)
        num_words = stream.shot_words - len(stream.prefix)
        bits = np.zeros((shots, num_words * stream.word_bits), dtype=np.uint32)
        bits[:, : self._order.size] = detection_events[:, self._order]
        values = np.uint32(1) << np.arange(stream.word_bits, dtype=np.uint32)
        payload = bits.reshape(shots, num_words, stream.word_bits) @ values
        prefix = np.broadcast_to(np.array(stream.prefix, dtype=np.uint32), (shots, len(stream.prefix)))
        return np.asarray(np.concatenate([prefix, payload], axis=1), dtype=np.uint32)

    def decode(self, answers: Words) -> Bits:
        """See `StreamCodec.decode`."""
        stream = self._stream
        words = answers[:, stream.answer_prefix :, None] >> np.arange(stream.word_bits, dtype=np.uint32) & np.uint32(1)
        bits = words.reshape(len(answers), -1)
        flips = [np.bitwise_xor.reduce(bits[:, list(row)], axis=1) for row in stream.observables]
        return np.asarray(np.stack(flips, axis=1), dtype=np.uint8)


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
        codec: StreamCodec = namespace[name](problem)
    except Exception as error:  # whatever a user's file raises, the message says where
        raise LinkOpenError(f"the codec {name} of {path} cannot be used: {type(error).__name__}: {error}") from error
    return codec


class Dialect:
    """A decoder's own words for shots, and what its corrections mean.

    Attributes:
        speaks_qds1: whether its input is the qds1 stream itself.
        correction_bits: bits of a correction: one an observable, or one a data qubit where the manifest says so.
        payload_words: payload words of its CORRECTION messages.
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
        if self._stream is not None:
            self.correction_bits = 32 * self._stream.answer_words
        self.payload_words = words_for_bits(self.correction_bits) + CORRECTION_TRAILER_WORDS

    def encode(self, syndromes: Bits, data: Bits, first_shot: int = 0) -> Words:
        """Input words of shots.

        Args:
            syndromes, data: raw outcomes, as for `qds1.encode_shots`.
            first_shot: number of the first shot.

        Returns:
            uint32, shape (shots, words of a shot).
        """
        if self._codec is None or self._stream is None:
            return encode_shots(syndromes, data, first_shot)
        words = np.asarray(self._codec.encode(self._problem.layout.detection_events(syndromes, data)))
        expected = (len(syndromes), self._stream.shot_words)
        if words.shape != expected or (words >> self._stream.word_bits).any():
            raise LinkError(
                f"the codec's encode gave shape {words.shape} with words up to {words.max(initial=0)}, expected shape "
                f"{expected} with words of {self._stream.word_bits} bits"
            )
        return words.astype(np.uint32)

    def flips(self, corrections: Bits) -> Bits:
        """Observable flips: corrections, 0/1 of shape (shots, at least correction_bits) -> (shots, observables)."""
        bits = corrections[:, : self.correction_bits]
        if self._codec is not None:
            flips = np.asarray(self._codec.decode(pack_bits(bits)))
            expected = (len(bits), self._problem.graph.num_observables)
            if flips.shape != expected:
                raise LinkError(f"the codec's decode gave shape {flips.shape}, expected {expected}")
            return flips.astype(np.uint8)
        return self._problem.layout.observables(bits) if self._manifest.corrections == "data_qubits" else bits


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
