"""Simulator side, cores for whole shots: what happened inside, and every flag."""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from cocotb_tests.unionfind.bench import Bench
from cocotb_tests.unionfind.coverage import Coverage

EMPTY_LATENCY_CYCLES = 2


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


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def answers_an_empty_shot_at_once_even_after_an_abandoned_one(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    num_layers = bench.core.graph.layout.num_layers
    for _ in range(5):
        await bench.abandon([1] * (num_layers - 1))
        bench.send([0] * num_layers)
        ended = waited = 0
        while dut.result_valid_o.value == 0:
            await RisingEdge(dut.clk_i)
            waited += 1
            if dut.layer_valid_i.value == 1 and dut.layer_last_i.value == 1:
                ended = waited
        assert waited - ended == EMPTY_LATENCY_CYCLES
        await bench.results.receive(1, timeout_ns=1000)
