"""Simulator side: the receiver, fed by a line in time and by cocotbext-uart."""

import os
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer
from cocotbext.uart import UartSource

from cocotb_tests.simulation import is_long
from cocotb_tests.uart.line import PERIOD_PS, LineDriver, random_gap

CLOCKS = int(os.environ["CLOCKS_PER_BIT"])
BIT_PS = CLOCKS * PERIOD_PS
NUM_BYTES = 1000 if is_long() else 60
TOLERANCE = {16: 0.03, 8: 0.02}.get(CLOCKS, 0.0)  # what the module's head promises


class Bench:
    """The receiver, and what it gave."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.received: list[int] = []
        self.num_errors = 0

    async def start(self) -> None:
        dut = self.dut
        dut.rx_i.value = 1
        dut.rst_ni.value = 0
        Clock(dut.clk_i, PERIOD_PS, unit="ps").start()
        await ClockCycles(dut.clk_i, 4)
        dut.rst_ni.value = 1
        cocotb.start_soon(self._collect())
        await Timer(self.random.randrange(PERIOD_PS) + 4 * PERIOD_PS, "ps")  # the line knows nothing of this clock

    async def _collect(self) -> None:
        while True:
            await RisingEdge(self.dut.clk_i)
            assert not (self.dut.valid_o.value == 1 and self.dut.framing_error_o.value == 1)
            if self.dut.valid_o.value == 1:
                self.received.append(int(self.dut.byte_o.value))
            self.num_errors += self.dut.framing_error_o.value == 1

    def bytes(self, count: int = NUM_BYTES) -> list[int]:
        return [self.random.choice([0, 0xFF, 0x55, self.random.randrange(256)]) for _ in range(count)]


@cocotb.test(timeout_time=200, timeout_unit="ms")
@cocotb.parametrize(offset=sorted({-TOLERANCE, 0.0, TOLERANCE}))
async def receives_every_byte_within_the_tolerance(dut: Any, offset: float) -> None:
    bench = Bench(dut)
    await bench.start()
    line = LineDriver(dut.rx_i, round(BIT_PS * (1 + offset)))
    sent = bench.bytes()
    await line.send_all(sent, random_gap(bench.random, line.bit_ps))
    await Timer(2 * BIT_PS, "ps")
    assert bench.received == sent
    assert bench.num_errors == 0


@cocotb.test(timeout_time=200, timeout_unit="ms", skip=CLOCKS < 8)
@cocotb.parametrize(offset=[-0.12, 0.12])
async def notices_a_baud_that_is_far_off(dut: Any, offset: float) -> None:
    bench = Bench(dut)
    await bench.start()
    line = LineDriver(dut.rx_i, round(BIT_PS * (1 + offset)))
    sent = [0x00, 0xFF, 0x55, 0xAA] * 10
    await line.send_all(sent, lambda: 0)
    await Timer(12 * BIT_PS, "ps")
    assert bench.received != sent
    assert bench.num_errors > 0


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def drops_and_reports_a_byte_without_stop_bit(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    line = LineDriver(dut.rx_i, BIT_PS)
    expected, num_bad = [], 0
    for byte in bench.bytes(60):
        bad = bench.random.random() < 0.4
        await line.send(byte, stop=int(not bad))
        await Timer(bench.random.randrange(BIT_PS, 3 * BIT_PS) if bad else bench.random.choice([1, BIT_PS]), "ps")
        num_bad += bad
        expected += [] if bad else [byte]
    await Timer(2 * BIT_PS, "ps")
    assert num_bad > 10
    assert bench.num_errors == num_bad
    assert bench.received == expected


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def reports_a_break_once_and_recovers(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    line = LineDriver(dut.rx_i, BIT_PS)
    await line.hold(0, 50 * BIT_PS)
    await line.hold(1, BIT_PS)
    await line.send(0xA5)
    await Timer(2 * BIT_PS, "ps")
    assert (bench.num_errors, bench.received) == (1, [0xA5])


@cocotb.test(timeout_time=200, timeout_unit="ms", skip=CLOCKS < 8)
async def a_wrong_sample_in_the_middle_of_a_bit_is_outvoted(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    line = LineDriver(dut.rx_i, BIT_PS)
    sent = bench.bytes(40)
    for byte in sent:
        await line.send(byte, noise_ps=PERIOD_PS)
        await Timer(BIT_PS, "ps")
    assert bench.received == sent
    assert bench.num_errors == 0


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def a_glitch_is_no_start_bit(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    line = LineDriver(dut.rx_i, BIT_PS)
    for _ in range(20):
        await line.hold(0, PERIOD_PS * max(1, CLOCKS // 4))
        await line.hold(1, 2 * BIT_PS)
    await line.send(0x3C)
    await Timer(2 * BIT_PS, "ps")
    assert (bench.received, bench.num_errors) == ([0x3C], 0)


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def a_reset_in_mid_byte_forgets_it(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    line = LineDriver(dut.rx_i, BIT_PS)
    sending = cocotb.start_soon(line.send(0x00))
    await Timer(4 * BIT_PS, "ps")
    dut.rst_ni.value = 0
    await sending
    await Timer(BIT_PS, "ps")
    dut.rst_ni.value = 1
    await Timer(2 * BIT_PS, "ps")
    await line.send(0x96)
    await Timer(2 * BIT_PS, "ps")
    assert (bench.received, bench.num_errors) == ([0x96], 0)


@cocotb.test(timeout_time=200, timeout_unit="ms", skip=CLOCKS < 8)
async def receives_what_cocotbext_uart_sends(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    source = UartSource(dut.rx_i, baud=round(1e12 / BIT_PS), bits=8)
    sent = bench.bytes(60)
    await source.write(bytes(sent))
    await source.wait()
    await Timer(3 * BIT_PS, "ps")
    assert bench.received == sent
    assert bench.num_errors == 0
