"""Simulator side: the decoder's streams against the model."""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from bridge.testbench import random_pauses
from cocotb_tests.decoder_top.testbench import Testbench
from cocotb_tests.simulation import is_long
from cocotb_tests.stimulus import disturbed_stream, joined, read_register, split_messages, write_register
from hdl.registers.map import CONTROL_SOFT_RESET, Address
from qds1 import Kind, header

NUM_SHOTS = 2000 if is_long() else 60
NUM_DISTURBED = 4000 if is_long() else 150
TIMEOUT_US = 20_000
TABLE_LATENCY_CYCLES = 4


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
@cocotb.parametrize(source_pause=[0.0, 0.5], sink_pause=[0.0, 0.5, 0.9])
async def answers_every_shot(dut: Any, source_pause: float, sink_pause: float) -> None:
    bench = Testbench(dut)
    bench.stream.pause = random_pauses(bench.random, source_pause)
    bench.sink.pause = random_pauses(bench.random, sink_pause)
    await bench.reset()
    bench.send(bench.shots(NUM_SHOTS, first_shot=65536 - NUM_SHOTS // 2))
    latencies = await bench.finish(timeout_ns=NUM_SHOTS * 20_000)
    assert len(latencies) == NUM_SHOTS
    assert min(latencies) >= TABLE_LATENCY_CYCLES
    if sink_pause == 0.0:
        assert set(latencies) == {TABLE_LATENCY_CYCLES}


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def takes_a_word_in_every_cycle(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    words = bench.shots(NUM_SHOTS)
    bench.send(words)
    while dut.s_axis_tvalid.value != 1:
        await RisingEdge(dut.clk_i)
    for _ in range(words.size - 1):
        assert dut.s_axis_tready.value == 1
        assert dut.s_axis_tvalid.value == 1
        await RisingEdge(dut.clk_i)
    await bench.finish()
    bench.send(read_register(Address.COUNT_SHOTS))
    await bench.finish()


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def counts_latency_from_last_word_to_first_cycle_of_the_header(dut: Any) -> None:
    bench = Testbench(dut)
    bench.sink.pause = random_pauses(bench.random, 0.8)
    await bench.reset()
    shot_words = bench.shots(1).size
    accepted: list[int] = []
    appeared: list[int] = []

    async def watch() -> None:
        cycle = num_words = words_left = 0
        waiting = False
        while True:
            await RisingEdge(dut.clk_i)
            cycle += 1
            if dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1:
                num_words += 1
                if num_words % shot_words == 0:
                    accepted.append(cycle)
            if dut.m_axis_tvalid.value == 1:
                if not waiting and words_left == 0:
                    appeared.append(cycle)
                    words_left = 1 + (int(dut.m_axis_tdata.value) >> 8 & 0xFF)
                waiting = dut.m_axis_tready.value != 1
                words_left -= not waiting

    cocotb.start_soon(watch())
    bench.send(bench.shots(NUM_SHOTS))
    latencies = await bench.finish(timeout_ns=NUM_SHOTS * 20_000)
    assert latencies == [last - first for first, last in zip(accepted, appeared, strict=True)]
    assert max(latencies) > TABLE_LATENCY_CYCLES


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
@cocotb.parametrize(sink_pause=[0.0, 0.7])
async def follows_the_model_through_any_messages(dut: Any, sink_pause: float) -> None:
    bench = Testbench(dut)
    bench.stream.pause = random_pauses(bench.random, 0.2)
    bench.sink.pause = random_pauses(bench.random, sink_pause)
    await bench.reset()
    words = disturbed_stream(bench.decoder, bench.random, NUM_DISTURBED)
    bench.send(words)
    kinds = {message.kind for message in bench.scoreboard.expected}
    assert kinds == {Kind.CORRECTION, Kind.FAULT, Kind.DATA}
    await bench.finish(timeout_ns=len(words) * 1000)
    front_end = bench.model.front_end
    assert front_end.num_abandoned > 0
    counters = {
        Address.COUNT_ROUNDS: front_end.num_rounds,
        Address.COUNT_ABANDONED: front_end.num_abandoned,
        Address.COUNT_FAULTS: front_end.num_faults,
        Address.COUNT_SHOTS: bench.model.registers.num_shots,
    }
    bench.stream.send([word for address in counters for word in read_register(address, 9)])
    answers = await bench.sink.answers(len(counters), 10_000)
    assert [answer.payload for answer in answers] == list(counters.items())


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def starts_anew_after_a_reset_in_mid_stream(dut: Any) -> None:
    bench = Testbench(dut)
    bench.sink.pause = random_pauses(bench.random, 0.5)
    await bench.reset()
    for _ in range(20):
        bench.send(bench.shots(6))
        await ClockCycles(dut.clk_i, bench.random.randrange(1, 60))
        await bench.reset(cycles=1)
        bench.send(bench.shots(3, first_shot=100))
        await bench.finish()


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def soft_reset_forgets_the_shot_and_finishes_the_message(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    for tag in range(20):
        begun = bench.shots(1, tag)[0].tolist()[: bench.random.randrange(1, 4)]
        messages = split_messages(begun)
        if len(messages[-1]) != 1 + (messages[-1][0] >> 8 & 0xFF):
            messages.pop()
        # the answer to the READ is on its way out, held back, while the reset happens
        bench.sink.pause = random_pauses(bench.random, 0.8)
        bench.send(read_register(Address.ID) + joined(messages))
        await bench.stream.drained(10_000)
        while dut.m_axis_tvalid.value == 1:
            await RisingEdge(dut.clk_i)
        bench.send(write_register(Address.CONTROL, 1 | 1 << CONTROL_SOFT_RESET.low))
        # the same tag again: without the reset this would be a round too many
        bench.send(bench.shots(1, tag))
        await bench.finish()


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def loses_nothing_when_the_host_does_not_read(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    bench.sink.pause = lambda: True
    bench.send(bench.shots(40))
    await ClockCycles(dut.clk_i, 1500)
    assert dut.s_axis_tready.value == 0
    assert dut.m_axis_tvalid.value == 1
    assert not bench.stream.empty
    bench.sink.pause = random_pauses(bench.random, 0.1)
    await bench.finish()


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
@cocotb.parametrize(responses_per_packet=[0, 1, 7])
async def ends_a_packet_after_so_many_responses(dut: Any, responses_per_packet: int) -> None:
    bench = Testbench(dut)
    await bench.reset()
    bench.send(write_register(Address.RESPONSES_PER_PACKET, responses_per_packet))
    bench.send([header(Kind.FRAME, 0, 3), *read_register(Address.ID)])
    bench.send(bench.shots(30))
    await bench.finish()
    ends = [bool(responses_per_packet) and (i + 1) % responses_per_packet == 0 for i in range(32)]
    assert bench.sink.packet_ends == ends


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def holds_valid_down_in_reset(dut: Any) -> None:
    bench = Testbench(dut)
    await ClockCycles(dut.clk_i, 2)
    assert dut.m_axis_tvalid.value == 0
    await bench.reset()
    assert dut.m_axis_tvalid.value == 0
