"""Simulator side: the same shots from a raw file, a .npy file and a session give the same answers."""

import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, SimTimeoutError

from bridge.testbench import (
    CorrectionSink,
    RegisterError,
    RegisterMaster,
    Scoreboard,
    StreamProtocolError,
    StreamSignals,
    StreamSink,
    StreamSource,
    SyndromeSource,
    recorded_shots,
    session_shots,
)
from cocotb_tests.decoders import repetition_d3
from hdl.registers.map import Address

RECORDING = Path(os.environ.get("RECORDING", "."))


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(origin=["shots.npy", "shots.bin", "session"])
async def decodes_recorded_and_live_shots(dut: Any, origin: str) -> None:
    dut.rst_ni.value = 0
    for name in ("awvalid", "wvalid", "bready", "arvalid", "rready"):
        dut[f"s_axil_{name}"].value = 0
    Clock(dut.clk_i, 10, unit="ns").start()
    source = SyndromeSource(StreamSource(StreamSignals.of(dut, "s_axis"), dut.clk_i))
    sink = CorrectionSink(StreamSignals.of(dut, "m_axis"), dut.clk_i)
    await ClockCycles(dut.clk_i, 2)
    dut.rst_ni.value = 1

    shots = np.load(RECORDING / "shots.npy")
    given = 0

    def fetch(count: int) -> np.ndarray:
        nonlocal given
        given += count
        return shots[given - count : given]

    batches = session_shots(fetch, 1000, batch_shots=20) if origin == "session" else recorded_shots(RECORDING / origin)
    assert await source.send_all(batches, timeout_ns=100_000) == shots.size
    scoreboard = Scoreboard()
    scoreboard.expect(repetition_d3().model().respond(shots.ravel().tolist()))
    scoreboard.check(await sink.answers(len(shots), timeout_ns=100_000))
    assert scoreboard.finish().num_matched == len(shots)
    try:
        await sink.answers(1, timeout_ns=1000)
    except SimTimeoutError:
        return
    raise AssertionError("an answer that nobody asked for")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def registers_are_reached_by_name(dut: Any) -> None:
    Clock(dut.clk_i, 10, unit="ns").start()
    registers = RegisterMaster(dut, "s_axil", dut.clk_i)
    dut.s_axis_tvalid.value = dut.m_axis_tready.value = 0
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, 2)
    dut.rst_ni.value = 1
    await ClockCycles(dut.clk_i, 1)
    expected = repetition_d3().model().registers
    for address in (Address.ID, Address.GRAPH_HASH, Address.CLOCK_HZ):
        assert await registers.read(address) == expected.read(address)
    await registers.write(Address.SCRATCH, 0x1234_5678)
    assert await registers.read(Address.SCRATCH) == 0x1234_5678
    with pytest.raises(RegisterError, match="GRAPH_HASH"):
        await registers.write(Address.GRAPH_HASH, 1)


async def break_the_protocol(dut: Any, *, data: int, valid: int) -> None:
    """Offer a word, then change it before it is taken; the decoder's inputs, driven by hand, serve as the stream."""
    Clock(dut.clk_i, 10, unit="ns").start()
    dut.rst_ni.value = 0
    dut.s_axis_tvalid.value = 0
    signals = StreamSignals(dut.s_axis_tdata, dut.s_axis_tvalid, dut.m_axis_tready)
    StreamSink(signals, dut.clk_i, pause=lambda: True)
    await ClockCycles(dut.clk_i, 2)
    dut.s_axis_tdata.value, dut.s_axis_tvalid.value = 1, 1
    await ClockCycles(dut.clk_i, 3)
    dut.s_axis_tdata.value, dut.s_axis_tvalid.value = data, valid
    await ClockCycles(dut.clk_i, 3)


@cocotb.test(timeout_time=1, timeout_unit="ms", expect_error=StreamProtocolError)
async def sink_notices_a_word_that_changes_while_it_waits(dut: Any) -> None:
    await break_the_protocol(dut, data=2, valid=1)


@cocotb.test(timeout_time=1, timeout_unit="ms", expect_error=StreamProtocolError)
async def sink_notices_a_word_that_is_withdrawn(dut: Any) -> None:
    await break_the_protocol(dut, data=1, valid=0)
