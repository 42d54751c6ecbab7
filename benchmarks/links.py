"""Shots per second through each link to the same table decoder (surface d=3, three rounds, 0.5% circuit noise)."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec

import numpy as np

from benchmarks.measure import Measurement, side_by_side
from benchmarks.memories import surface_memory
from bridge.decoders import find_decoder
from bridge.links import make_link
from bridge.links.base import Deadlines, Link, OpenedLink
from hdl.errors import ToolMissingError
from hdl.registers.map import CONTROL_ENABLE, CONTROL_INPUT_MODE, Address
from hdl.toolchain import require
from qds1.shots import Words

PYNQ = "pynq:simulated"
SHOTS = {"cocotb:icarus": 500, "cocotb:verilator": 5_000, "verilated": 200_000, "software": 200_000, PYNQ: 8_192}
ROUNDS = 5
SEED = 4
PROB = 0.005


def run() -> list[Measurement]:
    """Measure every link that this machine has; the first row is cocotb with Verilator."""
    problem, words = surface_memory(3, PROB, max(SHOTS.values()), weights_at=PROB, seed=SEED)
    decoder = find_decoder("table", problem)
    names = ["cocotb:verilator", "verilated", "software", *(["cocotb:icarus"] if _has_icarus() else [])]
    names += [PYNQ] if find_spec("pynq") else []
    with ExitStack() as stack:
        contenders: dict[str, Callable[[], float]] = {}
        for name in names:
            link = stack.enter_context(OpenedLink(make_link(name, decoder, problem, Deadlines()))).link
            link.write_register(Address.CONTROL, CONTROL_INPUT_MODE.set(CONTROL_ENABLE.set(0, 1), 1))
            contenders[name] = _timed(link, np.ascontiguousarray(words[: SHOTS[name]]))
        return side_by_side(contenders, "shots/s", ROUNDS)


def _timed(link: Link, words: Words) -> Callable[[], float]:
    def figure() -> float:
        started = time.perf_counter()
        link.exchange(words.ravel(), len(words))
        return len(words) / (time.perf_counter() - started)

    return figure


def _has_icarus() -> bool:
    try:
        require("iverilog")
    except ToolMissingError:
        return False
    return True
