"""The programmable logic: AXI DMA and decoder, clocked only by what the host does.

The clock runs in three cases: a register access of the decoder takes the cycles that it takes; the start of a transfer
runs both streams until they have ended or stand still; and where a slow simulator did not get that far within a call,
the next poll of a DMA status register goes on from there. Polling a transfer that stands still runs nothing, so
answers and latencies do not depend on how often the host looks.
"""

import time
from dataclasses import dataclass

import numpy as np

from bridge.boards.pynq import dma
from bridge.boards.pynq.dma import WORD_BYTES, Dma
from bridge.boards.pynq.memory import Memory
from bridge.boards.pynq.registers import SystemRegisters
from bridge.links.base import PacketLink
from hdl.boards.vivado.board import VivadoBoard
from hdl.boards.vivado.design import DECODER_BYTES, DMA_BYTES

NO_WORDS = np.zeros(0, dtype=np.uint32)


class BusError(Exception):
    """An access that a real board would answer with a bus error, or not at all; the message says why."""


@dataclass(frozen=True, slots=True)
class LogicLimits:
    """When to give up, and when to answer the host in between.

    idle_cycles: clock cycles without a word after which the streams stand still. stall_s: how long a host may
    poll a transfer that stands still before the poll is an error. slice_cycles: clock cycles between looks at the wall
    clock. call_s: wall clock that one call may take.
    """

    idle_cycles: int = 200_000
    stall_s: float = 2.0
    slice_cycles: int = 1_000_000
    call_s: float = 0.5


class Logic:
    """What a bitstream puts into the board. One thread at a time may use it.

    Attributes:
        blocks: where its registers are: address and length in bytes.
    """

    def __init__(
        self, link: PacketLink, board: VivadoBoard, memory: Memory, registers: SystemRegisters, limits: LogicLimits
    ) -> None:
        """link: the RTL, open. registers: of the processing system, which has the widths of its ports."""
        self._link = link
        self._board = board
        self._memory = memory
        self._registers = registers
        self._limits = limits
        self._dma = Dma(memory, board.dma_bits // 8)
        self.blocks = ((board.dma_base, DMA_BYTES), (board.decoder_base, DECODER_BYTES))
        self._programmed = False
        self._still_since: float | None = None  # when the streams came to stand still; None = they may go on
        self._idle_cycles = 0  # of whole slices without a word

    def program(self) -> None:
        """Power-on: the state after a download."""
        self._link.reset()
        self._dma.reset()
        self._programmed = True
        self._go_on()

    def read(self, address: int) -> int:
        """The 32-bit word at a physical address.

        Raises:
            BusError: nothing there, refused by the decoder, or a poll of a transfer that stands still.
            RegisterError, LinkLostError: from the decoder's link.
        """
        self._check_reachable()
        if is_within(address, self._board.dma_base, DMA_BYTES):
            return self._read_dma(address - self._board.dma_base)
        self._run_to_the_end()
        self._go_on()
        return self._link.read_register(address - self._board.decoder_base)

    def write(self, address: int, value: int) -> None:
        """Write the 32-bit word at a physical address; raises as `read` does."""
        self._check_reachable()
        if is_within(address, self._board.dma_base, DMA_BYTES):
            self._dma.write(address - self._board.dma_base, value)
            self._go_on()
            if self._dma.send.active:
                self._run()
            return
        self._run_to_the_end()
        self._link.write_register(address - self._board.decoder_base, value)
        self._go_on()

    def _go_on(self) -> None:
        """Something has changed: streams that stood still may move again."""
        self._still_since = None
        self._idle_cycles = 0

    def _check_reachable(self) -> None:
        if not self._programmed:
            raise BusError("no bitstream is loaded; a real board would hang here. Download an overlay first")
        if fault := self._registers.port_fault():
            raise BusError(fault)

    def _read_dma(self, offset: int) -> int:
        channel, register = self._dma.channel(offset)
        if register == dma.STATUS and channel.active:
            self._run()
            if channel.active and self._still_since is not None:
                self._check_stall(time.monotonic() - self._still_since)
        return self._dma.read(offset)

    def _check_stall(self, waited_s: float) -> None:
        if waited_s < self._limits.stall_s:
            return
        send, receive = self._dma.send, self._dma.receive
        found = []
        if send.active:
            total = send.num_bytes // WORD_BYTES
            found.append(
                f"MM2S has s_axis_tvalid up and s_axis_tready is down after {send.num_moved_words} of {total} words"
            )
        if receive.active:
            moved = receive.num_moved_words
            found.append(f"S2MM has m_axis_tready up and m_axis_tvalid is down, after {moved} words and no tlast")
        elif send.active:
            found.append("no S2MM transfer is running, so m_axis_tready is down")
        raise BusError(f"no word moved for {self._limits.idle_cycles} clock cycles: {'; '.join(found)}")

    def _run_to_the_end(self) -> None:
        """Let transfers end or stand still, so that an access comes at the same cycle however long the host took."""
        while self._dma.send.active and self._still_since is None:
            self._run()

    def _run(self) -> None:
        """Move words until nothing is left to do, nothing moves, or the call has taken long enough."""
        send, receive = self._dma.send, self._dma.receive
        deadline = time.monotonic() + self._limits.call_s
        while (send.active or receive.active) and self._still_since is None:
            words = self._words_to_send()
            capacity = receive.num_bytes // WORD_BYTES - receive.num_moved_words if receive.active else 0
            if receive.active and capacity == 0:
                receive.fail(dma.Status.INTERNAL_ERROR)
                continue
            done = self._link.transfer(
                words, capacity, idle_cycles=self._limits.idle_cycles, max_cycles=self._limits.slice_cycles
            )
            self._note_sent(done.num_sent)
            if receive.active:
                self._note_received(done.received, done.ended, capacity)
            moved = done.num_sent > 0 or done.received.size > 0
            self._idle_cycles = 0 if moved else self._idle_cycles + self._limits.slice_cycles
            if done.idle or self._idle_cycles >= self._limits.idle_cycles:
                self._still_since = time.monotonic()
            if time.monotonic() >= deadline:
                return

    def _words_to_send(self) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        send = self._dma.send
        if not send.active:
            return NO_WORDS
        start = send.address + WORD_BYTES * send.num_moved_words
        rest = self._memory.at(start, send.address + send.num_bytes - start)
        padded = np.zeros(-(-rest.size // WORD_BYTES) * WORD_BYTES, dtype=np.uint8)
        padded[: rest.size] = rest
        return padded.view("<u4")

    def _note_sent(self, num_words: int) -> None:
        send = self._dma.send
        if not send.active:
            return
        send.num_moved_words += num_words
        if WORD_BYTES * send.num_moved_words >= send.num_bytes:
            send.finish(send.num_bytes)

    def _note_received(self, words: np.ndarray[tuple[int], np.dtype[np.uint32]], ended: bool, capacity: int) -> None:
        receive = self._dma.receive
        start = receive.address + WORD_BYTES * receive.num_moved_words
        self._memory.at(start, words.nbytes)[:] = words.astype("<u4").view(np.uint8)
        receive.num_moved_words += words.size
        if ended:
            receive.finish(WORD_BYTES * receive.num_moved_words)
        elif words.size == capacity:  # the packet is longer than the buffer
            receive.fail(dma.Status.INTERNAL_ERROR)


def is_within(address: int, base: int, num_bytes: int) -> bool:
    """Whether an address lies in a block."""
    return base <= address < base + num_bytes
