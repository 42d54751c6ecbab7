"""Simulator side: encoder and decoder of the frames' byte stuffing, each against PyPI's cobs."""

import os
from random import Random
from typing import Any

import cocotb
from cobs import cobs
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge, Timer

from cocotb_tests.simulation import is_long

IS_ENCODER = os.environ["TOP"] == "cobs_encoder"
NUM_FRAMES = 150 if is_long() else 25
LENGTHS = (1, 2, 3, 17, 253, 254, 255, 256, 508, 509)


def random_contents(random: Random) -> list[bytes]:
    """Frames with few, many and no zeros, of the lengths at which blocks end."""
    frames = []
    for index in range(NUM_FRAMES):
        length = LENGTHS[index % len(LENGTHS)] if index % 2 else random.randrange(1, 60)
        zero_prob = random.choice([0.0, 0.02, 0.5, 1.0])
        frames.append(bytes(0 if random.random() < zero_prob else random.randrange(1, 256) for _ in range(length)))
    return frames


async def start(dut: Any) -> Random:
    dut.rst_ni.value = 0
    dut.valid_i.value = dut.byte_i.value = 0
    if IS_ENCODER:
        dut.last_i.value = dut.ready_i.value = 0
    Clock(dut.clk_i, 10, unit="ns").start()
    await ClockCycles(dut.clk_i, 3)
    dut.rst_ni.value = 1
    return Random(cocotb.RANDOM_SEED)


@cocotb.test(timeout_time=20, timeout_unit="ms", skip=not IS_ENCODER)
@cocotb.parametrize(offer_prob=[0.5, 1.0], ready_prob=[0.5, 1.0])
async def encodes_as_the_library_does(dut: Any, offer_prob: float, ready_prob: float) -> None:
    random = await start(dut)
    contents = random_contents(random)
    expected = b"\0" + b"".join(
        cobs.encode(content) + b"\0" for content in contents
    )  # the first ends what a reset broke
    waiting = [(byte, index == len(content) - 1) for content in contents for index, byte in enumerate(content)]
    received = bytearray()
    place, offered = 0, False
    while len(received) < len(expected):
        offered = offered or (place < len(waiting) and random.random() < offer_prob)
        dut.valid_i.value = offered
        if offered:
            dut.byte_i.value, dut.last_i.value = waiting[place]
        ready = random.random() < ready_prob
        dut.ready_i.value = ready
        await RisingEdge(dut.clk_i)
        if offered and dut.ready_o.value == 1:
            place, offered = place + 1, False
        if ready and dut.valid_o.value == 1:
            received.append(int(dut.byte_o.value))
    assert bytes(received) == expected
    dut.valid_i.value, dut.ready_i.value = 0, 1
    await ClockCycles(dut.clk_i, 20)
    assert dut.valid_o.value == 0


@cocotb.test(timeout_time=20, timeout_unit="ms", skip=not IS_ENCODER)
async def a_reset_in_mid_frame_is_followed_by_a_delimiter(dut: Any) -> None:
    await start(dut)
    dut.ready_i.value = 1
    await ClockCycles(dut.clk_i, 4)
    dut.valid_i.value, dut.byte_i.value, dut.last_i.value = 1, 7, 0
    await ClockCycles(dut.clk_i, 5)
    dut.valid_i.value, dut.rst_ni.value = 0, 0
    await ClockCycles(dut.clk_i, 2)
    dut.rst_ni.value = 1
    received = []
    for _ in range(10):
        await RisingEdge(dut.clk_i)
        if dut.valid_o.value == 1:
            received.append(int(dut.byte_o.value))
    assert received == [0]


async def decode(dut: Any, data: bytes, random: Random, offer_prob: float) -> list[tuple[bytes, bool]]:
    """Every frame that comes out of these bytes, and whether it was cut short."""
    frames, content = [], bytearray()
    for byte in data:
        while random.random() >= offer_prob:
            dut.valid_i.value = 0
            await ReadOnly()
            assert dut.valid_o.value == 0
            assert dut.end_o.value == 0
            await RisingEdge(dut.clk_i)
            await Timer(1, "ns")
        dut.valid_i.value, dut.byte_i.value = 1, byte
        await ReadOnly()
        if dut.valid_o.value == 1:
            content.append(int(dut.byte_o.value))
        if dut.end_o.value == 1:
            frames.append((bytes(content), dut.error_o.value == 1))
            content.clear()
        await RisingEdge(dut.clk_i)
        await Timer(1, "ns")
    dut.valid_i.value = 0
    return frames


@cocotb.test(timeout_time=20, timeout_unit="ms", skip=IS_ENCODER)
@cocotb.parametrize(offer_prob=[0.3, 1.0])
async def decodes_what_the_library_encodes(dut: Any, offer_prob: float) -> None:
    random = await start(dut)
    contents = random_contents(random)
    data = b"".join(bytes(random.choice([0, 0, 1, 3])) + cobs.encode(content) + b"\0" for content in contents)
    assert await decode(dut, data, random, offer_prob) == [(content, False) for content in contents]


@cocotb.test(timeout_time=20, timeout_unit="ms", skip=IS_ENCODER)
async def reports_exactly_the_frames_that_the_library_refuses(dut: Any) -> None:
    random = await start(dut)
    for _ in range(NUM_FRAMES * 4):
        encoded = bytes(
            random.choice([1, 2, 3, 5, 9, 0xFF, random.randrange(1, 256)]) for _ in range(random.randrange(1, 30))
        )
        ((content, cut_short),) = await decode(dut, encoded + b"\0", random, 1.0)
        try:
            expected = cobs.decode(encoded)
        except cobs.DecodeError:
            assert cut_short
        else:
            assert (content, cut_short) == (expected, False)
