"""Simulator side: the registers over AXI4-Lite, through two independent masters."""

import warnings
from typing import Any

import cocotb
import numpy as np
from cocotb_bus.drivers.amba import AXI4LiteMaster, AXIProtocolError
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp
from numpy.typing import NDArray

from cocotb_tests.decoder_top.testbench import Testbench
from cocotb_tests.stimulus import read_register
from hdl.registers.map import HISTOGRAM_WORDS, TABLE_WORDS, Address
from qds1 import Kind, Status

TIMEOUT_US = 500
LATENCY_CYCLES = 4


async def read_all(bench: Testbench, addresses: list[int]) -> dict[int, int]:
    """Read registers through cocotb-bus."""
    master = AXI4LiteMaster(bench.dut, "s_axil", bench.dut.clk_i)
    return {address: int(await master.read(address)) for address in addresses}


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def show_what_the_decoder_is(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    known = {address: bench.model.registers.read(address) for address in Address}
    expected = {int(address): value for address, value in known.items() if value is not None}
    assert len(expected) > 15
    assert await read_all(bench, list(expected)) == expected
    assert int.to_bytes(expected[Address.ID], 4, "little") == b"QDS1"


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def refuse_what_does_not_exist(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    master = AXI4LiteMaster(dut, "s_axil", dut.clk_i)
    for address in (0x7FC, 0x060, 0x0A8, 0x180):
        for access in (master.read(address), master.write(address, 1)):
            try:
                await access
            except AXIProtocolError:
                continue
            raise AssertionError(f"access to 0x{address:03x} was not refused")
    for address in (Address.ID, Address.COUNT_SHOTS, Address.STATUS, Address.HISTOGRAM):
        try:
            await master.write(address, 1)
        except AXIProtocolError:
            continue
        raise AssertionError(f"a write to {address.name} was not refused")


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def agree_between_two_masters_and_the_model(dut: Any) -> None:
    # cocotbext-axi uses parts of cocotb that are deprecated
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="cocotbext")
    bench = Testbench(dut)
    await bench.reset()
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk_i, dut.rst_ni, reset_active_level=False)
    random = bench.random
    addresses = [Address.SCRATCH, Address.ROUNDS, Address.CYCLE_BUDGET, Address.HISTOGRAM_SHIFT, Address.TABLE_PAGE,
                 Address.RESPONSES_PER_PACKET, Address.CONTROL, 0x7F0, Address.GRAPH_HASH]  # fmt: skip
    for _ in range(60):
        address = random.choice(addresses)
        if random.random() < 0.5:
            value = random.getrandbits(32) & ~6 if address == Address.CONTROL else random.choice([3, 0x1234_5678, 2])
            lanes = slice(*sorted(random.sample(range(5), 2)))
            old = bench.model.registers.read(address) or 0
            mask = sum(0xFF << 8 * lane for lane in range(4)[lanes])
            accepted = bench.model.registers.write(address, old & ~mask | value & mask)
            data = value.to_bytes(4, "little")[lanes]
            result = await master.write(address + (lanes.start or 0), data)
            assert (result.resp == AxiResp.OKAY) == accepted
        else:
            expected = bench.model.registers.read(address)
            answer = await master.read(address, 4)
            assert (answer.resp == AxiResp.OKAY) == (expected is not None)
            if expected is not None:
                assert int.from_bytes(answer.data, "little") == expected
    for address in addresses:  # and once more over the stream
        bench.send(read_register(address))
    await bench.finish()


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def count_shots_and_latencies(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    num_shots = 25
    bench.send(bench.shots(num_shots))
    latencies = await bench.finish()
    assert latencies == [LATENCY_CYCLES] * num_shots
    counters = await read_all(bench, [a for a in Address if Address.COUNT_SHOTS <= a <= Address.LATENCY_SUM_HIGH])
    assert counters == {
        Address.COUNT_SHOTS: num_shots,
        Address.COUNT_ROUNDS: num_shots * bench.decoder.constants.max_rounds,
        Address.COUNT_ABANDONED: 0,
        Address.COUNT_FAULTS: 0,
        Address.COUNT_STALLS: 0,
        Address.COUNT_BUDGET_EXCEEDED: 0,
        Address.LATENCY_MIN: LATENCY_CYCLES,
        Address.LATENCY_MAX: LATENCY_CYCLES,
        Address.LATENCY_SUM_LOW: num_shots * LATENCY_CYCLES,
        Address.LATENCY_SUM_HIGH: 0,
    }
    histogram = await read_all(bench, [Address.HISTOGRAM + 4 * i for i in range(HISTOGRAM_WORDS)])
    assert list(histogram.values()) == [num_shots if i == LATENCY_CYCLES else 0 for i in range(HISTOGRAM_WORDS)]
    master = AXI4LiteMaster(dut, "s_axil", dut.clk_i)
    await master.write(Address.CONTROL, 0b101)
    cleared = await read_all(bench, [Address.COUNT_SHOTS, Address.LATENCY_MIN, Address.HISTOGRAM + 4 * LATENCY_CYCLES])
    assert list(cleared.values()) == [0, 0xFFFF_FFFF, 0]


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def flag_a_late_answer(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    master = AXI4LiteMaster(dut, "s_axil", dut.clk_i)
    statuses = []
    for budget in (LATENCY_CYCLES - 1, LATENCY_CYCLES, 0):
        await master.write(Address.CYCLE_BUDGET, budget)
        bench.stream.send(bench.shots(1).ravel().tolist())
        (answer,) = await bench.sink.answers(1, 10_000)
        assert answer.kind is Kind.CORRECTION
        statuses.append(answer.payload[-1])
    assert statuses == [Status.BUDGET_EXCEEDED, Status.OK, Status.OK]
    assert int(await master.read(Address.COUNT_BUDGET_EXCEEDED)) == 1


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def reload_the_table_of_a_running_decoder(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    table = bench.model.registers.table
    original = table.copy()
    generator = np.random.default_rng(bench.random.getrandbits(32))
    await exchange_table(bench, generator.integers(0, 1 << 32, table.size, dtype=np.uint32))
    bench.send(bench.shots(40))
    await bench.finish()
    await exchange_table(bench, original)  # memory has no reset, and other tests follow


async def exchange_table(bench: Testbench, contents: NDArray[np.uint32]) -> None:
    """Check the table against the model's, then give both new contents."""
    table = bench.model.registers.table
    master = AXI4LiteMaster(bench.dut, "s_axil", bench.dut.clk_i)
    for index in range(table.size):
        if index % TABLE_WORDS == 0:
            await master.write(Address.TABLE_PAGE, index // TABLE_WORDS)
        address = Address.TABLE + 4 * (index % TABLE_WORDS)
        assert int(await master.read(address)) == table[index]
        await master.write(address, int(contents[index]))
        assert int(await master.read(address)) == contents[index]
    table[:] = contents


@cocotb.test(timeout_time=TIMEOUT_US, timeout_unit="us")
async def serve_both_buses_at_once(dut: Any) -> None:
    bench = Testbench(dut)
    await bench.reset()
    shots = bench.shots(40)
    for shot in shots:
        bench.send([*read_register(Address.GRAPH_HASH), *shot.tolist()])
    master = AXI4LiteMaster(dut, "s_axil", dut.clk_i)
    for value in range(40):
        await master.write(Address.SCRATCH, value)
        assert int(await master.read(Address.SCRATCH)) == value
    await bench.finish()
