"""A link to a decoder with words or corrections of its own: qds1 on the host's side."""

import numpy as np

from bridge.codec import Dialect
from bridge.errors import LinkError
from bridge.links.base import Link, LinkInfo, Words
from bridge.problem import DecodingProblem
from bridge.tally import split_shots
from hdl.compile.manifest import DecoderFolder
from qds1 import decode_corrections, encode_corrections, shot_words, split_header
from qds1.messages import Kind


class AdaptedLink:
    """Translates whole shots; registers and all else pass."""

    def __init__(self, inner: Link, folder: DecoderFolder, problem: DecodingProblem) -> None:
        """inner: reaches the decoder, or what stands around it. Raises LinkOpenError for a codec that is no use."""
        self._inner = inner
        self._name = folder.manifest.name
        self._problem = problem
        self._dialect = Dialect(folder, problem)

    def open(self) -> LinkInfo:
        """See `Link.open`."""
        return self._inner.open()

    def exchange(self, words: Words, num_answers: int) -> Words:
        """See `Link.exchange`; raises LinkError for anything but whole shots of raw outcomes."""
        shots = self._whole_shots(words)
        sent = shots if self._dialect.speaks_qds1 else self._dialect.encode(*split_shots(shots, self._problem))
        answers = self._inner.exchange(sent.ravel(), num_answers)
        if any(split_header(int(word))[0] == Kind.FAULT for word in answers[:1]):
            return answers
        read = decode_corrections(answers, self._dialect.correction_bits)
        flips = self._dialect.flips(read.flips)
        translated = encode_corrections(flips, latency_cycles=read.latency_cycles, status=read.status)
        tags = read.tags if self._dialect.speaks_qds1 else shots[: len(flips), 0] >> np.uint32(16)
        translated[:, 0] = (translated[:, 0] & np.uint32(0xFFFF)) | tags << np.uint32(16)
        return translated.ravel()

    def read_register(self, address: int) -> int:
        """See `Link.read_register`."""
        return self._inner.read_register(address)

    def write_register(self, address: int, value: int) -> None:
        """See `Link.write_register`."""
        self._inner.write_register(address, value)

    def reset(self) -> None:
        """See `Link.reset`."""
        self._inner.reset()

    def close(self) -> None:
        """See `Link.close`."""
        self._inner.close()

    def abort(self) -> None:
        """See `Link.abort`."""
        self._inner.abort()

    def _whole_shots(self, words: Words) -> Words:
        layout = self._problem.layout
        stride = shot_words(layout.num_stabilizers, layout.num_data_qubits, layout.rounds)
        if words.size % stride:
            raise LinkError(
                f"{words.size} words are not whole shots of {stride} words; the decoder {self._name} has a stream or "
                "corrections of its own, and takes whole shots only"
            )
        return words.reshape(-1, stride)
