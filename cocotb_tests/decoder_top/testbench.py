"""Clock, reset, streams and model around decoder_top."""

import os
from random import Random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from numpy.typing import NDArray

from bridge.testbench import (
    CorrectionSink,
    Pause,
    Scoreboard,
    StreamSignals,
    StreamSource,
    SyndromeSource,
    never,
)
from cocotb_tests.decoders import EVERY_DECODER
from cocotb_tests.stimulus import random_shots

PERIOD_NS = 10
IDLE_INPUTS = (
    "s_axil_awaddr",
    "s_axil_awvalid",
    "s_axil_wdata",
    "s_axil_wstrb",
    "s_axil_wvalid",
    "s_axil_bready",
    "s_axil_araddr",
    "s_axil_arvalid",
    "s_axil_rready",
)


class Testbench:
    """One decoder_top under test.

    Attributes:
        model: answers what the decoder should; shares nothing with the simulation.
    """

    def __init__(self, dut: Any, *, source_pause: Pause = never, sink_pause: Pause = never) -> None:
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.decoder = EVERY_DECODER[os.environ["DECODER"]]()
        self.model = self.decoder.model()
        for name in IDLE_INPUTS:
            getattr(dut, name).value = 0
        dut.rst_ni.value = 0
        Clock(dut.clk_i, PERIOD_NS, unit="ns").start()
        self.stream = StreamSource(StreamSignals.of(dut, "s_axis"), dut.clk_i, pause=source_pause)
        self.source = SyndromeSource(self.stream)
        self.sink = CorrectionSink(StreamSignals.of(dut, "m_axis"), dut.clk_i, pause=sink_pause)
        self.scoreboard = Scoreboard()
        self.num_expected = 0

    async def reset(self, cycles: int = 3) -> None:
        """Hard reset; what was in flight is dropped on both sides."""
        self.dut.rst_ni.value = 0
        self.stream.drop()
        self.sink.drop()
        await ClockCycles(self.dut.clk_i, cycles)
        self.dut.rst_ni.value = 1
        await RisingEdge(self.dut.clk_i)
        self.model = self.decoder.model()
        self.scoreboard = Scoreboard()
        self.num_expected = 0

    def send(self, words: NDArray[np.uint32] | list[int]) -> None:
        """Queue words for the decoder and the model's answers for the scoreboard."""
        flat = [int(word) for word in np.asarray(words, dtype=np.uint32).ravel()]
        self.stream.send(flat)
        expected = self.model.respond(flat)
        self.num_expected += len(expected)
        self.scoreboard.expect(expected)

    async def finish(self, timeout_ns: int = 400_000) -> list[int]:
        """Wait for every expected answer and check all; then nothing may be left. Returns the latencies."""
        answers = await self.sink.answers(self.num_expected, timeout_ns)
        self.num_expected = 0
        self.scoreboard.check(answers)
        await self.stream.drained(timeout_ns)
        await ClockCycles(self.dut.clk_i, 40)
        assert not self.sink.messages
        assert not self.sink.in_message
        assert self.dut.m_axis_tvalid.value == 0
        return list(self.scoreboard.finish().latencies_cycles)

    def shots(self, count: int, first_shot: int = 0) -> NDArray[np.uint32]:
        """Random raw shots: uint32, shape (shots, words)."""
        return random_shots(self.decoder, self.random, count, first_shot)
