"""Simulator side: frames of bytes in, words of whole messages out; damaged frames are counted and leave nothing."""

import os
from random import Random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from bridge.links.uart.frames import frame
from cocotb_tests.simulation import is_long

FRAME_WORDS = 1 << int(os.environ["FRAME_WORDS_BITS"])
NUM_FRAMES = 400 if is_long() else 50
COUNTERS = ("frame_o", "bad_crc_o", "bad_frame_o", "overrun_o")


def frame_of(words: list[int]) -> bytes:
    return frame(np.array(words, dtype="<u4").tobytes())


def random_messages(random: Random, num_words: int) -> list[int]:
    """Whole messages of so many words in all."""
    words: list[int] = []
    while num_words:
        payload = random.randrange(min(num_words, 8))
        words += [random.getrandbits(16) << 16 | payload << 8 | random.getrandbits(8)]
        words += [random.choice([0, random.getrandbits(32)]) for _ in range(payload)]
        num_words -= 1 + payload
    return words


class Bench:
    """Feeds bytes, takes words, counts what the module reports."""

    def __init__(self, dut: Any, ready_prob: float) -> None:
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.ready_prob = ready_prob
        self.words: list[int] = []
        self.counts = dict.fromkeys(COUNTERS, 0)

    async def start(self) -> None:
        dut = self.dut
        dut.rst_ni.value = dut.valid_i.value = dut.byte_i.value = dut.word_ready_i.value = 0
        Clock(dut.clk_i, 10, unit="ns").start()
        await ClockCycles(dut.clk_i, 3)
        dut.rst_ni.value = 1
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        dut = self.dut
        while True:
            ready = self.random.random() < self.ready_prob
            dut.word_ready_i.value = ready
            await RisingEdge(dut.clk_i)
            if ready and dut.word_valid_o.value == 1:
                self.words.append(int(dut.word_o.value))
            for name in COUNTERS:
                self.counts[name] += getattr(dut, name).value == 1

    async def feed(self, data: bytes, gap_prob: float = 0.2) -> None:
        dut = self.dut
        for byte in data:
            while self.random.random() < gap_prob:
                dut.valid_i.value = 0
                await RisingEdge(dut.clk_i)
            dut.valid_i.value, dut.byte_i.value = 1, byte
            await RisingEdge(dut.clk_i)
        dut.valid_i.value = 0

    def check(self, words: list[int], **counts: int) -> None:
        assert self.words == words
        assert self.counts == {**dict.fromkeys(COUNTERS, 0), **counts}


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(ready_prob=[0.6, 1.0])
async def passes_good_frames_and_counts_every_other(dut: Any, ready_prob: float) -> None:
    bench = Bench(dut, ready_prob)
    await bench.start()
    random, expected = bench.random, []
    counts = dict.fromkeys(COUNTERS, 0)
    for _ in range(NUM_FRAMES):
        words = random_messages(random, random.choice([1, 2, FRAME_WORDS, random.randrange(1, FRAME_WORDS + 1)]))
        data = bytearray(frame_of(words))
        match random.randrange(8):
            case 0:  # a bit is flipped; never so that the byte becomes a delimiter
                place = random.randrange(len(data) - 1)
                flipped = data[place] ^ 1 << random.randrange(8)
                data[place] = flipped or 0xFF
                counts["bad_crc_o"] += 1
            case 1:  # bytes are lost
                start = random.randrange(len(data) - 1)
                del data[start : start + random.randrange(1, 4)]
                data = data.rstrip(b"\0") + b"\0"
                counts["bad_crc_o"] += len(data) > 1
            case 2:
                data = bytearray(frame_of(random_messages(random, FRAME_WORDS + random.randrange(1, 5))))
                counts["bad_frame_o"] += 1
            case 3:  # the last message is not whole
                data = bytearray(frame_of([*random_messages(random, random.randrange(FRAME_WORDS - 1)), 5 << 8, 1]))
                counts["bad_frame_o"] += 1
            case 4:  # nothing at all within a good CRC
                data = bytearray(frame_of([]))
                counts["bad_frame_o"] += 1
            case _:
                expected += words
                counts["frame_o"] += 1
        await bench.feed(bytes(data))
    await ClockCycles(dut.clk_i, 20 * FRAME_WORDS)
    bench.check(expected, **counts)
    assert min(counts["frame_o"], counts["bad_crc_o"], counts["bad_frame_o"]) > 0


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def a_frame_without_room_is_dropped_whole(dut: Any) -> None:
    bench = Bench(dut, ready_prob=0.0)
    await bench.start()
    frames = [random_messages(bench.random, FRAME_WORDS) for _ in range(3)]
    for words in frames:
        await bench.feed(frame_of(words))
    await ClockCycles(dut.clk_i, 5)
    bench.check([], frame_o=2, overrun_o=1)
    bench.ready_prob = 1.0
    await ClockCycles(dut.clk_i, 3 * FRAME_WORDS)
    await bench.feed(frame_of([0xAB]))
    await ClockCycles(dut.clk_i, 10)
    bench.check([*frames[0], *frames[1], 0xAB], frame_o=3, overrun_o=1)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def a_reset_in_mid_frame_forgets_it(dut: Any) -> None:
    bench = Bench(dut, ready_prob=1.0)
    await bench.start()
    await bench.feed(frame_of([1, 2, 3])[:9])
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, 2)
    dut.rst_ni.value = 1
    await bench.feed(frame_of([4]))
    await ClockCycles(dut.clk_i, 10)
    bench.check([4], frame_o=1)
