"""A union-find core between a layer source and a result sink."""

import os
from random import Random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from numpy.typing import NDArray

from bridge.testbench import StreamSignals, StreamSink, StreamSource, StreamWord, random_pauses
from cocotb_tests.unionfind.cores import CORES
from hdl.model.unionfind import UnionFindModel

CORE_VARIABLE = "UNIONFIND_CORE"
RESULT_TIMEOUT_NS = 2_000_000


class Bench:
    """Layers in, flips out; the model says which."""

    def __init__(self, dut: Any, busy_prob: float = 0.0) -> None:
        self.dut = dut
        self.core = CORES[os.environ[CORE_VARIABLE]]
        self.random = Random(cocotb.RANDOM_SEED)
        self.model = UnionFindModel(self.core.graph, self.core.options)
        for name in ("abort_i", "cfg_we_i", "cfg_addr_i", "cfg_wdata_i"):
            dut[name].value = 0
        Clock(dut.clk_i, 10, unit="ns").start()
        pause = random_pauses(self.random, busy_prob)
        layers = StreamSignals(dut.layer_events_i, dut.layer_valid_i, dut.layer_ready_o, dut.layer_last_i)
        results = StreamSignals(dut.result_flips_o, dut.result_valid_o, dut.result_ready_i, dut.result_frame_o)
        self.layers = StreamSource(layers, dut.clk_i, pause=pause)
        self.results = StreamSink(results, dut.clk_i, pause=pause)
        self.flags: list[int] = []
        cocotb.start_soon(self._collect_flags())

    async def _collect_flags(self) -> None:
        while True:
            await RisingEdge(self.dut.clk_i)
            if self.dut.result_valid_o.value == 1 and self.dut.result_ready_i.value == 1:
                self.flags.append(int(self.dut.result_status_o.value))

    async def reset(self) -> None:
        self.dut.rst_ni.value = 0
        await ClockCycles(self.dut.clk_i, 2)
        self.dut.rst_ni.value = 1
        self.flags.clear()

    def sample(self, shots: int, prob: float) -> NDArray[np.uint8]:
        return self.core.sample(shots, prob, self.random.getrandbits(30))

    def send(self, layers: list[int], *, whole: bool = True) -> None:
        """Queue layers of one shot; the last one ends it where the shot is whole."""
        self.layers.send([StreamWord(word, whole and t + 1 == len(layers)) for t, word in enumerate(layers)])

    async def decode(self, defects: NDArray[np.uint8]) -> None:
        """Decode whole shots and compare flips, flags and the number of answers."""
        self.flags.clear()
        words = self.core.layers(defects)
        for layers in words:
            self.send(layers)
        expected = self._expected(words, defects)
        results = await self.results.receive(len(expected), timeout_ns=RESULT_TIMEOUT_NS)
        assert [(word.data, not word.last) for word in results] == [(flips, ends) for flips, _, ends in expected]
        await ClockCycles(self.dut.clk_i, 30)
        assert [flags & 3 for flags in self.flags] == [flags for _, flags, _ in expected]
        assert not self.results.words
        assert self.dut.result_valid_o.value == 0

    def _expected(self, words: list[list[int]], defects: NDArray[np.uint8]) -> list[tuple[int, int, bool]]:
        """Flips, flags and whether it ends the shot, of each answer."""
        if not self.core.options.window:
            flips, status = self.model.decode(defects)
            return [(int(flip), int(flag), True) for flip, flag in zip(flips[:, 0], status, strict=True)]
        width = len(self.core.graph.layer_select)
        bits = (np.array(words)[:, :, None] >> np.arange(width) & 1).astype(np.uint8)
        streamed = self.model.decode_stream(bits)
        last = streamed.status.shape[1] - 1
        return [
            (int(streamed.flips[shot, window, 0]), int(streamed.status[shot, window]), window == last)
            for shot in range(len(words))
            for window in range(last + 1)
        ]

    async def abandon(self, layers: list[int]) -> None:
        """Hand over layers of a shot that never ends, then the word of it."""
        self.send(layers, whole=False)
        await self.layers.drained(100_000)
        self.dut.abort_i.value = 1
        await RisingEdge(self.dut.clk_i)
        self.dut.abort_i.value = 0
