"""Simulator side: two masters that ask at random; each access must arrive once, whole, for the one who asked."""

from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

NUM_ACCESSES = 150
STREAM, AXIL = "stream", "axil"


async def master(dut: Any, name: str, random: Random, idle_prob: float, done: list[tuple[bool, int, int]]) -> None:
    """Access after access; valid holds until ready, then at least one idle cycle, as both real masters have."""
    for _ in range(NUM_ACCESSES):
        access = (random.random() < 0.5, random.getrandbits(32), random.getrandbits(32))
        dut[f"{name}_write_i"].value, dut[f"{name}_address_i"].value, dut[f"{name}_wdata_i"].value = access
        dut[f"{name}_valid_i"].value = 1
        while True:
            await RisingEdge(dut.clk_i)
            if dut[f"{name}_ready_o"].value == 1:
                break
        done.append(access)
        dut[f"{name}_valid_i"].value = 0
        await RisingEdge(dut.clk_i)
        while random.random() < idle_prob:
            await RisingEdge(dut.clk_i)


@cocotb.test(timeout_time=300, timeout_unit="us")
@cocotb.parametrize(idle_prob=[0.0, 0.7])
async def serves_both(dut: Any, idle_prob: float) -> None:
    random = Random(cocotb.RANDOM_SEED)
    done: dict[str, list[tuple[bool, int, int]]] = {STREAM: [], AXIL: []}
    arrived: list[tuple[bool, int, int]] = []
    lanes: list[int] = []
    for name in done:
        dut[f"{name}_valid_i"].value = 0
    dut.axil_wstrb_i.value = 0x5
    dut.bus_ready_i.value = 0
    dut.rst_ni.value = 0
    Clock(dut.clk_i, 10, unit="ns").start()
    await ClockCycles(dut.clk_i, 2)
    dut.rst_ni.value = 1

    def request() -> tuple[bool, int, int]:
        return dut.bus_write_o.value == 1, int(dut.bus_address_o.value), int(dut.bus_wdata_o.value)

    async def bus() -> None:
        while True:
            await RisingEdge(dut.clk_i)
            if dut.bus_valid_o.value != 1:
                continue
            asked = request()
            for _ in range(random.randrange(4)):
                await RisingEdge(dut.clk_i)
                assert request() == asked
            dut.bus_ready_i.value = 1
            await RisingEdge(dut.clk_i)
            assert request() == asked
            arrived.append(asked)
            lanes.append(int(dut.bus_wstrb_o.value))
            dut.bus_ready_i.value = 0

    cocotb.start_soon(bus())
    tasks = [cocotb.start_soon(master(dut, name, random, idle_prob, accesses)) for name, accesses in done.items()]
    for task in tasks:
        await task
    assert sorted(arrived) == sorted(done[STREAM] + done[AXIL])
    assert [access for access in arrived if access in done[STREAM]] == done[STREAM]
    assert [access for access in arrived if access in done[AXIL]] == done[AXIL]
    assert lanes == [0xF if access in done[STREAM] else 0x5 for access in arrived]
