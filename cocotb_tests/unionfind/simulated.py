"""Simulator side, every core: the stream's protocol, abandoned shots, resets."""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from cocotb_tests.simulation import is_long
from cocotb_tests.unionfind.bench import Bench


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(busy_prob=[0.0, 0.6])
async def answers_as_the_model(dut: Any, busy_prob: float) -> None:
    bench = Bench(dut, busy_prob)
    await bench.reset()
    for prob in (0.003, 0.02, 0.2):
        await bench.decode(bench.sample(300 if is_long() else 40, prob))


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def holds_a_result_until_it_is_taken(dut: Any) -> None:
    bench = Bench(dut, 0.8)
    await bench.reset()

    async def watch() -> None:
        held = None
        while True:
            await RisingEdge(dut.clk_i)
            if held is not None:
                assert dut.result_valid_o.value == 1
                assert (int(dut.result_flips_o.value), int(dut.result_status_o.value)) == held
            held = None
            if dut.result_valid_o.value == 1 and dut.result_ready_i.value == 0:
                held = (int(dut.result_flips_o.value), int(dut.result_status_o.value))

    cocotb.start_soon(watch())
    await bench.decode(bench.sample(40, 0.02))


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def forgets_an_abandoned_shot(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    for _ in range(20):
        shots = bench.sample(3, 0.05)
        layers = bench.core.layers(shots)[0]
        # short of the first window, else its frame would rightly come out
        whole = bench.core.options.window or len(layers)
        await bench.abandon(layers[: bench.random.randrange(1, whole)])
        await bench.decode(shots[1:])


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def starts_anew_after_a_reset_in_mid_decode(dut: Any) -> None:
    bench = Bench(dut, 0.3)
    await bench.reset()
    for _ in range(20):
        for layers in bench.core.layers(bench.sample(3, 0.2)):
            bench.send(layers)
        await ClockCycles(dut.clk_i, bench.random.randrange(60))
        bench.layers.drop()
        bench.results.drop()
        await bench.reset()
        await bench.decode(bench.sample(3, 0.05))
