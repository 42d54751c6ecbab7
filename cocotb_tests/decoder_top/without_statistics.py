"""Simulator side: a decoder that is built without statistics says so, refuses their registers, and decodes the same."""

from typing import Any

import cocotb
from cocotb_bus.drivers.amba import AXI4LiteMaster, AXIProtocolError

from bridge.testbench import random_pauses
from cocotb_tests.decoder_top.testbench import Testbench
from cocotb_tests.stimulus import disturbed_stream, read_register, write_register
from hdl.registers.map import FEATURES_HISTOGRAM_BINS, FEATURES_NO_STATISTICS, STATUS_LAST_FAULT, Address, FaultCode
from qds1 import Kind

TIMEOUT_US = 5000
NUM_MESSAGES = 150
ABSENT = (
    *(0x054,),  # HISTOGRAM_SHIFT
    *range(0x080, 0x0A8, 4),  # COUNT_ and LATENCY_
    *(0x100, 0x110, 0x17C),  # HISTOGRAM
)


async def is_refused(access: Any) -> bool:
    try:
        await access
    except AXIProtocolError:
        return True
    return False


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def shows_what_it_is(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    master = AXI4LiteMaster(dut, "s_axil", dut.clk_i)
    features = int(await master.read(Address.FEATURES))
    assert (FEATURES_NO_STATISTICS.get(features), FEATURES_HISTOGRAM_BINS.get(features)) == (1, 0)
    known = {address: bench.model.registers.read(address) for address in Address}
    expected = {address: value for address, value in known.items() if value is not None}
    assert len(expected) > 15
    assert {address: int(await master.read(address)) for address in expected} == expected


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def refuses_the_registers_of_statistics(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    master = AXI4LiteMaster(dut, "s_axil", dut.clk_i)
    for address in ABSENT:
        assert await is_refused(master.read(address)), hex(address)
        assert await is_refused(master.write(address, 1)), hex(address)
    for address in ABSENT:
        bench.stream.send([*read_register(address, 7), *write_register(address, 1)])
    answers = await bench.sink.answers(2 * len(ABSENT), 100_000)
    assert [answer.kind for answer in answers] == [Kind.FAULT] * (2 * len(ABSENT))
    assert {answer.payload[0] for answer in answers} == {FaultCode.ADDRESS}
    assert [answer.payload[1] for answer in answers[::2]] == list(ABSENT)


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def names_the_last_fault(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    master = AXI4LiteMaster(dut, "s_axil", dut.clk_i)
    bench.stream.send(read_register(0x7FC))
    await bench.sink.answers(1, 10_000)
    assert STATUS_LAST_FAULT.get(int(await master.read(Address.STATUS))) == FaultCode.ADDRESS
    await master.write(Address.CONTROL, 0b101)
    assert STATUS_LAST_FAULT.get(int(await master.read(Address.STATUS))) == FaultCode.NONE


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def follows_the_model_through_any_messages(dut: Any) -> None:
    bench = Testbench(dut)
    bench.stream.pause = random_pauses(bench.random, 0.2)
    bench.sink.pause = random_pauses(bench.random, 0.3)
    await bench.reset()
    bench.send(disturbed_stream(bench.decoder, bench.random, NUM_MESSAGES))
    assert {message.kind for message in bench.scoreboard.expected} == {Kind.CORRECTION, Kind.FAULT, Kind.DATA}
    latencies = await bench.finish(timeout_ns=NUM_MESSAGES * 10_000)
    assert min(latencies) == 4
