"""Simulator side: counters, latency figures and histogram against plain Python."""

from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

NUM_BINS = 32
NUM_CYCLES = 1500
COUNTERS = {"round_i": "rounds_o", "abandoned_i": "abandoned_o", "fault_i": "faults_o", "stall_i": "stalls_o"}
SHOT_SPACING = 4


async def start(dut: Any) -> None:
    for name in (
        *COUNTERS,
        "clear_i",
        "shot_i",
        "latency_i",
        "budget_exceeded_i",
        "histogram_address_i",
    ):
        dut[name].value = 0
    dut.histogram_shift_i.value = 0
    dut.rst_ni.value = 0
    Clock(dut.clk_i, 10, unit="ns").start()
    await ClockCycles(dut.clk_i, 2)
    dut.rst_ni.value = 1


async def read_histogram(dut: Any) -> list[int]:
    bins = []
    for index in range(NUM_BINS):
        dut.histogram_address_i.value = index
        await RisingEdge(dut.clk_i)
        bins.append(int(dut.histogram_rdata_o.value))
    return bins


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(shift=[0, 3, 31])
async def counts_what_happens(dut: Any, shift: int) -> None:
    random = Random(cocotb.RANDOM_SEED)
    await start(dut)
    dut.histogram_shift_i.value = shift
    assert int(dut.latency_min_o.value) == 0xFFFF_FFFF
    counts = dict.fromkeys(COUNTERS, 0)
    latencies: list[int] = []
    exceeded = 0
    next_shot = 0
    for cycle in range(NUM_CYCLES):
        for name in COUNTERS:
            happens = random.random() < 0.3
            dut[name].value = happens
            counts[name] += happens
        shot = cycle >= next_shot and random.random() < 0.5
        dut.shot_i.value = shot
        if shot:
            next_shot = cycle + SHOT_SPACING
            latencies.append(random.choice([random.randrange(40), random.randrange(300), random.getrandbits(32)]))
            late = random.random() < 0.5
            dut.latency_i.value, dut.budget_exceeded_i.value = latencies[-1], late
            exceeded += late
        await RisingEdge(dut.clk_i)
    for name in (*COUNTERS, "shot_i"):
        dut[name].value = 0
    await ClockCycles(dut.clk_i, 3)
    assert {name: int(dut[output].value) for name, output in COUNTERS.items()} == counts
    assert int(dut.shots_o.value) == len(latencies)
    assert int(dut.budget_exceeded_o.value) == exceeded
    assert int(dut.latency_min_o.value) == min(latencies)
    assert int(dut.latency_max_o.value) == max(latencies)
    assert int(dut.latency_sum_o.value) == sum(latencies) > 1 << 32
    bins = [0] * NUM_BINS
    for latency in latencies:
        bins[min(latency >> shift, NUM_BINS - 1)] += 1
    assert await read_histogram(dut) == bins
    dut.clear_i.value = 1
    await RisingEdge(dut.clk_i)
    dut.clear_i.value = 0
    await RisingEdge(dut.clk_i)
    assert await read_histogram(dut) == [0] * NUM_BINS
    assert int(dut.shots_o.value) == int(dut.latency_sum_o.value) == 0
    assert int(dut.latency_min_o.value) == 0xFFFF_FFFF
