"""Simulator side, cores for whole shots: every shot there is at d=3; noise, heavy and far defects at d=5 and 7."""

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from cocotb_tests.unionfind.bench import Bench
from tests.hdl.unionfind_codes import adversarial

EXHAUSTIVE_VERTICES = 16
CHUNK = 128


def shots(bench: Bench) -> NDArray[np.uint8]:
    """Defects (shots, vertices)."""
    graph = bench.core.graph
    if graph.num_vertices <= EXHAUSTIVE_VERTICES:
        every = np.arange(1 << graph.num_vertices)[:, None] >> np.arange(graph.num_vertices) & 1
        return every.astype(np.uint8)
    noise = [bench.sample(1000, prob) for prob in (0.001, 0.005, 0.02)]
    return np.concatenate([*noise, adversarial(graph, seed=bench.random.getrandbits(30), shots=200)])


@cocotb.test(timeout_time=10, timeout_unit="sec")
async def answers_each_as_the_model(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    defects = shots(bench)
    for start in range(0, len(defects), CHUNK):
        await bench.decode(defects[start : start + CHUNK])
