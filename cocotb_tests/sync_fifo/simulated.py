"""Simulator side: the FIFO against a deque, cycle by cycle."""

import os
from collections import deque
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

DEPTH = 1 << int(os.environ.get("DEPTH_BITS", "1"))
NUM_CYCLES = 2000


async def start(dut: Any) -> None:
    dut.rst_ni.value = 0
    dut.push_i.value = 0
    dut.pop_i.value = 0
    dut.wdata_i.value = 0
    Clock(dut.clk_i, 10, unit="ns").start()
    for _ in range(3):
        await RisingEdge(dut.clk_i)
    dut.rst_ni.value = 1


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(push_prob=[0.3, 1.0], pop_prob=[0.3, 1.0])
async def follows_a_queue(dut: Any, push_prob: float, pop_prob: float) -> None:
    random = Random(cocotb.RANDOM_SEED)
    await start(dut)
    model: deque[int] = deque()
    was_full = was_empty = False
    for cycle in range(NUM_CYCLES):
        push, pop, word = random.random() < push_prob, random.random() < pop_prob, random.getrandbits(62)
        reset = cycle % 997 == 996
        dut.push_i.value, dut.pop_i.value, dut.wdata_i.value, dut.rst_ni.value = push, pop, word, not reset
        await ReadOnly()
        assert dut.valid_o.value == bool(model)
        assert dut.full_o.value == (len(model) == DEPTH)
        if model:
            assert int(dut.rdata_o.value) == model[0]
        was_full |= len(model) == DEPTH
        was_empty |= not model
        await RisingEdge(dut.clk_i)
        has_room = len(model) < DEPTH
        if pop and model:
            model.popleft()
        if push and has_room:
            model.append(word)
        if reset:
            model.clear()
    assert was_empty
    assert was_full or push_prob < 1.0 or pop_prob == 1.0
