"""Simulator side: tokens and results in, messages out, each checked to the cycle."""

import os
from random import Random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from bridge.testbench import CorrectionSink, StreamSignals, random_pauses
from qds1 import Kind, Message, Status

NUM_OBSERVABLES = int(os.environ.get("NUM_OBSERVABLES", "1"))
FLIP_WORDS = (NUM_OBSERVABLES + 31) // 32
NUM_CYCLES = 3000
BUDGET_CYCLES = 20
TOKEN_SHOT, TOKEN_FAULT, TOKEN_DATA = range(3)


def flip_words(flips: int) -> tuple[int, ...]:
    return tuple(flips >> 32 * word & 0xFFFF_FFFF for word in range(FLIP_WORDS))


class Bench:
    """Offers tokens and results at random, and writes down what each handshake must lead to."""

    def __init__(self, dut: Any, *, offer_prob: float, sink_pause: float) -> None:
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.offer_prob = offer_prob
        self.expected: list[Message] = []
        self.statistics: list[tuple[int, bool]] = []
        self.seen_statistics: list[tuple[int, bool]] = []
        self.stop = False
        self.cycle = 1000
        dut.flush_i.value = 0
        dut.cycle_budget_i.value = BUDGET_CYCLES
        dut.responses_per_packet_i.value = 3
        Clock(dut.clk_i, 10, unit="ns").start()
        pause = random_pauses(self.random, sink_pause)
        self.sink = CorrectionSink(StreamSignals.of(dut, "m_axis"), dut.clk_i, pause=pause)

    async def run(self, num_cycles: int) -> None:
        """Reset, offer for so many cycles, then let the last message out."""
        dut, random = self.dut, self.random
        dut.rst_ni.value = 0
        dut.token_valid_i.value = dut.result_valid_i.value = dut.abort_i.value = 0
        await ClockCycles(dut.clk_i, 2)
        dut.rst_ni.value = 1
        token: tuple[int, int, int, int] | None = None  # type, tag, argument, word
        result: tuple[int, int, bool, int] | None = None  # flips, status, frame, round
        layer_tag, layer_time, abort = 7, self.cycle, False
        for _ in range(num_cycles):
            if token is None and random.random() < self.offer_prob:
                kind = random.choice([TOKEN_SHOT, TOKEN_SHOT, TOKEN_FAULT, TOKEN_DATA])
                word = self.cycle - random.randrange(30) if kind == TOKEN_SHOT else random.getrandbits(32)
                token = (kind, random.getrandbits(16), random.getrandbits(12 if kind == TOKEN_DATA else 3), word)
            if result is None and random.random() < self.offer_prob:
                frame = random.random() < 0.4
                result = (random.getrandbits(NUM_OBSERVABLES), random.getrandbits(8), frame, random.getrandbits(32))
            if random.random() < 0.1:
                layer_tag, layer_time = random.getrandbits(16), self.cycle
            abort = random.random() < 0.1
            self.drive(token, result, layer_tag, layer_time, abort)
            await RisingEdge(dut.clk_i)
            popped, taken = dut.token_pop_o.value == 1, dut.result_ready_o.value == 1
            assert not (dut.flush_i.value == 1 and (popped or taken))
            self.note_statistics()
            if popped or taken:
                self.note(token if popped or token else None, result if taken else None, layer_tag, layer_time, abort)
            token = None if popped else token
            result = None if taken else result
            self.cycle += 1
        dut.token_valid_i.value = dut.result_valid_i.value = 0
        await RisingEdge(dut.clk_i)
        self.note_statistics()  # of a CORRECTION begun in the last cycle
        await ClockCycles(dut.clk_i, 200)

    def note_statistics(self) -> None:
        if self.dut.shot_o.value == 1:
            self.seen_statistics.append((int(self.dut.latency_o.value), self.dut.budget_exceeded_o.value == 1))

    def drive(self, token: Any, result: Any, layer_tag: int, layer_time: int, abort: bool) -> None:
        dut = self.dut
        dut.now_i.value = self.cycle
        dut.token_valid_i.value, dut.result_valid_i.value = token is not None, result is not None
        if token is not None:
            kind, tag, argument, word = token
            dut.token_i.value = kind << 60 | tag << 44 | argument << 32 | word
        if result is not None:
            dut.result_flips_i.value, dut.result_status_i.value = result[0], result[1]
            dut.result_frame_i.value, dut.result_round_i.value = result[2], result[3]
        dut.layer_tag_i.value, dut.layer_time_i.value, dut.abort_i.value = layer_tag, layer_time, abort

    def note(self, token: Any, result: Any, layer_tag: int, layer_time: int, abort: bool) -> None:
        """What a handshake in this cycle means; the header shows in the next one."""
        header_cycle = self.cycle + 1
        if result is None:
            kind, tag, argument, word = token
            assert kind != TOKEN_SHOT
            self.expected.append(Message(Kind.FAULT if kind == TOKEN_FAULT else Kind.DATA, tag, (argument, word)))
            return
        flips, status, frame, committed_round = result
        if token is not None:
            assert token[0] == TOKEN_SHOT
        if frame:
            assert token is not None or not abort
            tag, since = (token[1], token[3]) if token else (layer_tag, layer_time)
            payload = (committed_round, *flip_words(flips), header_cycle - since)
            self.expected.append(Message(Kind.FRAME, tag, payload))
            return
        assert token is not None
        latency = header_cycle - token[3]
        late = bool(status & Status.BUDGET_EXCEEDED) or latency > BUDGET_CYCLES
        self.statistics.append((latency, late))
        self.expected.append(Message(Kind.CORRECTION, token[1], (*flip_words(flips), latency, status | late)))

    def check(self) -> None:
        """Everything that was taken came out, in order and unchanged."""
        assert list(self.sink.messages) == self.expected
        assert not self.sink.in_message
        assert self.seen_statistics == self.statistics
        assert {message.kind for message in self.expected} == {Kind.CORRECTION, Kind.FRAME, Kind.FAULT, Kind.DATA}
        counted = np.array([message.kind is not Kind.FRAME for message in self.expected])
        ends = (counted & (counted.cumsum() % 3 == 0)).tolist()
        assert self.sink.packet_ends == ends


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(offer_prob=[0.1, 1.0], sink_pause=[0.0, 0.5])
async def sends_what_it_took(dut: Any, offer_prob: float, sink_pause: float) -> None:
    bench = Bench(dut, offer_prob=offer_prob, sink_pause=sink_pause)
    await bench.run(NUM_CYCLES)
    bench.check()
    if offer_prob == 1.0 and sink_pause == 0.0:  # not a cycle between two messages
        num_words = sum(1 + len(message.payload) for message in bench.expected)
        assert num_words > NUM_CYCLES * 0.97


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def finishes_the_message_under_way_when_flushed(dut: Any) -> None:
    bench = Bench(dut, offer_prob=1.0, sink_pause=0.5)

    async def flush() -> None:
        while True:
            await ClockCycles(dut.clk_i, bench.random.randrange(1, 10))
            dut.flush_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.flush_i.value = 0

    cocotb.start_soon(flush())
    await bench.run(NUM_CYCLES)
    bench.check()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def offers_a_word_before_anyone_is_ready(dut: Any) -> None:
    bench = Bench(dut, offer_prob=1.0, sink_pause=1.0)
    dut.m_axis_tready.value = 0
    await bench.run(4)
    assert dut.m_axis_tvalid.value == 1
    assert len(bench.expected) == 1
