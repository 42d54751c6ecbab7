"""Simulator side: messages in, one frame of bytes for each out, read by the host's own reader."""

from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from bridge.links.uart.frames import FrameReader
from cocotb_tests.simulation import is_long

NUM_MESSAGES = 200 if is_long() else 15


def random_message(random: Random) -> list[int]:
    payload = random.choice([0, 1, 3, 3, 3, random.randrange(20), 255 if random.random() < 0.1 else 2])
    return [
        random.getrandbits(16) << 16 | payload << 8 | random.getrandbits(8),
        *(random.choice([0, random.getrandbits(32)]) for _ in range(payload)),
    ]


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(offer_prob=[0.3, 1.0], ready_prob=[0.4, 1.0])
async def each_message_becomes_one_frame(dut: Any, offer_prob: float, ready_prob: float) -> None:
    random = Random(cocotb.RANDOM_SEED)
    dut.rst_ni.value = dut.word_valid_i.value = dut.word_i.value = dut.ready_i.value = 0
    Clock(dut.clk_i, 10, unit="ns").start()
    await ClockCycles(dut.clk_i, 3)
    dut.rst_ni.value = 1
    messages = [random_message(random) for _ in range(NUM_MESSAGES)]
    waiting = [word for message in messages for word in message]
    reader, found = FrameReader(), []
    place, offered = 0, False
    while len(found) < NUM_MESSAGES:
        offered = offered or (place < len(waiting) and random.random() < offer_prob)
        dut.word_valid_i.value = offered
        dut.word_i.value = waiting[place] if offered else random.getrandbits(32)
        ready = random.random() < ready_prob
        dut.ready_i.value = ready
        await RisingEdge(dut.clk_i)
        if offered and dut.word_ready_o.value == 1:
            place, offered = place + 1, False
        if ready and dut.valid_o.value == 1:
            found += [words.tolist() for words in reader.take(bytes([int(dut.byte_o.value)]))]
    assert found == messages
    assert reader.num_bad == 0
