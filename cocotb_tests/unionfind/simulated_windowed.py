"""Simulator side, the windowed core: abandoned memories of any length, rounds, and a full FIFO that is reported."""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from cocotb_tests.unionfind.bench import Bench
from cocotb_tests.unionfind.coverage import Coverage

STALLED = 4


@cocotb.test(timeout_time=40, timeout_unit="ms")
async def goes_through_every_kind_of_window(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    coverage = Coverage(dut)
    cocotb.start_soon(coverage.watch())
    for prob in (0.003, 0.02, 0.1):
        await bench.decode(bench.sample(25, prob))
    short = [bench.core.layers(bench.sample(1, 0.1))[0][: bench.core.options.window - 1] for _ in range(5)]
    for layers in short:  # memories shorter than a window
        bench.send(layers)
    answers = await bench.results.receive(len(short), timeout_ns=100_000)
    assert not any(answer.last for answer in answers)  # CORRECTIONs all
    coverage.require(
        sizes={1, 2, 3, 4},
        merged={1, 2, 3},
        growth={0, 1, 2, 3},
        outcomes={"finished", "load"},
        windows={
            "only",
            "first",
            "inner",
            "last",
            "leaves none",
            "leaves one",
            "leaves more",
            "layers had to wait",
        },
    )


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def says_when_layers_had_to_wait(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    await bench.decode(bench.sample(10, 0.2))
    assert any(flags & STALLED for flags in bench.flags)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def says_nothing_when_they_did_not(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    for layers in bench.core.layers(bench.sample(5, 0.01)):
        for t, layer in enumerate(layers):
            bench.send([layer], whole=t + 1 == len(layers))
            await ClockCycles(dut.clk_i, 80)
    assert bench.flags
    assert not any(flags & STALLED for flags in bench.flags)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def counts_the_rounds_it_commits(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    rounds: list[tuple[int, int]] = []

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk_i)
            if dut.result_valid_o.value == 1 and dut.result_ready_i.value == 1:
                rounds.append((int(dut.result_frame_o.value), int(dut.result_round_o.value)))

    cocotb.start_soon(watch())
    await bench.decode(bench.sample(4, 0.02))
    frames = [number for frame, number in rounds if frame]
    assert frames == [3, 6, 9, 12] * 4
    assert len(rounds) == 4 * 5


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def gives_up_a_memory_at_any_point(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    for _ in range(20):
        layers = bench.core.layers(bench.sample(1, 0.2))[0]
        await bench.abandon(layers[: bench.random.randrange(1, len(layers))])
        await FallingEdge(dut.clk_i)
        bench.results.drop()  # frames that were out before are not wrong; none may follow
        await ClockCycles(dut.clk_i, 200)
        assert not bench.results.words
        await bench.decode(bench.sample(2, 0.05))
