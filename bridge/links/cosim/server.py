"""Runs inside the simulator: takes frames from the host and clocks the decoder, in lock step.

While the host thinks, simulated time stands still: results do not depend on when or how often the host asks.
"""

import ctypes
import itertools
import os
import socket
from collections.abc import Coroutine
from fractions import Fraction
from typing import Any, TypeVar

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, SimTimeoutError, Timer, with_timeout
from cocotb.utils import get_sim_time

from bridge.links.cosim import wire
from bridge.links.cosim.wire import Ended, Operation, Result
from qds1 import Kind, split_header

SOCKET_VARIABLE = "QTWIN_LINK_SOCKET"
SECOND_CLOCK_VARIABLE = "QTWIN_LINK_SECOND_CLOCK"
CLOCK_PERIOD_NS = 10
RESET_CYCLES = 8
REGISTER_LIMIT_NS = 100_000
T = TypeVar("T")


@cocotb.test()
async def serve_decoder(dut: Any) -> None:
    """Serve one host until it finishes or its end of the socket closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[SOCKET_VARIABLE])
        second = os.environ.get(SECOND_CLOCK_VARIABLE)
        if second:
            cocotb.start_soon(two_clocks(dut, second))
        else:
            Clock(dut.clk_i, CLOCK_PERIOD_NS, unit="ns").start()
        decoder = SimulatedDecoder(dut)
        await decoder.reset()
        ctypes.CDLL(None).fflush(None)  # what the simulator has said so far, such as of a file that is missing
        wire.send(connection, Result.DONE)
        while True:
            try:
                frame = wire.receive(connection)
            except EOFError:
                return
            if frame.code == Operation.FINISH:
                return
            try:
                await _serve(decoder, connection, frame)
            except ValueError:  # cocotb makes no number of an X
                unknown = decoder.unknown_ports()
                if not unknown:
                    raise
                cycle = round(get_sim_time("ns") / CLOCK_PERIOD_NS)
                wire.send(connection, Result.UNKNOWN, unknown, cycle)


async def two_clocks(dut: Any, second: str) -> None:
    """Drive clk_i and a second clock, "port=ratio", in the steps of bridge/links/verilated/harness.cpp."""
    name, _, text = second.partition("=")
    ratio, port = Fraction(text), getattr(dut, name)
    step = Timer(CLOCK_PERIOD_NS, "ns")
    num_steps = 2 * ratio.numerator * ratio.denominator
    for index in itertools.cycle(range(num_steps)):
        # both are written in one step of time, so that edges that coincide happen at once
        if index % ratio.numerator == 0:
            dut.clk_i.value = index // ratio.numerator % 2 == 0
        if index % ratio.denominator == 0:
            port.value = index // ratio.denominator % 2 == 0
        await step


async def _serve(decoder: "SimulatedDecoder", connection: socket.socket, frame: wire.Frame) -> None:
    if frame.code == Operation.EXCHANGE:
        answers, taken, words = await decoder.exchange(frame.words.tolist(), frame.first, frame.second)
        if answers < frame.first or taken < frame.words.size:
            wire.send(connection, Result.SILENT, answers, taken)
        else:
            wire.send(connection, Result.DONE, words=words)
    elif frame.code == Operation.TRANSFER:
        taken, flags, words = await decoder.transfer(frame.words.tolist(), frame.first, frame.second, frame.third)
        wire.send(connection, Result.DONE, taken, flags, words=words)
    elif frame.code == Operation.RESET:
        await decoder.reset()
        wire.send(connection, Result.DONE)
    else:
        await _serve_register(decoder, connection, frame)


async def _serve_register(decoder: "SimulatedDecoder", connection: socket.socket, frame: wire.Frame) -> None:
    try:
        if frame.code == Operation.READ:
            wire.send(connection, Result.DONE, await decoder.read_register(frame.first))
        else:
            await decoder.write_register(frame.first, frame.second)
            wire.send(connection, Result.DONE)
    except AccessRefusedError as error:
        wire.send(connection, Result.REFUSED, error.response)
    except SimTimeoutError:
        wire.send(connection, Result.REFUSED, wire.NO_RESPONSE)


class SimulatedDecoder:
    """The decoder's ports, driven cycle by cycle with one wake-up of Python per cycle."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self._rising = RisingEdge(dut.clk_i)
        self._registers = AxiLiteMaster(dut)

    async def reset(self) -> None:
        """Power-on state."""
        dut = self._dut
        dut.s_axis_tvalid.value = 0
        dut.s_axis_tdata.value = 0
        dut.s_axis_tlast.value = 0
        dut.m_axis_tready.value = 0
        self._registers.rest()
        dut.rst_ni.value = 0
        await ClockCycles(dut.clk_i, RESET_CYCLES)
        dut.rst_ni.value = 1
        await FallingEdge(dut.clk_i)
        await self._rising

    def unknown_ports(self) -> int:
        """Which of `wire.PORTS` are neither 0 nor 1, as bits; data counts where it is said to be valid."""
        unknown = 0
        for index, name in enumerate(wire.PORTS):
            if not getattr(self._dut, name).value.is_resolvable:
                unknown |= 1 << index
        return unknown

    async def exchange(self, words: list[int], num_answers: int, idle_limit: int) -> tuple[int, int, list[int]]:
        """Send words and collect answers; returns (answers, words taken, words received)."""
        dut = self._dut
        valid, data, last, ready = dut.s_axis_tvalid, dut.s_axis_tdata, dut.s_axis_tlast, dut.s_axis_tready
        out_valid, out_data = dut.m_axis_tvalid, dut.m_axis_tdata
        received: list[int] = []
        sent = answers = idle = remaining = 0
        counted = False
        num_words = len(words)
        dut.m_axis_tready.value = 1
        valid.value = int(num_words > 0)
        if words:
            data.value = words[0]
            last.value = int(num_words == 1)
        while sent < num_words or answers < num_answers:
            await self._rising  # the values read now are those just before the edge
            idle += 1
            if sent < num_words and ready.value:
                sent += 1
                idle = 0
                if sent < num_words:
                    data.value = words[sent]
                    last.value = int(sent + 1 == num_words)
                else:
                    valid.value = 0
            if out_valid.value:
                word = int(out_data.value)
                received.append(word)
                idle = 0
                if remaining == 0:
                    kind, remaining, _ = split_header(word)
                    counted = kind != Kind.FRAME
                else:
                    remaining -= 1
                answers += remaining == 0 and counted
            if idle > idle_limit:
                break
        valid.value = 0
        dut.m_axis_tready.value = 0
        return answers, sent, received

    async def transfer(
        self, words: list[int], capacity: int, idle_limit: int, max_cycles: int
    ) -> tuple[int, Ended, list[int]]:
        """Drive both streams as a DMA does; returns (words taken, how it ended, words received)."""
        dut = self._dut
        valid, data, last, ready = dut.s_axis_tvalid, dut.s_axis_tdata, dut.s_axis_tlast, dut.s_axis_tready
        received: list[int] = []
        sent = idle = 0
        num_words = len(words)
        ended = False
        receiving = capacity > 0
        dut.m_axis_tready.value = int(receiving)
        valid.value = int(num_words > 0)
        if words:
            data.value = words[0]
            last.value = int(num_words == 1)
        for _ in range(max_cycles):
            if (sent == num_words and not receiving) or idle >= idle_limit:
                break
            await self._rising  # the values read now are those just before the edge
            idle += 1
            if sent < num_words and ready.value:
                sent += 1
                idle = 0
                if sent < num_words:
                    data.value = words[sent]
                    last.value = int(sent + 1 == num_words)
                else:
                    valid.value = 0
            if receiving and dut.m_axis_tvalid.value:
                received.append(int(dut.m_axis_tdata.value))
                idle = 0
                ended = bool(dut.m_axis_tlast.value)
                receiving = not ended and len(received) < capacity
                dut.m_axis_tready.value = int(receiving)
        valid.value = 0
        dut.m_axis_tready.value = 0
        return sent, (Ended.PACKET if ended else Ended(0)) | (Ended.IDLE if idle >= idle_limit else Ended(0)), received

    async def read_register(self, address: int) -> int:
        """AXI4-Lite read; raises AccessRefusedError, or SimTimeoutError where nothing answers."""
        return await self._limited(self._registers.read(address))

    async def write_register(self, address: int, value: int) -> None:
        """AXI4-Lite write; raises as `read_register`."""
        await self._limited(self._registers.write(address, value))

    async def _limited(self, access: Coroutine[Any, Any, T]) -> T:
        try:
            return await with_timeout(access, REGISTER_LIMIT_NS, "ns")
        except SimTimeoutError:
            self._registers.rest()
            raise


class AccessRefusedError(Exception):
    """The decoder answered a register access with an error.

    Attributes:
        response: AXI's code, 2 for SLVERR and 3 for DECERR (IHI 0022, table A3-4).
    """

    def __init__(self, response: int) -> None:
        super().__init__(f"AXI response {response}")
        self.response = response


class AxiLiteMaster:
    """One AXI4-Lite access at a time, on the `s_axil` ports of a decoder.

    The caller puts a limit on the time of an access; `rest` ends one that nothing answers.
    """

    def __init__(self, dut: Any) -> None:
        self._rising = RisingEdge(dut.clk_i)
        self._signals = {
            name: getattr(dut, f"s_axil_{name}")
            for channel in ("aw", "w", "b", "ar", "r")
            for name in (f"{channel}valid", f"{channel}ready")
        }
        for name in ("awaddr", "wdata", "wstrb", "bresp", "araddr", "rdata", "rresp"):
            self._signals[name] = getattr(dut, f"s_axil_{name}")

    def rest(self) -> None:
        """Ask for nothing."""
        for name in ("awvalid", "wvalid", "bready", "arvalid", "rready"):
            self._signals[name].value = 0

    async def write(self, address: int, value: int) -> None:
        """Write a whole word; raises AccessRefusedError."""
        signals = self._signals
        signals["awaddr"].value, signals["wdata"].value, signals["wstrb"].value = address, value, 0b1111
        await self._handshake("aw", "w")
        await self._accept("b")

    async def read(self, address: int) -> int:
        """The word at an address; raises AccessRefusedError."""
        self._signals["araddr"].value = address
        await self._handshake("ar")
        return await self._accept("r", "rdata")

    async def _handshake(self, *channels: str) -> None:
        waiting = set(channels)  # a slave may take address and data in either order, or together
        for channel in waiting:
            self._signals[f"{channel}valid"].value = 1
        while waiting:
            await self._rising  # the values read now are those just before the edge
            for channel in [channel for channel in waiting if self._signals[f"{channel}ready"].value]:
                self._signals[f"{channel}valid"].value = 0
                waiting.remove(channel)

    async def _accept(self, channel: str, data: str | None = None) -> int:
        self._signals[f"{channel}ready"].value = 1
        await self._rising
        while not self._signals[f"{channel}valid"].value:
            await self._rising
        self._signals[f"{channel}ready"].value = 0
        if response := int(self._signals[f"{channel}resp"].value):
            raise AccessRefusedError(response)
        return int(self._signals[data].value) if data else 0
