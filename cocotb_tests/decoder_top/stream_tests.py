"""Simulator side: the decoder's streams against the model."""

from collections.abc import Iterable
from itertools import chain
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from bridge.testbench import random_pauses
from cocotb_tests.decoder_top.testbench import Testbench, read_register, write_register
from cocotb_tests.simulation import is_long
from hdl.registers.map import CONTROL_INPUT_MODE, CONTROL_SOFT_RESET, Address
from qds1 import Kind, header

NUM_SHOTS = 2000 if is_long() else 60
NUM_MESSAGES = 10_000 if is_long() else 400
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
    random, constants = bench.random, bench.decoder.constants
    words: list[int] = []
    events_mode = False
    for number in range(NUM_MESSAGES // 4):
        tag = number if random.random() < 0.9 else number - 1
        shot = (bench.event_shots if events_mode else bench.shots)(1, tag)[0].tolist()
        match random.randrange(10):
            case 0:  # a truncated shot: the next tag abandons it
                messages = split_messages(shot)
                shot = joined(messages[: random.randrange(1, len(messages) + 1)])
            case 1:  # a message lost or doubled
                messages = split_messages(shot)
                place = random.randrange(len(messages))
                messages[place : place + 1] = [messages[place]] * random.choice([0, 2])
                shot = joined(messages)
            case 2:  # a header of another kind, length or tag
                messages = split_messages(shot)
                place = random.randrange(len(messages))
                kind, length = random.choice([0, 1, 2, 3, 4, 0x81, 0xFF]), random.choice([0, 1, 2, 3, 5])
                other = tag + random.choice([0, 0, 1, 7])
                messages[place] = [length << 8 | kind | (other & 0xFFFF) << 16] + [random.getrandbits(32)] * length
                shot = joined(messages)
            case 3:  # a foreign message somewhere
                messages = split_messages(shot)
                length = random.randrange(4)
                foreign = [random.choice([0, 5, 0x12, 0x82]) | length << 8 | (tag & 0xFFFF) << 16]
                messages.insert(random.randrange(len(messages) + 1), foreign + [random.getrandbits(32)] * length)
                shot = joined(messages)
            case 4:  # register accesses between the messages of a shot, some of them wrong
                messages = split_messages(shot)
                access = random_access(random, tag)
                messages.insert(random.randrange(len(messages) + 1), access)
                shot = joined(messages)
            case 5 if random.random() < 0.3:  # the other input mode
                events_mode = not events_mode
                value = 1 | int(events_mode) << CONTROL_INPUT_MODE.low
                shot += write_register(Address.CONTROL, value, tag)
            case 6 if random.random() < 0.3:  # disabled for a shot
                value = int(events_mode) << CONTROL_INPUT_MODE.low
                shot = write_register(Address.CONTROL, value) + shot + write_register(Address.CONTROL, value | 1)
            case _:
                pass
        words += shot
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
    assert constants.max_rounds == bench.model.registers.settings.rounds


def random_access(random: Random, tag: int) -> list[int]:
    """A WRITE or READ that leaves the decoder as it is; sometimes to a wrong address or of a wrong length."""
    address = random.choice([Address.SCRATCH, Address.ID, Address.ROUNDS, 0x7F4, 0x44 + 2, 1 << 16, 0xFFC])
    if random.random() < 0.1:
        length = random.choice([0, 3])
        return [header(random.choice([Kind.WRITE, Kind.READ]), length, tag), *[address] * length]
    if address == 0xFFC or random.random() < 0.5:
        return read_register(address, tag)
    return write_register(address, random.randrange(6), tag)


def joined(messages: Iterable[list[int]]) -> list[int]:
    """The words of all messages."""
    return list(chain.from_iterable(messages))


def split_messages(words: list[int]) -> list[list[int]]:
    """Cut whole messages apart."""
    messages: list[list[int]] = []
    start = 0
    while start < len(words):
        end = start + 1 + (words[start] >> 8 & 0xFF)
        messages.append(words[start:end])
        start = end
    return messages


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
