"""Simulator side: link registers answered here, all else handed on; answers never split a message of the decoder."""

from random import Random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from cocotb_tests.simulation import is_long
from hdl.registers.map import Address, LinkAddress
from qds1 import FaultCode, Kind, header, parse

NUM_MESSAGES = 500 if is_long() else 100
FRAME_WORDS = 64
EVENTS = {
    LinkAddress.LINK_FRAMES: "frame_i",
    LinkAddress.LINK_BAD_CRC: "bad_crc_i",
    LinkAddress.LINK_BAD_FRAMES: "bad_frame_i",
    LinkAddress.LINK_OVERRUNS: "overrun_i",
    LinkAddress.LINK_FRAMING_ERRORS: "framing_error_i",
}
COUNTERS = tuple(EVENTS)


class Bench:
    """Both streams with random stalls on all four sides."""

    def __init__(self, dut: Any, prob: float) -> None:
        self.dut = dut
        self.prob = prob
        self.random = Random(cocotb.RANDOM_SEED)
        self.to_decoder: list[int] = []
        self.to_host: list[int] = []
        self.input: list[int] = []
        self.responses: list[int] = []
        self.reset_cycles = 0

    async def start(self) -> None:
        dut = self.dut
        names = ("in_word_i", "in_valid_i", "decoder_ready_i", "response_word_i", "response_valid_i", "out_ready_i")
        for name in ("rst_ni", *names, *EVENTS.values()):
            getattr(dut, name).value = 0
        Clock(dut.clk_i, 10, unit="ns").start()
        await ClockCycles(dut.clk_i, 3)
        dut.rst_ni.value = 1
        await RisingEdge(dut.clk_i)
        cocotb.start_soon(self._clock())

    async def _clock(self) -> None:
        dut, chance = self.dut, lambda: self.random.random() < self.prob
        offered = responding = False
        held: int | None = None  # a word that was offered and not taken: it must stay
        while True:
            offered = bool(self.input) and (offered or chance())
            responding = bool(self.responses) and (responding or chance())
            dut.in_valid_i.value, dut.in_word_i.value = offered, self.input[0] if offered else 0xDEAD
            dut.response_valid_i.value = responding
            dut.response_word_i.value = self.responses[0] if responding else 0xBEEF
            decoder_ready, out_ready = chance(), chance()
            dut.decoder_ready_i.value, dut.out_ready_i.value = decoder_ready, out_ready
            await RisingEdge(dut.clk_i)
            if offered and dut.in_ready_o.value == 1:
                self.input.pop(0)
                offered = False
            if responding and dut.response_ready_o.value == 1:
                self.responses.pop(0)
                responding = False
            if decoder_ready and dut.decoder_valid_o.value == 1:
                self.to_decoder.append(int(dut.decoder_word_o.value))
            word = int(dut.out_word_o.value) if dut.out_valid_o.value == 1 else None
            assert held is None or word == held
            held = None if out_ready else word
            if out_ready and word is not None:
                self.to_host.append(word)
            self.reset_cycles += dut.decoder_rst_no.value == 0

    async def drained(self, cycles: int = 60) -> None:
        while self.input or self.responses:
            await RisingEdge(self.dut.clk_i)
        await ClockCycles(self.dut.clk_i, cycles)

    async def pulse(self, name: str, times: int) -> None:
        for _ in range(times):
            getattr(self.dut, name).value = 1
            await RisingEdge(self.dut.clk_i)
            getattr(self.dut, name).value = 0
            await RisingEdge(self.dut.clk_i)

    async def read(self, address: int) -> int:
        before = len(self.to_host)
        self.input += [header(Kind.READ, 1, 7), address]
        await self.drained()
        (answer,) = parse(self.to_host[before:])
        assert (answer.kind, answer.tag, answer.payload[0]) == (Kind.DATA, 7, address)
        return answer.payload[1]


def read_of(address: int, tag: int) -> list[int]:
    return [header(Kind.READ, 1, tag), address]


def write_of(address: int, value: int, tag: int) -> list[int]:
    return [header(Kind.WRITE, 2, tag), address, value]


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(prob=[0.4, 1.0])
async def streams_pass_and_link_registers_answer_between_messages(dut: Any, prob: float) -> None:
    bench = Bench(dut, prob)
    await bench.start()
    random, handed_on, answers, session = bench.random, [], [], 0
    decoder_answers = []
    for tag in range(NUM_MESSAGES):
        match random.randrange(6):
            case 0:
                address = random.choice(
                    [LinkAddress.LINK_SESSION, LinkAddress.LINK_FRAME_WORDS, LinkAddress.LINK_CONTROL]
                )
                values = {LinkAddress.LINK_SESSION: session, LinkAddress.LINK_FRAME_WORDS: FRAME_WORDS}
                bench.input += read_of(address, tag)
                answers.append((Kind.DATA, tag, (address, values.get(address, 0))))
            case 1:
                session = random.getrandbits(32)
                bench.input += write_of(LinkAddress.LINK_SESSION, session, tag)
            case 2:
                address = random.choice([LinkAddress.LINK_FRAMES, LinkAddress.LINK_FRAME_WORDS])
                bench.input += write_of(address, random.getrandbits(32), tag)
                answers.append((Kind.FAULT, tag, (FaultCode.ADDRESS, address)))
            case _:  # not ours: register accesses of the decoder (near ours, too), shots, unknown kinds
                near = [LinkAddress.LINK_SESSION - 4, LinkAddress.LINK_FRAMING_ERRORS + 4, LinkAddress.LINK_SESSION + 2]
                payload = [random.getrandbits(32) for _ in range(random.choice([0, 1, 3, 9]))]
                message = random.choice(
                    [
                        read_of(random.choice([Address.SCRATCH, *near]), tag),
                        write_of(random.choice([Address.SCRATCH, *near]), random.getrandbits(32), tag),
                        [header(Kind.SYNDROME, len(payload), tag), *payload],
                        [tag << 16 | len(payload) << 8 | 0x55, *payload],
                        [header(Kind.READ, 2, tag), LinkAddress.LINK_SESSION, 5],  # of a wrong length
                    ]
                )
                bench.input += message
                handed_on += message
        flips = [random.getrandbits(32) for _ in range(random.choice([0, 1, 3, 5]))]
        decoder_answers.append((Kind.CORRECTION, tag, tuple(flips)))
        bench.responses += [header(Kind.CORRECTION, len(flips), tag), *flips]
    await bench.drained()
    assert bench.to_decoder == handed_on
    found = [(message.kind, message.tag, message.payload) for message in parse(bench.to_host)]
    assert [message for message in found if message[0] == Kind.CORRECTION] == decoder_answers
    assert [message for message in found if message[0] != Kind.CORRECTION] == answers
    assert bench.reset_cycles == 0


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def counts_what_happens_on_the_line(dut: Any) -> None:
    bench = Bench(dut, 1.0)
    await bench.start()
    for times, name in enumerate(EVENTS.values(), start=1):
        await bench.pulse(name, times)
    assert [await bench.read(address) for address in COUNTERS] == [1, 2, 3, 4, 5]
    bench.input += write_of(LinkAddress.LINK_CONTROL, 2, 1)
    await bench.drained()
    assert [await bench.read(address) for address in COUNTERS] == [0] * 5
    assert bench.reset_cycles == 0
    await bench.pulse("bad_crc_i", 1)
    assert await bench.read(LinkAddress.LINK_BAD_CRC) == 1


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def resets_the_decoder_and_only_it(dut: Any) -> None:
    bench = Bench(dut, 1.0)
    await bench.start()
    bench.input += write_of(LinkAddress.LINK_SESSION, 0x1234, 0)
    await bench.pulse("frame_i", 3)
    bench.input += write_of(LinkAddress.LINK_CONTROL, 1, 0)
    await bench.drained()
    assert bench.reset_cycles >= 8
    assert await bench.read(LinkAddress.LINK_SESSION) == 0x1234
    assert await bench.read(LinkAddress.LINK_FRAMES) == 3
    assert bench.to_decoder == []
