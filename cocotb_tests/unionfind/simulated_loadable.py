"""Simulator side, the loadable core: weights change between two shots, all at once."""

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from cocotb_tests.unionfind.bench import Bench
from hdl.model.unionfind import UnionFindModel


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def takes_weights_between_shots(dut: Any) -> None:
    bench = Bench(dut, 0.3)
    await bench.reset()
    fabric = bench.model.fabric
    flat = fabric.with_weights(fabric.weight * 0 + 3)
    num_lanes = int(dut.u_weights.NumLanes.value)

    async def write(address: int, value: int) -> None:
        dut.cfg_addr_i.value, dut.cfg_wdata_i.value, dut.cfg_we_i.value = address, value, 1
        await RisingEdge(dut.clk_i)
        dut.cfg_we_i.value = 0

    await bench.decode(bench.sample(40, 0.1))
    for lane in range(num_lanes):
        await write(lane, 3)
    await bench.decode(bench.sample(40, 0.1))  # written, but not in use yet
    await write(num_lanes, flat.start)
    await write(num_lanes + 1, 1)
    bench.model = UnionFindModel(bench.core.graph, bench.core.options, weight=flat.weight)
    await bench.decode(bench.sample(40, 0.1))
    await bench.reset()  # a reset keeps them
    await bench.decode(bench.sample(40, 0.1))
