"""Simulator side: the transmitter, read by a line in time and by cocotbext-uart."""

import os
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer
from cocotbext.uart import UartSink

from cocotb_tests.uart.line import PERIOD_PS, read_byte

CLOCKS = int(os.environ["CLOCKS_PER_BIT"])
BIT_PS = CLOCKS * PERIOD_PS
BITS_PER_BYTE = 10
NUM_BYTES = 80


async def start(dut: Any) -> Random:
    dut.rst_ni.value = 0
    dut.valid_i.value = 0
    Clock(dut.clk_i, PERIOD_PS, unit="ps").start()
    await ClockCycles(dut.clk_i, 3)
    assert dut.tx_o.value == 1
    dut.rst_ni.value = 1
    await RisingEdge(dut.clk_i)
    return Random(cocotb.RANDOM_SEED)


async def offer(dut: Any, random: Random, data: list[int], pause_prob: float) -> int:
    """Offer bytes, sometimes late; the clock cycles from the first taken to the last taken."""
    taken_at = []
    cycle = 0
    for byte in data:
        while random.random() < pause_prob:
            await RisingEdge(dut.clk_i)
            cycle += 1
        dut.valid_i.value, dut.byte_i.value = 1, byte
        while True:
            await RisingEdge(dut.clk_i)
            cycle += 1
            if dut.ready_o.value == 1:
                break
        taken_at.append(cycle)
        dut.valid_i.value, dut.byte_i.value = 0, random.randrange(256)
    return taken_at[-1] - taken_at[0]


@cocotb.test(timeout_time=100, timeout_unit="ms")
@cocotb.parametrize(pause_prob=[0.0, 0.98])
async def sends_every_byte_with_exact_bits(dut: Any, pause_prob: float) -> None:
    random = await start(dut)
    sent = [random.choice([0, 0xFF, 0x55, random.randrange(256)]) for _ in range(NUM_BYTES)]
    received: list[tuple[int, int]] = []

    async def listen() -> None:
        while True:
            received.append(await read_byte(dut.tx_o, BIT_PS))

    cocotb.start_soon(listen())
    cycles = await offer(dut, random, sent, pause_prob)
    await Timer(12 * BIT_PS, "ps")
    assert received == [(byte, 1) for byte in sent]
    if pause_prob == 0.0:  # not a clock between two bytes
        assert cycles == (NUM_BYTES - 1) * BITS_PER_BYTE * CLOCKS
    assert dut.tx_o.value == 1
    assert dut.ready_o.value == 1


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_reset_leaves_the_line_idle(dut: Any) -> None:
    random = await start(dut)
    await offer(dut, random, [0x00], 0.0)
    await Timer(3 * BIT_PS, "ps")
    assert dut.tx_o.value == 0
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, 2)
    assert dut.tx_o.value == 1
    dut.rst_ni.value = 1
    await Timer(12 * BIT_PS, "ps")
    assert dut.tx_o.value == 1


@cocotb.test(timeout_time=100, timeout_unit="ms", skip=CLOCKS < 8)
async def cocotbext_uart_receives_it(dut: Any) -> None:
    random = await start(dut)
    sink = UartSink(dut.tx_o, baud=round(1e12 / BIT_PS), bits=8)
    sent = [random.randrange(256) for _ in range(40)]
    await offer(dut, random, sent, 0.9)
    await Timer(12 * BIT_PS, "ps")
    assert list(await sink.read()) == sent
