"""A decoder's RTL on the bench: gaps, stalls and resets, with every cycle of its streams watched."""

import ctypes
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bridge.errors import LinkOpenError, RegisterError
from bridge.links.base import Words
from bridge.links.verilated.library import build_library, decoder_design, load_library
from hdl.compile.manifest import DecoderFolder
from hdl.compile.stream_wrapper import with_qds1_ports
from hdl.errors import HdlError

REGISTER_LIMIT_CYCLES = 10_000
SPARE_WORDS = 4096


class _Plan(ctypes.Structure):
    _fields_ = (
        ("input_pause_per_mille", ctypes.c_uint32),
        ("output_pause_per_mille", ctypes.c_uint32),
        ("hold_cycles", ctypes.c_uint64),
        ("silent_cycles", ctypes.c_uint64),
        ("settle_cycles", ctypes.c_uint64),
        ("seed", ctypes.c_uint64),
    )


class _Found(ctypes.Structure):
    _fields_ = (
        ("taken", ctypes.c_size_t),
        ("received", ctypes.c_size_t),
        ("answers", ctypes.c_size_t),
        ("end_cycle", ctypes.c_uint64),
        ("num_withdrawn", ctypes.c_uint64),
        ("first_withdrawn", ctypes.c_uint64),
        ("num_changed", ctypes.c_uint64),
        ("first_changed", ctypes.c_uint64),
        ("changed_from", ctypes.c_uint32),
        ("changed_to", ctypes.c_uint32),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """How words are moved. pauses: share of the cycles, in per mille, in which valid (or ready) is held back.

    hold_cycles: m_axis_tready stays low for so long. silent_cycles: without a word, the end. settle_cycles: how long
    to watch for more after the last answer that is due.
    """

    input_pause_per_mille: int = 0
    output_pause_per_mille: int = 0
    hold_cycles: int = 0
    silent_cycles: int = 100_000
    settle_cycles: int = 300
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Observation:
    """What a decoder did.

    Attributes:
        words: uint32, one axis: what it sent.
        taken_cycles, offered_cycles: when each word sent was taken, and each word received first offered.
        num_answers: whole messages received, FRAMEs not counted.
        end_cycle: when the watching ended.
        withdrawn: (how often, cycle of the first) m_axis_tvalid fell before its word was taken.
        changed: (how often, cycle of the first, word before, word after) a waiting word changed.
    """

    words: Words
    taken_cycles: NDArray[np.uint64]
    offered_cycles: NDArray[np.uint64]
    num_answers: int
    end_cycle: int
    withdrawn: tuple[int, int]
    changed: tuple[int, int, int, int]


class Bench:
    """A decoder in this process, in the hands of a probe. A context manager."""

    def __init__(self, decoder: DecoderFolder) -> None:
        """Build (first time) and power on; raises LinkOpenError with the tool's own message."""
        try:
            self._library = load_library(build_library(decoder_design(with_qds1_ports(decoder))))
        except (HdlError, OSError) as error:
            raise LinkOpenError(str(error)) from error
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        self._library.qtwin_probe.restype = None
        self._library.qtwin_probe.argtypes = (pointer, pointer, size, size, *[pointer] * 4, size, pointer)
        self._handle: int | None = self._library.qtwin_open(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._library.qtwin_close(self._handle)
        self._handle = None

    def reset(self) -> None:
        """Power-on state."""
        self._library.qtwin_reset(self._handle)

    def read_register(self, address: int) -> int:
        """Value of a register; raises RegisterError."""
        value = ctypes.c_uint32()
        response = self._library.qtwin_read_register(self._handle, address, ctypes.byref(value), REGISTER_LIMIT_CYCLES)
        if response != 0:
            what = "was not answered" if response < 0 else f"was refused with AXI response {response}"
            raise RegisterError(f"register 0x{address:03x} {what}")
        return value.value

    def run(self, words: Words, num_answers: int, plan: Plan | None = None) -> Observation:
        """Send words (any shape), collect what comes; never raises for what the decoder does."""
        plan = plan or Plan()
        sent = np.ascontiguousarray(words, dtype=np.uint32).ravel()
        capacity = 16 * num_answers + SPARE_WORDS
        taken = np.zeros(max(1, sent.size), dtype=np.uint64)
        received, offered = np.zeros(capacity, dtype=np.uint32), np.zeros(capacity, dtype=np.uint64)
        asked, found = _Plan(*(getattr(plan, name) for name, _ in _Plan._fields_)), _Found()
        self._library.qtwin_probe(
            self._handle,
            sent.ctypes.data,
            sent.size,
            num_answers,
            ctypes.addressof(asked),
            taken.ctypes.data,
            received.ctypes.data,
            offered.ctypes.data,
            capacity,
            ctypes.addressof(found),
        )
        return Observation(
            words=received[: found.received],
            taken_cycles=taken[: found.taken],
            offered_cycles=offered[: found.received],
            num_answers=found.answers,
            end_cycle=found.end_cycle,
            withdrawn=(found.num_withdrawn, found.first_withdrawn),
            changed=(found.num_changed, found.first_changed, found.changed_from, found.changed_to),
        )
