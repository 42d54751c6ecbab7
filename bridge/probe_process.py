"""`python -m bridge.probe_process LIBRARY FD`: runs a decoder's RTL for `bridge.probe.Bench`, come what may.

Requests and answers go over the connection FD; what the simulation itself prints goes to the standard streams.
"""

import ctypes
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

from bridge.links.base import Words
from bridge.links.verilated.library import load_library, trouble_of
from bridge.probe import ANSWER, ONES, RUNNING, Plan

FULL, OUT_OF_TIME = 1, 2
RANDOM = 2
START_MODES = {0: 0, ONES: 1}
"""Mode of qtwin_set_start for seeds that are none."""
TELL_EVERY_S = 1.0


class _Plan(ctypes.Structure):
    _fields_ = (
        ("input_pause_per_mille", ctypes.c_uint32),
        ("output_pause_per_mille", ctypes.c_uint32),
        ("hold_cycles", ctypes.c_uint64),
        ("silent_cycles", ctypes.c_uint64),
        ("settle_cycles", ctypes.c_uint64),
        ("seed", ctypes.c_uint64),
        ("shot_words", ctypes.c_uint64),
        ("max_in_flight", ctypes.c_uint64),
        ("gap_cycles", ctypes.c_uint64),
        ("look_twice", ctypes.c_uint64),
        ("limit_s", ctypes.c_double),
    )


class _Sightings(ctypes.Structure):
    _fields_ = (("times", ctypes.c_uint64), ("first", ctypes.c_uint64))


class _Found(ctypes.Structure):
    _fields_ = (
        ("taken", ctypes.c_size_t),
        ("received", ctypes.c_size_t),
        ("answers", ctypes.c_size_t),
        ("end_cycle", ctypes.c_uint64),
        ("end", ctypes.c_uint64),
        ("withdrawn", _Sightings),
        ("changed", _Sightings),
        ("changed_from", ctypes.c_uint64),
        ("changed_to", ctypes.c_uint64),
        ("follows_ready", _Sightings),
        ("moves_in_mid_cycle", _Sightings),
    )


SIGHTINGS = ("withdrawn", "changed", "follows_ready", "moves_in_mid_cycle")


class ProbedDecoder:
    """A library with a decoder in it, powered on and off."""

    def __init__(self, path: Path) -> None:
        """Nothing is powered on before `power_on`."""
        library = self._library = load_library(path)
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        library.qtwin_probe.restype = None
        library.qtwin_probe.argtypes = (pointer, pointer, size, size, *[pointer] * 4, size, pointer)
        self._handle: int | None = None

    def power_on(self, seed: int) -> None:
        """Off, if it is on, and on. seed: of the initial values that nothing sets; 0 for zeros."""
        if self._handle is not None:
            self._library.qtwin_close(self._handle)
            self._handle = None
        self._library.qtwin_set_start(START_MODES.get(seed, RANDOM), seed)
        self._handle = self._library.qtwin_open(None)

    def trouble(self) -> str | None:
        """Why the simulation cannot go on; None where it can."""
        return trouble_of(self._library)

    def cycles(self) -> int:
        """Clock cycles since power-on, read while a run goes on."""
        return int(self._library.qtwin_cycles(self._handle)) if self._handle is not None else 0

    def reset(self) -> None:
        """Hold rst_ni low for a while."""
        self._library.qtwin_reset(self._handle)

    def read_register(self, address: int, limit_cycles: int) -> tuple[int, int]:
        """AXI response, -1 where none came, and value."""
        value = ctypes.c_uint32()
        response = self._library.qtwin_read_register(self._handle, address, ctypes.byref(value), limit_cycles)
        return response, value.value

    def write_register(self, address: int, value: int, limit_cycles: int) -> int:
        """AXI response, -1 where none came."""
        return int(self._library.qtwin_write_register(self._handle, address, value, limit_cycles))

    def run(self, sent: Words, num_answers: int, plan: Plan, capacity: int) -> dict[str, Any]:
        """Fields of an Observation."""
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
        return {
            "words": received[: found.received].copy(),
            "taken_cycles": taken[: found.taken].copy(),
            "offered_cycles": offered[: found.received].copy(),
            "num_answers": found.answers,
            "end_cycle": found.end_cycle,
            "full": found.end == FULL,
            "out_of_time": found.end == OUT_OF_TIME,
            "changed_words": (found.changed_from, found.changed_to),
            **{name: (getattr(found, name).times, getattr(found, name).first) for name in SIGHTINGS},
        }


def serve(connection: Connection, decoder: ProbedDecoder) -> None:
    """Answer requests until the other end is closed; meanwhile tell the clock cycles, now and then."""
    calls: dict[str, Callable[..., Any]] = {
        name: getattr(decoder, name) for name in ("power_on", "reset", "read_register", "write_register", "run")
    }
    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:
            return
        done = Event()
        teller = Thread(target=_tell, args=(connection, decoder, done), daemon=True)
        teller.start()
        answer = calls[name](*arguments)
        done.set()
        teller.join()
        connection.send((ANSWER, (decoder.trouble(), answer)))


def _tell(connection: Connection, decoder: ProbedDecoder, done: Event) -> None:
    """Send the clock cycles once in a while: a simulation whose cycles stand still does not come back."""
    while not done.wait(TELL_EVERY_S):
        connection.send((RUNNING, decoder.cycles()))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[2])), ProbedDecoder(Path(sys.argv[1])))
