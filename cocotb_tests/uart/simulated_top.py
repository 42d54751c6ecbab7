"""Simulator side: the whole decoder on its line, driven by cocotbext-uart, PyPI's cobs and the decoder's model."""

from random import Random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Timer
from cocotbext.uart import UartSink, UartSource

from bridge.links.uart.frames import FrameReader, frame
from cocotb_tests.decoders import repetition_d3
from cocotb_tests.stimulus import random_shots, read_register, write_register
from cocotb_tests.uart.line import PERIOD_PS
from hdl.registers.map import ID_VALUE, LINK_CONTROL_RESET, Address, LinkAddress
from qds1 import Kind, Message, parse

CLOCKS = 8
BYTE_PS = 10 * CLOCKS * PERIOD_PS
BAUD = round(1e12 / (CLOCKS * PERIOD_PS))


class Bench:
    """A host at the other end of the line."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.source = UartSource(dut.uart_rx_i, baud=BAUD, bits=8)
        self.sink = UartSink(dut.uart_tx_o, baud=BAUD, bits=8)
        self.reader = FrameReader()

    async def start(self) -> None:
        self.dut.rst_ni.value = 0
        Clock(self.dut.clk_i, PERIOD_PS, unit="ps").start()
        await ClockCycles(self.dut.clk_i, 4)
        self.dut.rst_ni.value = 1
        await Timer(2 * BYTE_PS, "ps")

    async def send(self, data: bytes) -> None:
        await self.source.write(data)
        await self.source.wait()

    async def answers(self, quiet_bytes: int = 60) -> list[Message]:
        """What comes until the line has been quiet for the time of so many bytes."""
        found: list[Message] = []
        while True:
            await Timer(quiet_bytes * BYTE_PS, "ps")
            data = bytes(self.sink.read_nowait())
            if not data:
                return found
            for words in self.reader.take(data):
                found += parse(words)


def frame_of(words: Any) -> bytes:
    return frame(np.asarray(words, dtype="<u4").tobytes())


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def answers_as_the_model_does(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    decoder = repetition_d3()
    shots = random_shots(decoder, bench.random, 12)
    for shot in shots:
        await bench.send(frame_of(shot))
    found = await bench.answers()
    expected = decoder.model().respond([int(word) for word in shots.ravel()])
    assert [(answer.kind, answer.tag, answer.payload[0]) for answer in found] == [
        (answer.kind, answer.tag, answer.payload[0]) for answer in expected
    ]
    assert {answer.payload[1] for answer in found} == {4}  # cycles: those of the decoder, whatever the line takes
    await bench.send(frame_of(read_register(Address.ID, 5)) + frame_of(read_register(LinkAddress.LINK_FRAMES, 6)))
    found = await bench.answers()
    assert found == [
        Message(Kind.DATA, 5, (Address.ID, ID_VALUE)),
        Message(Kind.DATA, 6, (LinkAddress.LINK_FRAMES, 14)),
    ]


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def decodes_nothing_of_a_damaged_frame_and_counts_it(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    shots = random_shots(repetition_d3(), bench.random, 3)
    good = [frame_of(shot) for shot in shots]
    damaged = bytearray(good[1])
    damaged[5] = damaged[5] ^ 0x10 or 1
    await bench.send(good[0] + bytes(damaged) + good[2])
    assert [answer.tag for answer in await bench.answers()] == [0, 2]
    counters = (LinkAddress.LINK_FRAMES, LinkAddress.LINK_BAD_CRC, LinkAddress.LINK_OVERRUNS)
    await bench.send(b"".join(frame_of(read_register(address, 9)) for address in (Address.COUNT_SHOTS, *counters)))
    assert [answer.payload[1] for answer in await bench.answers()] == [2, 4, 1, 0]


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def a_reset_by_the_line_forgets_the_shot_and_keeps_the_session(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    (shot,) = random_shots(repetition_d3(), bench.random, 1)
    await bench.send(frame_of(write_register(LinkAddress.LINK_SESSION, 77)) + frame_of(shot[:4]))
    await bench.send(frame_of(write_register(LinkAddress.LINK_CONTROL, LINK_CONTROL_RESET.set(0, 1))) + frame_of(shot))
    assert [answer.kind for answer in await bench.answers()] == [Kind.CORRECTION]
    wanted = (LinkAddress.LINK_SESSION, Address.COUNT_ABANDONED, Address.COUNT_SHOTS)
    await bench.send(b"".join(frame_of(read_register(address)) for address in wanted))
    assert [answer.payload[1] for answer in await bench.answers()] == [77, 0, 1]
