"""A Verilated `decoder_top_uart` with a serial line, as RTL or as a board's gates; time passes while bytes move."""

import ctypes
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.errors import LinkOpenError
from bridge.links.verilated.library import build_library
from hdl.boards.bitstream import Bitstream, check_behind_uart
from hdl.boards.gates import TOP as GATES_TOP
from hdl.boards.gates import gate_sources
from hdl.compile.decoder import UART_TOP, uart_rtl
from hdl.compile.manifest import DecoderFolder
from hdl.design import Design, Source, verilog_design
from hdl.errors import HdlError

HARNESS = Path(__file__).with_name("uart_line.cpp")
DEFAULT_CLOCKS_PER_BIT = 16
LEAST_CLOCKS_PER_BIT = 4


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a stretch of simulated time. quiet: nothing has been on the line for a while."""

    received: bytes
    quiet: bool


class SimulatedLine:
    """The line to one simulated board, powered on when this is made.

    Attributes:
        clocks_per_bit: clock cycles of a bit.
    """

    def __init__(self, design: Design, clocks_per_bit: int, optimisation: str = "-O3") -> None:
        """Build (first time) and power on; see `rtl_line` and `gates_line`.

        Raises:
            LinkOpenError: the design does not compile; with the remedy.
        """
        self.clocks_per_bit = clocks_per_bit
        try:
            library = build_library(design, HARNESS, optimisation=optimisation)
        except HdlError as error:
            raise LinkOpenError(str(error)) from error
        self._library = _load(library)
        self._handle: int | None = self._library.qtwin_board_open(clocks_per_bit)

    def run(self, sent: bytes, more_cycles: int, idle_cycles: int) -> Run:
        """Send bytes without a gap, then let time pass.

        Args:
            sent: bytes to the board.
            more_cycles: at most so many clock cycles after the last one.
            idle_cycles: cycles without anything on the line after which it is quiet and time stands still.
        """
        quiet = ctypes.c_int()
        count = self._library.qtwin_board_run(
            self._handle, sent, len(sent), more_cycles, idle_cycles, ctypes.byref(quiet)
        )
        received = ctypes.create_string_buffer(count)
        self._library.qtwin_board_take(self._handle, received)
        return Run(received.raw, bool(quiet.value))

    def reset(self) -> None:
        """Hardware reset of the whole board, the UART included."""
        self._library.qtwin_board_reset(self._handle)

    @property
    def cycles(self) -> int:
        """Clock cycles since power-on."""
        return int(self._library.qtwin_board_cycles(self._handle))

    def close(self) -> None:
        """Power off; safe to call twice."""
        if self._handle is not None:
            self._library.qtwin_board_close(self._handle)
            self._handle = None


def rtl_line(decoder: DecoderFolder, clocks_per_bit: int = DEFAULT_CLOCKS_PER_BIT) -> SimulatedLine:
    """A decoder's RTL behind a UART.

    Args:
        decoder: manifest and RTL; its top is `decoder_top`.
        clocks_per_bit: clock cycles of a bit; the fewer, the faster the simulation.

    Raises:
        LinkOpenError: the decoder does not go behind a UART, or does not compile; with the remedy.
    """
    manifest = decoder.manifest
    try:
        check_behind_uart(decoder)
    except HdlError as error:
        raise LinkOpenError(f"{error}, or use --link verilated") from error
    if clocks_per_bit < LEAST_CLOCKS_PER_BIT:
        raise LinkOpenError(f"a bit lasts at least {LEAST_CLOCKS_PER_BIT} clock cycles, not {clocks_per_bit}")
    design = replace(
        decoder.design,
        name=f"{manifest.name} behind a UART",
        top=UART_TOP,
        sources=(*decoder.design.sources, *(Source(path, "verilog") for path in uart_rtl())),
        parameters={"ClocksPerBit": clocks_per_bit},
    )
    return SimulatedLine(design, clocks_per_bit)


def gates_line(bitstream: Bitstream) -> SimulatedLine:
    """A board's netlist as its bitstream was made from it, at the board's own clock cycles a bit.

    A board without a reset button can only be powered on again.

    Raises:
        LinkOpenError: Yosys or Verilator does not take the netlist.
    """
    try:
        sources = gate_sources(bitstream)
    except HdlError as error:
        raise LinkOpenError(str(error)) from error
    design = verilog_design(f"the netlist of {bitstream.name}", GATES_TOP, sources)
    return SimulatedLine(design, bitstream.clock.clocks_per_bit, optimisation="-O1")


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    handle, size, count = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
    signatures: dict[str, tuple[object, list[object]]] = {
        "qtwin_board_open": (handle, [count]),
        "qtwin_board_close": (None, [handle]),
        "qtwin_board_reset": (None, [handle]),
        "qtwin_board_cycles": (count, [handle]),
        "qtwin_board_run": (size, [handle, ctypes.c_char_p, size, count, count, ctypes.POINTER(ctypes.c_int)]),
        "qtwin_board_take": (None, [handle, ctypes.c_char_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
