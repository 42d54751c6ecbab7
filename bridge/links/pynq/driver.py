"""The driver of a decoder on a PYNQ board: registers by name, shots by DMA. Runs on the board or on a host alike.

Importing this module imports pynq and binds `DecoderIP`. For a remote board set PYNQ_REMOTE_DEVICES to its address
first, as pynq wants it; the link does so by itself.

It is for the Python and the pynq of a board's image: Python 3.10 and later, pynq 3.0 to 4.0.
"""

import time
from typing import Any

import numpy as np
from pynq import Clocks, DefaultIP, allocate

from bridge.answers import second_answer, tags_of_answers
from bridge.errors import DecoderSilentError, LinkError, ProtocolError
from bridge.links.base import Words
from hdl.boards.vivado import design
from hdl.registers.map import Address
from qds1 import split_header

DMA_RESET = 1 << 2
WORD_MASK = 0xFFFF_FFFF
SMALLEST_BUFFER_WORDS = 1024
MAX_TRANSFER_BYTES = (1 << design.DMA_LENGTH_BITS) - 1


class DecoderIP(DefaultIP):  # type: ignore[misc]
    """The decoder's registers: `register_map` by name, `read` and `write` by address."""

    bindto = (design.DECODER_VLNV,)

    def __init__(self, description: dict[str, Any]) -> None:
        super().__init__(description=description)
        remote: Any = getattr(self.mmio.read, "__self__", self.mmio)
        if remote is not self.mmio:  # pynq 3.1 takes a remote board's words for numbers with a sign
            signed = remote.read
            self.mmio.read = remote.read = lambda *place, **named: signed(*place, **named) & WORD_MASK

    @property
    def graph_hash(self) -> int:
        """Hash of the decoding graph that the decoder was compiled for."""
        return int(self.read(Address.GRAPH_HASH))

    @property
    def num_observables(self) -> int:
        """Observable flips in each CORRECTION."""
        return int(self.read(Address.NUM_OBSERVABLES))

    @property
    def window(self) -> int:
        """Rounds of a decoding window; 0 = whole shots."""
        return int(self.read(Address.WINDOW))


class DecoderBoard:
    """The decoder and the DMA of a loaded overlay, as one thing that takes words and gives answers.

    Attributes:
        overlay: pynq's own.
        decoder: registers.
        dma: pynq's own driver.
    """

    def __init__(self, overlay: Any) -> None:
        """overlay: a pynq Overlay of a project of hdl/boards/vivado, downloaded.

        Raises:
            LinkError: it has no such decoder or no such DMA, or the board does not make its clock.
        """
        found = {name: facts["type"] for name, facts in overlay.ip_dict.items() if "type" in facts}
        if found.get(design.DECODER_NAME) != design.DECODER_VLNV or found.get(design.DMA_NAME) != design.DMA_VLNV:
            raise LinkError(
                f"the overlay {overlay.bitfile_name} has {', '.join(found) or 'no blocks'}, expected "
                f"{design.DECODER_NAME} ({design.DECODER_VLNV}) and {design.DMA_NAME} ({design.DMA_VLNV}); "
                "build it from a project that qtwin wrote (docs/pynq.md)"
            )
        self.overlay = overlay
        self._set_clock()
        self.decoder: DecoderIP = getattr(overlay, design.DECODER_NAME)
        self.dma = getattr(overlay, design.DMA_NAME)
        parameters = overlay.ip_dict[design.DECODER_NAME].get("parameters", {})
        if not {design.LONGEST_ANSWER, design.LONGEST_FRAME} <= set(parameters):
            raise LinkError(
                f"the overlay {overlay.bitfile_name} is of an older qtwin: it does not say how long answers are; write "
                "its project anew and build it again (docs/pynq.md)"
            )
        self._answer_words = int(parameters[design.LONGEST_ANSWER])
        self._frame_words = int(parameters[design.LONGEST_FRAME])
        self._buffers: dict[tuple[str, int], Any] = {}
        self._answers_per_packet = 0
        self._stopped = False

    def exchange(self, words: Words, num_answers: int, timeout_s: float = 10.0) -> Words:
        """Send whole messages in one transfer and collect the answers in another.

        Args:
            words: uint32, one axis: whole qds1 messages.
            num_answers: answers to wait for, FRAMEs not counted. The decoder ends its packet with the last of them.
            timeout_s: wall clock for all of it.

        Returns:
            uint32, one axis: the answers in the order they came.

        Raises:
            DecoderSilentError: not every answer came in time. The DMA is stopped in mid-packet: `reset` is needed.
            ProtocolError: the DMA stopped for an error, such as answers longer than they can be; or a shot was answered
                twice.
            LinkError: too much for one transfer.
        """
        if self._stopped:
            raise LinkError("the DMA was stopped in mid-packet; reset the link before the next exchange")
        deadline = time.monotonic() + timeout_s
        receiving = self._start_receiving(words, num_answers) if num_answers else None
        if words.size:
            self._start_sending(words)
        try:
            if words.size:
                self._wait(self.dma.sendchannel, deadline)
            if receiving is None:
                return np.zeros(0, dtype=np.uint32)
            self._wait(self.dma.recvchannel, deadline)
        except (RuntimeError, TimeoutError) as error:
            came = self._stop(receiving)
            first_tag = split_header(int(words[0]))[2] if words.size else 0
            if (twice := second_answer(came, first_tag)) is not None:
                raise ProtocolError(f"{twice}; {num_answers} answers came before it had taken all words") from error
            num_came = len(tags_of_answers(came))
            raise DecoderSilentError(
                f"the decoder gave {num_came} of {num_answers} answers to {words.size} words, then nothing: {error}"
            ) from error
        return np.array(receiving[: self.dma.recvchannel.transferred // words.itemsize], dtype=np.uint32)

    def read_register(self, address: int) -> int:
        """Value of a register; with `write_register` this is a bus for `hdl.registers.decoder_registers`."""
        return int(self.decoder.read(address))

    def write_register(self, address: int, value: int) -> None:
        """Write a register; RESPONSES_PER_PACKET is set again by the next exchange."""
        self.decoder.write(address, value)
        if address == Address.RESPONSES_PER_PACKET:
            self._answers_per_packet = 0

    def reset(self) -> None:
        """Download again: decoder and DMA as after power-on."""
        self.overlay.download()
        self._set_clock()
        for channel in (self.dma.sendchannel, self.dma.recvchannel):
            channel.start()
        self._answers_per_packet = 0
        self._stopped = False

    def free(self) -> None:
        """Give the buffers back; they are made anew when needed."""
        for buffer in self._buffers.values():
            buffer.freebuffer()
        self._buffers.clear()

    def _set_clock(self) -> None:
        """Let the logic's clock be that for which the overlay was built.

        pynq before 4.0 takes the divisors of the design, whatever the PLL is that the boot image divides by them.
        """
        blocks = (facts.get("parameters", {}) for facts in self.overlay.ip_dict.values())
        wanted = [parameters[design.CLOCK_PARAMETER] for parameters in blocks if design.CLOCK_PARAMETER in parameters]
        if not wanted:  # the handoff of a Zynq-7000 that was not built by qtwin's script
            return
        wanted_mhz = float(wanted[0])
        if not _is_near(Clocks.fclk0_mhz, wanted_mhz):
            Clocks.fclk0_mhz = wanted_mhz
        if not _is_near(Clocks.fclk0_mhz, wanted_mhz):
            raise LinkError(
                f"this board makes a clock of {Clocks.fclk0_mhz:g} MHz, the overlay {self.overlay.bitfile_name} was "
                f"built for {wanted_mhz:g} MHz; compile the decoder with --clock-mhz {Clocks.fclk0_mhz:g}"
            )

    def _start_receiving(self, words: Words, num_answers: int) -> Any:
        # At most one FRAME for each message, of at least two words, that is sent.
        room = num_answers * self._answer_words + words.size // 2 * self._frame_words
        buffer = self._buffer("receive", room)
        buffer[:] = 0  # where words stop, if the answers do
        buffer.flush()
        if num_answers != self._answers_per_packet:
            self.decoder.write(Address.RESPONSES_PER_PACKET, num_answers)
            self._answers_per_packet = num_answers
        self.dma.recvchannel.transfer(buffer)
        return buffer

    def _start_sending(self, words: Words) -> None:
        buffer = self._buffer("send", words.size)
        buffer[: words.size] = words
        self.dma.sendchannel.transfer(buffer, nbytes=words.nbytes)

    def _buffer(self, role: str, num_words: int) -> Any:
        """A buffer with room for so many words; few sizes, because a whole buffer is moved between host and board."""
        size = max(SMALLEST_BUFFER_WORDS, 1 << (num_words - 1).bit_length())
        if 4 * size > MAX_TRANSFER_BYTES:
            raise LinkError(f"{num_words} words are too many for one DMA transfer; exchange fewer shots at a time")
        if (role, size) not in self._buffers:
            self._buffers[role, size] = allocate(size, np.uint32, target=self.overlay.device)
        return self._buffers[role, size]

    def _wait(self, channel: Any, deadline: float) -> None:
        while not channel.idle:
            if channel.error:
                self._fail(channel)
            if time.monotonic() > deadline:
                raise TimeoutError("the DMA did not finish in time")
        channel.wait()

    def _fail(self, channel: Any) -> None:
        """Say what pynq makes of the error bits."""
        try:
            channel.wait()
        except RuntimeError as error:
            self._stop(None)
            where = (
                "sending" if channel is self.dma.sendchannel else "receiving (or the answers are longer than expected)"
            )
            raise ProtocolError(f"the DMA stopped while {where}: {error}; reset the link") from error

    def _stop(self, receiving: Any) -> Words:
        """Reset the DMA, which is all that stops it; the words of answers that are in memory, and zeros."""
        self._stopped = True
        self.dma.mmio.write(0, DMA_RESET)
        if receiving is None:
            return np.zeros(0, dtype=np.uint32)
        receiving.invalidate()
        return np.array(receiving, dtype=np.uint32)


def _is_near(mhz: float, wanted_mhz: float) -> bool:
    return abs(mhz - wanted_mhz) <= design.CLOCK_TOLERANCE * wanted_mhz
