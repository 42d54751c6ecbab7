"""Simulator side: every address of the table, under backpressure, aborts and reloading."""

from collections import deque
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from bridge.testbench import StreamSignals, StreamSink, StreamSource, StreamWord, random_pauses
from cocotb_tests.decoders import repetition_d3

LAYERS, WIDTH, LATENCY_CYCLES = 4, 2, 2
ADDRESSES = 1 << LAYERS * WIDTH


def layers_of(address: int) -> list[StreamWord]:
    mask = (1 << WIDTH) - 1
    return [StreamWord(address >> WIDTH * layer & mask, layer == LAYERS - 1) for layer in range(LAYERS)]


def table_bit(words: list[int], address: int) -> int:
    return words[address // 32] >> address % 32 & 1


class Bench:
    """Layers in, results out."""

    def __init__(self, dut: Any, busy_prob: float = 0.0) -> None:
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.table = [int(word) for word in repetition_d3().planes[0]]
        for name in ("abort_i", "cfg_we_i", "cfg_addr_i", "cfg_wdata_i"):
            dut[name].value = 0
        Clock(dut.clk_i, 10, unit="ns").start()
        pause = random_pauses(self.random, busy_prob)
        layers = StreamSignals(dut.layer_events_i, dut.layer_valid_i, dut.layer_ready_o, dut.layer_last_i)
        results = StreamSignals(dut.result_flips_o, dut.result_valid_o, dut.result_ready_i)
        self.layers = StreamSource(layers, dut.clk_i, pause=pause)
        self.results = StreamSink(results, dut.clk_i, pause=pause)

    async def reset(self) -> None:
        self.dut.rst_ni.value = 0
        await ClockCycles(self.dut.clk_i, 2)
        self.dut.rst_ni.value = 1

    async def decode(self, addresses: list[int]) -> None:
        for address in addresses:
            self.layers.send(layers_of(address))
        results = await self.results.receive(len(addresses), timeout_ns=100_000)
        assert [word.data for word in results] == [table_bit(self.table, address) for address in addresses]
        await ClockCycles(self.dut.clk_i, 10)
        assert not self.results.words
        assert self.dut.result_valid_o.value == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(busy_prob=[0.0, 0.6])
async def reads_every_entry(dut: Any, busy_prob: float) -> None:
    bench = Bench(dut, busy_prob)
    await bench.reset()
    await bench.decode(bench.random.sample(range(ADDRESSES), ADDRESSES))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def has_a_fixed_latency_and_no_bubbles(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    ends: list[int] = []
    answers: list[int] = []

    async def watch() -> None:
        cycle = 0
        while True:
            await RisingEdge(dut.clk_i)
            cycle += 1
            if dut.layer_valid_i.value == 1:
                assert dut.layer_ready_o.value == 1
                if dut.layer_last_i.value == 1:
                    ends.append(cycle)
            if dut.result_valid_o.value == 1:
                answers.append(cycle)

    cocotb.start_soon(watch())
    await bench.decode(list(range(64)))
    assert answers == [end + LATENCY_CYCLES for end in ends]
    assert ends == list(range(ends[0], ends[0] + 64 * LAYERS, LAYERS))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def forgets_an_abandoned_shot(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    for _ in range(30):
        bench.layers.send(layers_of(bench.random.randrange(ADDRESSES))[: bench.random.randrange(1, LAYERS)])
        await bench.layers.drained(1000)
        dut.abort_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.abort_i.value = 0
        await bench.decode([bench.random.randrange(ADDRESSES)])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def starts_anew_after_a_reset(dut: Any) -> None:
    bench = Bench(dut, 0.5)
    await bench.reset()
    for _ in range(30):
        for _ in range(3):
            bench.layers.send(layers_of(bench.random.randrange(ADDRESSES)))
        await ClockCycles(dut.clk_i, bench.random.randrange(20))
        bench.layers.drop()
        bench.results.drop()
        await bench.reset()
        await bench.decode([bench.random.randrange(ADDRESSES) for _ in range(3)])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def is_read_two_cycles_after_the_address_and_reloaded(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    original = list(bench.table)
    shown: deque[int] = deque()
    for address in [*range(len(original)), 8, 9, 0x4000_0000, 0, 0]:  # past the end there is nothing
        dut.cfg_addr_i.value = address
        await RisingEdge(dut.clk_i)
        if len(shown) == 2:
            assert int(dut.cfg_rdata_o.value) == shown.popleft()
        shown.append(original[address] if address < len(original) else 0)
    for contents in ([bench.random.getrandbits(32) for _ in original], original):
        for address, word in enumerate(contents):
            dut.cfg_addr_i.value, dut.cfg_wdata_i.value, dut.cfg_we_i.value = address, word, 1
            await RisingEdge(dut.clk_i)
        dut.cfg_addr_i.value, dut.cfg_wdata_i.value = len(original), 0xDEAD_BEEF  # outside: no effect
        await RisingEdge(dut.clk_i)
        dut.cfg_we_i.value = 0
        bench.table = list(contents)
        await bench.decode(bench.random.sample(range(ADDRESSES), 64))
