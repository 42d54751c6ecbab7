"""Shots per second of the union-find decoders over the `verilated` link: circuit noise of 0.1%, rounds = distance."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from benchmarks.measure import Measurement, side_by_side
from benchmarks.memories import surface_memory
from bridge.decoders import find_decoder
from bridge.links import make_link
from bridge.links.base import Deadlines, Link, OpenedLink
from hdl.registers.map import CONTROL_ENABLE, CONTROL_INPUT_MODE, Address
from hdl.synth.measure import WEIGHTS_AT
from qds1.shots import Words

SHOTS = {3: 400_000, 5: 200_000, 7: 50_000}
PROB = 0.001
ROUNDS = 5
SEED = 4
DECODERS = ("union-find:3", "union-find")


def run() -> list[Measurement]:
    """Measure every distance with weights of 3 and 4 bits; the first row is d=3 with 3 bits."""
    with ExitStack() as stack:
        contenders: dict[str, Callable[[], float]] = {}
        for distance, num_shots in SHOTS.items():
            problem, words = surface_memory(distance, PROB, num_shots, weights_at=WEIGHTS_AT, seed=SEED)
            for name in DECODERS:
                decoder = find_decoder(name, problem)
                link = stack.enter_context(OpenedLink(make_link("verilated", decoder, problem, Deadlines()))).link
                link.write_register(Address.CONTROL, CONTROL_INPUT_MODE.set(CONTROL_ENABLE.set(0, 1), 1))
                contenders[f"d={distance}, {name}"] = partial(_shots_a_second, link, words)
        return side_by_side(contenders, "shots/s", ROUNDS)


def _shots_a_second(link: Link, words: Words) -> float:
    started = time.perf_counter()
    link.exchange(words.ravel(), len(words))
    return len(words) / (time.perf_counter() - started)
