"""Drives the shared library: batches of words per call, no Python per clock cycle."""

import ctypes
from pathlib import Path

import numpy as np

from bridge.errors import DecoderSilentError, LinkError, LinkOpenError, ProtocolError, RegisterError
from bridge.links.base import Deadlines, LinkInfo, ShotCycles, Transfer, Words
from bridge.links.verilated.library import build_library, load_library, trouble_of
from hdl.build import read_id, simulator_version
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError

REGISTER_LIMIT_CYCLES = 10_000
DONE, SILENT = 0, 1
REMEDY = "\nA file that the RTL reads has to be named in `files` of decoder.yaml, as the RTL names it"
UINT32_POINTER = ctypes.POINTER(ctypes.c_uint32)


class VerilatedLink:
    """A decoder's RTL in this process. The clock advances only while words move or registers are accessed."""

    def __init__(self, decoder: DecoderFolder, deadlines: Deadlines, trace_file: Path | None = None) -> None:
        """Nothing is built before `open`. trace_file: where to write the waveform, .vcd or .fst."""
        self._decoder = decoder
        self._deadlines = deadlines
        self._trace_file = trace_file
        self._library: ctypes.CDLL | None = None
        self._handle: int | None = None

    def open(self) -> LinkInfo:
        """Build (first time) and power on; see `Link.open`."""
        trace = self._trace_file.suffix.lstrip(".") if self._trace_file else None
        try:
            library = build_library(self._decoder.design, trace=trace)
            self._library = load_library(library)
            version = simulator_version("verilator")
        except (HdlError, OSError) as error:
            raise LinkOpenError(str(error)) from error
        self._handle = self._library.qtwin_open(str(self._trace_file).encode() if self._trace_file else None)
        if trouble := trouble_of(self._library):
            raise LinkOpenError(f"the decoder {self._decoder.manifest.name} cannot be simulated: {trouble}{REMEDY}")
        return LinkInfo(link="verilated", simulator=version, clocked=True, read_id=read_id(library.parent))

    def exchange(self, words: Words, num_answers: int) -> Words:
        """See `Link.exchange`."""
        library, handle = self._opened()
        sent = np.ascontiguousarray(words, dtype=np.uint32)
        taken, answers = ctypes.c_size_t(), ctypes.c_size_t()
        result = library.qtwin_exchange(
            handle,
            sent.ctypes.data_as(UINT32_POINTER),
            sent.size,
            num_answers,
            self._deadlines.idle_cycles,
            self._deadlines.exchange_s,
            ctypes.byref(taken),
            ctypes.byref(answers),
        )
        self._check_trouble()
        if result != DONE:
            waited = (
                f"{self._deadlines.idle_cycles} idle clock cycles"
                if result == SILENT
                else f"{self._deadlines.exchange_s:g} s"
            )
            raise DecoderSilentError(
                f"the decoder {self._decoder.manifest.name} gave {answers.value} of {num_answers} answers and took "
                f"{taken.value} of {sent.size} words, then nothing for {waited}; "
                "check s_axis_tready, m_axis_tvalid and the response path"
            )
        return self._received()

    def transfer(self, words: Words, capacity: int, *, idle_cycles: int, max_cycles: int) -> Transfer:
        """See `PacketLink.transfer`."""
        library, handle = self._opened()
        sent = np.ascontiguousarray(words, dtype=np.uint32)
        taken, ended, idle = ctypes.c_size_t(), ctypes.c_int(), ctypes.c_int()
        library.qtwin_transfer(
            handle,
            sent.ctypes.data_as(UINT32_POINTER),
            sent.size,
            capacity,
            idle_cycles,
            max_cycles,
            ctypes.byref(taken),
            ctypes.byref(ended),
            ctypes.byref(idle),
        )
        self._check_trouble()
        return Transfer(taken.value, self._received(), bool(ended.value), bool(idle.value))

    def exchange_timed(
        self, words: Words, num_answers: int, max_in_flight: int = 0, shot_words: int = 0
    ) -> tuple[Words, ShotCycles]:
        """See `TimedLink.exchange_timed`."""
        library, handle = self._opened()
        library.qtwin_set_shots(handle, max_in_flight, shot_words)
        try:
            answers = self.exchange(words, num_answers)
        finally:
            library.qtwin_set_shots(handle, 0, 0)
        found = np.empty((library.qtwin_shot_cycles(handle, None, 0) // 3, 3), dtype=np.uint32)
        library.qtwin_shot_cycles(handle, found.ctypes.data_as(UINT32_POINTER), found.size)
        if len(found) != num_answers:
            raise ProtocolError(
                f"the decoder {self._decoder.manifest.name} answered {len(found)} of {num_answers} shots with a "
                "CORRECTION or FAULT; each shot is answered once"
            )
        return answers, ShotCycles(*(np.ascontiguousarray(column) for column in found.T))

    def read_register(self, address: int) -> int:
        """See `Link.read_register`."""
        library, handle = self._opened()
        value = ctypes.c_uint32()
        self._check(library.qtwin_read_register(handle, address, ctypes.byref(value), REGISTER_LIMIT_CYCLES), address)
        return value.value

    def write_register(self, address: int, value: int) -> None:
        """See `Link.write_register`."""
        library, handle = self._opened()
        self._check(library.qtwin_write_register(handle, address, value, REGISTER_LIMIT_CYCLES), address)

    def reset(self) -> None:
        """See `Link.reset`."""
        library, handle = self._opened()
        library.qtwin_reset(handle)

    @property
    def cycles(self) -> int:
        """Clock cycles since power-on."""
        library, handle = self._opened()
        return int(library.qtwin_cycles(handle))

    def close(self) -> None:
        """See `Link.close`."""
        if self._library is not None and self._handle is not None:
            self._library.qtwin_close(self._handle)
        self._handle = None

    def abort(self) -> None:
        """See `Link.abort`."""
        self.close()

    def _received(self) -> Words:
        library, handle = self._opened()
        received = np.empty(library.qtwin_received(handle, None, 0), dtype=np.uint32)
        library.qtwin_received(handle, received.ctypes.data_as(UINT32_POINTER), received.size)
        return received

    def _opened(self) -> tuple[ctypes.CDLL, int]:
        if self._library is None or self._handle is None:
            raise LinkError("the link is not open; call open() first")
        return self._library, self._handle

    def _check_trouble(self) -> None:
        library, _ = self._opened()
        if trouble := trouble_of(library):
            raise LinkError(f"the simulation of the decoder {self._decoder.manifest.name} ended: {trouble}")

    def _check(self, response: int, address: int) -> None:
        self._check_trouble()
        if response < 0:
            raise RegisterError(
                f"register 0x{address:03x} was not answered within {REGISTER_LIMIT_CYCLES} cycles; "
                "check the AXI4-Lite ready and valid signals"
            )
        if response != 0:
            raise RegisterError(f"register 0x{address:03x}: the decoder answered with AXI response {response}")
