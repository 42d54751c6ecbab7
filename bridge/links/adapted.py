"""A link to a decoder with words or corrections of its own: qds1 on the host's side."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bridge.codec import Dialect
from bridge.errors import DecoderSilentError, LinkError, RegisterError
from bridge.links.base import Link, LinkInfo, ShotCycles, TimedLink, Words
from bridge.problem import DecodingProblem
from bridge.tally import split_shots
from hdl.compile.manifest import DecoderFolder
from hdl.compile.stream_wrapper import STATUS_ADDRESS, AdapterStatus
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
        with self._in_its_terms():
            answers = self._inner.exchange(self._sent(shots), num_answers)
        return self._translated(shots, answers)

    @contextmanager
    def _in_its_terms(self) -> Iterator[None]:
        """What goes wrong with a stream of its own is its manifest's, or its own: say so.

        Raises:
            DecoderSilentError: as the link does. LinkError: its words are not those that the manifest announces.
        """
        try:
            yield
        except DecoderSilentError as error:
            if self._dialect.speaks_qds1:
                raise
            self._check_status()  # which may know more
            found = str(error).partition(";")[0]
            raise DecoderSilentError(
                f"{found}; compare shot_words, answer_words, in_flight, reset_active and the parameters in its "
                "decoder.yaml with the RTL (`qtwin decoder check` looks closer)"
            ) from error
        if not self._dialect.speaks_qds1:
            self._check_status()

    def _check_status(self) -> None:
        try:
            status = AdapterStatus(self._inner.read_register(STATUS_ADDRESS))
        except RegisterError:  # a link to a board reaches the registers of a register map only
            return
        if status & AdapterStatus.LOST:
            raise LinkError(
                f"the decoder {self._name} sends more words than answer_words in its decoder.yaml, or sends some when "
                "no shot is under way: its answers cannot be told apart"
            )
        if status & AdapterStatus.MISPLACED_LAST:
            raise LinkError(
                f"the decoder {self._name} raises out_last with another word than the last of answer_words in its "
                "decoder.yaml: its answers cannot be told apart"
            )

    def _sent(self, shots: Words) -> Words:
        """Words of shots as the decoder takes them."""
        if self._dialect.speaks_qds1:
            return shots.ravel()
        return self._dialect.encode(*split_shots(shots, self._problem)).ravel()

    def _translated(self, shots: Words, answers: Words) -> Words:
        """Answers in qds1, with the tags of their shots."""
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


class TimedAdaptedLink(AdaptedLink):
    """The same over a link that sees the decoder's clock."""

    def __init__(self, inner: TimedLink, folder: DecoderFolder, problem: DecodingProblem) -> None:
        super().__init__(inner, folder, problem)
        self._timed = inner

    def exchange_timed(
        self, words: Words, num_answers: int, max_in_flight: int = 0, shot_words: int = 0
    ) -> tuple[Words, ShotCycles]:
        """See `TimedLink.exchange_timed`; the words of a shot are those of the decoder's own stream."""
        del shot_words
        shots = self._whole_shots(words)
        with self._in_its_terms():
            answers, cycles = self._timed.exchange_timed(
                self._sent(shots), num_answers, max_in_flight, self._dialect.shot_beats
            )
        return self._translated(shots, answers), cycles
