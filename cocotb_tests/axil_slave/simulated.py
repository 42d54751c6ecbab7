"""Simulator side: the five channels driven independently, against a memory behind the register bus."""

from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from bridge.testbench import StreamSignals, StreamSink, StreamSource, random_pauses

NUM_ACCESSES = 120
BAD_ADDRESS = 0x800
OKAY, SLVERR = 0, 2


class Bench:
    """One driver or monitor per channel, each with pauses of its own, and the bus's other end."""

    def __init__(self, dut: Any, pause_prob: float) -> None:
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.memory: dict[int, int] = {}
        self.num_accesses = 0
        self.order: list[bool] = []
        Clock(dut.clk_i, 10, unit="ns").start()
        pause = random_pauses(self.random, pause_prob)

        def signals(channel: str, data: str) -> StreamSignals:
            parts = (dut[f"s_axil_{channel}{part}"] for part in (data, "valid", "ready"))
            return StreamSignals(*parts)

        self.write_addresses = StreamSource(signals("aw", "addr"), dut.clk_i, pause=pause)
        self.write_data = StreamSource(signals("w", "data"), dut.clk_i, pause=pause)
        self.write_answers = StreamSink(signals("b", "resp"), dut.clk_i, pause=pause, name="B")
        self.read_addresses = StreamSource(signals("ar", "addr"), dut.clk_i, pause=pause)
        self.read_answers = StreamSink(signals("r", "data"), dut.clk_i, pause=pause, name="R")
        self.read_responses = (
            StreamSink(signals("r", "resp"), dut.clk_i, name="R response") if pause_prob == 0 else None
        )
        dut.s_axil_wstrb.value = 0xF
        cocotb.start_soon(self.registers())

    async def reset(self) -> None:
        self.dut.rst_ni.value = 0
        await ClockCycles(self.dut.clk_i, 2)
        self.dut.rst_ni.value = 1

    async def registers(self) -> None:
        """The register bus: answers after a random wait; the request must hold meanwhile."""
        dut = self.dut
        dut.bus_ready_i.value = dut.bus_error_i.value = dut.bus_rdata_i.value = 0
        while True:
            await RisingEdge(dut.clk_i)
            if dut.rst_ni.value != 1 or dut.bus_valid_o.value != 1:
                continue
            request = self.request()
            broken_off = False
            for _ in range(self.random.randrange(4)):
                await RisingEdge(dut.clk_i)
                broken_off |= dut.rst_ni.value != 1
                if not broken_off:
                    assert dut.bus_valid_o.value == 1
                    assert self.request() == request
            if broken_off:
                continue
            write, address, data = request
            dut.bus_error_i.value = address >= BAD_ADDRESS
            if write and address < BAD_ADDRESS:
                self.memory[address] = data
            dut.bus_rdata_i.value = self.memory.get(address, 0)
            dut.bus_ready_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.bus_ready_i.value = 0
            self.num_accesses += 1
            self.order.append(write)

    def request(self) -> tuple[bool, int, int]:
        dut = self.dut
        write = dut.bus_write_o.value == 1
        return write, int(dut.bus_address_o.value), int(dut.bus_wdata_o.value) if write else 0


@cocotb.test(timeout_time=500, timeout_unit="us")
@cocotb.parametrize(pause_prob=[0.0, 0.5])
async def carries_reads_and_writes_one_by_one(dut: Any, pause_prob: float) -> None:
    bench = Bench(dut, pause_prob)
    await bench.reset()
    random = bench.random
    addresses = [random.randrange(1024) * 4 for _ in range(NUM_ACCESSES)]
    values = [random.getrandbits(32) for _ in addresses]
    bench.write_addresses.send(address | random.randrange(4) for address in addresses)
    bench.write_data.send(values)
    answers = await bench.write_answers.receive(NUM_ACCESSES, 200_000)
    assert [word.data for word in answers] == [SLVERR if address >= BAD_ADDRESS else OKAY for address in addresses]
    bench.read_addresses.send(addresses)
    latest = dict(zip(addresses, values, strict=True))
    read = [word.data for word in await bench.read_answers.receive(NUM_ACCESSES, 200_000)]
    assert read == [latest[address] if address < BAD_ADDRESS else 0 for address in addresses]
    if bench.read_responses is not None:
        responses = [word.data for word in bench.read_responses.words]
        assert responses == [SLVERR if address >= BAD_ADDRESS else OKAY for address in addresses]
    assert bench.num_accesses == 2 * NUM_ACCESSES
    assert not bench.write_answers.words
    assert not bench.read_answers.words


@cocotb.test(timeout_time=500, timeout_unit="us")
async def takes_turns_when_both_wait(dut: Any) -> None:
    bench = Bench(dut, 0.0)
    await bench.reset()
    bench.write_addresses.send([4] * 40)
    bench.write_data.send([1] * 40)
    bench.read_addresses.send([4] * 40)
    await bench.write_answers.receive(40, 100_000)
    await bench.read_answers.receive(40, 100_000)
    turns = bench.order[4:-4]
    assert all(turns[i : i + 3].count(True) in (1, 2) for i in range(len(turns) - 2))


@cocotb.test(timeout_time=500, timeout_unit="us")
async def is_idle_after_a_reset(dut: Any) -> None:
    bench = Bench(dut, 0.5)
    await bench.reset()
    sources = (bench.write_addresses, bench.write_data, bench.read_addresses)
    for _ in range(20):
        for source in sources:
            source.send([0x10] * 3)
        await ClockCycles(dut.clk_i, bench.random.randrange(20))
        for source in sources:
            source.drop()
        bench.write_answers.drop()
        bench.read_answers.drop()
        await bench.reset()
        await ClockCycles(dut.clk_i, 10)  # the other end of the bus may still be answering
        assert dut.bus_valid_o.value == 0
        assert dut.s_axil_bvalid.value == 0
        assert dut.s_axil_rvalid.value == 0
        bench.write_addresses.send([0x20])
        bench.write_data.send([5])
        await bench.write_answers.receive(1, 10_000)
        bench.read_addresses.send([0x20])
        (word,) = await bench.read_answers.receive(1, 10_000)
        assert word.data == 5
