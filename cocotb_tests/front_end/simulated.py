"""Simulator side: layers, aborts, tokens and register accesses of the front end against the model's."""

import os
from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from bridge.testbench import StreamSignals, StreamSource, random_pauses
from cocotb_tests.decoders import FRONT_ENDS
from cocotb_tests.simulation import is_long
from cocotb_tests.stimulus import disturbed_stream, random_shots
from hdl.model.decoder import RegisterModel
from hdl.model.front_end import Abort, Action, Fault, FrontEnd, Layer, RegisterValue, ShotEnd
from hdl.registers.map import Address
from qds1 import FaultCode

NUM_SHOTS = 3000 if is_long() else 250
TOKEN_SHOT, TOKEN_FAULT, TOKEN_DATA = range(3)


class Bench:
    """Watches every output; `layers` and `tokens` are what came out, as the model would put it."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.decoder = FRONT_ENDS[os.environ["DECODER"]]()
        constants = self.decoder.constants
        # the simulation's registers and the model's are two objects with the same behaviour
        self.registers = RegisterModel(constants, self.decoder.planes.copy().reshape(-1))
        model_registers = RegisterModel(constants, self.decoder.planes.copy().reshape(-1))
        self.model = FrontEnd(constants.shape, model_registers.settings, model_registers)
        self.layers: list[Action] = []
        self.tokens: list[Action] = []
        self.shot_end_times: list[int] = []
        self.pulses = {"round_o": 0, "abandoned_o": 0, "fault_o": 0}
        self.cycle = 0
        self.busy_prob = 0.0
        Clock(dut.clk_i, 10, unit="ns").start()
        signals = StreamSignals(dut.word_i, dut.word_valid_i, dut.word_ready_o)
        self.source = StreamSource(signals, dut.clk_i)
        cocotb.start_soon(self.watch())

    async def reset(self) -> None:
        self.dut.rst_ni.value = 0
        await ClockCycles(self.dut.clk_i, 2)
        self.dut.rst_ni.value = 1

    async def watch(self) -> None:
        """Plays the core, the token queue and the registers, all of them busy at random."""
        dut = self.dut
        layer_ready = token_full = bus_ready = False
        while True:
            settings = self.registers.settings
            dut.enable_i.value, dut.events_mode_i.value = settings.enable, settings.events_mode
            dut.rounds_i.value, dut.now_i.value = settings.rounds, self.cycle
            layer_ready = self.random.random() >= self.busy_prob
            token_full = self.random.random() < self.busy_prob
            dut.layer_ready_i.value, dut.token_full_i.value = layer_ready, token_full
            dut.bus_ready_i.value = bus_ready
            await RisingEdge(dut.clk_i)
            self.cycle += 1
            if dut.rst_ni.value != 1:
                continue
            if dut.abort_o.value == 1:
                assert dut.layer_valid_o.value == 0
                self.layers.append(Abort())
            if layer_ready and dut.layer_valid_o.value == 1:
                self.layers.append(Layer((int(dut.layer_events_o.value),), dut.layer_last_o.value == 1))
            if dut.token_push_o.value == 1:
                assert not token_full
                self.take_token(int(dut.token_o.value))
            for name in self.pulses:
                self.pulses[name] += dut[name].value == 1
            done = bus_ready
            bus_ready = False
            if dut.bus_valid_o.value == 1 and not done and self.random.random() < 0.5:
                self.access()
                bus_ready = True

    def access(self) -> None:
        dut = self.dut
        address = int(dut.bus_address_o.value)
        if dut.bus_write_o.value == 1:
            dut.bus_error_i.value = not self.registers.write(address, int(dut.bus_wdata_o.value))
        else:
            value = self.registers.read(address)
            dut.bus_error_i.value, dut.bus_rdata_i.value = value is None, value or 0

    def take_token(self, token: int) -> None:
        word, argument, tag, kind = token & 0xFFFF_FFFF, token >> 32 & 0xFFF, token >> 44 & 0xFFFF, token >> 60
        if kind == TOKEN_SHOT:
            assert word == self.cycle - 1
            self.tokens.append(ShotEnd(tag))
        elif kind == TOKEN_FAULT:
            self.tokens.append(Fault(tag, FaultCode(argument), word))
        else:
            assert kind == TOKEN_DATA
            self.tokens.append(RegisterValue(tag, argument, word))

    async def run(self, words: list[int]) -> None:
        """Stream the words and compare everything with the model."""
        self.source.send(words)
        expected = self.model.feed(words)
        await self.source.drained(len(words) * 1000)
        await ClockCycles(self.dut.clk_i, 100)
        assert self.layers == [action for action in expected if isinstance(action, Layer | Abort)]
        assert self.tokens == [action for action in expected if not isinstance(action, Layer | Abort)]
        model = self.model
        assert list(self.pulses.values()) == [model.num_rounds, model.num_abandoned, model.num_faults]
        assert (self.dut.in_shot_o.value == 1) == (model.shot_tag is not None)
        assert (self.dut.skipping_o.value == 1) == (model.skipped_tag is not None)


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(busy_prob=[0.0, 0.4, 0.9], idle_prob=[0.0, 0.5])
async def follows_the_model(dut: Any, busy_prob: float, idle_prob: float) -> None:
    bench = Bench(dut)
    bench.busy_prob = busy_prob
    bench.source.pause = random_pauses(bench.random, idle_prob)
    await bench.reset()
    await bench.run(disturbed_stream(bench.decoder, bench.random, NUM_SHOTS if busy_prob < 0.9 else NUM_SHOTS // 2))
    assert bench.model.num_abandoned > 0
    assert any(isinstance(action, Abort) for action in bench.layers)
    seen = {action.code for action in bench.tokens if isinstance(action, Fault)}
    assert seen == set(FaultCode)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def never_stalls_a_core_that_takes_every_other_cycle(dut: Any) -> None:
    bench = Bench(dut)
    await bench.reset()
    rounds = 3 if bench.decoder.constants.window else None
    words = random_shots(bench.decoder, bench.random, 50, rounds=rounds).ravel().tolist()
    stalls = 0

    async def count() -> None:
        nonlocal stalls
        while True:
            await RisingEdge(dut.clk_i)
            stalls += dut.word_valid_i.value == 1 and dut.word_ready_o.value != 1

    cocotb.start_soon(count())
    await bench.run(words)
    assert stalls == 0


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def starts_anew_after_a_reset(dut: Any) -> None:
    bench = Bench(dut)
    for _ in range(20):
        await bench.reset()
        bench.model.reset()
        words = disturbed_stream(bench.decoder, bench.random, 3)
        bench.source.send(words[: bench.random.randrange(len(words))])
        await ClockCycles(dut.clk_i, bench.random.randrange(1, 40))
        bench.source.drop()
        dut.rst_ni.value = 0
        await ClockCycles(dut.clk_i, 1)
        bench.registers.write(Address.CONTROL, 1)
        bench.registers.write(Address.ROUNDS, bench.decoder.constants.max_rounds)
        await ClockCycles(dut.clk_i, 2)  # a reset lasts until the settings are back
        bench.layers.clear()
        bench.tokens.clear()
        bench.pulses = dict.fromkeys(bench.pulses, 0)
        bench.model.num_rounds = bench.model.num_abandoned = bench.model.num_faults = 0
        dut.rst_ni.value = 1
        await bench.run(
            random_shots(bench.decoder, bench.random, 4, rounds=bench.decoder.constants.max_rounds or 2)
            .ravel()
            .tolist()
        )
