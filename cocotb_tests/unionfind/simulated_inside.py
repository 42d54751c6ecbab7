"""Simulator side, cores for whole shots: what happened inside, and every flag."""

from typing import Any

import cocotb
import numpy as np

from cocotb_tests.unionfind.bench import Bench
from cocotb_tests.unionfind.coverage import Coverage


def heavy(num_vertices: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """All ones, each vertex alone, every pair's half, alternating: the shapes that noise rarely makes."""
    rows = [np.ones(num_vertices), np.zeros(num_vertices), np.arange(num_vertices) % 2, *np.eye(num_vertices)]
    return np.array(rows, dtype=np.uint8)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def goes_through_every_kind_of_decision(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    coverage = Coverage(dut)
    cocotb.start_soon(coverage.watch())
    await bench.decode(heavy(bench.core.graph.num_vertices))
    for prob in (0.003, 0.03, 0.1, 0.4):
        await bench.decode(bench.sample(60, prob))
    if bench.core.options.cycle_budget:
        coverage.require(outcomes={"finished", "over budget", "empty", "load"})
        return
    coverage.require(
        sizes={1, 2, 3, 4, 5, 6},
        merged={1, 2, 3, 4},
        growth={0, 1, 2, 3, 4},
        outcomes={"finished", "ambiguous", "empty", "load"},
    )
    assert not coverage.outcomes["over budget"]
